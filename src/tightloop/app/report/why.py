"""What blocked each section, for the report: a small table from a replay under observation."""

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
"""Longer runs are not replayed for their report."""
ROWS_MAX = 24
CODE_NOTE = (
    "Why a class requests an order is in its Python code: tightloop explain shows the values it had at each "
    "request, and what it recorded with view.note."
)


def blocked(
    plan: Plan, feed: Feed | TickFeed, ended: str, orders: pl.DataFrame, fills: pl.DataFrame
) -> list[Facts] | None:  # fmt: skip
    """Find the condition that blocked each section most, over all instruments, from a fresh plan and a fresh feed.

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
    for section in why_not(watched, {}):
        if section["evaluations"]:
            grouped.setdefault((section["strategy"], section["section"]), []).append(section)
    return [_row(*key, instances) for key, instances in grouped.items()][:ROWS_MAX]


def _code_row(strategy: str, instrument: str, code: Facts, orders: pl.DataFrame, fills: pl.DataFrame) -> Facts:
    """Summarise the orders of one strategy in Python on one instrument."""
    here = (pl.col("strategy") == strategy) & (pl.col("instrument") == instrument)
    placed = orders.filter(here)
    entries = placed.filter(pl.col("role") == "entry")
    denied = Counter(placed.filter(pl.col("state") == "DENIED")["reason"].to_list())
    return {
        "strategy": strategy, "instrument": instrument, "class": code["class"],
        "entries": entries.height, "filled": entries.filter(pl.col("filled_qty") > 0.0).height,
        "exits": placed.filter(pl.col("role") == "strategy").height, "fills": fills.filter(here).height,
        "denied": dict(denied.most_common()),
    }  # fmt: skip


def _code_table(rows: Sequence[Facts]) -> str:
    titles = ["Class", "#Entries requested", "#Filled", "Denied", "#Exits requested", "#Fills"]
    lines = [
        stacked_row(
            titles,
            text_cell(f"{row['class']} {row['instrument']}", "keep"),
            figure(number(row["entries"], COUNT)),
            figure(number(row["filled"], COUNT)),
            text_cell(_denials(row), "wrap"),
            figure(number(row["exits"], COUNT)),
            figure(number(row["fills"], COUNT)),
        )
        for row in rows
    ]
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>{nothing(CODE_NOTE)}'


def _denials(row: Facts) -> str:
    if row["denied"]:
        return ", ".join(f"{count:,} by {reason}" for reason, count in row["denied"].items())
    return "none" if row["entries"] + row["exits"] else "none: nothing was requested"


def _row(strategy: str, section: str, instances: Sequence[Facts]) -> Facts:
    """Summarise one section over its instances: sums, and the condition that most often was the only one missing."""
    count = len(instances[0]["conditions"])
    sums = [
        tuple(sum(instance["conditions"][k][name] for instance in instances) for name in ("alone", "not_as_needed"))
        for k in range(count)
    ]
    blocking = [k for k in range(count) if not instances[0]["conditions"][k]["is_alternative"]]
    most = max(blocking, key=lambda k: (*sums[k], -k))
    found: Facts = {"strategy": strategy, "section": section, "text": None, "alone": sums[most][0], "nearest": None}
    found |= {name: sum(instance[name] for instance in instances) for name in ("evaluations", "true")}
    if sums[most][1]:
        found["text"] = named_of(instances[0]["conditions"], most)
        near = [
            (place["gap"], place["ts"], instance["instrument"], place["value"])
            for instance in instances
            for place in (instance["conditions"][most]["alone_nearest"] or [instance["conditions"][most]["nearest"]])[
                :1
            ]
            if place is not None
        ]
        found["nearest"] = min(near, default=None)
    return found


def blocked_table(rows: Sequence[Facts] | str | None) -> str:
    """Render the table as HTML; text says why the run was not repeated, None that it was not asked for."""
    if isinstance(rows, str):
        return nothing(f"Not counted, because the run cannot be repeated here: {rows}")
    if rows is None:
        return nothing("Not counted for this run: tightloop explain says more.")
    if not rows:
        return nothing("No section was evaluated.")
    if "class" in rows[0]:
        return _code_table(rows)
    several = len({row["strategy"] for row in rows}) > 1
    titles = ["Section", "~Evaluated", "#TRUE", "Blocked most by", "#Alone", "#Nearest", "#Missed by", "At"]
    lines = []
    for row in rows:
        gap, ts, instrument, value = row["nearest"] or (None, None, "", None)
        where = f"{moment(ts)} {instrument}" if ts is not None else ""
        lines.append(
            stacked_row(
                titles,
                text_cell(f"{row['section']} {row['strategy']}" if several else row["section"], "keep"),
                figure(number(row["evaluations"], COUNT), wide=True),
                figure(number(row["true"], COUNT)),
                text_cell(row["text"] or MISSING, "wrap"),
                figure(number(row["alone"], COUNT)),
                figure(significant(value)),
                figure(significant(gap)),
                text_cell(where, "wrap"),
            )
        )
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>'
