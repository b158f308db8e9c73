"""Growth of tick tapes: a full tape is copied to one of twice the capacity at the end of the arena, between events.

A tape that may not grow ends a backtest with CapacityError. A session goes on and forgets the tape, as at a data gap:
its windows are unknown, no condition on them is true; they are known again once they begin at or after the next row.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.market import tapes
from tightloop.model.errors import CapacityError
from tightloop.model.signal.plan import Plan

_TAPES = ("trade_tape", "quote_tape", "book_tape")


def grow(plan: Plan, instrument: int) -> None:
    """Double every full tape of an instrument; raises CapacityError at TAPE_ROWS_MAX or ARENA_FLOATS_MAX."""
    for number in _full_tapes(plan, instrument):
        _double(plan, number)


def grow_or_forget(plan: Plan, instrument: int) -> bool:
    """Double every full tape of an instrument, or forget those that may not grow; return whether one was forgotten."""
    try:
        grow(plan, instrument)
    except CapacityError:
        for number in _full_tapes(plan, instrument):
            _forget(plan, number)
        return True
    return False


def _full_tapes(plan: Plan, instrument: int) -> list[int]:
    state = plan.states[0]
    numbers = (int(state["instruments"][instrument][name]) for name in _TAPES)
    return [number for number in numbers if number >= 0 and tapes.is_full(plan.states, number)]


def _forget(plan: Plan, number: int) -> None:
    """Make the windows of a tape unknown, and let go of its rows: each end of a window waits for the next one."""
    state = plan.states[0]
    tape = state["tapes"][number]
    tape["first_ns"] = tape["due_ns"] = limits.NEVER_NS
    edges = state["edges"][int(tape["edge_first"]) : int(tape["edge_first"]) + int(tape["edge_count"])]
    edges["at"], edges["due_ns"] = int(tape["count"]) - 1, limits.NEVER_NS


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
