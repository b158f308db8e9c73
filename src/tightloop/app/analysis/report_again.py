"""A report built again from the files of a finished run and the data that it read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from tightloop.adapters.data._shared import FAULT_KINDS
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.stores import parquet
from tightloop.app.analysis.report_again_carry import carry_page, compare_page, is_carry_run
from tightloop.app.analysis.rerun import catalog_of, read_source
from tightloop.app.facts.conditions import Facts
from tightloop.app.markets.ticks import DATASETS, shown_bars
from tightloop.app.report.page import REQUIRED, build_report
from tightloop.app.report.why import blocked
from tightloop.app.runs.files import unwritable
from tightloop.app.runs.run import made_now
from tightloop.app.text.window import time_of
from tightloop.model.errors import InputError, Problem
from tightloop.model.instruments import InstrumentId
from tightloop.model.signal.plan import make_plan

REMEDY = "name a folder that `tightloop backtest` wrote"
OLDER = {"inputs": {"data": "data"}}
"""What results of a version that did not store inputs lack: the catalog of the working folder."""


def write_again(folders: Sequence[Path], data: Path | None, out: Path | None) -> Path:
    """Write ``report.html`` of a run, or a page that compares several carry runs; returns its path.

    ``data`` is the catalog that the run read; None for the one that its result names. Raises InputError when files of a
    run or its data are missing.
    """
    folder = folders[0]
    if len(folders) > 1:
        page, target = compare_page(folders), out or Path("compare.html")
    elif is_carry_run(folder):
        page, target = carry_page(folder), out or folder / "report.html"
    else:
        page, target = _page_of(folder, data), out or folder / "report.html"
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise unwritable(target, error) from None
    return target


def _page_of(folder: Path, data: Path | None) -> str:
    """Build the report of a run on bars or ticks; prices are read from the catalog without the gate's refusals."""
    needed = ("result.json", "quality.json", *(f"{name}.parquet" for name in REQUIRED))
    missing = [name for name in needed if not (folder / name).is_file()]
    if not folder.is_dir():
        raise InputError.one(folder, None, "", "there is no such folder", REMEDY)
    if missing:
        raise InputError(*(Problem(str(folder), None, name, "is not in the folder", REMEDY) for name in missing))
    result, quality = _json(folder / "result.json"), _json(folder / "quality.json")
    frames = {name: _frame(folder / f"{name}.parquet") for name in REQUIRED}
    try:
        # The first record is at the open of the first bar, the last at the close of the last.
        timeframe, feed = result["timeframe"], result["feed"]
        window = (time_of(result["from"], "from"), time_of(result["to"], "to"))
        names = [InstrumentId.parse(name) for name in result["instruments"]]
        datasets = quality["datasets"]
    except (KeyError, TypeError, ValueError, AttributeError):
        message = "result.json or quality.json is not of a backtest"
        raise InputError.one(folder, None, "", message, REMEDY) from None
    everything = frozenset(kind for kind in FAULT_KINDS if kind != "schema")
    catalog = Catalog(catalog_of(folder, (OLDER | result)["inputs"], data))
    if feed:
        bars = {str(n): shown_bars(catalog.tick_reader(DATASETS[feed[0]], n, None, None, everything)) for n in names}
    else:
        bars = {str(n): catalog.bars(n, timeframe, *window, everything).bars for n in names}
    why = _blocked(folder, data, frames["orders"], frames["fills"])
    text = "\n---\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("strategy*.yaml")))
    made_at = made_now()
    return build_report(
        result, bars, datasets, text, f"tightloop report {folder}", made_at, why, **frames,
    )  # fmt: skip


def _blocked(folder: Path, data: Path | None, orders: pl.DataFrame, fills: pl.DataFrame) -> list[Facts] | str | None:
    """Return what kept each section from TRUE, or why the run cannot be repeated; None when it ends otherwise now."""
    try:
        source = read_source(folder, data)
    except InputError as error:
        return str(error)
    plan = make_plan(source.strategies, source.market.rules, seed=source.result["seed"])
    return blocked(plan, source.market.feed(plan), source.result["state_hash"], orders, fills)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError.one(path, None, "", "is not JSON", REMEDY) from None


def _frame(path: Path) -> pl.DataFrame:
    try:
        return parquet.read(path)
    except (pl.exceptions.PolarsError, OSError):
        raise InputError.one(path, None, "", "is not a Parquet file that can be read", REMEDY) from None
