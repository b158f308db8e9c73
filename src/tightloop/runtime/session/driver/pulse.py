"""When a session works: as soon as a fact has come, and when something is due in silence.

A fact calls ``wake``; the work is done once control is back in the event loop, so all facts of one frame make one
batch. Between batches other tasks run: sockets are read while the session is behind, and the queue tells how far.
One timer stands at the next due time. A process that was stopped, or a machine that slept, wakes late: that is told
before anything of what came meanwhile is taken, because none of it is new.
"""

import asyncio
from collections.abc import Callable

from tightloop.runtime.session.driver.session import Session

SILENCE_S = 1.0
"""The session looks at the clock at least this often."""
LATE_NS = 5_000_000_000
"""A look that comes so long after it was due is late."""


class Pulse:
    """Drives a session on the running event loop.

    ``on_batch`` is called after each batch, ``on_late`` with the ns by which a look was late, before it takes anything.
    """

    def __init__(
        self, session: Session, now_ns: Callable[[], int], on_batch: Callable[[], None], on_late: Callable[[int], None]
    ) -> None:
        self.session, self._now_ns, self._on_batch, self._on_late = session, now_ns, on_batch, on_late
        self._seen_ns = now_ns()
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
        session, now_ns = self.session, self._now_ns()
        late_ns, self._seen_ns = now_ns - self._seen_ns - int(SILENCE_S * 1e9), now_ns
        if late_ns > LATE_NS:
            self._on_late(late_ns)
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
