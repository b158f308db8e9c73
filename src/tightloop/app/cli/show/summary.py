"""The summary of a backtest on the terminal: what a trader wants first, in one table, the path of the report last.

This module loads rich; a command imports it when it has something to summarise.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tightloop.app.facts.metric_reasons import OF_RETURNS, in_one_line, length_ns, missing_reasons
from tightloop.app.markets.notes import SYNTHETIC, denials, is_of_account, is_synthetic
from tightloop.app.text.numbers import (
    COUNT,
    DAYS,
    PERCENT,
    PERCENT_SIGNED,
    RATIO,
    SHARE,
    Form,
    day,
    forms,
    known,
    nanoseconds,
    number,
    span,
    tone,
)
from tightloop.model.signal.presets import PRESETS
from tightloop.model.times import DAY_NS

WARNINGS_SHOWN = 5
THREE = Form(3)
STYLES = {"gain": "green", "loss": "red", "": ""}
VERDICTS = {"fit": "green", "usable": "yellow", "unfit": "red"}

Line = tuple[str, str, str]
"""Name, text, style."""


def print_summary(
    result: Mapping[str, Any],
    out_dir: Path,
    report_path: Path,
    *,
    quality: Sequence[Mapping[str, Any]] = (),
    console: Console | None = None,
) -> None:
    """Print the figures of ``result`` (as in result.json), warnings, data quality, attribution and where the files are.

    ``quality``: the datasets of ``data check --json`` that the run read. Without a terminal there are no colours.
    """
    out = console or Console(highlight=False)
    start, end = nanoseconds(result["from"]), nanoseconds(result["to"])
    days = f", {(end - start) / DAY_NS:,.1f} days" if start is not None and end is not None else ""
    out.print(f"[bold]{escape(_name(result))}[/]  {day(start)} to {day(end)}{days}")
    if is_synthetic(result):
        out.print(f"[yellow]{SYNTHETIC}[/]", soft_wrap=True)
    out.print()
    out.print(_figures(result))
    for lines in (
        _unknown(result),
        _attribution(result),
        _denied(result),
        _account(result),
        _quality(quality),
        _warnings([warning for warning in result["warnings"] if warning not in denials(result)]),
    ):
        if lines:
            out.print()
            for line in lines:
                out.print(line, soft_wrap=True)
    out.print()
    out.print(f"Files   {escape(str(out_dir))}", soft_wrap=True)
    out.print(f"Report  [bold]{escape(str(report_path))}[/]", soft_wrap=True)


def _figures(result: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    columns = _columns(result)
    for _ in columns:
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
    for index in range(max(len(column) for column in columns)):
        cells: list[str] = []
        for column in columns:
            name, text, style = column[index] if index < len(column) else ("", "", "")
            cells += [name, f"[{style}]{text}[/]" if style else text]
        grid.add_row(*cells)
    return grid


def _columns(result: Mapping[str, Any]) -> list[list[Line]]:
    """Return three columns of lines: result, risk, and trades with costs."""
    if "figures" in result:
        return _carry_columns(result)
    shapes = forms(float(result["initial_equity"]))
    m = result["metrics"]
    gained = result["final_equity"] - result["initial_equity"]

    def line(title: str, key: str, form: Form) -> Line:
        return title, number(m[key], form), ""

    return [
        [
            ("Return", number(m["total_return_pct"], PERCENT_SIGNED), STYLES[tone(m["total_return_pct"])]),
            ("Net result", number(gained, shapes["money_signed"]), STYLES[tone(gained)]),
            line("CAGR", "cagr_pct", PERCENT_SIGNED),
            ("Equity", number(result["final_equity"], shapes["money"]), ""),
            line("Exposure", "exposure_pct", SHARE),
        ],
        [
            line("Max drawdown", "max_drawdown_pct", PERCENT),
            line("Its length", "max_drawdown_days", DAYS),
            line("Sharpe", "sharpe", RATIO),
            line("Sortino", "sortino", RATIO),
            line("Volatility", "volatility_pct", PERCENT),
        ],
        [
            line("Trades", "trades", COUNT),
            line("Win rate", "win_rate_pct", SHARE),
            line("Profit factor", "profit_factor", RATIO),
            line("Expectancy", "expectancy", shapes["money_signed"]),
            ("Average held", span(m["avg_hold_s"]), ""),
        ],
    ]


def _carry_columns(result: Mapping[str, Any]) -> list[list[Line]]:
    """Return three columns of lines of a carry run: result, risk, and income with costs."""
    shapes, m, figures = forms(float(result["initial_equity"])), result["metrics"], result["figures"]
    gained = result["final_equity"] - result["initial_equity"] - figures["flows"]
    money, signed = shapes["money"], shapes["money_signed"]
    return [
        [
            ("APY", number(figures["apy"], PERCENT_SIGNED), STYLES[tone(figures["apy"])]),
            ("Net result", number(gained, signed), STYLES[tone(gained)]),
            ("Benchmark", number(figures["benchmark"], signed), ""),
            ("Equity", number(result["final_equity"], money), ""),
            ("Leverage", number(figures["leverage"], RATIO), ""),
        ],
        [
            ("Max drawdown", number(m["max_drawdown_pct"], PERCENT), ""),
            ("Sharpe", number(m["sharpe"], RATIO), ""),
            ("Volatility", number(m["volatility_pct"], PERCENT), ""),
            ("Margin min", number(figures["min_ratio"], THREE), ""),
            ("HF min", number(figures["hf_min"], THREE), ""),
        ],
        [
            ("Funding", number(figures["funding"], signed), ""),
            ("Fees, gas", number(figures["fees"] + figures["gas"], money), ""),
            ("Rebalances", number(figures["resizes"] + figures["rebalances"], COUNT), ""),
            ("Liquidations", number(figures["liquidations"], COUNT), ""),
            ("Rollbacks", number(figures["rollbacks"], COUNT), ""),
        ],
    ]


def _unknown(result: Mapping[str, Any]) -> list[str]:
    """Return which figures are unknown, and why; trade metrics do not apply to a carry run."""
    why = missing_reasons(result["metrics"], length_ns(result))
    if "figures" in result:
        why = {name: reason for name, reason in why.items() if name in OF_RETURNS}
    text = in_one_line(why)
    return [f"[dim]n/a[/]     {escape(text)}"] if text else []


def _attribution(result: Mapping[str, Any]) -> list[str]:
    """Return the PnL components, largest amounts first; zeros are left out."""
    form = forms(float(result["initial_equity"]))["money_signed"]
    buckets = [(name, known(value)) for name, value in result["attribution"].items()]
    there = sorted(((name, v) for name, v in buckets if v), key=lambda each: -abs(each[1]))
    parts = [f"{escape(name.replace('_', ' '))} [{STYLES[tone(v)]}]{number(v, form)}[/]" for name, v in there]
    return [f"[dim]Money[/]   {', '.join(parts)}"] if parts else []


def _denied(result: Mapping[str, Any]) -> list[str]:
    return [f"[bold red]denied[/]  {escape(text.removeprefix('denied '))}" for text in denials(result)]


def _account(result: Mapping[str, Any]) -> list[str]:
    """Return the account preset chosen by name, and the limits it switches off."""
    account = result["account"]
    if "preset" not in account:
        return []
    off = [name for name in PRESETS[account["preset"]] if account[name] is None]
    return [f"[dim]Account[/] {account['preset']}: {', '.join(off)} are off"]


def _quality(datasets: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line per dataset that is not fit, and how many are."""
    listed = list(datasets)
    if not listed:
        return []
    fit = sum(each["verdict"] == "fit" for each in listed)
    lines = [f"[dim]Data[/]    {fit} of {len(listed)} datasets fit"]
    for each in listed:
        if each["verdict"] != "fit":
            faults = ", ".join(f"{f['kind'].replace('_', ' ')} {number(f['count'], COUNT)}" for f in each["faults"])
            style = VERDICTS[each["verdict"]]
            lines.append(f"        [{style}]{each['verdict']}[/] {escape(str(each['path']))}: {escape(faults)}")
    return lines


def _warnings(warnings: Sequence[object]) -> list[str]:
    texts = sorted((str(warning) for warning in warnings), key=lambda text: not is_of_account(text))
    lines = [
        f"[{'bold red' if is_of_account(text) else 'yellow'}]warning[/] {escape(text)}"
        for text in texts[:WARNINGS_SHOWN]
    ]
    rest = len(warnings) - WARNINGS_SHOWN
    return [*lines, f"        and {rest} more, in the report"] if rest > 0 else lines


def _name(result: Mapping[str, Any]) -> str:
    strategy = result["strategy"]
    return str(strategy["name"]) if isinstance(strategy, Mapping) else str(strategy)
