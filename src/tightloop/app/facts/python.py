"""Strategies in Python: their callbacks, requests (orders, cancels, protections) and the engine's replies, as records.

Why the code made a request is not visible: what it compares stays inside. Two ways make it visible: variants that are
named in ``variants:`` are shown with every request, and ``view.note`` keeps a text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tightloop.app.facts.conditions import Facts
from tightloop.app.text.numbers import known
from tightloop.model.signal.plan import Plan
from tightloop.runtime.observe.signal import Watched

if TYPE_CHECKING:  # loading it compiles what only runs with strategies in Python need
    from tightloop.runtime.observe.python import Call, Notes, Request

UNSEEN = "what the class compares inside its callbacks"
REMEDY = 'name it in variants:, and it is shown with every order; or record it in the class with view.note("...")'
NAMES = ("entry", "exit", "cancel", "protection")
DEFAULTS: Mapping[str, Any] = {
    "side": None, "order_kind": 1, "tif": None, "post_only": 0, "reduce_only": 0, "leverage": 1.0,
}  # fmt: skip
"""Fields of a request that are shown in another form (None), or that are omitted at this value."""
KINDS = {1: "market", 2: "limit", 3: "stop", 4: "stop_limit"}


def python_facts(watched: Watched, fills: pl.DataFrame) -> list[Facts]:
    """Return each strategy in Python on each of its instruments; empty for a run without any."""
    if watched.listener is None:
        return []
    counts = Counter(fills.select("strategy", "instrument").rows())
    rows = []
    for name, instrument, plan_of in code_places(watched.plan):
        seen = watched.listener.of((name, instrument))
        rows.append({
            "strategy": name, "instrument": instrument, **plan_of,
            "calls": dict(sorted(seen.calls.items())),
            "quiet": dict(sorted(seen.quiet.items())),
            "wanted": _requests(seen.requested),
            "fills": counts[(name, instrument)],
            "last": [request_facts(request) for request in seen.last],
            "notes": [{"ts": ts_ns, "text": text} for ts_ns, text in seen.notes],
            "note_count": seen.note_count,
            "unseen": UNSEEN,
            "remedy": REMEDY,
        })  # fmt: skip
    return rows


def code_places(plan: Plan) -> Iterable[tuple[str, str, Facts]]:
    """Yield the instances of strategies in Python: strategy, instrument, class with file and line."""
    for number in range(int(plan.states[0]["instance_count"])):
        row = plan.states[0]["instances"][number]
        strategy = plan.strategies[int(row["strategy"])]
        if strategy.code is not None:
            code = {"class": strategy.code.name, "file": Path(strategy.code.file).name, "line": strategy.code.line}
            yield strategy.read.name, str(plan.instruments[int(row["instrument"])]), code


def _requests(counts: Counter[tuple[str, str, str]]) -> list[Facts]:
    """Count requests by callback and kind: made, sent, and denied by check."""
    rows: dict[tuple[str, str], Facts] = {}
    for (callback, what, answer), count in sorted(counts.items()):
        row = rows.setdefault(
            (callback, what), {"callback": callback, "what": what, "count": 0, "sent": 0, "denied": {}}
        )
        row["count"] += count
        if answer == "sent":
            row["sent"] += count
        else:
            row["denied"][answer] = count
    return list(rows.values())


def request_facts(request: "Request") -> Facts:
    """Return one request, with the values that the strategy had at that time."""
    order_id = f"{request.order_id >> 16}-{request.order_id & 0xFFFF}" if request.order_id else None
    return {
        "ts": request.ts_ns, "callback": request.callback, "told": _told(request.told), "what": request.what,
        "asked": _asked(request.asked), "order_id": order_id, "answer": request.reason or "sent",
        "given": {name: known(value) for name, value in request.given.items()},
    }  # fmt: skip


def call_facts(listener: "Notes | None", strategy: str, instrument: str) -> Facts | None:
    """Return the last callback of a strategy on an instrument; None without one, and for other families."""
    seen = None if listener is None else listener.notes_of.get((strategy, instrument))
    call: Call | None = None if seen is None else seen.last_call
    if call is None:
        return None
    return {
        "ts": call.ts_ns, "callback": call.callback, "told": _told(call.told), "wanted": call.requests,
        "given": {name: known(value) for name, value in call.given.items()}, "notes": list(call.notes),
    }  # fmt: skip


def _told(told: Mapping[str, Any] | None) -> Facts | None:
    if told is None:
        return None
    return {name: known(value) if isinstance(value, float) else value for name, value in told.items()}


def _asked(asked: Mapping[str, Any]) -> Facts:
    """Return the fields of a request in the words of the view; fields at their defaults are left out."""
    facts: Facts = {}
    if "side" in asked:
        facts["side"] = "BUY" if asked["side"] > 0 else "SELL"
        facts["type"] = KINDS[int(asked["order_kind"])]
    for name, value in asked.items():
        if name == "order_id":
            facts[name] = f"{int(value) >> 16}-{int(value) & 0xFFFF}"
        elif name != "reduce_only" and (
            name not in DEFAULTS or (DEFAULTS[name] is not None and value != DEFAULTS[name])
        ):
            if name != "order_kind":
                facts["notional" if name == "amount" else name] = value
    return facts
