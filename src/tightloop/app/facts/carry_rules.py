"""The rules of a carry allocator over a run: what each met, when it acted, what kept it from acting."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.app.facts.conditions import Facts
from tightloop.app.text.numbers import known
from tightloop.core.domain.carry import GO, Instruction, RebalanceReason, Rollback, Task
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.core.replay.observe_carry import Seen
from tightloop.model.carry.strategy import Bands
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.observe.carry import CarryWatched

Flags = npt.NDArray[np.bool_]

UNDONE = {
    Rollback.NOT_ENOUGH: "a balance would have gone below zero: there was not enough to give, its gas or its fee",
    Rollback.HEALTH_FACTOR: "the health factor afterwards would have been too low",
    Rollback.LTV: "the loan to value afterwards would have been above what the pool lends",
    Rollback.LIQUIDITY: "the pool has not so much free liquidity",
    Rollback.FLASH_OPEN: "what was borrowed for the moment would not have been paid back",
    Rollback.PRICE_UNKNOWN: "a price that it needs is not known at that time",
    Rollback.MARGIN: "the margin would not have been enough",
    Rollback.FORCED: "a test asked for it",
}  # fmt: skip
"""Why a bundle was undone, in words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the allocator. ``is_low``: it acts below its limit, else above it, of the size without sign."""

    name: str
    band: RebalanceReason
    seen: Seen
    key: str | None
    limit: Callable[[Bands], float | None]
    is_low: bool = False


NOTHING = {
    RebalanceReason.SIGNAL: "the leg was on that side already, or its position had been liquidated",
    RebalanceReason.EQUITY: "no spot leg is sized by weight: there was nothing to size again",
    RebalanceReason.MARGIN: "there was neither cash to bring nor a leg to make smaller",
    RebalanceReason.WITHDRAWAL: "what is there was paid, and nothing more could be taken out then",
    RebalanceReason.HEALTH_FACTOR: "nothing could be sold to repay with: no market said its price, or a task was at it",
}  # fmt: skip
"""What keeps a rule from acting when no other rule and no task does."""
RULES = (
    Rule("health factor", RebalanceReason.HEALTH_FACTOR, Seen.HF, "bands.hf_floor", lambda b: b.hf_floor, is_low=True),
    Rule(
        "margin ratio",
        RebalanceReason.MARGIN,
        Seen.MARGIN,
        "bands.margin.resize",
        lambda b: b.margin_resize,
        is_low=True,
    ),
    Rule("withdrawal due", RebalanceReason.WITHDRAWAL, Seen.PAYABLE, None, lambda _: 0.0),
    Rule("entry", RebalanceReason.ENTRY, Seen.HAS_ENTERED, None, lambda _: 0.0),
    Rule("rewards to sell", RebalanceReason.DUST, Seen.DUST, None, lambda _: None),
    Rule("delta", RebalanceReason.DELTA, Seen.DELTA, "bands.delta", lambda b: b.delta),
    Rule("loan to value", RebalanceReason.LTV, Seen.LTV, "bands.ltv", lambda b: b.ltv),
    Rule("signal", RebalanceReason.SIGNAL, Seen.SIGNALS, None, lambda _: 0.0),
    Rule("deposit", RebalanceReason.DEPOSIT, Seen.DEPOSITED, None, lambda _: 0.0),
    Rule("equity", RebalanceReason.EQUITY, Seen.EQUITY, "bands.equity", lambda b: b.equity),
)
"""In the order in which they are asked; the first that has something to do acts, and ends the decision."""


@dataclass(slots=True)
class Bundle:
    """A bundle of instructions: all took place or none did. ``begins``: it is the first of a decision."""

    number: int
    ts_ns: int
    band: str
    begins: bool
    value: float
    ops: Counter[str] = field(default_factory=Counter)
    legs: set[int] = field(default_factory=set)
    outcome: str = "open"
    reason: str | None = None
    why: str | None = None

    @property
    def text(self) -> str:
        """Its number as orders have it before the point."""
        return f"{self.number >> 16}-{self.number & 0xFFFF}"


def bundles_of(watched: CarryWatched) -> list[Bundle]:
    """Every bundle of a run, in order, with the rule that asked for it."""
    record = watched.record
    commanded, ended, warned = (record.rows(kind) for kind in (RowKind.INSTRUCT, RowKind.BUNDLE, RowKind.WARNING))
    left = {
        int(seq): (RebalanceReason(int(band)), float(value))
        for seq, code, band, value in zip(
            *(warned[name].tolist() for name in ("seq", "code", "order_id", "value")), strict=True
        )
        if code == WarningCode.BAND_LEFT
    }
    outcome = dict(zip(ended["order_id"].tolist(), ended["reason"].tolist(), strict=True))
    grouped: dict[int, list[int]] = {}
    for k, number in enumerate(commanded["order_id"].tolist()):
        grouped.setdefault(number, []).append(k)
    tasks = dict(zip(record.ts_ns.tolist(), watched.column(Seen.TASK).tolist(), strict=False))
    signals = {at for at, leg in enumerate(watched.plan.strategy.legs) if leg.signal is not None}
    found: list[Bundle] = []
    open_band, open_ns = RebalanceReason.ENTRY, -1
    for number, rows in grouped.items():
        first = rows[0]
        ts_ns, seq = int(commanded["ts_ns"][first]), int(commanded["seq"][first])
        own = Bundle(number, ts_ns, "", seq in left, left[seq][1] if seq in left else float("nan"))
        for k in rows:
            if commanded["code"][k] != GO:
                own.ops[Instruction(int(commanded["code"][k])).name.lower()] += 1
                if commanded["side"][k] >= 0:
                    own.legs.add(int(commanded["side"][k]))
        goes_on = ts_ns == open_ns or tasks.get(ts_ns, 0.0) != Task.NONE
        band = left[seq][0] if seq in left else _band_of(own, signals, open_band if goes_on else None)
        own.begins = own.begins or band is not open_band or not goes_on
        open_band, open_ns = band, ts_ns
        own.band = band.name.lower()
        _end(own, outcome.get(number))
        found.append(own)
    return found


def _band_of(own: Bundle, signals: set[int], going_on: RebalanceReason | None) -> RebalanceReason:
    """The rule of a bundle that no band was noted for: by what it does, or by what is under way."""
    ops = set(own.ops) - {"gas"}
    if ops == {"pay_out"}:
        return RebalanceReason.WITHDRAWAL
    if ops == {"sell_dust"}:
        return RebalanceReason.DUST
    if ops == {"perp_trade"} and own.legs and own.legs <= signals:
        return RebalanceReason.SIGNAL
    return RebalanceReason.MARGIN if going_on is None else going_on


def _end(own: Bundle, reason: int | None) -> None:
    if reason is None:
        return
    own.outcome = "done" if reason == Rollback.NONE else "undone"
    if reason != Rollback.NONE:
        known_reason = Rollback(reason)
        own.reason = known_reason.name.lower()
        own.why = UNDONE.get(known_reason, f"rolled back: {own.reason}")


Denial = tuple[int, str, str, float]
"""When a rule was denied to add, the rule, the reason, how much."""


def _denied(watched: CarryWatched) -> list[Denial]:
    """What was said of rules that would have added; each reason is said once until something may be added again."""
    warned = watched.record.rows(RowKind.WARNING)
    return [
        (
            int(warned["ts_ns"][k]),
            RebalanceReason(int(warned["order_id"][k])).name.lower(),
            Reason(int(warned["reason"][k])).name.lower() if "reason" in warned else "denied",
            float(warned["value"][k]),
        )
        for k, code in enumerate(warned["code"].tolist())
        if WarningCode(code).name == "BUNDLE_DENIED"
    ]


def denials_of(watched: CarryWatched) -> list[Facts]:
    """Rules that would have added and might not: by rule and reason, as they were said."""
    rows: dict[tuple[str, str], Facts] = {}
    for ts_ns, band, reason, value in _denied(watched):
        own = rows.setdefault((band, reason), {"rule": band, "reason": reason, "count": 0, "first_ts": ts_ns})
        own["count"] += 1
        own["last_ts"], own["value"] = ts_ns, known(value)
    return list(rows.values())


# What the rules met ---------------------------------------------------------------------------------------------------


def _beyond(rule: Rule, watched: CarryWatched) -> Flags:
    """At which instants a rule had something to do, by what was measured."""
    own = watched.column(rule.seen)
    if rule.band is RebalanceReason.ENTRY:
        return np.asarray((own == 0.0) & (watched.column(Seen.UNITS) > 0.0))
    if rule.band is RebalanceReason.DUST:
        return np.asarray(own > watched.column(Seen.DUST_FLOOR))
    limit = rule.limit(watched.plan.strategy.bands)
    if limit is None or (rule.band is RebalanceReason.LTV and not limit > 0.0):
        return np.zeros(len(own), bool)
    return np.asarray(own < limit if rule.is_low else np.abs(own) > limit)


def _is_on(rule: Rule, watched: CarryWatched) -> bool:
    if rule.band is RebalanceReason.DUST:
        return bool(np.isfinite(watched.column(Seen.DUST_FLOOR)).any()) and bool(
            np.isfinite(watched.column(Seen.DUST)).any()
        )
    if rule.band is RebalanceReason.SIGNAL:
        return any(leg.signal is not None for leg in watched.plan.strategy.legs)
    return rule.limit(watched.plan.strategy.bands) is not None


def rules_of(watched: CarryWatched, bundles: Sequence[Bundle]) -> list[Facts]:
    """Each rule in the order of asking: its limit, what it met nearest to it, when it acted, what kept it back."""
    acted: dict[str, set[int]] = {}
    undone: dict[str, set[int]] = {}
    for own in bundles:
        acted.setdefault(own.band, set()).add(own.ts_ns)
        if own.outcome == "undone":
            undone.setdefault(own.band, set()).add(own.ts_ns)
    return [_rule(rule, watched, acted, undone.get(rule.band.name.lower(), set())) for rule in RULES]


def _rule(rule: Rule, watched: CarryWatched, acted: dict[str, set[int]], undone: set[int]) -> Facts:
    name = rule.band.name.lower()
    times = watched.record.ts_ns
    seen = watched.column(rule.seen)
    beyond = _beyond(rule, watched)
    own = acted.get(name, set())
    found: Facts = {
        "rule": name, "what": rule.name, "key": rule.key, "is_on": _is_on(rule, watched),
        "limit": rule.limit(watched.plan.strategy.bands) if rule.key else None,
        "measured": int(np.isfinite(seen).sum()), "beyond": int(beyond.sum()),
        "nearest": _nearest(rule, seen, times),
        "acted": len(own), "first_ts": min(own, default=None), "last_ts": max(own, default=None),
        "undone": len(undone), "kept_back": _kept_back(rule, watched, np.flatnonzero(beyond), acted),
    }  # fmt: skip
    found["why_not"] = None if own else _why_not(rule, found)
    return found


def _nearest(rule: Rule, seen: Floats, times: npt.NDArray[np.int64]) -> Facts | None:
    if rule.band is RebalanceReason.ENTRY or not np.isfinite(seen).any():
        return None
    at = int(np.nanargmin(seen)) if rule.is_low else int(np.nanargmax(np.abs(seen)))
    return {"ts": int(times[at]), "value": known(seen[at])}


def _kept_back(
    rule: Rule, watched: CarryWatched, places: npt.NDArray[np.int64], acted: dict[str, set[int]]
) -> dict[str, int]:
    """Of the instants at which a rule had something to do and did not: what was in its way."""
    name = rule.band.name.lower()
    earlier = [own.band.name.lower() for own in RULES[: RULES.index(rule)]]
    busy = (watched.column(Seen.ON_THE_WAY) > 0.0) | (watched.column(Seen.TASK) != Task.NONE)
    counts: Counter[str] = Counter()
    denied = [own for own in _denied(watched) if own[1] == name]
    since, k = "", 0
    for at in places.tolist():
        ts_ns = int(watched.record.ts_ns[at])
        while k < len(denied) and denied[k][0] <= ts_ns:
            since, k = denied[k][2], k + 1
        if ts_ns in acted.get(name, ()):
            since = ""
            continue
        before = next((own for own in earlier if ts_ns in acted.get(own, ())), None)
        if before is not None:
            counts[f"{before} acted first"] += 1
        elif busy[at]:
            counts["a task was under way, or something had not arrived"] += 1
        elif since:
            counts[f"it might not add: {since}"] += 1
        elif any(ts_ns in times for times in acted.values()):
            counts["a later rule acted: this one could do nothing"] += 1
        else:
            counts[NOTHING.get(rule.band, "nothing could be done")] += 1
    return dict(counts)


def _why_not(rule: Rule, own: Facts) -> str:
    """In words, why a rule never acted."""
    if not own["is_on"]:
        if rule.key is not None:
            return f"off: {rule.key} is not written"
        return "no leg has any" if rule.band in (RebalanceReason.DUST, RebalanceReason.SIGNAL) else "off"
    if own["beyond"]:
        return "; ".join(f"{why} ({count:,})" for why, count in own["kept_back"].items())
    if not own["measured"]:
        return "nothing to measure: no leg owes or hedges so"
    if own["nearest"] is None or rule.key is None:
        return "there never was any"
    return "never left its band"


def rules_at(watched: CarryWatched, at: int, bundles: Sequence[Bundle]) -> tuple[list[Facts], Facts]:
    """Each rule at one instant, before anything was decided, and the first that had something to do."""
    rows: list[Facts] = []
    for rule in RULES:
        is_on, value = _is_on(rule, watched), float(watched.seen[at, int(rule.seen)])
        is_left = bool(_beyond(rule, watched)[at])
        limit: Any = rule.limit(watched.plan.strategy.bands) if rule.key else None
        if rule.band is RebalanceReason.DUST:
            limit = known(watched.seen[at, int(Seen.DUST_FLOOR)])
        verdict = "off" if not is_on else "acts" if is_left else "unknown" if value != value else "inside"
        rows.append({
            "rule": rule.band.name.lower(), "what": rule.name, "value": known(value), "limit": limit,
            "verdict": verdict,
        })  # fmt: skip
    first = next((row["rule"] for row in rows if row["verdict"] == "acts"), None)
    busy = watched.seen[at, int(Seen.ON_THE_WAY)] > 0.0
    task = Task(int(watched.seen[at, int(Seen.TASK)]))
    if busy:
        said = "something had not arrived yet: only a health factor below its floor is looked at until it has"
    elif task is not Task.NONE:
        said = f"the task {task.name.lower()} was under way, and went on"
    elif first is None:
        said = "no rule had anything to do"
    elif bundles:
        said = f"{bundles[0].band} acted"
    else:
        now_ns = int(watched.record.ts_ns[at])
        refused = [reason for ts_ns, name, reason, _ in _denied(watched) if name == first and ts_ns <= now_ns]
        why = f"it might not add: {refused[-1]}" if refused else "nothing could be done"
        said = f"{first} had something to do, and {why}"
    return rows, {"rule": first, "acted": [own.band for own in bundles if own.begins], "said": said}
