"""What a user hears of machine code: that the image is not used, what is compiled instead and why, for how long.

Functions of the core are compiled at first use, so how many parts there will be is not known before. Silent when all
machine code comes from the image or the cache.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import click

from tightloop.app import cli
from tightloop.core import compiled
from tightloop.core.native import image, stamps

TIER = "TIGHTLOOP_TIER"
"""Environment variable: ``fast`` to wait for fast code, as tests and measurements do."""
EVERY_S = 1.0
NO_TERMINAL_EVERY_S = 30.0


def say_when_compiling() -> None:
    """Announce on stderr what is compiled, and an image that cannot be used. Call it before machine code is needed."""
    is_first = os.environ.get(TIER) != "fast"
    if is_first:
        compiled.use_first_tier()
    shown = _Shown()
    cli.beside.accompany(shown.hear, is_first=is_first)
    compiled.when_compiling(shown.begin)
    compiled.watch_compiling(shown.hear)
    image.when_unfit(_say_unfit)


def _say_unfit(reason: str) -> None:
    click.echo(f"the image of machine code is not used: {reason}", err=True)


class _Shown:
    """One line of progress: rewritten every second on a terminal, printed every half minute elsewhere."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._begun_count = 0
        self._begun = self._next = 0.0
        self._width = 0
        self._ended = threading.Event()

    def begin(self, is_kept: bool) -> None:
        """Announce the compilation and start the clock: the first part is about to be compiled."""
        why = "because the image is not used" if image.unfit() else f"because {image.absence()}"
        after = "later starts read it from the cache"
        if not is_kept:
            after = f"at every start, because {stamps.cache_dir()} cannot be written"
        click.echo(f"compiling the core for this machine, {why}; it can take a minute or more; {after}", err=True)
        self._begun = time.monotonic()
        self._next = self._begun + NO_TERMINAL_EVERY_S

    def hear(self, part: str | None) -> None:
        """Note that a part begins (its name) or has ended (None); parts begin and end inside others."""
        if part is not None:
            self._parts.append(part)
            self._begun_count += 1
        elif self._parts:
            self._parts.pop()
        if len(self._parts) == 1 and part is not None:
            self._ended = threading.Event()
            threading.Thread(target=self._follow, args=(self._ended,), daemon=True).start()
        elif not self._parts:
            self._ended.set()
            self._wipe()

    def _follow(self, ended: threading.Event) -> None:
        while not ended.wait(EVERY_S):
            self._show()

    def _show(self) -> None:
        now, parts = time.monotonic(), self._parts[-1:]
        if not parts:
            return
        line = f"compiling the core: part {self._begun_count} ({parts[0]}), {now - self._begun:.0f} s"
        if sys.stderr.isatty():
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = len(line)
        elif now >= self._next:
            self._next = now + NO_TERMINAL_EVERY_S
            click.echo(line, err=True)

    def _wipe(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
            self._width = 0
