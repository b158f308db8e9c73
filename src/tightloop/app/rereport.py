"""A report made again from the files of a finished run and the data it read."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data._shared import FAULT_KINDS
from tightloop.adapters.stores import parquet
from tightloop.app.bootstrap import time_of
from tightloop.app.report_page import build_report
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId


def write_again(folder: Path, data: Path, out: Path | None) -> Path:
    """Write ``report.html``; InputError when files of the run or its data are not there."""
    needed = ("result.json", "quality.json", *(f"{n}.parquet" for n in ("trades", "orders", "fills", "equity", "signals")))
    for name in needed:
        if not (folder / name).is_file():
            raise InputError.one(folder, None, name, "is not in the folder of the run", "name a folder that `tightloop backtest` wrote")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))["datasets"]
    frames = {name: parquet.read(folder / f"{name}.parquet") for name in ("trades", "orders", "fills", "equity", "signals")}
    catalog = Catalog(data)
    window = time_of(result["from"], "from"), time_of(result["to"], "to")
    everything = frozenset(kind for kind in FAULT_KINDS if kind != "schema")
    bars = {
        name: catalog.bars(InstrumentId.parse(name), result["timeframe"], *window, everything).bars
        for name in result["instruments"]
    }
    strategies = sorted(folder.glob("strategy*.yaml"))
    text = "\n---\n".join(path.read_text(encoding="utf-8") for path in strategies)
    made_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    page = build_report(
        result, frames["trades"], frames["orders"], frames["fills"], frames["equity"], frames["signals"], bars, quality,
        text, f"tightloop report {folder}", made_at,
    )  # fmt: skip
    target = out or folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target
