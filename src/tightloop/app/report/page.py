"""`report.html` of a backtest: one page that carries its data, its charts and its code, and loads nothing.

The interface is `build_report`. The page's parts: `report_series` (curves on one bounded time grid), `report_columns`
(packing), `report_fills` (executions), `report_facts` (tables), `report_sections` (their HTML), `report_numbers`
(every figure's form) and the template, style and scripts in `assets/`. Amounts follow one convention: fees and slippage
are costs (positive = paid), funding is a cash flow (positive = received).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tightloop.app.facts.conditions import Facts
from tightloop.app.facts.metric_reasons import missing_reasons, weak_figures
from tightloop.app.report import facts, sections, series
from tightloop.app.report.columns import Pack
from tightloop.app.report.fills import fill_columns
from tightloop.app.report.template import asset, json_text, links, page, policy
from tightloop.app.report.why import blocked_table
from tightloop.app.text.numbers import MISSING, day, forms, known, number
from tightloop.model.times import DAY_NS, SECOND_NS
from tightloop.runtime.results.metrics import METRICS

LIBRARY = "vendor/lightweight-charts.standalone.production.js"
SCRIPTS = ("columns", "numbers", "marks", "chart", "view", "trades", "story", "main")
FIRINGS_MAX = 60_000
SECTIONS = {
    "figures": "Figures", "chart": "Chart", "trades": "Trades", "months": "Months", "results": "Results",
    "costs": "Costs", "entries": "Entries", "quality": "Data", "setup": "Set-up",
}  # fmt: skip
"""Sections that the head of the page links to: id -> short name."""

REQUIRED = {
    "trades": "trade_id instrument side qty entry_ts entry_price exit_ts exit_price pnl fees funding exit_reason "
    "signal_id session_id",
    "orders": "order_id signal_id session_id strategy instrument side type role tif qty price stop_price reduce_only "
    "state reason filled_qty avg_price submitted_ts updated_ts",
    "fills": "fill_id order_id trade_id instrument ts side qty price fee liquidity",
    "equity": "ts equity cash drawdown_pct",
    "signals": "ts signal_id session_id strategy instrument section event reason conditions",
}
RESULT_KEYS = (
    "strategy config_hash data_hash engine_version seed from to initial_equity final_equity state_hash metrics "
    "attribution account warnings"
)


@dataclass(frozen=True, slots=True)
class RunFrames:
    """Checked arguments of `build_report`."""

    result: Mapping[str, Any]
    trades: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    signals: pl.DataFrame
    bars: Mapping[str, series.Bars]
    quality: Sequence[Mapping[str, Any]]
    strategy_yaml: str
    command: str
    made_at: str | None
    blocked: list[Facts] | str | None


def build_report(
    result: Mapping[str, Any],
    bars: Mapping[str, series.Bars],
    quality: Sequence[Mapping[str, Any]],
    strategy_yaml: str,
    command: str,
    made_at: str | None,
    blocked: list[Facts] | str | None = None,
    **frames: pl.DataFrame,
) -> str:
    """Build the page as HTML text.

    ``frames``: trades, orders, fills, equity and signals as in the result files. ``bars``: by instrument name, dtype
    BAR. ``quality``: the ``datasets`` of ``data check --json`` that the run read. ``made_at``: the time stamp to print,
    the only thing that differs between identical runs. ``blocked``: result of `why.blocked`. A missing column, metric
    or key is an AssertionError that names it.
    """
    for name, columns in REQUIRED.items():
        _require(name, columns, frames[name].columns)
    _require("result", RESULT_KEYS, result)
    _require("result.metrics", " ".join(METRICS), result["metrics"])
    ordered = frames["trades"].with_columns(pl.col("exit_ts").cast(pl.Int64)).sort("entry_ts", maintain_order=True)
    run = RunFrames(
        result, ordered, frames["orders"], frames["fills"], frames["equity"], frames["signals"],
        series.in_order(bars), quality, strategy_yaml, command, made_at, blocked,
    )  # fmt: skip
    return _page(run)


def _page(run: RunFrames) -> str:
    hold = series.buy_and_hold(run.bars, _stamps(run.equity, "ts"), float(run.result["initial_equity"]))
    pack = Pack()
    facts_json = json_text(_facts(run, pack, hold))
    columns = pack.text()
    library, script = asset(LIBRARY), _script()
    version = re.search(r"Charts™ v(\S+)", library)
    assert version, f"{LIBRARY} names no version"
    fixed = {
        "policy": policy(library, script),
        "style": asset("report.css"),
        "links": links(SECTIONS),
        "account_title": "Account limits in force",
        "facts": facts_json,
        "columns": columns,
        "library": library,
        "script": script,
        "library_version": version[1],
    }
    return page("report.html", {**fixed, **_texts(run), **_tables(run, hold)})


def _texts(run: RunFrames) -> dict[str, str]:
    """Return title, lines of the head, and notes of the sections."""
    start, end = facts.run_span(run.result)
    days = (end - start) / DAY_NS
    money = forms(float(run.result["initial_equity"]))["money"]
    name = _strategy_name(run.result)
    done = facts.closed(run.trades).height
    open_count = run.trades.height - done
    state = "ended flat" if not open_count else f"ended with {open_count} open trade{'' if open_count == 1 else 's'}"
    instruments = ", ".join(run.bars) or ", ".join(run.trades["instrument"].unique(maintain_order=True))
    capital = number(run.result["initial_equity"], money)
    asset = f" {run.result['settle_asset']}" if "settle_asset" in run.result else ""
    account = f" · account {run.result['account']['preset']}" if "preset" in run.result["account"] else ""
    lede = f"{instruments} · {day(start)} to {day(end)}, {days:,.1f} days · capital {capital}{asset}{account}"
    suppressed = run.signals.filter(pl.col("event") == "suppressed").height
    denied = run.orders.filter(pl.col("state") == "DENIED").height
    engine = f"tightloop {run.result['engine_version']}"
    verdicts = [str(each["verdict"]) for each in run.quality]
    texts = {
        "title": f"{name} · backtest",
        "strategy": name,
        "kicker": " · ".join(filter(None, ("Backtest", _direction(run), state))),
        "lede": lede,
        "months_note": "Percent, compounding to the total return. A star marks a month the run covers only in part.",
        "results_note": f"{_counted(done, 'closed trade')}, net of fees and funding; open ones only count in equity.",
        "costs_note": "Fees and slippage are what was paid; funding is what was received less what was paid.",
        "entries_note": f"{_counted(suppressed, 'signal')} held back, {_counted(denied, 'order')} denied by a check.",
        "quality_note": f"{_counted(len(verdicts), 'dataset')}: {_tally(verdicts)}." if verdicts else "",
        "command": run.command,
        "yaml": run.strategy_yaml,
        "made": f"Made {run.made_at} by {engine}." if run.made_at else f"Made by {engine}.",
    }
    return {slot: escape(text) for slot, text in texts.items()}


def _tables(run: RunFrames, hold: npt.NDArray[np.float64] | None) -> dict[str, str]:
    """Render every fixed section as HTML."""
    result, initial = run.result, float(run.result["initial_equity"])
    shapes = forms(initial)
    start, end = facts.run_span(result)
    why = missing_reasons(result["metrics"], end - start)
    weak = weak_figures(result["metrics"], end - start)
    hold_pct = None if hold is None else float(hold[-1] / initial - 1.0) * 100.0
    months = facts.monthly_returns(_stamps(run.equity, "ts"), _floats(run.equity, "equity"), initial, start, end)
    done = facts.closed(run.trades)
    by_instrument = facts.outcomes(run.trades, "instrument") if len(run.bars) > 1 else []
    reasons = facts.outcomes(run.trades, "exit_reason")
    instruments = sections.outcome_table(by_instrument, "Instrument", shapes, by_reason=False) if by_instrument else ""
    return {
        "warnings": sections.warning_box(result["warnings"], facts.said_first(result)),
        "heroes": sections.heroes(result, hold_pct, shapes, why, weak),
        "groups": sections.groups(result, shapes, why, weak),
        "key": sections.mark_key(run.trades["side"].unique().to_list(), [each.name for each in reasons]),
        "months": sections.month_table(months),
        "distribution": sections.distribution(done["pnl"].to_list(), shapes),
        "exits": sections.outcome_table(reasons, "Exit", shapes, by_reason=True),
        "by_instrument": f"<h3>By instrument</h3>{instruments}" if instruments else "",
        "attribution": sections.attribution(result["attribution"], result["final_equity"] - initial, shapes),
        "costs": sections.cost_table(run.fills, result["metrics"], shapes),
        "path": sections.path_table(facts.path_to_trades(run.signals, run.orders, run.trades)),
        "suppressed": sections.refusal_table(facts.suppressed(run.signals), "Section", "No signal was held back."),
        "refused": sections.refusal_table(facts.refused_orders(run.orders), "Order", facts.none_refused(run.orders)),
        "blocked": blocked_table(run.blocked),
        "quality": sections.quality_table(run.quality, run.command),
        "account": sections.account_table(result["account"]),
        "identity": sections.identity_table(result),
    }


def _facts(run: RunFrames, pack: Pack, hold: npt.NDArray[np.float64] | None) -> dict[str, Any]:
    """Collect what the scripts read; columns go into ``pack``."""
    equity_ts = _stamps(run.equity, "ts")
    grid = series.grid_of(run.bars, equity_ts)
    equity = series.equity_columns(
        pack, grid, equity_ts, _floats(run.equity, "equity"), _floats(run.equity, "drawdown_pct"), hold
    )
    shapes: dict[str, int] = {}
    firings = _firings(run, pack, shapes)
    return {
        "grid": {
            "times": pack.numbers(grid.starts / SECOND_NS, exact=True),
            "width": grid.width_ns / SECOND_NS,
            "barSeconds": grid.step_ns / SECOND_NS,
            "coarse": grid.coarse,
        },
        "forms": {name: asdict(form) for name, form in forms(float(run.result["initial_equity"])).items()},
        "exitNames": facts.EXIT_NAMES,
        "instruments": _instruments(run, pack, grid),
        "equity": equity,
        "trades": _trades(run.trades, pack),
        "fills": fill_columns(pack, run.trades, run.fills),
        "firings": firings,
        "shapes": [json.loads(shape) for shape in shapes],
    }


def _instruments(run: RunFrames, pack: Pack, grid: series.Grid) -> list[dict[str, Any]]:
    """Pack each instrument's bars; a run without bars gets an empty instrument, so its equity is still drawn."""
    bars = run.bars or {"no bars": series.NO_BARS}
    room, instruments = series.DETAIL_MAX // len(bars), []
    for name, rows in bars.items():
        entry: dict[str, Any] = {"name": name, "detail": None, **series.price_columns(pack, grid, rows)}
        closed = facts.closed(run.trades).filter(pl.col("instrument") == name)
        if grid.coarse and closed.height and len(rows):
            entry["detail"] = series.detail_columns(
                pack, grid, rows, _stamps(closed, "entry_ts"), _stamps(closed, "exit_ts"), room
            )
        instruments.append(entry)
    return instruments


def _trades(trades: pl.DataFrame, pack: Pack) -> dict[str, Any]:
    reasons = trades.select(
        pl.when(pl.col("exit_ts").is_null()).then(pl.lit(facts.OPEN)).otherwise(pl.col("exit_reason").cast(pl.String))
    ).to_series()
    amounts = {
        name: pack.numbers(_floats(trades, name))
        for name in ("qty", "entry_price", "exit_price", "pnl", "fees", "funding")
    }
    return {
        "trade_id": pack.texts(_strings(trades, "trade_id")),
        "signal_id": pack.texts(_strings(trades, "signal_id")),
        "instrument": pack.codes(_strings(trades, "instrument")),
        "side": pack.codes(_strings(trades, "side")),
        "entry_ts": pack.numbers(_floats(trades, "entry_ts") / SECOND_NS, exact=True),
        "exit_ts": pack.numbers(_floats(trades, "exit_ts") / SECOND_NS, exact=True),
        "reason": pack.codes([str(reason) for reason in reasons.to_list()]),
        **amounts,
    }


def _firings(run: RunFrames, pack: Pack, shapes: dict[str, int]) -> dict[str, Any]:
    """Pack section firings: those of a trade with their conditions, S1 and O1 also without one.

    Texts of conditions repeat and are kept once, in ``shapes``; ``values`` holds value and threshold of every
    condition, from ``at`` on.
    """
    trade_of = {signal: i for i, signal in enumerate(run.trades["signal_id"].to_list()) if signal is not None}
    fired = facts.firings(run.signals).with_columns(
        pl.col("signal_id").is_in(list(trade_of)).fill_null(False).alias("traded")
    )
    kept = fired.filter(pl.col("traded") | pl.col("section").is_in(["S1", "O1"])).sort("ts", maintain_order=True)
    if kept.height > FIRINGS_MAX:
        kept = (
            kept.sort("traded", descending=True, maintain_order=True).head(FIRINGS_MAX).sort("ts", maintain_order=True)
        )
    values: list[float] = []
    shape, at = [], []
    for text in kept["conditions"].to_list():
        words, numbers = _condition_words(text)
        shape.append(shapes.setdefault(words, len(shapes)))
        at.append(len(values))
        values += numbers
    return {
        "ts": pack.numbers(_floats(kept, "ts") / SECOND_NS, exact=True),
        "section": pack.codes(_strings(kept, "section")),
        "instrument": pack.codes(_strings(kept, "instrument")),
        "trade": pack.numbers([trade_of.get(signal, -1) for signal in kept["signal_id"].to_list()]),
        "shape": pack.numbers(shape),
        "at": pack.numbers(at),
        "values": pack.singles(values),
    }


def _condition_words(text: str | None) -> tuple[str, list[float]]:
    """Return (JSON of everything but the numbers, [value, threshold, value, threshold, ...])."""
    words, numbers = [], []
    for each in facts.conditions_of(text):
        value, threshold = known(each["value"]), each["threshold"]
        numeric = threshold is None or isinstance(threshold, int | float)
        word = {
            "variant": str(each["variant"]),
            "operator": str(each["operator"]),
            "verdict": str(each["verdict"]).upper(),
        }
        words.append(
            word
            if numeric
            else {**word, "threshold": json.dumps(threshold) if not isinstance(threshold, str) else threshold}
        )
        limit = known(threshold) if numeric else None
        numbers += [float("nan") if number is None else number for number in (value, limit)]
    return json.dumps(words, sort_keys=True), numbers


def _direction(run: RunFrames) -> str:
    """Return the direction of the strategy file, else the sides of the trades."""
    written = re.search(r"(?m)^direction:\s*(LONG|SHORT)\b", run.strategy_yaml)
    if written:
        return written[1].lower()
    sides = sorted({side.lower() for side in _strings(run.trades, "side")})
    return " and ".join(sides)


def _strategy_name(result: Mapping[str, Any]) -> str:
    strategy = result["strategy"]
    return str(strategy["name"]) if isinstance(strategy, Mapping) else str(strategy)


def _tally(words: Sequence[str]) -> str:
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _require(frame: str, wanted: str, there: Sequence[str] | Mapping[str, Any]) -> None:
    missing = [name for name in wanted.split() if name not in there]
    assert not missing, f"{frame} lacks {', '.join(missing)}"


def _stamps(frame: pl.DataFrame, column: str) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(frame[column].cast(pl.Int64).to_numpy())


def _floats(frame: pl.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return a column as float64; null becomes NaN, which the page shows as unknown."""
    return np.ascontiguousarray(frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _strings(frame: pl.DataFrame, column: str) -> list[str]:
    return [str(value) for value in frame[column].cast(pl.String).fill_null(MISSING).to_list()]


@cache
def _script() -> str:
    parts = "\n".join(asset(f"report_{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'
