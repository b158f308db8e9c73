"""What blocked each section, for the report: a small table made from the run run again under observation."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from tightloop.app.facts.conditions import Facts, named_of, why_not
from tightloop.app.facts.python import code_places
from tightloop.app.report.tags import figure, nothing, stacked_row, table, text_cell
from tightloop.app.text.numbers import COUNT, MISSING, moment, number, significant
from tightloop.core.state import state_hash
from tightloop.model.signal.plan import Plan
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.observe.signal import watch

EVENTS_MAX = 10_000_000
"""A longer run is not run twice for its report."""
ROWS_MAX = 24
CODE_NOTE = (
    "Why a class asks for an order or not is in its Python: tightloop explain shows what it was given with each, and "
    "what it says of itself with view.note."
)


def blocked(
    plan: Plan, feed: Feed | TickFeed, ended: str, orders: pl.DataFrame, fills: pl.DataFrame
) -> list[Facts] | None:  # fmt: skip
    """For each section the condition that blocked most, over all instruments, from a fresh plan and a fresh feed.

    None for a run of more than EVENTS_MAX events, and for one that did not end in this state (``ended``): one that was
    interrupted, or that another engine made. A run with strategies in Python is not run twice, since code of the user
    may do more than decide: its rows say what became of the orders that were asked for.
    """
    if plan.has_code:
        return [_code_row(name, instrument, code, orders, fills) for name, instrument, code in code_places(plan)]
    if feed.event_count > EVENTS_MAX:
        return None
    watched = watch(plan, feed)
    if state_hash(plan.states, plan.arena) != ended:
        return None
    grouped: dict[tuple[str, str], list[Facts]] = {}
    for own in why_not(watched, {}):
        if own["evaluations"]:
            grouped.setdefault((own["strategy"], own["section"]), []).append(own)
    return [_row(*key, own) for key, own in grouped.items()][:ROWS_MAX]


def _code_row(strategy: str, instrument: str, code: Facts, orders: pl.DataFrame, fills: pl.DataFrame) -> Facts:
    """What became of the orders of one strategy in Python on one instrument."""
    here = (pl.col("strategy") == strategy) & (pl.col("instrument") == instrument)
    own = orders.filter(here)
    entries = own.filter(pl.col("role") == "entry")
    denied = Counter(own.filter(pl.col("state") == "DENIED")["reason"].to_list())
    return {
        "strategy": strategy, "instrument": instrument, "class": code["class"],
        "entries": entries.height, "filled": entries.filter(pl.col("filled_qty") > 0.0).height,
        "exits": own.filter(pl.col("role") == "strategy").height, "fills": fills.filter(here).height,
        "denied": dict(denied.most_common()),
    }  # fmt: skip


def _code_table(rows: Sequence[Facts]) -> str:
    titles = ["Class", "#Entries asked", "#Filled", "Denied", "#Exits asked", "#Fills"]
    lines = [
        stacked_row(
            titles,
            text_cell(f"{own['class']} {own['instrument']}", "keep"),
            figure(number(own["entries"], COUNT)),
            figure(number(own["filled"], COUNT)),
            text_cell(_denials(own), "wrap"),
            figure(number(own["exits"], COUNT)),
            figure(number(own["fills"], COUNT)),
        )
        for own in rows
    ]
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>{nothing(CODE_NOTE)}'


def _denials(own: Facts) -> str:
    if own["denied"]:
        return ", ".join(f"{count:,} by {reason}" for reason, count in own["denied"].items())
    return "none" if own["entries"] + own["exits"] else "none: nothing was asked for"


def _row(strategy: str, section: str, instances: Sequence[Facts]) -> Facts:
    """One section over its instances: sums, and the condition with the most times alone."""
    count = len(instances[0]["conditions"])
    sums = [
        tuple(sum(own["conditions"][k][name] for own in instances) for name in ("alone", "not_as_needed"))
        for k in range(count)
    ]
    blocking = [k for k in range(count) if not instances[0]["conditions"][k]["is_alternative"]]
    most = max(blocking, key=lambda k: (*sums[k], -k))
    found: Facts = {"strategy": strategy, "section": section, "text": None, "alone": sums[most][0], "nearest": None}
    found |= {name: sum(own[name] for own in instances) for name in ("evaluations", "true")}
    if sums[most][1]:
        found["text"] = named_of(instances[0]["conditions"], most)
        near = [
            (place["gap"], place["ts"], own["instrument"], place["value"])
            for own in instances
            for place in (own["conditions"][most]["alone_nearest"] or [own["conditions"][most]["nearest"]])[:1]
            if place is not None
        ]
        found["nearest"] = min(near, default=None)
    return found


def blocked_table(rows: Sequence[Facts] | None) -> str:
    """The table as HTML."""
    if rows is None:
        return nothing("Not counted for this run: tightloop explain says more.")
    if not rows:
        return nothing("No section was evaluated.")
    if "class" in rows[0]:
        return _code_table(rows)
    several = len({own["strategy"] for own in rows}) > 1
    titles = ["Section", "~Evaluated", "#TRUE", "Blocked most by", "#Alone", "#Nearest", "#Missed by", "At"]
    lines = []
    for own in rows:
        gap, ts, instrument, value = own["nearest"] or (None, None, "", None)
        where = f"{moment(ts)} {instrument}" if ts is not None else ""
        lines.append(
            stacked_row(
                titles,
                text_cell(f"{own['section']} {own['strategy']}" if several else own["section"], "keep"),
                figure(number(own["evaluations"], COUNT), wide=True),
                figure(number(own["true"], COUNT)),
                text_cell(own["text"] or MISSING, "wrap"),
                figure(number(own["alone"], COUNT)),
                figure(significant(value)),
                figure(significant(gap)),
                text_cell(where, "wrap"),
            )
        )
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>'
