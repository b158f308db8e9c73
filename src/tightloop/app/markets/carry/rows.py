"""Rows of a catalog as values at the instants of a carry run: as of, exactly at, or interpolated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data.catalog import Catalog, LoadedBars
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.times import SECOND_NS, iso

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def as_of(times: Ints, values: Floats, instants: Ints) -> Floats:
    """Return the value of the last row at or before each instant; NaN before the first row."""
    row = np.searchsorted(times, instants, side="right") - 1
    return np.where(row >= 0, values[np.maximum(row, 0)], np.nan)


def at(times: Ints, values: Floats, instants: Ints) -> Floats:
    """Return the value of the row exactly at each instant; NaN where there is none."""
    row = np.minimum(np.searchsorted(times, instants), len(times) - 1)
    return np.where(times[row] == instants, values[row], np.nan)


def interpolate(times: Ints, values: Floats, instants: Ints) -> Floats:
    """Interpolate linearly at each instant; asserts that no instant lies outside the rows."""
    assert times[0] <= instants[0] <= instants[-1] <= times[-1], "no row is extrapolated"
    # Seconds since the first row are exact as float64; nanoseconds since 1970 are not.
    origin = int(times[0])
    return np.interp((instants - origin) / SECOND_NS, (times - origin) / SECOND_NS, values)


@dataclass(slots=True)
class CarryRows:
    """Reads each dataset once. ``holes``: as of Marks, what to do with instants without a bar (refuse or carry).

    ``reports`` collects findings of the quality gate, ``warnings`` what the user must know, ``carried`` the number of
    instants without a bar, by instrument name.
    """

    catalog: Catalog
    timeframe: str
    instants: Ints
    accepted: frozenset[str]
    holes: str
    proxies: Mapping[InstrumentId, InstrumentId]
    lookback: Mapping[InstrumentId, int] = field(default_factory=dict)
    reports: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    carried: dict[str, int] = field(default_factory=dict)
    _bars: dict[InstrumentId, npt.NDArray[np.void]] = field(default_factory=dict)
    _series: dict[str, tuple[Ints, Mapping[str, Floats]]] = field(default_factory=dict)

    @property
    def start_ns(self) -> int:
        """First instant, ns UTC."""
        return int(self.instants[0])

    @property
    def end_ns(self) -> int:
        """Last instant, ns UTC."""
        return int(self.instants[-1])

    def stand_in(self, instrument: InstrumentId) -> InstrumentId:
        """Return the instrument whose prices are used for this one: itself, or its proxy."""
        return self.proxies.get(instrument, instrument)

    def bars(self, instrument: InstrumentId) -> npt.NDArray[np.void]:
        """Return bars (BAR) of the instrument or its proxy, covering the run and its lookback."""
        source = self.stand_in(instrument)
        if source not in self._bars:
            back = max((bars for name, bars in self.lookback.items() if self.stand_in(name) == source), default=0)
            first = self.catalog.span(self.catalog.bars_path(source, self.timeframe))[0] if back else self.start_ns
            start_ns = min(max(self.start_ns - back * TIMEFRAMES[self.timeframe], first), self.start_ns)
            loaded = self.catalog.bars_around(source, self.timeframe, start_ns, self.end_ns, self.accepted)
            self._note_holes(source, loaded)
            self._bars[source] = loaded.bars
        return self._bars[source]

    def _note_holes(self, instrument: InstrumentId, loaded: LoadedBars) -> None:
        opens = loaded.bars["open_ns"]
        self.reports.append(loaded.report)
        missing = self.instants[~np.isin(self.instants, opens)]
        if not len(missing):
            return
        if self.holes == "refuse":
            message = f"{len(missing)} instants have no bar, the first at {iso(int(missing[0]))}"
            remedy = "write marks.holes: carry, or name another instrument in marks.proxies"
            raise InputError.one(self.catalog.root / loaded.report.path, None, "ts", message, remedy)
        self.carried[str(instrument)] = len(missing)

    def opens(self, instrument: InstrumentId, instants: Ints | None = None) -> Floats:
        """Return the open in force at each instant; over a hole the previous open is carried forward."""
        bars = self.bars(instrument)
        return as_of(bars["open_ns"], bars["open"], self.instants if instants is None else instants)

    def ended(self, instrument: InstrumentId, column: str) -> Floats:
        """Return a price column of the bar that closed at each instant; NaN where there is none."""
        bars = self.bars(instrument)
        return at(bars["close_ns"], bars[column], self.instants)

    def series(self, path: str, late_ns: int = 0) -> tuple[Ints, Mapping[str, Floats]]:
        """Return (ts_ns, columns) around the run; the first row may lie up to ``late_ns`` after the first instant."""
        if path not in self._series:
            start_ns = self.start_ns
            if late_ns:
                first = self.catalog.span(path)[0]
                start_ns = first if start_ns < first <= start_ns + late_ns else start_ns
            loaded = self.catalog.series_around(path, start_ns, max(self.end_ns, start_ns), self.accepted)
            self.keep(path, loaded.report)
            self._series[path] = loaded.ts_ns, loaded.columns
        return self._series[path]

    def keep(self, path: str, report: Any) -> None:
        """Record a report; raises InputError if it has holes and holes are refused."""
        self.reports.append(report)
        for fault in report.faults_of("holes") if self.holes == "refuse" else ():
            remedy = "write marks.holes: carry, or repair the data"
            raise InputError.one(self.catalog.root / report.path, None, "ts", f"{path}: {fault.detail}", remedy)
