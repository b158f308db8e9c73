"""Highest and lowest print of a window.

Each row of the tape links to the next one at least as high (low), see ``tapes.NEXT_HIGH``; following the links from the
start of the window ends at its extreme.
"""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes


def one_row(parameters: Values) -> int:
    """Return the private memory size: one float, the row number of the last extreme."""
    return 1


@leaf
def extreme(state: Record, arena: Floats, old: int, new: int, memory: int, following: int) -> float:
    """Return the extreme price between two boundaries; NaN if the window is empty or not warm.

    ``following`` is the link column (``NEXT_HIGH`` or ``NEXT_LOW``). O(1) amortised: the row number in ``memory`` only
    moves forward, so no row is visited twice.
    """
    if not tapes.is_warm(state, old) or tapes.rows_between(state, old, new) == 0:
        return math.nan
    tape, last = state.tapes[state.edges[old].tape], state.edges[new].at
    row = max(int(arena[memory]), state.edges[old].at + 1)
    next_row = int(arena[tapes.row_at(tape, row) + following])
    while 0 <= next_row <= last:
        row = next_row
        next_row = int(arena[tapes.row_at(tape, row) + following])
    assert row <= last, "an extreme lies in its window"
    arena[memory] = float(row)
    return arena[tapes.row_at(tape, row) + tapes.PRICE]
