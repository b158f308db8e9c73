"""What blocked each section, for the report: a small table made from the run run again under observation."""

from collections.abc import Sequence

from tightloop.app.explain_why import Facts, why_not
from tightloop.app.report_numbers import COUNT, MISSING, moment, number, significant
from tightloop.app.report_tags import figure, nothing, stacked_row, table, text_cell
from tightloop.core.state import state_hash
from tightloop.model.plan import Plan
from tightloop.runtime.feeds import Feed
from tightloop.runtime.tick_feeds import TickFeed
from tightloop.runtime.watching import watch

EVENTS_MAX = 10_000_000
"""A longer run is not run twice for its report."""
ROWS_MAX = 24


def blocked(plan: Plan, feed: Feed | TickFeed, ended: str) -> list[Facts] | None:
    """For each section the condition that blocked most, over all instruments, from a fresh plan and a fresh feed.

    None for a run of more than EVENTS_MAX events, and for one that did not end in this state (``ended``): one that was
    interrupted, or that another engine made.
    """
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


def _row(strategy: str, section: str, instances: Sequence[Facts]) -> Facts:
    """One section over its instances: sums, and the condition with the most times alone."""
    count = len(instances[0]["conditions"])
    sums = [
        tuple(sum(own["conditions"][k][name] for own in instances) for name in ("alone", "not_as_needed"))
        for k in range(count)
    ]
    most = max(range(count), key=lambda k: (*sums[k], -k))
    found: Facts = {"strategy": strategy, "section": section, "text": None, "alone": sums[most][0], "nearest": None}
    found |= {name: sum(own[name] for own in instances) for name in ("evaluations", "true")}
    if sums[most][1]:
        found["text"] = instances[0]["conditions"][most]["text"]
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
