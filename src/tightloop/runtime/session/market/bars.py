"""Bars of a session: made of prints, closed by the grid.

A bar closes GRACE_NS after its time is over, whether or not anything was printed in it: without a print it is flat at
the last close, with volume 0. A print that comes later than that counts in the next bar, and is counted as late. While
prints were missing there is no bar: the strategy sees a hole, as it would in recorded data. All bars of one instant
close together, and the last one carries the decision.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import EVENT, Rows

GRACE_NS = 250_000_000


@dataclass(slots=True)
class _Bar:
    """A bar that is being made; ``close`` NaN: nothing is known yet."""

    open: float = math.nan
    high: float = math.nan
    low: float = math.nan
    close: float = math.nan
    volume: float = 0.0
    count: int = 0

    def add(self, price: float, qty: float) -> None:
        """Add a print."""
        if self.count == 0:
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += qty
        self.count += 1


class MadeBars:
    """Bars of all instruments of a session, of one timeframe."""

    def __init__(self, count: int, period_ns: int, now_ns: int) -> None:
        """Begin at ``now_ns`` with the next full bar: the one that runs has no beginning."""
        self._period_ns = period_ns
        self.open_ns = -(-now_ns // period_ns) * period_ns
        self._bars = [_Bar() for _ in range(count)]
        self._next = [_Bar() for _ in range(count)]
        self._has_hole = [False] * count
        self._is_down = [False] * count
        self._last_close = [math.nan] * count
        self._is_open = [False] * count
        self.late_count = 0

    @property
    def due_ns(self) -> int:
        """When the current bars close."""
        return self.open_ns + self._period_ns + GRACE_NS

    def begin(self, instrument: int, close: float) -> None:
        """Set the close of the bar before the first one: a bar without prints is flat at it."""
        self._last_close[instrument] = close

    def lose(self, instrument: int) -> None:
        """Note that prints are missing from now on: bars of the instrument will be none until ``regain``, and its."""
        self._has_hole[instrument] = self._is_down[instrument] = True

    def regain(self, instrument: int) -> None:
        """Note that prints come again: the current bar is the last that is none."""
        self._is_down[instrument] = False

    def take(self, instrument: int, price: float, qty: float, ts_event_ns: int) -> bool:
        """Add a print; return True if it is the first of a new bar, which opens with it."""
        end_ns = self.open_ns + self._period_ns
        if ts_event_ns >= end_ns:
            self._next[instrument].add(price, qty)
            return False
        if ts_event_ns < self.open_ns:
            if math.isnan(self._last_close[instrument]) and self._bars[instrument].count == 0:
                self._last_close[instrument] = price  # before the first bar begins
                return False
            self.late_count += 1
        self._bars[instrument].add(price, qty)
        is_first = not self._is_open[instrument]
        self._is_open[instrument] = True
        return is_first

    def close(self) -> tuple[list[Rows], list[Rows]]:
        """End the current bars and begin the next; return BAR_CLOSED events and BAR_OPENED events of the new bars.

        Events are not stamped. The last that closes carries the decision.
        """
        closed, opened = [], []
        for instrument, bar in enumerate(self._bars):
            event = self._closed(instrument, bar)
            if event is not None:
                closed.append(event)
            following = self._next[instrument]
            self._bars[instrument], self._next[instrument] = following, _Bar()
            self._has_hole[instrument] = self._is_down[instrument]
            self._is_open[instrument] = following.count > 0
            if following.count:
                opened.append(opened_event(instrument, following.open, self.open_ns + self._period_ns))
        if closed:
            closed[-1]["phase"] = int(Phase.DECIDE_ON_CLOSE | Phase.RECORD)
        self.open_ns += self._period_ns
        return closed, opened

    def _closed(self, instrument: int, bar: _Bar) -> Rows | None:
        last = self._last_close[instrument]
        if bar.count:
            self._last_close[instrument] = bar.close
        elif math.isnan(last):
            return None
        if self._has_hole[instrument]:
            return None
        row = (bar.open, bar.high, bar.low, bar.close, bar.volume) if bar.count else (last, last, last, last, 0.0)
        return closed_event(instrument, row, self.open_ns)


def closed_event(instrument: int, bar: Sequence[float], open_ns: int) -> Rows:
    """Return a BAR_CLOSED (one row of EVENT) of open, high, low, close and volume; not stamped, without a phase."""
    event = np.zeros(1, EVENT)
    event["kind"], event["instrument"], event["ts_event_ns"] = int(EventKind.BAR_CLOSED), instrument, open_ns
    for name, value in zip(("open", "high", "low", "price", "qty"), bar, strict=True):
        event[name] = value
    return event


def opened_event(instrument: int, price: float, open_ns: int) -> Rows:
    """Return a BAR_OPENED (one row of EVENT) at a price; not stamped."""
    event = np.zeros(1, EVENT)
    event["kind"], event["phase"], event["instrument"] = int(EventKind.BAR_OPENED), int(Phase.RECORD), instrument
    event["ts_event_ns"], event["price"] = open_ns, price
    return event
