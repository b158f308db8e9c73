"""The process that keeps the rows of a running session in ``index.db``, and how a session lives beside it.

It reads the journal, which costs the session nothing, and is niced. It goes on until the session's process is gone,
which it notices by its standard input, and reads to the journal's end: of a session that was killed, all is there. What
is wrong stands in ``logs/index.log``. When it ends before the session does, another is begun.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import index
from tightloop.app.runs.live.index.values import ValuesDoor
from tightloop.model.errors import TightloopError
from tightloop.ports.read_model import ReadModelMoved

POLL_S = 0.1
BEGIN_AFTER_S, WATCH_S, END_S, AGAIN_MAX_S = 1.0, 1.0, 10.0, 60.0
LASTS_LOOKS = 5
"""For so many looks a process has to be there to count as one that keeps the rows."""
NICE = 10
LOG_FILE = "index.log"


@asynccontextmanager
async def beside(home: Home, session: str, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Run the process beside a session, and another when it ends before the session does. ``say``: told of both."""
    follower = _Follower(home, session, say)
    watching = asyncio.ensure_future(follower.watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        with contextlib.suppress(OSError):
            await follower.end()


class _Follower:
    """The process of a session: begun again after 1, 2, 4 .. 60 s, as often as it ends."""

    def __init__(self, home: Home, session: str, say: Callable[[str], None]) -> None:
        self._home, self._session, self._say = home, session, say
        self._process: subprocess.Popen[bytes] | None = None
        self._is_missed = False

    def _begin(self) -> subprocess.Popen[bytes]:
        """Begin a process. Raises OSError."""
        with (self._home.folder(self._session) / "logs" / LOG_FILE).open("ab") as log:
            command = [sys.executable, "-m", __name__, str(self._home.root.absolute()), self._session]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)
        return self._process

    async def watch(self) -> None:
        """Begin the process once the session's first second is over, and again whenever it has ended."""
        wait_s = BEGIN_AFTER_S
        while True:
            await asyncio.sleep(wait_s)
            wait_s = min(2.0 * wait_s, AGAIN_MAX_S)
            try:
                process = self._begin()
            except OSError as error:
                self._miss(f"index.db is not kept: {error}")
                continue
            if await self._lasts(process):
                wait_s = BEGIN_AFTER_S
            self._miss(f"index.db is not kept, {LOG_FILE} says why; its process is begun again")

    async def _lasts(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until a process ends; return whether it had lasted, as one does that finds nothing wrong."""
        looks = 0
        while process.poll() is None:  # the end of a process is no event of this loop
            await asyncio.sleep(WATCH_S)
            looks += 1
            if looks == LASTS_LOOKS and self._is_missed:
                self._is_missed = False
                self._say("index.db is kept again")
        return looks >= LASTS_LOOKS

    def _miss(self, text: str) -> None:
        """Say once that nothing keeps the rows."""
        if not self._is_missed:
            self._is_missed = True
            self._say(text)

    async def end(self) -> None:
        """Wait until the process has read the journal to its end; begin one if there is none. Raises OSError."""
        process = self._process
        if process is None or process.poll() is not None:
            process = self._begin()
        assert process.stdin is not None, "it was begun with one"
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it ends by itself, later
            await asyncio.to_thread(process.wait, END_S)


def main(root: str, session: str) -> int:
    """Keep the rows of a session until standard input ends; return the exit code."""
    if sys.platform != "win32":
        os.nice(NICE)
    ended = threading.Event()

    def wait() -> None:
        while os.read(0, 64):  # not by sys.stdin, whose lock a thread must not hold when the process ends
            pass
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    try:
        while not _keep(Home(Path(root)), session, ended):
            ended.wait(POLL_S)
    except (TightloopError, OSError) as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{session}: {error}\n")
        return 1
    return 0


def _keep(home: Home, session: str, ended: threading.Event) -> bool:
    """Keep the rows until the session ends; return False if the process of an earlier life has still written some."""
    kept = index.keeping.KeptSession(home, session, is_running=True)
    door = ValuesDoor(home.values_socket(session))
    try:
        while True:
            is_last = ended.is_set()
            kept.is_running = not is_last
            while kept.advance():
                pass
            if is_last:
                return True
            door.tell(kept.seq, kept.values)
            ended.wait(POLL_S)
    except ReadModelMoved:
        return ended.is_set()
    finally:
        door.close()
        kept.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
