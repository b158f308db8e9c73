"""Pages of carry runs built again from their files alone: one run, or several side by side."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from tightloop.adapters.stores import parquet
from tightloop.app import analysis, facts
from tightloop.app.facts.conditions import Facts
from tightloop.app.facts.metric_reasons import length_ns, missing_reasons
from tightloop.app.report import facts as report_facts
from tightloop.app.report import sections
from tightloop.app.report.carry.charts import coloured, lines
from tightloop.app.report.carry.page import NEEDED, build_carry_report
from tightloop.app.report.tags import figure, row, table, text_cell
from tightloop.app.report.template import asset, page, policy
from tightloop.app.runs.run import made_now
from tightloop.app.text.numbers import COUNT, PERCENT, PERCENT_SIGNED, RATIO, Form, day, known, number, tone
from tightloop.model.errors import InputError

REMEDY = "name folders that `tightloop backtest` wrote for a carry strategy"
ROWS: tuple[tuple[str, str, Form], ...] = (
    ("APY", "apy", PERCENT_SIGNED), ("APR", "apr", PERCENT_SIGNED), ("Max drawdown", "max_drawdown_pct", PERCENT),
    ("Sharpe", "sharpe", RATIO), ("Volatility per year", "volatility_pct", PERCENT),
    ("Lowest health factor", "hf_min", Form(3)), ("Lowest margin ratio", "min_ratio", Form(3)),
    ("Leverage of loops", "leverage", RATIO), ("Resizes", "resizes", COUNT), ("Rebalances", "rebalances", COUNT),
    ("Liquidations", "liquidations", COUNT), ("Rolled back", "rollbacks", COUNT),
)  # fmt: skip


def is_carry_result(result: Mapping[str, Any]) -> bool:
    """Check whether ``result.json`` is of a run of the carry family."""
    return "family" in result and result["family"] == "carry"


def is_carry_run(folder: Path) -> bool:
    """Check whether a folder holds a run of the carry family."""
    path = folder / "result.json"
    return path.is_file() and is_carry_result(_result(folder))


def carry_page(folder: Path) -> str:
    """Build the report of one run from its folder."""
    frames = {name: _frame(folder, name) for name in NEEDED}
    quality = _json(folder, "quality.json")
    if not isinstance(quality, dict) or "datasets" not in quality:
        raise InputError.one(folder, None, "quality.json", "is not of a backtest", REMEDY)
    text = (folder / "strategy.yaml").read_text(encoding="utf-8") if (folder / "strategy.yaml").is_file() else ""
    made_at = made_now()
    rules = _rules(folder)
    return build_carry_report(
        _result(folder), frames, quality["datasets"], text, f"tightloop report {folder}", made_at, rules
    )


def _rules(folder: Path) -> list[Facts] | str:
    """Return what the allocator's rules measured, or why the run cannot be repeated: its data are gone, say."""
    try:
        again = analysis.explain_carry.carry_again(folder, None)
    except InputError as error:
        return str(error)
    return facts.carry_rules.rules_of(again.whole, again.bundles)


def compare_page(folders: Sequence[Path]) -> str:
    """Build a page of several runs: unit prices over their instants, figures and attribution side by side."""
    for folder in folders:
        if not is_carry_run(folder):
            raise InputError.one(folder, None, "", "is not a carry run, and only these are compared", REMEDY)
    results = [_result(folder) for folder in folders]
    names = _names(results, folders)
    curves = _curves(folders)
    made_at = made_now()
    columns = [np.ascontiguousarray(curves[f"unit_{at}"].to_numpy()) for at in range(len(folders))]
    ts_ns = np.ascontiguousarray(curves["ts"].to_numpy())
    buckets = list(dict.fromkeys(bucket for result in results for bucket in result["attribution"]))
    shares = [
        {name: 100.0 * value / result["initial_equity"] for name, value in result["attribution"].items()}
        for result in results
    ]
    figures = [{**result["metrics"], **result["figures"]} for result in results]
    reasons = [missing_reasons(result["metrics"], length_ns(result)) for result in results]
    slots = {
        "title": escape(f"{len(folders)} runs"),
        "lede": escape("; ".join(f"{name}: {_span(each)}" for name, each in zip(names, results, strict=True))),
        "policy": policy(),
        "style": asset("report.css") + asset("carry.css"),
        "equity": lines(ts_ns, coloured(names, columns), Form(4), height=360.0),
        "figures": _table(
            names,
            [(title, [each[key] for each in figures], form) for title, key, form in ROWS],
            {title: [why.get(key, "") for why in reasons] for title, key, _ in ROWS},
        ),
        "attribution": _table(
            names, [(b.replace("_", " "), [each.get(b) for each in shares], PERCENT_SIGNED) for b in buckets]
        ),
        "warnings": sections.warning_box([], _said_first(names, results)),
        "made": escape(f"Made {made_at}."),
    }  # fmt: skip
    return page("carry_compare.html", slots)


def _said_first(names: Sequence[str], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each run's page says first: once where it holds for all, else with the names of the runs."""
    by_notice: dict[str, list[str]] = {}
    for name, result in zip(names, results, strict=True):
        for notice in report_facts.said_first(result):
            by_notice.setdefault(notice, []).append(name)
    return [
        notice if len(found) == len(names) else f"{', '.join(found)}: {notice}" for notice, found in by_notice.items()
    ]


def _curves(folders: Sequence[Path]) -> pl.DataFrame:
    """Join the unit prices of runs over all their instants; NaN outside of a run."""
    frames = [
        _frame(folder, "series").select("ts", pl.col("unit_price").alias(f"unit_{at}"))
        for at, folder in enumerate(folders)
    ]
    found = frames[0]
    for frame in frames[1:]:
        found = found.join(frame, on="ts", how="full", coalesce=True)
    return found.sort("ts").with_columns(pl.exclude("ts").fill_null(float("nan")))


def _names(results: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> list[str]:
    """Return the strategies' names, with the folder where two are the same."""
    strategies = [str(result["strategy"]) for result in results]
    return [
        name if strategies.count(name) == 1 else f"{name} ({folder.name})"
        for name, folder in zip(strategies, folders, strict=True)
    ]


def _span(result: Mapping[str, Any]) -> str:
    return f"{day(result['from'])} to {day(result['to'])}"


def _table(
    names: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Any], Form]],
    why: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Build a table with a row for each figure that some run has, or that ``why`` (row, then run) says why it lacks."""
    lines_of = []
    for title, values, form in rows:
        reasons = why.get(title, [""] * len(values))
        if any(known(value) for value in values) or any(reasons):
            cells = [
                figure(f"{number(value, form)} {reason}".rstrip(), tone(value) if form.signed else "")
                for value, reason in zip(values, reasons, strict=True)
            ]
            lines_of.append(row(text_cell(title), *cells))
    return table(["", *(f"#{name}" for name in names)], lines_of)


def _result(folder: Path) -> dict[str, Any]:
    found = _json(folder, "result.json")
    return found if isinstance(found, dict) else {}


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError.one(folder, None, name, "cannot be read", REMEDY) from None


def _frame(folder: Path, name: str) -> pl.DataFrame:
    try:
        return parquet.read(folder / f"{name}.parquet")
    except (pl.exceptions.PolarsError, OSError):
        raise InputError.one(folder, None, f"{name}.parquet", "cannot be read", REMEDY) from None
