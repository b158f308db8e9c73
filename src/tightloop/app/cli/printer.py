"""Lines of a running session to the screen, from a thread of its own.

A terminal that is held (Ctrl-S), or a pipe that is not read, makes its writer wait. A session must not: its lines wait
here, and those for which there is no room are counted and left out.
"""

import contextlib
import os
import queue
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

WAITING_MAX = 10_000
CLOSE_S = 1.0
"""For how long the last lines are waited for."""


class Printer:
    """Prints lines in their order; ``say`` to standard error, ``out`` to standard output. Neither waits or raises."""

    def __init__(self) -> None:
        self._lines: queue.Queue[tuple[TextIO, str] | None] = queue.Queue(WAITING_MAX)
        self._left_out = 0
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)

    def __enter__(self) -> Self:
        """Begin to print."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print what waits, as far as it is read."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_S)
        self._thread.join(CLOSE_S)

    def say(self, text: str) -> None:
        """Print a line to standard error."""
        self._put(sys.stderr, text)

    def out(self, text: str) -> None:
        """Print a line to standard output."""
        self._put(sys.stdout, text)

    def _put(self, stream: TextIO, text: str) -> None:
        try:
            if self._left_out:
                self._lines.put_nowait((sys.stderr, f"{self._left_out:,} lines were left out: nobody read them"))
                self._left_out = 0
            self._lines.put_nowait((stream, text))
        except queue.Full:
            self._left_out += 1

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # who reads may be gone
                _write(*line)


def _write(stream: TextIO, text: str) -> None:
    """Write a line; to the file itself, because a buffer whose writer waits cannot be closed when the process ends."""
    try:
        number = stream.fileno()
    except OSError:
        print(text, file=stream, flush=True)  # a stream in memory
        return
    stream.flush()
    left = f"{text}\n".encode(stream.encoding or "utf-8", "replace")
    while left:
        left = left[os.write(number, left) :]
