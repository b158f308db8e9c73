"""The clocks of a simulated machine: true time passes with the loop; the wall clock may be set, and the machine sleep.

``SystemClock(machine.wall_ns, machine.boottime_ns)`` is the product's TimeSource over them.
"""

from collections.abc import Callable

from tightloop.adapters.system.clock import SystemClock

SECOND_NS = 1_000_000_000
START_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01


class Machine:
    """The clocks. ``true_ns`` is the venue's time; ``wall_ns`` begins ``wall_off_ns`` away from it."""

    def __init__(self, now_s: Callable[[], float], wall_off_ns: int = 0, start_ns: int = START_NS) -> None:
        self._now_s, self._start_ns, self._wall_off_ns = now_s, start_ns, wall_off_ns
        self._slept_ns = 0

    @property
    def wall_off_ns(self) -> int:
        """How far the wall clock is ahead of true time."""
        return self._wall_off_ns

    def true_ns(self) -> int:
        return self._start_ns + round(self._now_s() * SECOND_NS) + self._slept_ns

    def boottime_ns(self) -> int:
        """A step of the wall clock does not move it; sleep does."""
        return self.true_ns() - self._start_ns + SECOND_NS

    def wall_ns(self) -> int:
        return self.true_ns() + self._wall_off_ns

    def step_wall(self, ns: int) -> None:
        """Set the wall clock forward, or back: faults clock_step and clock_back."""
        self._wall_off_ns += ns

    def sleep(self, ns: int) -> None:
        """Suspend the machine: time passes, timers do not see it, and are late by as much."""
        self._slept_ns += ns

    def clock(self) -> SystemClock:
        """Make the TimeSource of a process that starts now."""
        return SystemClock(self.wall_ns, self.boottime_ns)
