"""A run driven to its end or until Ctrl-C, for every family: how far it went, why it ended early."""

from collections.abc import Callable
from dataclasses import dataclass

from tightloop.app.runs.interrupts import Interrupts, Stopped
from tightloop.model.errors import StrategyError
from tightloop.model.times import iso

Progress = Callable[[int, int], None]
"""Called with what is done and the total: events on bars, instants of a carry run; not called on ticks."""
UNBOUNDED = 2**62


@dataclass(slots=True)
class Driven:
    """How far a driver went: ``done`` events (bars, ticks) or instants (carry).

    ``was_asked``: Ctrl-C was pressed. ``is_part``: the feed was left before its end. ``failure``: of user code.
    """

    done: int
    was_asked: bool = False
    is_part: bool = False
    failure: StrategyError | None = None


def drive(
    run: Callable[[Callable[[int], None]], int],
    total: int = UNBOUNDED,
    on_progress: Progress | None = None,
    *,
    last: int = UNBOUNDED,
) -> Driven:
    """Call a driver, which calls back with what is done, until its end or until Ctrl-C.

    Once ``last`` is done Ctrl-C is ignored: the run is whole. The driver leaves its records whole when stopped.
    """
    driven = Driven(0)
    with Interrupts() as interrupts:

        def look(done: int) -> None:
            driven.done = min(done, total)
            if on_progress is not None:
                on_progress(driven.done, total)
            if done < last:
                interrupts.check()

        try:
            driven.done = run(look)
        except Stopped:
            driven.is_part = True
        driven.was_asked = interrupts.asked
    return driven


def cut_short(driven: Driven, last_ns: int | None) -> list[str]:
    """Return the warning that a run is a part, which ended at ``last_ns`` (None: before its first record), or none."""
    if not driven.is_part:
        return []
    until = "no further than its beginning" if last_ns is None else f"until {iso(last_ns)}"
    why = "interrupted" if driven.failure is None else f"failed ({driven.failure})"
    return [f"{why}: the run went {until}; every figure covers that part only"]
