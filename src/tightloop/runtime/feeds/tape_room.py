"""Growth of tick tapes: a full tape is copied to one of twice the capacity at the end of the arena, between events."""

import numpy as np

from tightloop.core import limits
from tightloop.core.market import tapes
from tightloop.model.errors import CapacityError
from tightloop.model.signal.plan import Plan


def grow(plan: Plan, instrument: int) -> None:
    """Double every full tape of an instrument; raises CapacityError at TAPE_ROWS_MAX or ARENA_FLOATS_MAX."""
    state = plan.states[0]
    for name in ("trade_tape", "quote_tape", "book_tape"):
        number = int(state["instruments"][instrument][name])
        if number >= 0 and tapes.is_full(plan.states, number):
            _double(plan, number)


def _double(plan: Plan, number: int) -> None:
    tape = plan.states[0]["tapes"][number]
    width, capacity, count = int(tape["width"]), int(tape["capacity"]), int(tape["count"])
    if 2 * capacity > limits.TAPE_ROWS_MAX:
        raise CapacityError(
            f"TAPE_ROWS_MAX: a window holds more than {capacity} ticks, and the limit is {limits.TAPE_ROWS_MAX}; "
            f"use a shorter window"
        )
    begin = -(-len(plan.arena) // tapes.LINE) * tapes.LINE
    if begin + 2 * capacity * width > limits.ARENA_FLOATS_MAX:
        raise CapacityError(
            f"ARENA_FLOATS_MAX: the windows of this run need more than {limits.ARENA_FLOATS_MAX} numbers; use shorter "
            f"windows or fewer instruments"
        )
    old = plan.arena[tape["base"] : tape["base"] + capacity * width].reshape(capacity, width)
    arena = tapes.arena_of(begin + 2 * capacity * width)
    arena[: len(plan.arena)] = plan.arena
    new = arena[begin:].reshape(2 * capacity, width)
    if tape["has_extremes"]:
        # Chains of extremes end where the kept rows begin, instead of running in a circle through empty ones.
        new[:, [tapes.BEFORE_HIGH, tapes.BEFORE_LOW]] = -1.0
    kept = np.arange(max(count - capacity, 0), count)
    new[kept & (2 * capacity - 1)] = old[kept & (capacity - 1)]
    tape["base"], tape["capacity"] = begin, 2 * capacity
    plan.arena = arena
