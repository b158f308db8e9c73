"""Output common to all commands: errors and exit codes, progress, tables."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from tightloop.model.errors import InputError, Interrupted, TightloopError

T = TypeVar("T")

SHOWN_AFTER_S = 2.0
"""Shorter jobs show no progress bar."""


@contextmanager
def errors_shown() -> Iterator[None]:
    """Print an expected error as ``error: ...`` lines on stderr and exit with its code (Ctrl-C: 130)."""
    try:
        yield
    except KeyboardInterrupt:
        fail(Interrupted("interrupted; what was finished is kept"))
    except TightloopError as error:
        fail(error)


def fail(error: TightloopError) -> NoReturn:
    """Print the error and exit."""
    lines = [str(problem) for problem in error.problems] if isinstance(error, InputError) else [str(error)]
    for line in lines:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {line}", err=True)
    sys.exit(error.exit_code)


def warn(message: str) -> None:
    """Print one warning line on stderr."""
    click.echo(f"{click.style('warning:', fg='yellow')} {message}", err=True)


def say_replaced(file: Path | None) -> None:
    """Print that a file will be overwritten, and when it was written; nothing if it does not exist."""
    if file is not None and file.is_file():
        click.echo(f"replaces {file} of {made_at(file)}")


def made_at(file: Path) -> str:
    """Return when a file was last written, as text."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")


def progress(steps: Iterable[T], total: int, label: str) -> Iterator[T]:
    """Pass the steps through; show a bar on stderr once they take more than two seconds, on a terminal only."""
    if not sys.stderr.isatty():
        yield from steps
        return
    begun = time.monotonic()
    iterator = iter(steps)
    done = 0
    for step in iterator:
        done += 1
        yield step
        if time.monotonic() - begun > SHOWN_AFTER_S:
            break
    else:
        return
    bar = Bar(label, total, done)
    try:
        for step in iterator:
            done += 1
            bar.to(done)
            yield step
    finally:
        bar.close()


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Format a table as lines; columns in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in (head, *rows)
    ]


class Bar:
    """An open progress bar on stderr."""

    def __init__(self, label: str, total: int, done: int = 0) -> None:
        from rich.console import Console  # rich takes longer to import than most commands run
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(label, total=total, completed=done)
        self._progress.start()

    def to(self, done: int) -> None:
        """Show ``done`` steps as done."""
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        """Remove the bar from the screen."""
        self._progress.stop()


def open_bar(label: str, total: int) -> Bar | None:
    """Open a progress bar; None when stderr is not a terminal."""
    return Bar(label, total) if sys.stderr.isatty() else None


class RunProgress:
    """A progress bar of a run, shown once it takes more than two seconds, on a terminal only."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Bar | None = None
        self._begun = 0.0

    def __enter__(self) -> Callable[[int, int], None]:
        self._begun = time.monotonic()
        return self._on_progress

    def _on_progress(self, done: int, total: int) -> None:
        if self._bar is None and time.monotonic() - self._begun > SHOWN_AFTER_S:
            self._bar = open_bar(self._label, total)
        if self._bar is not None:
            self._bar.to(done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
