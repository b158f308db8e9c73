"""`report.html` of a carry run: unit price against the benchmark, attribution, risk, balances, events."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tightloop.app.facts.conditions import Facts
from tightloop.app.facts.metric_reasons import length_ns, missing_reasons
from tightloop.app.report import facts, sections
from tightloop.app.report.carry.charts import Curve, coloured, layers, lines
from tightloop.app.report.carry.rules import rules_table
from tightloop.app.report.tags import figure, row, table, text_cell
from tightloop.app.report.template import asset, json_text, links, page, policy
from tightloop.app.text.numbers import (
    COUNT,
    PERCENT,
    PERCENT_SIGNED,
    RATIO,
    Form,
    day,
    forms,
    known,
    moment,
    number,
    tone,
)
from tightloop.model.times import DAY_NS
from tightloop.runtime.results.metrics import METRICS

NEEDED = ("equity", "series", "attribution", "positions", "events", "fills")
BENCHMARK_NAME = "Ethena sUSDe"
EVENTS_MAX = 70_000
SECTIONS = {
    "figures": "Figures", "equity": "Equity", "attribution": "Attribution", "risk": "Risk", "rules": "Rules",
    "balances": "Balances", "events": "Events", "months": "Months", "quality": "Data", "setup": "Set-up",
}  # fmt: skip
"""Sections that the head of the page links to: id -> short name."""
LEVERS = Form(2, "x")
FACTOR = Form(3)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def build_carry_report(
    result: Mapping[str, Any],
    frames: Mapping[str, pl.DataFrame],
    quality: Sequence[Mapping[str, Any]],
    strategy_yaml: str,
    command: str,
    made_at: str | None,
    rules: Sequence[Facts] | str | None = None,
) -> str:
    """Build the page as HTML text. ``frames``: the tables named in ``NEEDED``, as in the result files.

    ``rules``: result of ``carry_rules.rules_of``; None when the run was not replayed.
    """
    missing = [name for name in NEEDED if name not in frames]
    assert not missing, f"the page needs {', '.join(missing)}"
    shapes = forms(float(result["initial_equity"]))
    script = asset("carry_events.js")
    fixed = {
        "policy": policy(script), "style": asset("report.css") + asset("carry.css"), "script": script,
        "links": links(SECTIONS), "account_title": "Bands in force", "events": json_text(_events(frames["events"])),
    }  # fmt: skip
    return page(
        "carry.html",
        {
            **fixed, **_texts(result, strategy_yaml, command, made_at), **_charts(result, frames, shapes),
            **_tables(result, frames, quality, shapes, command),
            "rules": rules_table(rules),
        },
    )  # fmt: skip


def _texts(result: Mapping[str, Any], strategy_yaml: str, command: str, made_at: str | None) -> dict[str, str]:
    start, end = facts.run_span(result)
    days = (end - start) / DAY_NS
    share = str(result["settle_asset"])
    capital = number(result["initial_equity"], forms(float(result["initial_equity"]))["money"])
    engine = f"tightloop {result['engine_version']}"
    name = str(result["strategy"])
    benchmark = f" The benchmark is what {BENCHMARK_NAME} paid on the same capital." if share == "USDT" else ""
    texts = {
        "title": f"{name} · carry", "strategy": name, "kicker": f"Backtest · carry · share class {share}",
        "lede": f"{', '.join(result['instruments']) or 'on chain'} · {day(start)} to {day(end)}, {days:,.1f} days · "
        f"capital {capital} {share}",
        "equity_note": f"The price of a unit, starting at 1; flows do not change it.{benchmark}",
        "risk_note": "At every instant; margin ratios before any action on them.",
        "share": share, "command": command, "yaml": strategy_yaml,
        "made": f"Made {made_at} by {engine}." if made_at else f"Made by {engine}.",
    }  # fmt: skip
    return {slot: escape(text) for slot, text in texts.items()}


# Charts ---------------------------------------------------------------------------------------------------------------


def _charts(
    result: Mapping[str, Any], frames: Mapping[str, pl.DataFrame], shapes: Mapping[str, Form]
) -> dict[str, str]:
    table_of_series = frames["series"]
    ts_ns = _stamps(table_of_series)
    capital = float(result["initial_equity"])
    benchmark = _floats(table_of_series, "benchmark")
    curves = [Curve(str(result["strategy"]), _floats(table_of_series, "unit_price"))]
    if np.isfinite(benchmark).any():
        curves.append(Curve(BENCHMARK_NAME, 1.0 + benchmark / capital, "trace"))
    drawdown = -_floats(frames["equity"], "drawdown_pct")
    names, columns = _summed(frames["attribution"], "bucket", "amount")
    stacked = layers(
        _stamps(frames["attribution"].unique("ts", maintain_order=True)),
        coloured(names, [np.cumsum(column) for column in columns]), shapes["money"],
    )  # fmt: skip
    return {
        "equity": lines(ts_ns, curves, Form(4), height=300.0),
        "drawdown": lines(ts_ns, [Curve("drawdown", drawdown, "loss")], Form(2), height=140.0),
        "stacked": stacked,
        "risk": _risk(result, table_of_series, ts_ns),
        "by_venue": _balances(frames["positions"], "venue", ts_ns, shapes),
        "by_asset": _balances(frames["positions"], "asset", ts_ns, shapes),
    }


def _worst(table_of_series: pl.DataFrame, name: str, otherwise: str) -> str:
    """Return the column with the worst value per instant; results of older versions only have the value at its end."""
    return name if name in table_of_series.columns else otherwise


def _risk(result: Mapping[str, Any], table_of_series: pl.DataFrame, ts_ns: Ints) -> str:
    bands = result["account"]
    venues = [name for name in table_of_series.columns if name.startswith("margin_ratio_")]
    health, ltv = (
        _floats(table_of_series, _worst(table_of_series, "hf_low", "hf")),
        _floats(table_of_series, _worst(table_of_series, "ltv_high", "ltv")),
    )
    parts = [
        ("Health factor", [Curve("health factor", health)], FACTOR, [("floor", bands["hf_floor"])]),
        ("Loan to value", [Curve("LTV", ltv)], FACTOR, []),
        (
            "Margin over notional",
            coloured(
                [name.removeprefix("margin_ratio_") for name in venues],
                [_floats(table_of_series, name) for name in venues],
            ),
            Form(2),
            [(name, bands[f"margin_{name}"]) for name in ("warn", "resize", "liquidate")],
        ),
        (
            "Net delta, share of what is held long",
            [Curve("delta", _floats(table_of_series, "delta"))],
            Form(4),
            [("band", bands["delta_band"])],
        ),
        ("Funding received so far", [Curve("funding", _floats(table_of_series, "funding"), "z1")], Form(0), []),
    ]  # fmt: skip
    found = []
    for title, curves, form, levels in parts:
        if any(np.isfinite(curve.values).any() and np.nanmax(np.abs(curve.values)) > 0.0 for curve in curves):
            marks = [Curve(name, np.array([level]), "loss") for name, level in levels if level is not None]
            found.append(f"<h3>{title}</h3>{lines(ts_ns, curves, form, height=180.0, marks=marks)}")
    return "".join(found) or '<p class="none">Nothing is owed and no perpetual is held.</p>'


def _balances(positions: pl.DataFrame, by: str, ts_ns: Ints, shapes: Mapping[str, Form]) -> str:
    """Chart values stacked by venue or by asset; a perp counts with its unrealised result."""
    found = positions.group_by(by, "ts", maintain_order=True).agg(pl.col("value").sum())
    names, columns = [], []
    for name in found[by].unique(maintain_order=True).to_list():
        rows_of_name = found.filter(pl.col(by) == name)
        column = np.zeros(len(ts_ns))
        column[np.searchsorted(ts_ns, _stamps(rows_of_name))] = _floats(rows_of_name, "value")
        names.append(str(name))
        columns.append(column)
    return layers(ts_ns, coloured(names, columns), shapes["money"], height=220.0)


def _summed(frame: pl.DataFrame, name: str, value: str) -> tuple[list[str], list[Floats]]:
    """Return sums per name, in the order in which the names appear."""
    names = [str(each) for each in frame[name].unique(maintain_order=True).to_list()]
    return [each.replace("_", " ") for each in names], [
        _floats(frame.filter(pl.col(name) == each), value) for each in names
    ]


# Tables ---------------------------------------------------------------------------------------------------------------


def _tables(
    result: Mapping[str, Any],
    frames: Mapping[str, pl.DataFrame],
    quality: Sequence[Mapping[str, Any]],
    shapes: Mapping[str, Form],
    command: str,
) -> dict[str, str]:
    start, end = facts.run_span(result)
    price = _floats(frames["series"], "unit_price")
    months = facts.monthly_returns(_stamps(frames["series"]), price, 1.0, start, end)
    gained = result["final_equity"] - result["initial_equity"] - result["figures"]["flows"]
    return {
        "warnings": sections.warning_box(result["warnings"], facts.said_first(result)),
        "heroes": _heroes(result, shapes),
        "groups": _groups(result, shapes),
        "months": sections.month_table(months),
        "attribution": sections.attribution(result["attribution"], gained, shapes),
        "costs": _costs(result, frames["fills"], shapes),
        "quality": sections.quality_table(quality, command),
        "account": sections.account_table(result["account"]),
        "identity": sections.identity_table(result),
    }


def _heroes(result: Mapping[str, Any], shapes: Mapping[str, Form]) -> str:
    """Render the six headline figures."""
    m, figures = result["metrics"], result["figures"]
    assert set(METRICS) <= set(m), "a result has all metrics"
    gained = number(result["final_equity"] - result["initial_equity"] - figures["flows"], shapes["money_signed"])
    why = missing_reasons(m, length_ns(result))
    sharpe_note = "".join(why[name] for name in ("sharpe",) if name in why) or "from daily returns"
    against = (
        ""
        if figures["benchmark"] is None
        else f"{BENCHMARK_NAME} {number(figures['benchmark'], shapes['money_signed'])}"
    )
    blocks: list[tuple[str, object, Form, str]] = [
        ("APY", figures["apy"], PERCENT_SIGNED, f"APR {number(figures['apr'], PERCENT_SIGNED)}"),
        ("Return of a unit", m["total_return_pct"], PERCENT_SIGNED, f"{gained} net"),
        ("Max drawdown", m["max_drawdown_pct"], PERCENT, against),
        ("Sharpe", m["sharpe"], RATIO, sharpe_note),
        ("Lowest health factor", figures["hf_min"], FACTOR, str(figures["hf_min_at"] or "no debt")),
        ("Lowest margin ratio", figures["min_ratio"], FACTOR, str(figures["min_ratio_at"] or "no perpetual")),
    ]
    return "".join(
        f'<div class="hero"><dl><dt>{title}</dt><dd class="big {tone(value) if form.signed else ""}">'
        f'{number(value, form)}</dd></dl><p class="sub">{escape(sub)}</p></div>'
        for title, value, form, sub in blocks
    )


def _groups(result: Mapping[str, Any], shapes: Mapping[str, Form]) -> str:
    m, figures, money = result["metrics"], result["figures"], shapes["money"]
    signed, why = shapes["money_signed"], missing_reasons(m, length_ns(result))
    own_names = {"Volatility per year": "volatility_pct", "Sortino": "sortino"}
    reasons = {title: why[name] for title, name in own_names.items() if name in why}

    def pairs(part: list[tuple[str, object, Form]]) -> str:
        return "".join(sections.pair(name, number(value, form), reasons.get(name, "")) for name, value, form in part)

    parts: list[list[tuple[str, object, Form]]] = [
        [
            ("Equity at the end", result["final_equity"], money), ("Flows", figures["flows"], signed),
            ("Units", figures["units"], money), ("Price of a unit", figures["unit_price"], Form(6)),
        ],
        [
            ("Funding", figures["funding"], signed), ("Settlements", figures["settlements"], COUNT),
            ("Basis", figures["basis"], signed), ("Leverage of loops", figures["leverage"], LEVERS),
        ],
        [
            ("Volatility per year", m["volatility_pct"], PERCENT), ("Sortino", m["sortino"], RATIO),
            ("Turnover", m["turnover"], RATIO), ("Trades closed", m["trades"], COUNT),
        ],
        [
            ("Resizes", figures["resizes"], COUNT), ("Rebalances", figures["rebalances"], COUNT),
            ("Liquidations", figures["liquidations"], COUNT), ("Rolled back", figures["rollbacks"], COUNT),
        ],
    ]  # fmt: skip
    return "".join(f"<dl>{pairs(part)}</dl>" for part in parts)


def _costs(result: Mapping[str, Any], fills: pl.DataFrame, shapes: Mapping[str, Form]) -> str:
    """Render fees by purpose, gas, slippage."""
    by_role = fills.group_by("role", maintain_order=True).agg(pl.len(), pl.col("fee").sum())
    rows = [
        row(text_cell(str(role).replace("_", " ")), figure(number(count, COUNT)), figure(number(fee, shapes["money"])))
        for role, count, fee in by_role.iter_rows()
        if known(fee)
    ]
    lost = result["metrics"]["slippage"]
    rows.append(row(text_cell("slippage and transfers"), figure(""), figure(number(lost, shapes["money"]))))
    return table(["", "#Times", "#Amount"], rows)


def _events(events: pl.DataFrame) -> list[list[Any]]:
    """Return rows of the table of events; if there are too many, all but funding come first."""
    if events.height > EVENTS_MAX:
        events = events.filter(pl.col("event") != "FUNDING_PAYMENT").head(EVENTS_MAX)
    columns = ("ts", "event", "venue", "asset", "amount", "value", "note")
    return [
        [moment(ts), event, venue, token, _plain(amount), _plain(value), note]
        for ts, event, venue, token, amount, value, note in events.select(columns).iter_rows()
    ]


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.10g}")


def _stamps(frame: pl.DataFrame) -> Ints:
    return np.ascontiguousarray(frame["ts"].cast(pl.Int64).to_numpy())


def _floats(frame: pl.DataFrame, column: str) -> Floats:
    """Return a column as float64; null becomes NaN, which the page shows as unknown."""
    return np.ascontiguousarray(frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy())
