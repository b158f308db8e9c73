"""An asyncio loop on a virtual clock: nothing outside, no threads, no waiting. A day of timers takes a moment.

Theory of operation. asyncio waits in one place alone, in the selector, for as long as there is until the next timer.
Here the selector returns at once and moves the clock by just that. Callbacks run in the order they were asked for, and
timers by their time, so a run is a function of the code and of the seeds in it.

What may surprise: a loop on which nothing is due and which is not done would wait for ever on a real machine. Here that
is Deadlock, raised out of ``run_until_complete``. The clock starts at ``begun_s`` and is never real time.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class Deadlock(Exception):
    """Nothing is due any more, and what is waited for has not come."""


class NothingOutside(selectors.BaseSelector):
    """The selector: knows no files. Waiting moves the clock of its loop."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise AssertionError("a simulation opens no file and no socket")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise AssertionError("a simulation opens no file and no socket")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is due")
        self.now_s += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. ``now_s`` may be read from anywhere."""

    def __init__(self, begun_s: float = 0.0) -> None:
        self._outside = NothingOutside()
        self._outside.now_s = begun_s
        super().__init__(self._outside)
        self._clock_resolution = 1e-9  # of this machine's clock otherwise: timers that close count as one

    @property
    def now_s(self) -> float:
        return self._outside.now_s

    def time(self) -> float:
        return self._outside.now_s

    def run_in_executor(self, *args: Any) -> Any:
        raise AssertionError("a simulation has no threads")

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        raise AssertionError("a simulation has no threads")

    def _make_self_pipe(self) -> None:
        """Make none: it is how threads and signals wake a loop."""

    def _close_self_pipe(self) -> None:
        pass
