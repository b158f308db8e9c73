"""Run commands for `dev.py`: behind a line of progress, as a numbered step, or openly. Standard library alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
TAIL_LINES = 25
NO_TERMINAL_EVERY_S = 30.0


class Failure(Exception):
    """This command cannot go on; the message for the user is complete. ``code`` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def clean_environment(**extra: str | None) -> dict[str, str]:
    """Return the environment of child processes, without variables that point Python at other packages.

    PYTHONDONTWRITEBYTECODE is left out too: with it, Python and pytest compile every file again at each start. An extra
    variable that is None is left out.
    """
    hidden = {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE"}
    found: dict[str, str | None] = {
        **{name: value for name, value in os.environ.items() if name not in hidden},
        **extra,
    }
    return {name: value for name, value in found.items() if value is not None}


class Progress:
    """One line that says what is going on and for how long; rewritten on a terminal, rare where there is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.start_s = time.monotonic()
        self.next_s = 1.0
        self.shown = False

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.start_s

    def tick(self) -> None:
        """Show the line if it is time for it."""
        elapsed_s = self.elapsed_s()
        if elapsed_s < self.next_s:
            return
        if sys.stdout.isatty():
            print(f"\r{self.name} ... {elapsed_s:.0f} s ", end="", flush=True)
            self.next_s = elapsed_s + 1.0
        else:
            print(f"{self.name} ... {elapsed_s:.0f} s" if self.shown else f"{self.name} ...", flush=True)
            self.next_s = elapsed_s + NO_TERMINAL_EVERY_S
        self.shown = True

    def close(self) -> None:
        """Remove the line from a terminal."""
        if self.shown and sys.stdout.isatty():
            print("\r" + " " * (len(self.name) + 20) + "\r", end="", flush=True)


class Steps:
    """Steps of a set-up, numbered: each says what it is, how long it took, and how many there are in all."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._done = 0
        self._start_s = 0.0

    def begin(self, what: str) -> str:
        """Start the next step; return its line: ``step 2 of 6: installing packages``."""
        assert self._done < self.total, f"{what} is a step that was not counted"
        self._done += 1
        self._start_s = time.monotonic()
        return f"step {self._done} of {self.total}: {what}"

    def end(self, line: str) -> None:
        """Say that the step of this line is done and how long it took."""
        print(f"{line}: {time.monotonic() - self._start_s:.1f} s", flush=True)


def run_quietly(
    name: str, command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> tuple[int, str]:
    """Run a command behind a progress line, in ``folder`` or the root; return its exit code and all it wrote."""
    progress = Progress(name)
    with tempfile.TemporaryFile() as sink:
        child = subprocess.Popen(
            command, cwd=folder or ROOT, env=environment or clean_environment(), stdout=sink, stderr=subprocess.STDOUT
        )
        code = None
        try:
            while code is None:
                try:
                    code = child.wait(timeout=0.1)
                except subprocess.TimeoutExpired:
                    progress.tick()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
            progress.close()
        sink.seek(0)
        return code, sink.read().decode(errors="replace")


def must_run(
    name: str,
    command: list[str],
    remedy: str,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """Run a command that has to succeed; return what it wrote. Raises Failure with its last lines and what to try."""
    code, output = run_quietly(name, command, environment, folder)
    if code:
        tail = "\n".join("  " + line for line in output.rstrip().splitlines()[-TAIL_LINES:])
        raise Failure(f"{name}: failed with exit code {code}. Its last lines:\n{tail}\nWhat to try: {remedy}")
    return output


def run_openly(command: list[str], folder: Path | None = None, **variables: str | None) -> int:
    """Run a command whose own output is the point. Ctrl-C reaches it too, and it is given the time to end well."""
    sys.stdout.flush()
    interrupted = False
    with subprocess.Popen(command, cwd=folder or ROOT, env=clean_environment(**variables)) as child:
        while child.poll() is None:
            try:
                child.wait()
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return child.returncode


def run_behind(command: list[str]) -> None:
    """Start a command that goes on after this process has ended; nobody waits for it or reads what it writes."""
    flags = 0x00000008 | 0x00004000 if WINDOWS else 0  # detached, of less than normal priority
    subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, creationflags=flags,
    )  # fmt: skip
