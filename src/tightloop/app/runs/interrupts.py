"""Ctrl-C as a flag instead of an exception: a job stops between two of its steps, or finishes when nearly done."""

import signal
import threading
from types import FrameType
from typing import Any


class Stopped(Exception):
    """Raised by a job that was interrupted, at a point where all its records are whole."""


class Interrupts:
    """Context in which the first Ctrl-C sets ``asked`` and a second one raises KeyboardInterrupt at once.

    Python delivers signals to the main thread only; in any other thread this has no effect.
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
        """Raise Stopped once Ctrl-C was pressed."""
        if self.asked:
            raise Stopped
