"""Compile fast code after a command that a user waited for: `python -m tightloop.app.cli.background NAME ...`.

A command compiles what it needs quickly (tiers in ``core/native/compiler.py``) and starts this module as it ends. The
next command finds fast code in the cache, or still uses the quick one. Both give the same results, to the bit.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from contextlib import suppress

from tightloop.core import compiled
from tightloop.core.native import stamps

LOCK, LOG = "background.lock", "background.log"
NICENESS = 10
STALE_S = 900.0


def start() -> bool:
    """Start compiling fast code of what this process compiled quickly; return whether there was any."""
    found = compiled.functions()
    names = [f"{found[name].py_func.__module__}:{name}" for name in compiled.compiled_first()]
    if not names or _is_running():
        return False
    lock = stamps.cache_dir() / LOCK
    try:
        lock.touch()  # now, so that two commands one after the other start one process
        with (stamps.cache_dir() / LOG).open("w") as log:
            subprocess.Popen(
                [sys.executable, "-m", "tightloop.app.cli.background", *names],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
    except OSError:  # a full disk, files of another user: the command itself has ended well
        with suppress(OSError):
            lock.unlink()
        return False
    return True


def _is_running() -> bool:
    """Tell whether another process compiles in the background; one that was killed counts for a while."""
    try:
        return abs(time.time() - (stamps.cache_dir() / LOCK).stat().st_mtime) < STALE_S
    except OSError:
        return False


def compile_named(name: str) -> None:
    """Compile a function, named ``module:function``, into the cache, if it is not there."""
    module, _, function = name.partition(":")
    importlib.import_module(module)
    assert compiled.functions()[function].address


def main(names: list[str]) -> None:
    """Compile functions, each named ``module:function``, into the cache, with what is left of the processor's time."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    lock = stamps.cache_dir() / LOCK
    try:
        for name in names:
            compile_named(name)
    finally:
        lock.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
