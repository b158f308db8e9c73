"""Time, as everything above the ports reads it."""

from typing import Protocol


class TimeSource(Protocol):
    """The time of a process."""

    def now_ns(self) -> int:
        """Return the time, ns UTC: wall time at start plus ``monotonic_ns``, slewed. It never goes back."""

    def monotonic_ns(self) -> int:
        """Return ns since some start, counting sleep of the machine; a step of the wall clock does not move it."""
