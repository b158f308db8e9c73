"""The time of a process on a real machine, from two clocks of the system.

Theory of operation. The wall clock says what time it is and may be set, forwards or back, by days. The monotonic clock
says how much time has passed, and nothing sets it; CLOCK_BOOTTIME counts the sleep of the machine too. A session's
time begins at the wall clock's and goes on by the monotonic clock. After a step of the wall clock it does not jump: it
leans towards the wall clock by at most SLEW_PPM of the time that passes, 1.8 s an hour. So timers neither all fire when
the clock is set forward, nor wait for as long as it was set back.

What may surprise: reading the time moves it (the lean is worked out then), so one process has one SystemClock.
"""

import time
from collections.abc import Callable

SLEW_PPM = 500
_MILLION = 1_000_000


def boottime_clock() -> Callable[[], int]:
    """Return the function that reads ns since some start, sleep of the machine counted where the system can.

    Linux: CLOCK_BOOTTIME. macOS: CLOCK_MONOTONIC, which counts sleep there. Elsewhere Python's monotonic clock.
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        clock: int | None = getattr(time, name, None)
        if clock is None:
            continue
        try:
            time.clock_gettime_ns(clock)
        except OSError:  # the name is known to Python, the clock not to this kernel
            continue
        found = clock  # what the lambda keeps must not change with the loop
        return lambda: time.clock_gettime_ns(found)
    return time.monotonic_ns


class SystemClock:
    """The TimeSource of ports/clock.py. ``wall_ns`` and ``monotonic_ns`` read the two clocks, ns."""

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] | None = None
    ) -> None:
        self._wall_ns = wall_ns
        self._boottime_ns = monotonic_ns or boottime_clock()
        self._seen_ns = self._boottime_ns()
        self._now_ns = wall_ns()
        self._rest = 0  # of the lean, in millionths of 1 ns: what was too little to be used yet

    def now_ns(self) -> int:
        """Return the time, ns UTC: the wall clock's at start plus what has passed, leaning towards it."""
        seen_ns = self._boottime_ns()
        passed_ns = seen_ns - self._seen_ns
        assert passed_ns >= 0, "a monotonic clock does not go back"
        self._seen_ns = seen_ns
        now_ns = self._now_ns + passed_ns
        away_ns = self._wall_ns() - now_ns
        allowed_ns, self._rest = divmod(self._rest + passed_ns * SLEW_PPM, _MILLION)
        if away_ns > 0:
            now_ns += min(away_ns, allowed_ns)
        elif away_ns < 0:
            now_ns -= min(-away_ns, allowed_ns)
        self._now_ns = now_ns
        return now_ns

    def monotonic_ns(self) -> int:
        """Return ns since some start, counting sleep of the machine."""
        return self._boottime_ns()
