"""Why a compiled replay returned, and the places in its ``control`` that all replays have."""

from tightloop.core.compiled import hot
from tightloop.core.domain.types import Record

FINISHED, LOG_FULL, PAUSED, EQUITY_FULL, STARVED, CROWDED, STOPPED = range(7)
"""Why a replay returned: its feed ended; rows of the log must be drained; ``control[LEFT]`` events were taken; rows of
equity must be drained; a stream of ticks has no rows; a tape needs room; a strategy in Python may act now."""

RESERVE, LEFT, EQUITY_COUNT = range(3)
"""First places in ``control``: rows of the log that one event may need; events that may still be taken; equity rows
written (not of carry)."""


@hot
def write_equity(state: Record, row: Record) -> None:
    """Write the current equity into an EQUITY row; ``cash`` is equity without unrealised results."""
    row.ts_ns = state.ts_ns
    row.equity = state.equity
    row.cash = state.equity - state.unrealized
