"""The fixed parts of the report as HTML: figures, months, results, costs, refusals, data quality, set-up.

Every text that comes from a run is escaped where it enters a tag; every number is written by `report_numbers`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from tightloop.app.markets.notes import is_of_account
from tightloop.app.report import facts
from tightloop.app.report.tags import dot, figure, html_cell, nothing, row, stacked_row, table, text_cell
from tightloop.app.text.numbers import (
    BPS,
    COUNT,
    DAYS,
    MISSING,
    PERCENT,
    PERCENT_SIGNED,
    RATIO,
    SHARE,
    Form,
    day,
    known,
    moment,
    number,
    significant,
    span,
    tone,
)

EXACT_SHARE = 1e-6  # buckets and equity are the same to this share
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DEEP_MONTH_PCT = 10.0  # a month this large has the deepest shade
WARNINGS_SHOWN = 4

REASON_COLOURS = {
    "ZE1": "ze1",
    "E1": "e1",
    "stop_loss": "stop",
    "take_profit": "take",
    "trailing": "trail",
    "time": "time",
    "liquidation": "liquidation",
    "manual": "manual",
    "strategy": "ze1",
}

FAULT_CONSEQUENCES = {
    "holes": "not filled in: indicators count bars, a waiting order filled at the next available bar",
    "exact_duplicates": "the first row was used",
    "conflicting_duplicates": "the first row was used",
    "disorder": "rows were used in the order of their time",
    "late_stamps": "rounded to the second",
    "impossible_ohlc": "used as they are",
    "non_positive": "used as they are",
    "flat": "used as they are",
    "straight_line": "used as they are; results over them mean nothing",
    "cadence": "used as they are",
    "outliers": "used as they are",
    "units": "used as they are",
    "timezone": "read as UTC",
    "negative_growth": "used as they are",
    "impossible_growth": "used as they are",
    "crossed_quotes": "used as they are",
    "future_stamps": "used as they are; the offset of the clocks is stated",
    "schema": "used as far as it could be read",
}


def heroes(
    result: Mapping[str, Any],
    hold_pct: float | None,
    forms: Mapping[str, Form],
    why: Mapping[str, str],
    weak: Mapping[str, str],
) -> str:
    """Render the six headline figures, each with a line that puts it into proportion; ``weak`` ones are grey."""
    m, capital = result["metrics"], result["initial_equity"]
    gained = number(result["final_equity"] - capital, forms["money_signed"])
    paid = [known(m[name]) for name in ("fees", "slippage")]
    costs = None if all(amount is None for amount in paid) else sum(amount or 0.0 for amount in paid)
    share = None if costs is None else costs / capital * 100.0
    longest = "" if known(m["max_drawdown_days"]) is None else f"longest {number(m['max_drawdown_days'], DAYS)}"
    hold = f"buy and hold {number(hold_pct, PERCENT_SIGNED)}"
    trades = known(m["trades"])
    count = f"{number(trades, COUNT)} closed trade{'' if trades == 1 else 's'}"
    returns = f"from daily returns {weak['sharpe']}" if "sharpe" in weak else "from daily returns"
    blocks: list[tuple[str, object, Form, str, list[str]]] = [
        ("Total return", m["total_return_pct"], PERCENT_SIGNED, "total_return_pct", [f"{gained} net", hold]),
        ("Max drawdown", m["max_drawdown_pct"], PERCENT, "max_drawdown_pct", [longest]),
        (
            "Sharpe",
            m["sharpe"],
            RATIO,
            "sharpe",
            [returns],
        ),
        ("Profit factor", m["profit_factor"], RATIO, "profit_factor", ["gains over losses"]),
        ("Win rate", m["win_rate_pct"], SHARE, "win_rate_pct", [count]),
        ("Fees and slippage", costs, forms["money"], "", [f"{number(share, PERCENT)} of the capital"]),
    ]
    return "".join(_hero(*block, why, weak) for block in blocks)


def groups(
    result: Mapping[str, Any], forms: Mapping[str, Form], why: Mapping[str, str], weak: Mapping[str, str]
) -> str:
    """Render the other metrics in four groups; ``weak`` ones are grey, with their note."""
    money, signed = forms["money"], forms["money_signed"]
    m = result["metrics"]
    title, held = "Average time held", "avg_hold_s"

    def line(name: str, title: str, form: Form) -> tuple[str, str, str, str]:
        return title, number(m[name], form), why.get(name, "") or weak.get(name, ""), "weak" if name in weak else ""

    parts: list[list[tuple[str, ...]]] = [
        [
            ("Equity at the end", number(result["final_equity"], money), ""),
            line("cagr_pct", "Return per year (CAGR)", PERCENT_SIGNED),
            line("expectancy", "Expectancy per trade", signed),
        ],
        [
            line("volatility_pct", "Volatility per year", PERCENT),
            line("sortino", "Sortino", RATIO),
            line("calmar", "Calmar", RATIO),
            *([line("max_drawdown_days", "Drawdown length", DAYS)] if "max_drawdown_days" in why else []),
        ],
        [
            (title, span(m[held]), why.get(held, "")),
            line("exposure_pct", "Exposure, share of time", SHARE),
            line("turnover", "Turnover", RATIO),
        ],
        [
            line("fees", "Fees", money),
            line("funding", "Funding", signed),
            line("slippage", "Slippage", money),
        ],
    ]
    return "".join(f"<dl>{''.join(pair(*each) for each in part)}</dl>" for part in parts)


def warning_box(warnings: Sequence[object], first: Sequence[str] = ()) -> str:
    """Render ``first`` and account stops or liquidations prominently, then notes on data and rules."""
    texts = [w if isinstance(w, str) else json.dumps(w, sort_keys=True) for w in warnings]
    texts = [text for text in texts if text not in first]
    grave = [text for text in texts if is_of_account(text)]
    account = "".join(f"<li>{escape(text)}</li>" for text in (*first, *grave))
    box = f'<div class="callout grave" role="alert" aria-label="Account"><ul>{account}</ul></div>' if account else ""
    return box + _notes([text for text in texts if text not in grave])


def _notes(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    lines = [f"<li>{escape(text)}</li>" for text in texts]
    head = "".join(lines[:WARNINGS_SHOWN])
    rest = lines[WARNINGS_SHOWN:]
    more = f"<details><summary>{len(rest)} more</summary><ul>{''.join(rest)}</ul></details>" if rest else ""
    return f'<div class="callout" role="note" aria-label="Warnings"><ul>{head}</ul>{more}</div>'


def month_table(months: Sequence[facts.Month]) -> str:
    if not months:
        return nothing("No equity was recorded.")
    rows = []
    for year in sorted({m.year for m in months}):
        of_year = {m.month: m for m in months if m.year == year}
        cells = [_month(of_year.get(i), name) for i, name in enumerate(MONTH_NAMES, 1)]
        total = facts.year_return(list(of_year.values()))
        sum_cell = html_cell(number(total, PERCENT_SIGNED), f"year {tone(total)}")
        rows.append(row(f'<th scope="row">{year}</th>', *cells, sum_cell))
    return table(["Year", *MONTH_NAMES, "All"], rows, "months")


def distribution(pnl: Sequence[float], forms: Mapping[str, Form]) -> str:
    """Render a histogram of results; the axis is labelled at its ends and at zero."""
    column = pl.Series("pnl", pnl, dtype=pl.Float64).to_numpy()
    bins = facts.histogram(column)
    if not bins:
        return nothing("No closed trade.")
    money = forms["money_signed"]
    tails = float(column.min()) < bins[0].low, float(column.max()) > bins[-1].high
    bars = "".join(_bar(each, bins, tails, money) for each in bins)
    label = f"Distribution of {len(column)} trade results"
    pairs = (
        pair(name.capitalize(), number(value, COUNT if name == facts.LOSSES_IN_A_ROW else money), "")
        for name, value in facts.extremes(column).items()
    )
    plot = f'<div class="bins" role="img" aria-label="{label}">{bars}</div>{_ends(bins, tails, money)}'
    return f'{plot}<dl class="small">{"".join(pairs)}</dl>'


def outcome_table(outcomes: Sequence[facts.Outcome], title: str, forms: Mapping[str, Form], *, by_reason: bool) -> str:
    if not outcomes:
        return nothing("No closed trade.")
    signed = forms["money_signed"]
    rows = [
        row(
            html_cell(dot(_colour(each.name)) + escape(_exit_name(each.name))) if by_reason else text_cell(each.name),
            figure(number(each.trades, COUNT)),
            figure(number(100.0 * each.wins / each.trades, SHARE)),
            figure(span(each.hold_s_avg), wide=True),
            figure(number(each.pnl_avg, signed), tone(each.pnl_avg), wide=True),
            figure(number(each.pnl, signed), tone(each.pnl)),
        )
        for each in outcomes
    ]
    return table([title, "#Trades", "#Won", "~Held", "~Average", "#Result"], rows)


def attribution(buckets: Mapping[str, float], change: float, forms: Mapping[str, Form]) -> str:
    """Render one lane per PnL component, and their sum against the change in equity."""
    if not buckets:
        return nothing("This run has no attribution.")
    signed = forms["money_signed"]
    low = min(0.0, *buckets.values())
    reach = (max(0.0, *buckets.values()) - low) or 1.0
    zero = f'<s style="left:{-low / reach * 100:.2f}%"></s>'
    rows = [
        row(
            text_cell(name.replace("_", " ")),
            html_cell(f"<div>{zero}{_lane(value, low, reach)}</div>", "lane"),
            figure(number(value, signed), tone(value)),
        )
        for name, value in sorted(buckets.items(), key=lambda each: -each[1])
    ]
    total = sum(buckets.values())
    gap = total - change
    verdict = "Sum, equals the change in equity"
    if abs(gap) > EXACT_SHARE * max(1.0, abs(change)):
        verdict = f"Sum, differs from the change in equity by {number(gap, signed)}"
    foot = row(f'<td colspan="2">{verdict}</td>', figure(number(total, signed), tone(total)))
    return table([], rows, "lanes", foot)


def cost_table(fills: pl.DataFrame, m: Mapping[str, Any], forms: Mapping[str, Form]) -> str:
    money, signed = forms["money"], forms["money_signed"]
    rows = [
        row(
            text_cell(f"Fees as {name}"),
            figure(number(count, COUNT), wide=True),
            figure(number(turnover, money), wide=True),
            figure(number(fees / turnover * 10_000.0 if turnover else None, BPS)),
            figure(number(fees, money)),
        )
        for name, count, turnover, fees in facts.liquidity(fills)
    ]
    blank = (figure("", wide=True), figure("", wide=True), figure(""))
    rows.append(row(text_cell("Slippage"), *blank, figure(number(m["slippage"], money))))
    rows.append(row(text_cell("Funding, received less paid"), *blank, figure(number(m["funding"], signed))))
    return table(["", "~Fills", "~Turnover", "#Rate", "#Amount"], rows)


def path_table(steps: Sequence[tuple[str, int]]) -> str:
    top = max((count for _, count in steps), default=0) or 1
    rows = []
    for name, count in steps:
        bar = f'<b style="left:0;width:{count / top * 100:.2f}%"></b>' if count else ""
        rows.append(row(text_cell(name), html_cell(f"<div>{bar}</div>", "lane"), figure(number(count, COUNT))))
    return table([], rows, "lanes")


def refusal_table(refusals: Sequence[facts.Refusal], where: str, none: str) -> str:
    if not refusals:
        return nothing(none)
    rows = [
        row(
            text_cell(each.where, "keep"),
            text_cell(each.reason, "wrap"),
            figure(number(each.count, COUNT)),
            figure(day(each.first_ns), wide=True),
            figure(day(each.last_ns)),
        )
        for each in refusals
    ]
    return table([where, "Reason", "#Times", "~First", "#Last"], rows)


def quality_table(datasets: Iterable[Mapping[str, Any]], command: str) -> str:
    titles = ["Dataset", "Verdict", "#Rows", "From and to", "Faults, and what the run did"]
    rows = []
    for each in datasets:
        verdict = escape(str(each["verdict"]))
        faults = "".join(_fault(fault) for fault in each["faults"]) or "no faults found"
        if verdict == "unfit" and "--accept" in command:
            faults += '<div class="fault">ran because its faults were accepted by name (--accept)</div>'
        cells = (
            text_cell(str(each["path"]), "wrap"),
            html_cell(f'<span class="verdict {verdict}">{verdict}</span>'),
            figure(number(each["rows"], COUNT)),
            html_cell(f"{moment(each['from'])}<br>{moment(each['to'])}", "keep"),
            html_cell(faults),
        )
        rows.append(stacked_row(titles, *cells))
    if not rows:
        return nothing("No dataset was listed for this run.")
    return f'<div class="scroll">{table(titles, rows, "quality stack")}</div>'


def account_table(account: Mapping[str, Any]) -> str:
    rows = [row(text_cell(name), figure(_limit(value))) for name, value in account.items()]
    return table(["Limit", "#Value"], rows) if rows else nothing("No limits were stated.")


def identity_table(result: Mapping[str, Any]) -> str:
    names = ("engine_version", "seed", "config_hash", "data_hash", "state_hash")
    return table(
        [], [row(text_cell(name.replace("_", " ")), text_cell(_plain(result[name]), "hash")) for name in names]
    )


def mark_key(sides: Sequence[str], reasons: Sequence[str]) -> str:
    """Render the legend of the marks on the price chart; only those that occur."""
    if not sides:
        return ""
    arrows = {"LONG": ("up", "z1", "entry, long"), "SHORT": ("down", "z1", "entry, short")}
    marks = [arrows[side] for side in sorted(sides) if side in arrows]
    marks += [("", _colour(reason), _exit_name(reason)) for reason in reasons]
    marks += [("stroke", "gain", "gain"), ("stroke", "loss", "loss")]
    return "".join(
        f'<span><i class="mark {shape}" style="--mark:var(--{colour})"></i>{escape(name)}</span>'
        for shape, colour, name in marks
    )


def _hero(
    title: str,
    value: object,
    form: Form,
    name: str,
    subs: Sequence[str],
    why: Mapping[str, str],
    weak: Mapping[str, str],
) -> str:
    shade = "weak" if name in weak else tone(value) if form.signed else ""
    reason = f'<p class="why">{escape(why[name])}</p>' if name in why else ""
    shown = [] if reason and len(subs) == 1 else subs
    text = "".join(f'<p class="sub">{escape(sub)}</p>' for sub in shown if sub)
    pair = f'<dl><dt>{title}</dt><dd class="big {shade}">{number(value, form)}</dd></dl>'
    return f'<div class="hero">{pair}{reason}{text}</div>'


def pair(title: str, text: str, why: str, shade: str = "") -> str:
    """Render a figure with its name, and the reason why it is unknown or not significant."""
    reason = f'<dd class="why">{escape(why)}</dd>' if why else ""
    style = f' class="{shade}"' if shade else ""
    return f"<div><dt>{escape(title)}</dt><dd{style}>{text}</dd>{reason}</div>"


def _month(month: facts.Month | None, name: str) -> str:
    if month is None:
        return f'<td data-month="{name}" class="quiet"></td>'
    depth = min(1.0, abs(month.return_pct) / DEEP_MONTH_PCT) ** 0.6 * 38.0
    shade = f'style="--shade:var(--{"gain" if month.return_pct >= 0 else "loss"});--depth:{depth:.0f}%"'
    part = "" if month.whole else ' class="part"'
    return f'<td data-month="{name}"{part} {shade}>{number(month.return_pct, Form(2, signed=True))}</td>'


def _bar(each: facts.Bin, bins: Sequence[facts.Bin], tails: tuple[bool, bool], money: Form) -> str:
    top = max(b.count for b in bins)
    height = f"{max(1.2, each.count / top * 100):.1f}%" if each.count else "0"
    is_tail = (tails[0] and each is bins[0]) or (tails[1] and each is bins[-1])
    style = " ".join(filter(None, ("loss" if each.high <= 0 else "", "tail" if is_tail else "")))
    shade = f' class="{style}"' if style else ""
    return f'<i{shade} style="height:{height}" title="{escape(_bin_text(each, bins, tails, money))}"></i>'


def _bin_text(each: facts.Bin, bins: Sequence[facts.Bin], tails: tuple[bool, bool], money: Form) -> str:
    count = f"{number(each.count, COUNT)} trade{'' if each.count == 1 else 's'}"
    if tails[0] and each is bins[0]:
        return f"below {number(each.high, money)}: {count}"
    if tails[1] and each is bins[-1]:
        return f"above {number(each.low, money)}: {count}"
    return f"{number(each.low, money)} to {number(each.high, money)}: {count}"


def _ends(bins: Sequence[facts.Bin], tails: tuple[bool, bool], money: Form) -> str:
    """Return the labels of the axis; an outermost bar that holds a tail is labelled by its range."""
    low, high = bins[0].low, bins[-1].high
    short = Form(0 if max(abs(low), abs(high)) >= 50 else money.decimals, signed=True)
    share = -low / (high - low) if high > low else 0.0
    is_crowded = (tails[0] and share < 0.25) or (tails[1] and share > 0.75)
    zero = f'<span class="zero" style="left:{share * 100:.1f}%">0</span>' if 0 < share < 1 and not is_crowded else ""
    left = f"all below {number(bins[0].high, short)}" if tails[0] else number(low, short)
    right = f"all above {number(bins[-1].low, short)}" if tails[1] else number(high, short)
    return f'<div class="ends"><span>{left}</span>{zero}<span>{right}</span></div>'


def _lane(value: float, low: float, reach: float) -> str:
    left = (min(0.0, value) - low) / reach * 100
    return f'<b class="{tone(value)}" style="left:{left:.2f}%;width:{abs(value) / reach * 100:.2f}%"></b>'


def _fault(fault: Mapping[str, Any]) -> str:
    kind = str(fault["kind"])
    found = f"{kind.replace('_', ' ')} {number(fault['count'], COUNT)}"
    if fault["first_ts"] is not None:
        found += f", first {moment(fault['first_ts'])}"
    if fault["detail"]:
        found += f": {fault['detail']}"
    did = FAULT_CONSEQUENCES.get(kind, "used as they are")
    return f'<div>{escape(found)}</div><div class="fault">{escape(did)}</div>'


def _limit(value: object) -> str:
    if value is None:
        return "off"
    return significant(value) if known(value) is not None and not isinstance(value, bool) else escape(_plain(value))


def _plain(value: object) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _exit_name(reason: str) -> str:
    return facts.EXIT_NAMES.get(reason, reason)


def _colour(reason: str) -> str:
    return REASON_COLOURS.get(reason, "trace")
