"""Commands of ``tightloop``, one per file: ``backtest.py`` defines the command ``backtest``. Adding a file adds it.

Folders keep together what belongs together, and are no part of a name: ``home/doctor.py`` is ``doctor``.

``tightloop --help`` imports every file of this folder, so at the top they import little besides click. What a command
runs is loaded when it is first used: ``from tightloop.app import runs``, then ``runs.backtest.backtest(...)``.
"""

import importlib
from functools import cache
from pathlib import Path

import click

FOLDER = Path(__file__).resolve().parent


@cache
def _modules() -> dict[str, str]:
    """Return the module of each command, by the command's name."""
    files = (path for path in FOLDER.rglob("*.py") if path.stem[0] != "_")
    return {path.stem: ".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in files}


def command_names() -> tuple[str, ...]:
    """Return the names of all commands in alphabetical order, without importing them."""
    return tuple(sorted(_modules()))


def load(name: str) -> click.Command:
    """Import and return a command; its module has one attribute of the command's name."""
    command: click.Command = getattr(importlib.import_module(f"{__name__}.{_modules()[name]}"), name)
    return command
