"""Ctrl-C, noted instead of raised: a job stops between two of its steps, or is finished when it is nearly done."""

import signal
import threading
from types import FrameType
from typing import Any


class Stopped(Exception):
    """A job was asked to stop, and does so where everything it did is whole."""


class Interrupts:
    """Inside of ``with``, the first Ctrl-C sets ``asked``; a second one raises KeyboardInterrupt at once.

    Signals reach the main thread alone; in any other one nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        """Raise Stopped when Ctrl-C was pressed."""
        if self.asked:
            raise Stopped
