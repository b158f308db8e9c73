"""Other processes that compile what is large: the step beside this process, then the loop. Less time, less memory.

Of 75 CPU seconds and 1.2 GB that the first run of a signal strategy took, 35 s and 0.35 GB were the step, 30 s and 0.6
GB the loop, into which the step is linked. A process keeps what the compiler took, so each gets a process; the step's
runs while this one compiles what the step calls. They leave machine code in the cache, where this one finds it; if one
fails, this process compiles as if there had been none.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Callable

from tightloop.app.cli import background
from tightloop.core import compiled

STEP = "tightloop.core.step.step"
CALLED_BY_STEP = tuple(f"tightloop.core.families.{family}.decide" for family in ("signal", "hold", "python"))
"""Who compiles one of these will ask for the step, then for a loop."""
LOOPS = tuple(
    f"tightloop.core.replay.{name}"
    for name in (
        "bars.replay", "bars_stopping.replay_outside", "live.take", "ticks.tick_replay",
        "ticks_stopping.tick_replay_outside",
    )
)  # fmt: skip
FIRST = "--first"


class _Beside:
    """Starts the step's process when one of CALLED_BY_STEP is compiled, a loop's when it is asked for thereafter."""

    def __init__(self, hear: Callable[[str | None], None], *, is_first: bool) -> None:
        self._hear = hear
        self._tier = [FIRST] if is_first else []
        self._step: subprocess.Popen[bytes] | None = None
        atexit.register(self._end)

    def compiling(self, name: str, is_kept: bool) -> None:
        """Start the step's process, once; without a cache it could leave nothing."""
        if name in CALLED_BY_STEP and self._step is None and is_kept:
            self._step = self._start(STEP)

    def asked(self, name: str) -> None:
        """Wait for a process before its function is looked for in the cache."""
        if self._step is None or name not in (STEP, *LOOPS):
            return
        self._hear(".".join(name.split(".")[-2:]))  # who waits sees for what
        try:
            self._step.wait()
            if name in LOOPS and (loop := self._start(name)) is not None:
                try:
                    loop.wait()
                finally:
                    _stop(loop)
        finally:
            self._hear(None)

    def _start(self, name: str) -> subprocess.Popen[bytes] | None:
        """Start a process for a function; None if the system has no room for one."""
        command = [sys.executable, "-m", "tightloop.app.cli.beside", *self._tier, f"{name.rpartition('.')[0]}:{name}"]
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError:
            return None

    def _end(self) -> None:
        """Stop the step's process, if a run ends before it: by Ctrl-C, or by bad input."""
        if self._step is not None:
            _stop(self._step)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def accompany(hear: Callable[[str | None], None], *, is_first: bool) -> None:
    """Compile the step and loops in other processes from now on. ``is_first``: by the compiler's first tier.

    ``hear`` is called with the name of what is waited for, and with None once it is there.
    """
    beside = _Beside(hear, is_first=is_first)
    compiled.before_compiling(beside.asked, beside.compiling)


def main(arguments: list[str]) -> None:
    """Compile one function, named ``module:function``, into the cache."""
    if arguments[0] == FIRST:
        compiled.use_first_tier()
    background.compile_named(arguments[-1])


if __name__ == "__main__":
    main(sys.argv[1:])
