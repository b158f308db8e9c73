"""Commands of ``tightloop``, one per file: ``backtest.py`` defines the command ``backtest``. Adding a file adds it.

``tightloop --help`` imports every file of this folder, so at the top they import little besides click. What a command
runs is loaded when it is first used: ``from tightloop.app import runs``, then ``runs.backtest.backtest(...)``.
"""

import importlib
from functools import cache
from pathlib import Path

import click

FOLDER = Path(__file__).resolve().parent


@cache
def command_names() -> tuple[str, ...]:
    """Return the names of all commands in alphabetical order, without importing them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem[0] != "_"))


def load(name: str) -> click.Command:
    """Import and return a command; its module has one attribute of the command's name."""
    command: click.Command = getattr(importlib.import_module(f"{__name__}.{name}"), name)
    return command
