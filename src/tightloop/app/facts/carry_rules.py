"""Rules of the carry allocator over a run: what each measured, when it acted, what kept it from acting."""

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
REDUCING = ("health_factor", "margin")
"""Rules that only reduce."""

UNDONE = {
    Rollback.NOT_ENOUGH: "a balance would have gone below zero: not enough for the amount, the gas or the fee",
    Rollback.HEALTH_FACTOR: "the health factor afterwards would have been too low",
    Rollback.LTV: "the loan to value afterwards would have been above the pool's maximum",
    Rollback.LIQUIDITY: "the pool does not have enough free liquidity",
    Rollback.FLASH_OPEN: "the flash loan would not have been repaid",
    Rollback.PRICE_UNKNOWN: "a price that it needs is not known at that time",
    Rollback.MARGIN: "the margin would not have been enough",
    Rollback.FORCED: "a test requested it",
}  # fmt: skip
"""Why a bundle was rolled back, in words."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the allocator. ``is_low``: it acts below its limit, otherwise above it (by absolute value)."""

    name: str
    band: RebalanceReason
    seen: Seen
    key: str | None
    limit: Callable[[Bands], float | None]
    is_low: bool = False


NOTHING = {
    RebalanceReason.SIGNAL: "the leg was on that side already, or its position had been liquidated",
    RebalanceReason.EQUITY: "no spot leg is sized by weight: there was nothing to resize",
    RebalanceReason.MARGIN: "there was neither cash to move nor a leg to reduce",
    RebalanceReason.WITHDRAWAL: "what was available was paid, and no more could be withdrawn then",
    RebalanceReason.HEALTH_FACTOR: (
        "nothing could be sold to repay the debt: no market price was known, or a task was in progress"
    ),
}  # fmt: skip
"""What keeps a rule from acting when neither another rule nor a task does."""
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
"""In order of evaluation; the first that has something to do acts, and ends the decision."""


@dataclass(slots=True)
class Bundle:
    """A bundle of instructions, executed as a whole or not at all. ``begins``: it is the first of a decision."""

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
        """The bundle's number as order ids have it before the point."""
        return f"{self.number >> 16}-{self.number & 0xFFFF}"


def bundles_of(watched: CarryWatched) -> list[Bundle]:
    """Return every bundle of a run in order, each with the rule that asked for it.

    The log names a rule only where a band was left, so the rule of the others follows from their instructions, or from
    the task that they continue.
    """
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
    bundles: list[Bundle] = []
    open_band, open_ns = RebalanceReason.ENTRY, -1
    for number, rows in grouped.items():
        first = rows[0]
        ts_ns, seq = int(commanded["ts_ns"][first]), int(commanded["seq"][first])
        bundle = Bundle(number, ts_ns, "", seq in left, left[seq][1] if seq in left else float("nan"))
        for k in rows:
            if commanded["code"][k] != GO:
                bundle.ops[Instruction(int(commanded["code"][k])).name.lower()] += 1
                if commanded["side"][k] >= 0:
                    bundle.legs.add(int(commanded["side"][k]))
        goes_on = ts_ns == open_ns or tasks.get(ts_ns, 0.0) != Task.NONE
        band = left[seq][0] if seq in left else _band_of(bundle, signals, open_band if goes_on else None)
        bundle.begins = bundle.begins or band is not open_band or not goes_on
        open_band, open_ns = band, ts_ns
        bundle.band = band.name.lower()
        _end(bundle, outcome.get(number))
        bundles.append(bundle)
    return bundles


def _band_of(bundle: Bundle, signals: set[int], going_on: RebalanceReason | None) -> RebalanceReason:
    """Return the rule of a bundle without a noted band: by its instructions, or the one that is going on."""
    ops = set(bundle.ops) - {"gas"}
    if ops == {"pay_out"}:
        return RebalanceReason.WITHDRAWAL
    if ops == {"sell_dust"}:
        return RebalanceReason.DUST
    if ops == {"perp_trade"} and bundle.legs and bundle.legs <= signals:
        return RebalanceReason.SIGNAL
    return RebalanceReason.MARGIN if going_on is None else going_on


def _end(bundle: Bundle, reason: int | None) -> None:
    """Set a bundle's outcome and reason from its code; None: it has not ended."""
    if reason is None:
        return
    bundle.outcome = "done" if reason == Rollback.NONE else "undone"
    if reason != Rollback.NONE:
        known_reason = Rollback(reason)
        bundle.reason = known_reason.name.lower()
        bundle.why = UNDONE.get(known_reason, f"rolled back: {bundle.reason}")


Denial = tuple[int, str, str, float]
"""Time (ns UTC), rule, reason and amount of a denied addition."""


def _denied(watched: CarryWatched) -> list[Denial]:
    """Return denied additions in order; each reason is logged once until additions are allowed again."""
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


def _not_allowed(rule: str, reason: str) -> str:
    """Return in words what a denied rule was not allowed to do, and the reason."""
    return f"it was not allowed to {'reduce' if rule in REDUCING else 'add'}: {reason}"


def denials_of(watched: CarryWatched) -> list[Facts]:
    """Group denied additions by rule and reason."""
    rows: dict[tuple[str, str], Facts] = {}
    for ts_ns, band, reason, value in _denied(watched):
        row = rows.setdefault((band, reason), {"rule": band, "reason": reason, "count": 0, "first_ts": ts_ns})
        row["count"] += 1
        row["last_ts"], row["value"] = ts_ns, known(value)
    return list(rows.values())


# What the rules met ---------------------------------------------------------------------------------------------------


def _beyond(rule: Rule, watched: CarryWatched) -> Flags:
    """Return at which instants a rule had something to do, by its measurement, ``(n_instants,) bool``."""
    measured = watched.column(rule.seen)
    if rule.band is RebalanceReason.ENTRY:
        return np.asarray((measured == 0.0) & (watched.column(Seen.UNITS) > 0.0))
    if rule.band is RebalanceReason.DUST:
        return np.asarray(measured > watched.column(Seen.DUST_FLOOR))
    limit = rule.limit(watched.plan.strategy.bands)
    if limit is None or (rule.band is RebalanceReason.LTV and not limit > 0.0):
        return np.zeros(len(measured), bool)
    return np.asarray(measured < limit if rule.is_low else np.abs(measured) > limit)


def _is_on(rule: Rule, watched: CarryWatched) -> bool:
    """Check whether a rule applies to the strategy."""
    if rule.band is RebalanceReason.DUST:
        return bool(np.isfinite(watched.column(Seen.DUST_FLOOR)).any()) and bool(
            np.isfinite(watched.column(Seen.DUST)).any()
        )
    if rule.band is RebalanceReason.SIGNAL:
        return any(leg.signal is not None for leg in watched.plan.strategy.legs)
    return rule.limit(watched.plan.strategy.bands) is not None


def rules_of(watched: CarryWatched, bundles: Sequence[Bundle]) -> list[Facts]:
    """Return each rule in order of evaluation: limit, nearest measurement, when it acted, what kept it from acting."""
    acted: dict[str, set[int]] = {}
    undone: dict[str, set[int]] = {}
    for bundle in bundles:
        acted.setdefault(bundle.band, set()).add(bundle.ts_ns)
        if bundle.outcome == "undone":
            undone.setdefault(bundle.band, set()).add(bundle.ts_ns)
    return [_rule(rule, watched, acted, undone.get(rule.band.name.lower(), set())) for rule in RULES]


def _rule(rule: Rule, watched: CarryWatched, acted: dict[str, set[int]], undone: set[int]) -> Facts:
    name = rule.band.name.lower()
    times = watched.record.ts_ns
    seen = watched.column(rule.seen)
    beyond = _beyond(rule, watched)
    times_acted = acted.get(name, set())
    facts: Facts = {
        "rule": name, "what": rule.name, "key": rule.key, "is_on": _is_on(rule, watched),
        "limit": rule.limit(watched.plan.strategy.bands) if rule.key else None,
        "measured": int(np.isfinite(seen).sum()), "beyond": int(beyond.sum()),
        "nearest": _nearest(rule, seen, times),
        "acted": len(times_acted),
        "first_ts": min(times_acted, default=None), "last_ts": max(times_acted, default=None),
        "undone": len(undone), "kept_back": _kept_back(rule, watched, np.flatnonzero(beyond), acted),
    }  # fmt: skip
    facts["why_not"] = None if times_acted else _why_not(rule, facts)
    return facts


def _nearest(rule: Rule, seen: Floats, times: npt.NDArray[np.int64]) -> Facts | None:
    """Return the measurement nearest to the limit or furthest beyond it; None where nothing is measured."""
    if rule.band is RebalanceReason.ENTRY or not np.isfinite(seen).any():
        return None
    instant = int(np.nanargmin(seen)) if rule.is_low else int(np.nanargmax(np.abs(seen)))
    return {"ts": int(times[instant]), "value": known(seen[instant])}


def _kept_back(
    rule: Rule, watched: CarryWatched, places: npt.NDArray[np.int64], acted: dict[str, set[int]]
) -> dict[str, int]:
    """Count, over the instants at which a rule had something to do and did not act, what prevented it.

    The first cause that applies counts: an earlier rule acted, a task was under way, additions were denied, a later
    rule acted, or nothing could be done.
    """
    name = rule.band.name.lower()
    earlier = [each.band.name.lower() for each in RULES[: RULES.index(rule)]]
    busy = (watched.column(Seen.ON_THE_WAY) > 0.0) | (watched.column(Seen.TASK) != Task.NONE)
    counts: Counter[str] = Counter()
    denied = [each for each in _denied(watched) if each[1] == name]
    since, k = "", 0
    for instant in places.tolist():
        ts_ns = int(watched.record.ts_ns[instant])
        while k < len(denied) and denied[k][0] <= ts_ns:
            since, k = denied[k][2], k + 1
        if ts_ns in acted.get(name, ()):
            since = ""
            continue
        before = next((each for each in earlier if ts_ns in acted.get(each, ())), None)
        if before is not None:
            counts[f"{before} acted first"] += 1
        elif busy[instant]:
            counts["a task was in progress, or a transfer had not arrived"] += 1
        elif since:
            counts[_not_allowed(name, since)] += 1
        elif any(ts_ns in times for times in acted.values()):
            counts["a later rule acted: this one had nothing it could do"] += 1
        else:
            counts[NOTHING.get(rule.band, "nothing could be done")] += 1
    return dict(counts)


def _why_not(rule: Rule, facts: Facts) -> str:
    """State why a rule never acted."""
    if not facts["is_on"]:
        if rule.key is not None:
            return f"off: {rule.key} is not written"
        return "no leg has any" if rule.band in (RebalanceReason.DUST, RebalanceReason.SIGNAL) else "off"
    if facts["beyond"]:
        return "; ".join(f"{why} ({count:,})" for why, count in facts["kept_back"].items())
    if not facts["measured"]:
        return "nothing to measure: no leg has such a debt or hedge"
    if facts["nearest"] is None or rule.key is None:
        return "none ever occurred"
    return "never left its band"


def rules_at(watched: CarryWatched, instant: int, bundles: Sequence[Bundle]) -> tuple[list[Facts], Facts]:
    """Return each rule at one instant, before the decision, and the first one that had something to do."""
    rows: list[Facts] = []
    for rule in RULES:
        is_on, value = _is_on(rule, watched), float(watched.seen[instant, int(rule.seen)])
        is_left = bool(_beyond(rule, watched)[instant])
        limit: Any = rule.limit(watched.plan.strategy.bands) if rule.key else None
        if rule.band is RebalanceReason.DUST:
            limit = known(watched.seen[instant, int(Seen.DUST_FLOOR)])
        verdict = "off" if not is_on else "acts" if is_left else "unknown" if value != value else "inside"
        rows.append({
            "rule": rule.band.name.lower(), "what": rule.name, "value": known(value), "limit": limit,
            "verdict": verdict,
        })  # fmt: skip
    first = next((row["rule"] for row in rows if row["verdict"] == "acts"), None)
    busy = watched.seen[instant, int(Seen.ON_THE_WAY)] > 0.0
    task = Task(int(watched.seen[instant, int(Seen.TASK)]))
    if busy:
        said = "a transfer had not arrived yet: until then only a health factor below its floor is checked"
    elif task is not Task.NONE:
        said = f"the task {task.name.lower()} was in progress, and continued"
    elif first is None:
        said = "no rule had anything to do"
    elif bundles:
        said = f"{bundles[0].band} acted"
    else:
        now_ns = int(watched.record.ts_ns[instant])
        refused = [reason for ts_ns, name, reason, _ in _denied(watched) if name == first and ts_ns <= now_ns]
        why = _not_allowed(first, refused[-1]) if refused else "nothing could be done"
        said = f"{first} had something to do, and {why}"
    return rows, {"rule": first, "acted": [bundle.band for bundle in bundles if bundle.begins], "said": said}
