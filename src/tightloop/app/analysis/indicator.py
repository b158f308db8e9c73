"""``tightloop.indicator``: an indicator over a frame, arrays or a finished run. For notebooks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data.frames import FORMS, PRICES, columns_of, floats_of, times_of
from tightloop.app.markets.bars import Market
from tightloop.app.runs.signal import SignalRun
from tightloop.core import indicators
from tightloop.core.domain.types import BAR
from tightloop.model.errors import InputError
from tightloop.model.files.diagnostics import near
from tightloop.model.files.fields import shown
from tightloop.model.signal.variants import read_parameters

Floats = npt.NDArray[np.float64]
PLACE = "indicator"


def indicator(kind: str, bars: Any, /, *, instrument: str | None = None, **parameters: float | str) -> Floats:
    """Compute all outputs of an indicator: ``(n_bars, n_outputs) float64``, NaN where UNKNOWN.

    ``bars``: a frame (polars, pandas), a table of pyarrow, a mapping from names to arrays (open, high, low, close,
    volume, and ts where the indicator reads times), an array of closes (bars with one price each and unknown volume),
    an array of BAR, or a run on bars (``instrument`` selects one of several). Raises InputError for anything else, and
    for an unknown type or parameter.
    """
    known = indicators.types_found()
    if kind not in known:
        remedy = near(kind, known, f"write one of {', '.join(known)}")
        raise InputError.one(PLACE, None, "type", f"{shown(kind)} is not an indicator type", remedy)
    module = indicators.load(kind)
    if module.is_windowed or module.is_of_instance:
        what = "windows of time on ticks" if module.is_windowed else "a position"
        message = f"{kind} is computed from {what}, not from bars"
        raise InputError.one(PLACE, None, "type", message, "use it as a variant of a strategy")

    def refuse(path: tuple[Any, ...], wrong: str, remedy: str) -> None:
        raise InputError.one(PLACE, None, ".".join(str(part) for part in path), wrong, remedy)

    read_parameters((), parameters, module.parameters, kind, refuse)
    values = indicators.with_defaults(module, parameters)
    rows, missing = _rows(bars, instrument)
    if kind == "VWAP" and values["anchor"] != 0.0 and "ts" in missing:
        raise InputError.one(PLACE, None, "ts", "VWAP with anchor: day needs the times of its bars", "give a column ts")
    outputs = indicators.series(kind, rows, **parameters)
    if "volume" in missing and _reads_volume(kind, rows, parameters, outputs):
        remedy = "give a frame with open, high, low, close and volume"
        raise InputError.one(PLACE, None, "volume", f"{kind} needs volumes, which closes alone do not have", remedy)
    return outputs


def _rows(bars: Any, instrument: str | None) -> tuple[npt.NDArray[np.void], tuple[str, ...]]:
    """Return bars (dtype BAR), and the names of columns that were not given."""
    if isinstance(bars, SignalRun):
        return _of_run(bars, instrument), ()
    if instrument is not None:
        raise InputError.one(PLACE, None, "instrument", "belongs to a run", "leave it out")
    if isinstance(bars, np.ndarray) and bars.dtype == BAR:
        return np.ascontiguousarray(bars), ()
    if hasattr(bars, "summary") and hasattr(bars, "metrics"):
        raise InputError.one(PLACE, None, "bars", "is a carry run, which has no bars of its own", f"give {FORMS}")
    if isinstance(bars, list | tuple) or (isinstance(bars, np.ndarray) and not bars.dtype.names):
        return _of_closes(bars), ("ts", "volume")
    columns = columns_of(bars, PLACE)
    lacking = [name for name in PRICES if name not in columns]
    if lacking:
        there = ", ".join(columns) or "none"
        message = f"there is no such column (there are: {there})"
        remedy = f"give {', '.join(PRICES)}, or an array of closes alone"
        raise InputError.one(PLACE, None, lacking[0], message, remedy)
    rows = np.zeros(len(columns["close"]), BAR)
    for name in PRICES:
        rows[name] = _finite(columns[name], name)
    torn = (rows["high"] < np.maximum(rows["open"], rows["close"])) | (
        rows["low"] > np.minimum(rows["open"], rows["close"])
    )
    if (rows["volume"] < 0).any():
        message = f"row {int((rows['volume'] < 0).argmax()) + 1} is below 0"
        raise InputError.one(PLACE, None, "volume", message, "repair or remove that row")
    if torn.any():
        message = f"row {int(torn.argmax()) + 1} has a high or low that contradicts another price"
        raise InputError.one(PLACE, None, "high", message, "repair or remove that row")
    if "ts" in columns:
        rows["open_ns"], _has_zone = times_of(columns["ts"], PLACE)
        steps = np.diff(rows["open_ns"])
        rows["close_ns"] = rows["open_ns"] + (int(np.median(steps)) if len(steps) else 0)
    return rows, () if "ts" in columns else ("ts",)


def _of_closes(closes: Any) -> npt.NDArray[np.void]:
    """Return bars with one price each; their volume is unknown, so no result may depend on it."""
    column = columns_of({"close": closes}, PLACE)["close"]
    rows = np.zeros(len(column), BAR)
    for name in ("open", "high", "low", "close"):
        rows[name] = _finite(column, "close")
    return rows


def _reads_volume(kind: str, rows: npt.NDArray[np.void], parameters: Mapping[str, float | str], found: Floats) -> bool:
    """Check whether another volume changes the result."""
    other = rows.copy()
    other["volume"] = 1.0 + np.arange(len(rows)) % 7
    return not np.array_equal(indicators.series(kind, other, **parameters), found, equal_nan=True)


def _finite(column: Any, name: str) -> Floats:
    """Return a column as floats; InputError for a value that is not finite."""
    numbers = floats_of(column, name, PLACE, may_miss=False)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        message = f"row {int(bad[0]) + 1} is not finite"
        raise InputError.one(PLACE, None, name, message, "repair or remove that row")
    return numbers


def _of_run(run: SignalRun, instrument: str | None) -> npt.NDArray[np.void]:
    """Return a run's bars of one instrument; InputError for a run on ticks and an ambiguous or unknown instrument."""
    if not isinstance(run.market, Market):
        raise InputError.one(PLACE, None, "bars", "is a run on ticks, which has no bars", f"give {FORMS}")
    there: Mapping[str, npt.NDArray[np.void]] = {str(name): rows for name, rows in run.market.bars.items()}
    if instrument is None and len(there) > 1:
        remedy = f"write instrument= one of {', '.join(there)}"
        raise InputError.one(PLACE, None, "instrument", f"the run has {len(there)} instruments", remedy)
    name = next(iter(there)) if instrument is None else instrument
    if name not in there:
        remedy = near(name, tuple(there), f"write one of {', '.join(there)}")
        raise InputError.one(PLACE, None, "instrument", f"{shown(name)} is not in the run", remedy)
    return np.ascontiguousarray(there[name])
