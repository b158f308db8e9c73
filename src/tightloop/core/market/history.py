"""Rings of closed bars: what a Python strategy may look back at, never anything later.

``past`` (BAR rows) holds a ring of HISTORY_BARS_MAX bars for each instrument, one after the other.
"""

from tightloop.core import limits
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Record, Rows
from tightloop.core.kinds import int64, void
from tightloop.core.signatures import BARS, STATES


@leaf
def keep_bar(state: Record, past: Rows, index: int) -> None:
    """Append the bar that just closed to the ring of its instrument."""
    instrument = state.instruments[index]
    ring = limits.HISTORY_BARS_MAX
    row = past[index * ring + (instrument.bar_count - 1) % ring]
    bar = instrument.bar
    row.open, row.high, row.low, row.close, row.volume = bar.open, bar.high, bar.low, bar.close, bar.volume
    row.open_ns, row.close_ns = bar.open_ns, bar.close_ns


@compiled(void(STATES, BARS, int64))
def remember(states: Rows, past: Rows, index: int) -> None:
    """Append a closed bar; ``keep_bar`` for the driver that runs one event at a time."""
    keep_bar(states[0], past, index)
