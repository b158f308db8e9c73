"""Extremes of the prints in a window: links of the tape from each print to the next as high (low), followed once."""

import math

from tightloop.core.compiled import leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators.contract import Values
from tightloop.core.market import tapes


def one_row(parameters: Values) -> int:
    """The memory of an extreme: the number of its row."""
    return 1


@leaf
def extreme(state: Record, arena: Floats, old: int, new: int, memory: int, following: int) -> float:
    """The extreme price between two ends, by the links in column ``following``; NaN when empty or not known.

    O(1) amortised: the row in ``memory`` only moves on, and a row it has passed is never looked at again.
    """
    if not tapes.is_warm(state, old) or tapes.rows_between(state, old, new) == 0:
        return math.nan
    tape, last = state.tapes[state.edges[old].tape], state.edges[new].at
    at = max(int(arena[memory]), state.edges[old].at + 1)
    after = int(arena[tapes.row_at(tape, at) + following])
    while 0 <= after <= last:
        at = after
        after = int(arena[tapes.row_at(tape, at) + following])
    assert at <= last, "an extreme lies in its window"
    arena[memory] = float(at)
    return arena[tapes.row_at(tape, at) + tapes.PRICE]
