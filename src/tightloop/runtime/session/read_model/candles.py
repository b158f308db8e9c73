"""Bars as a session saw them: those it was told of, or, of a session on ticks, bars of a minute made of its prints."""

import math
from collections.abc import Iterator

from tightloop.core.domain.enums import Phase
from tightloop.core.domain.types import Record
from tightloop.core.limits import MINUTE_NS
from tightloop.ports.read_model import TableRow
from tightloop.runtime.session.read_model.rows import real

MADE_TIMEFRAME = "1m"
GAP_ROWS_MAX = 1_000
"""Of one gap; the bars before these are not told of."""


class ToldBars:
    """Rows of the bars that a session on bars was told of. ``names``: of the instruments."""

    def __init__(self, names: list[str], timeframe: str, period_ns: int) -> None:
        self._names, self._timeframe, self.period_ns = names, timeframe, period_ns
        self._next_ns = [0] * len(names)

    def resume(self, next_ns: list[int]) -> None:
        """Restore when the next bar of each instrument opens; 0: it had none."""
        self._next_ns = next_ns

    def take(self, fact: Record, seq: int) -> Iterator[TableRow]:
        """Yield the row of a BAR_CLOSED, after those of bars that there should have been and that are none."""
        at, open_ns = int(fact["instrument"]), int(fact["ts_event_ns"])
        missed_ns = self._next_ns[at]
        if missed_ns:
            for gap_ns in range(max(missed_ns, open_ns - GAP_ROWS_MAX * self.period_ns), open_ns, self.period_ns):
                yield _bar_row(self._names[at], self._timeframe, gap_ns, seq, "gap", (math.nan,) * 5)
        self._next_ns[at] = open_ns + self.period_ns
        source = "warmup" if int(fact["phase"]) == Phase.RECORD else "live"
        values = tuple(float(fact[name]) for name in ("open", "high", "low", "price", "qty"))
        yield _bar_row(self._names[at], self._timeframe, open_ns, seq, source, values)


class MinuteBars:
    """Bars of a minute from the prints of a session on ticks, by the time of their receipt."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._bars = [[math.nan, -math.inf, math.inf, math.nan, 0.0] for _ in names]
        self._open_ns = 0
        self._is_whole = True

    def skip(self) -> None:
        """Ignore the bars of the minute that runs: its beginning is not known."""
        self._is_whole = False

    def take(self, at: int, price: float, qty: float, ts_ns: int) -> None:
        """Add a print; it is of the minute that has not been closed."""
        bar = self._bars[at]
        if math.isnan(bar[0]):
            bar[0] = price
            self._open_ns = ts_ns // MINUTE_NS * MINUTE_NS
        bar[1], bar[2] = max(bar[1], price), min(bar[2], price)
        bar[3], bar[4] = price, bar[4] + qty

    def close(self, seq: int) -> Iterator[TableRow]:
        """Yield the bars of the minute that is over; an instrument without a print has none."""
        is_whole, self._is_whole = self._is_whole, True
        for at, bar in enumerate(self._bars):
            if not math.isnan(bar[0]) and not is_whole:
                self._bars[at] = [math.nan, -math.inf, math.inf, math.nan, 0.0]
            elif not math.isnan(bar[0]):
                yield _bar_row(self._names[at], MADE_TIMEFRAME, self._open_ns, seq, "live", tuple(bar))
                self._bars[at] = [math.nan, -math.inf, math.inf, math.nan, 0.0]


def _bar_row(
    instrument: str, timeframe: str, open_ns: int, seq: int, source: str, values: tuple[float, ...]
) -> TableRow:
    opened, high, low, close, volume = (real(value) for value in values)
    return TableRow("bars", {
        "seq": seq, "instrument": instrument, "tf": timeframe, "open_ts": open_ns, "open": opened, "high": high,
        "low": low, "close": close, "volume": volume, "source": source,
    })  # fmt: skip
