"""The machine that a session runs on: clock, network, disk, threads, signals, and requests from outside.

``Machine`` is the real one. A simulation gives a session another, and all that is above it runs unchanged.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.adapters.system.clock import SystemClock
from tightloop.adapters.venues._shared.http import HttpTransport
from tightloop.app.runs.live import control
from tightloop.app.runs.live.index import follower
from tightloop.model.errors import TightloopError
from tightloop.ports.clock import TimeSource
from tightloop.ports.disk import Disk
from tightloop.ports.transport import Transport
from tightloop.runtime.session.driver.operator import Operator
from tightloop.runtime.session.journal.layout import SegmentSizes

if sys.platform != "win32":
    import uvloop

BEHIND_MAX_S = 5.0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop where there is one, None for the system's."""
    if sys.platform == "win32":
        return None
    return uvloop.new_event_loop


class ClockBehind(TightloopError):
    """The clock of the machine is behind the journal of a session."""

    exit_code = 2

    def __init__(self, behind_s: float) -> None:
        super().__init__(
            f"the clock of this machine is {behind_s:.0f} s behind the end of the session's journal: set it, or wait; "
            "stops rest at the venue meanwhile"
        )
        self.behind_s = behind_s


class Door(Protocol):
    """Where a running session takes requests."""

    def close(self) -> None:
        """Take no more requests."""


class Machine:
    """A real machine, with the home folder of its user. ``segments``: sizes of a journal's files, None: the usual."""

    segments: SegmentSizes | None = None

    def __init__(self, home: Home, *, is_followed: bool = False) -> None:
        """Take a home folder. ``is_followed``: a process beside the session keeps the home's ``index.db``."""
        self.home, self._is_followed = home, is_followed
        self.clock: TimeSource = SystemClock()

    async def reach(self, last_ns: int) -> None:
        """Wait until the clock is where a journal ends, for BEHIND_MAX_S at most. Raises ClockBehind.

        Before, nothing of the session would be due, and no report would be newer than what it knows.
        """
        behind_s = (last_ns - self.clock.now_ns()) * 1e-9
        if behind_s > BEHIND_MAX_S:
            raise ClockBehind(behind_s)
        await asyncio.sleep(max(behind_s, 0.0))

    def network(self) -> AbstractAsyncContextManager[Transport]:
        """Return connections of the running event loop, which are closed at the end of the context."""
        return _network()

    def disk(self, folder: Path) -> Disk:
        """Return the files in a folder."""
        return LocalDisk(folder)

    async def aside(self, job: Callable[..., object], *arguments: Any) -> None:
        """Run a job that waits for the disk, while the session goes on."""
        await asyncio.to_thread(job, *arguments)

    def on_signals(self, call: Callable[[int], None]) -> None:
        """Call a function with the number of a signal that ends the process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, call, number)

    @asynccontextmanager
    async def followed(self, session: str, say: Callable[[str], None]) -> AsyncIterator[None]:
        """Run a process beside this one that keeps the rows of a session in ``index.db``, if that is wanted.

        What is wrong with it is said, and the session goes on.
        """
        if not self._is_followed:
            yield
            return
        async with follower.beside(self.home, session, say):
            yield

    async def listen(self, path: Path, operator: Operator, show: Callable[[], dict[str, Any]]) -> Door:
        """Take requests at a socket in the home folder."""
        return await control.serve(path, operator, show)


@asynccontextmanager
async def _network() -> AsyncIterator[Transport]:
    transport = HttpTransport()
    try:
        yield transport
    finally:
        await transport.close()
