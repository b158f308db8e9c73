"""When a session works: as soon as a fact has come, and when something is due in silence.

A fact calls ``wake``; the work is done once control is back in the event loop, so all facts of one frame make one
batch. Between batches other tasks run: sockets are read while the session is behind, and the queue tells how far.
One timer stands at the next due time.
"""

import asyncio
from collections.abc import Callable

from tightloop.runtime.session.driver.session import Session

SILENCE_S = 1.0
"""The session looks at the clock at least this often."""


class Pulse:
    """Drives a session on the running event loop. ``on_batch`` is called after each batch."""

    def __init__(self, session: Session, now_ns: Callable[[], int], on_batch: Callable[[], None]) -> None:
        self.session, self._now_ns, self._on_batch = session, now_ns, on_batch
        self._loop = asyncio.get_running_loop()
        self._is_called = False
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        session.intake.wake = self.wake

    def wake(self) -> None:
        """Take what waits as soon as control is back in the event loop."""
        if not self._is_called and not self._is_over:
            self._is_called = True
            self._loop.call_soon(self._beat)

    def _beat(self) -> None:
        self._is_called = False
        if self._is_over:
            return
        session = self.session
        count = session.take_batch()
        if count == 0:
            session.advance()
        if len(session.intake):
            self.wake()
        self._arm()
        self._on_batch()

    def _arm(self) -> None:
        """Set the timer to the next due time."""
        if self._timer is not None:
            self._timer.cancel()
        wait_s = (self.session.due_ns() - self._now_ns()) * 1e-9
        self._timer = self._loop.call_later(min(max(wait_s, 0.0), SILENCE_S), self.wake)

    def stop(self) -> None:
        """End: take nothing more."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self.session.intake.wake = lambda: None
