"""What strategies in Python were called with, wanted and were answered, as plain records.

Why the code wanted it stands in the code: what it compares there is not seen. It can be said in two ways: what is named
in ``variants:`` is shown with every wish, and ``view.note`` keeps a text.
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
    from tightloop.runtime.observe.python import Call, Notes, Wish

UNSEEN = "what the class compares inside of its callbacks"
REMEDY = 'name it in variants:, and it is shown with every order; or say it in the class: view.note("...")'
NAMES = ("entry", "exit", "cancel", "protection")
DEFAULTS: Mapping[str, Any] = {
    "side": None, "order_kind": 1, "tif": None, "post_only": 0, "reduce_only": 0, "leverage": 1.0,
}  # fmt: skip
"""Fields of a wish that are said another way, or that say nothing at this value."""
KINDS = {1: "market", 2: "limit", 3: "stop", 4: "stop_limit"}


def python_facts(watched: Watched, fills: pl.DataFrame) -> list[Facts]:
    """Each strategy in Python on each of its instruments; empty for a run without."""
    if watched.listener is None:
        return []
    counts = Counter(fills.select("strategy", "instrument").rows())
    found = []
    for name, instrument, plan_of in code_places(watched.plan):
        heard = watched.listener.of((name, instrument))
        found.append({
            "strategy": name, "instrument": instrument, **plan_of,
            "calls": dict(sorted(heard.calls.items())),
            "quiet": dict(sorted(heard.quiet.items())),
            "wanted": _wanted(heard.wanted),
            "fills": counts[(name, instrument)],
            "last": [wish_facts(wish) for wish in heard.last],
            "notes": [{"ts": ts_ns, "text": text} for ts_ns, text in heard.notes],
            "note_count": heard.note_count,
            "unseen": UNSEEN,
            "remedy": REMEDY,
        })  # fmt: skip
    return found


def code_places(plan: Plan) -> Iterable[tuple[str, str, Facts]]:
    """The instances of strategies in Python: strategy, instrument, class with file and line."""
    for at in range(int(plan.states[0]["instance_count"])):
        own = plan.states[0]["instances"][at]
        strategy = plan.strategies[int(own["strategy"])]
        if strategy.code is not None:
            code = {"class": strategy.code.name, "file": Path(strategy.code.file).name, "line": strategy.code.line}
            yield strategy.read.name, str(plan.instruments[int(own["instrument"])]), code


def _wanted(counts: Counter[tuple[str, str, str]]) -> list[Facts]:
    """By callback and by what was wanted: how often, sent, and denied by which check."""
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


def wish_facts(wish: "Wish") -> Facts:
    """One thing that was wanted, with what the strategy knew then."""
    order_id = f"{wish.order_id >> 16}-{wish.order_id & 0xFFFF}" if wish.order_id else None
    return {
        "ts": wish.ts_ns, "callback": wish.callback, "told": _told(wish.told), "what": wish.what,
        "asked": _asked(wish.asked), "order_id": order_id, "answer": wish.reason or "sent",
        "given": {name: known(value) for name, value in wish.given.items()},
    }  # fmt: skip


def call_facts(listener: "Notes | None", strategy: str, instrument: str) -> Facts | None:
    """The last call of a strategy on an instrument; None when there was none, or none of Python."""
    heard = None if listener is None else listener.notes_of.get((strategy, instrument))
    call: Call | None = None if heard is None else heard.last_call
    if call is None:
        return None
    return {
        "ts": call.ts_ns, "callback": call.callback, "told": _told(call.told), "wanted": call.wishes,
        "given": {name: known(value) for name, value in call.given.items()}, "notes": list(call.notes),
    }  # fmt: skip


def _told(told: Mapping[str, Any] | None) -> Facts | None:
    if told is None:
        return None
    return {name: known(value) if isinstance(value, float) else value for name, value in told.items()}


def _asked(asked: Mapping[str, Any]) -> Facts:
    """What was asked for in the words of the view; what says nothing is left out."""
    found: Facts = {}
    if "side" in asked:
        found["side"] = "BUY" if asked["side"] > 0 else "SELL"
        found["type"] = KINDS[int(asked["order_kind"])]
    for name, value in asked.items():
        if name == "order_id":
            found[name] = f"{int(value) >> 16}-{int(value) & 0xFFFF}"
        elif name != "reduce_only" and (
            name not in DEFAULTS or (DEFAULTS[name] is not None and value != DEFAULTS[name])
        ):
            if name != "order_kind":
                found["notional" if name == "amount" else name] = value
    return found
