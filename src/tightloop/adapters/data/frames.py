"""Bars that come as a frame (polars, pandas) instead of a file: for notebooks."""

from typing import Any

import numpy as np
import polars as pl

from tightloop.adapters.data._shared import DatasetReport, gate, judge_bars
from tightloop.core.types import BAR, Rows
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId, default_rules

PRICES = ("open", "high", "low", "close", "volume")


def bars_of(
    frame: Any, instrument: InstrumentId, timeframe: str, accepted: frozenset[str] = frozenset()
) -> tuple[Rows, DatasetReport]:
    """A frame with ts (or time as its index), open, high, low, close, volume as bars, judged like a file's."""
    own = frame if isinstance(frame, pl.DataFrame) else _from_pandas(frame)
    own = own.rename({name: name.lower() for name in own.columns if name.lower() != name})
    missing = [name for name in ("ts", *PRICES) if name not in own.columns]
    if missing:
        raise InputError.one(
            str(instrument), None, missing[0], "the frame has no such column", f"give it {', '.join(('ts', *PRICES))}"
        )
    ts = own["ts"]
    zoned = getattr(ts.dtype, "time_zone", None) is not None
    ts_ns = (ts.dt.epoch("ns") if ts.dtype.is_temporal() else ts.cast(pl.Int64)).to_numpy()
    bars = np.zeros(len(own), BAR)
    bars["open_ns"], bars["close_ns"] = ts_ns, ts_ns + TIMEFRAMES[timeframe]
    for name in PRICES:
        bars[name] = own[name].cast(pl.Float64).to_numpy()
    judged = judge_bars(
        f"frame/{instrument}", bars, TIMEFRAMES[timeframe], default_rules(instrument).calendar, zoned=zoned
    )
    report: DatasetReport = judged.report
    gate(report, accepted, None)
    return judged.bars, report


def _from_pandas(frame: Any) -> pl.DataFrame:
    """pandas frames often keep the time in the index."""
    if "ts" not in getattr(frame, "columns", ()) and hasattr(frame, "reset_index"):
        frame = frame.rename_axis("ts").reset_index()
    return pl.DataFrame({str(name): frame[name].to_numpy() for name in frame.columns})
