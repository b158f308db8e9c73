"""The rules of a carry allocator as a table of its report."""

from collections.abc import Sequence

from tightloop.app.facts.conditions import Facts
from tightloop.app.report.tags import figure, nothing, stacked_row, table, text_cell
from tightloop.app.text.numbers import COUNT, MISSING, moment, number, significant


def rules_table(rules: Sequence[Facts] | None) -> str:
    """Each rule with its limit, what it met nearest to it, when it acted, and why it did not."""
    if rules is None:
        return nothing("Not counted for this run: tightloop explain says more.")
    titles = ["Rule", "#Limit", "#Nearest", "#Beyond it", "#Acted", "Last", "Why not"]
    lines = [
        stacked_row(
            titles,
            text_cell(own["what"], "keep"),
            figure(significant(own["limit"]) if own["key"] else MISSING),
            figure(significant(own["nearest"]["value"]) if own["nearest"] else MISSING),
            figure(number(own["beyond"], COUNT)),
            figure(number(own["acted"], COUNT)),
            text_cell(moment(own["last_ts"]) if own["last_ts"] is not None else "", "wrap"),
            text_cell(_why(own), "wrap"),
        )
        for own in rules
    ]
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>'


def _why(own: Facts) -> str:
    if own["why_not"] is not None:
        return str(own["why_not"])
    kept = [f"{why} ({count:,})" for why, count in own["kept_back"].items()]
    if own["undone"]:
        kept.append(f"bundles undone at {own['undone']:,} instants")
    return "; ".join(kept)
