"""The process that keeps the rows of a running session in ``index.db``, and how a session lives beside it.

It reads the journal, which costs the session nothing, and is niced. It goes on until the session's process is gone,
which it notices by its standard input, and reads to the journal's end: of a session that was killed, all is there. What
is wrong stands in ``logs/index.log``.
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
from tightloop.model.errors import TightloopError
from tightloop.ports.read_model import ReadModelMoved

POLL_S = 0.1
BEGIN_AFTER_S, WATCH_S, END_S = 1.0, 1.0, 10.0
NICE = 10
LOG_FILE = "index.log"


@asynccontextmanager
async def beside(home: Home, session: str, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Run the process beside a session. ``say``: told once if it ends before the session does."""
    process: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        with (home.folder(session) / "logs" / LOG_FILE).open("ab") as log:
            command = [sys.executable, "-m", __name__, str(home.root.absolute()), session]
            process.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log))

    async def watch() -> None:
        await asyncio.sleep(BEGIN_AFTER_S)  # the session's first second is its own
        try:
            begin()
        except OSError as error:
            say(f"index.db is not kept: {error}")
            return
        while process[0].poll() is None:  # noqa: ASYNC110 - the end of a process is no event of this loop
            await asyncio.sleep(WATCH_S)
        say(f"index.db is not kept any more, {LOG_FILE} says why; `tightloop session index` makes it whole")

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        with contextlib.suppress(OSError):
            if not process:
                begin()
            assert process[0].stdin is not None, "it was begun with one"
            process[0].stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):  # then it ends by itself, later
                await asyncio.to_thread(process[0].wait, END_S)


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
    try:
        while True:
            is_last = ended.is_set()
            kept.is_running = not is_last
            while kept.advance():
                pass
            if is_last:
                return True
            ended.wait(POLL_S)
    except ReadModelMoved:
        return ended.is_set()
    finally:
        kept.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
