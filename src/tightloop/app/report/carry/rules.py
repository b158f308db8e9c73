"""The rules of a carry allocator as a table of its report."""

from collections.abc import Sequence

from tightloop.app.facts.conditions import Facts
from tightloop.app.report.tags import figure, nothing, stacked_row, table, text_cell
from tightloop.app.text.numbers import COUNT, MISSING, moment, number, significant


def rules_table(rules: Sequence[Facts] | str | None) -> str:
    """Render each rule with its limit, the nearest value seen, when it acted, and why it did not.

    Text instead of rules says why the run was not replayed.
    """
    if isinstance(rules, str):
        return nothing(f"Not counted, because the run cannot be repeated here: {rules}")
    if rules is None:
        return nothing("Not counted for this run: tightloop explain says more.")
    titles = ["Rule", "#Limit", "#Nearest", "#Beyond it", "#Acted", "Last", "Why not"]
    lines = [
        stacked_row(
            titles,
            text_cell(rule["what"], "keep"),
            figure(significant(rule["limit"]) if rule["key"] else MISSING),
            figure(significant(rule["nearest"]["value"]) if rule["nearest"] else MISSING),
            figure(number(rule["beyond"], COUNT)),
            figure(number(rule["acted"], COUNT)),
            text_cell(moment(rule["last_ts"]) if rule["last_ts"] is not None else "", "wrap"),
            text_cell(_why(rule), "wrap"),
        )
        for rule in rules
    ]
    return f'<div class="scroll">{table(titles, lines, "stack")}</div>'


def _why(rule: Facts) -> str:
    if rule["why_not"] is not None:
        return str(rule["why_not"])
    kept = [f"{why} ({count:,})" for why, count in rule["kept_back"].items()]
    if rule["undone"]:
        kept.append(f"bundles rolled back at {rule['undone']:,} instants")
    return "; ".join(kept)
