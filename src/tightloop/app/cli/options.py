"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tightloop.adapters import data as market_data
from tightloop.app import runs
from tightloop.model.errors import InputError, Problem

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
ACCOUNT_HELP = "YAML file with the account's limits, or research: no bound on the size of a position."
STRATEGIES = click.argument("strategies", nargs=-1, required=True, type=FILE)
SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="Override a value of the file, for example variants.fast.period=12; may be repeated.",
)
INSTRUMENTS = click.option(
    "--instrument", "instruments", multiple=True, help="Instead of the file's instruments; may be repeated."
)
DATA = click.option("--data", type=FOLDER, default="data", show_default=True, help="Folder of the catalog.")


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is run on which data."""
    account = click.option("--account", type=FILE, help=ACCOUNT_HELP)
    start = click.option("--from", "start", metavar="T", help="First bar opens at or after this time (UTC).")
    end = click.option("--to", "end", metavar="T", help="Last bar opens before this time (UTC).")
    seeds = click.IntRange(0, 2**63 - 1)
    seed = click.option("--seed", type=seeds, default=0, show_default=True, help="Seed of the venue's random effects.")
    accept = click.option("--accept", default="", metavar="FAULT,...", help="Run on data in spite of these faults.")
    for option in reversed((DATA, start, end, INSTRUMENTS, account, SETTINGS, seed, accept)):
        command = option(command)
    return command


def accepted_faults(text: str) -> tuple[str, ...]:
    """Parse ``--accept``: kinds of data faults, separated by commas. InputError names every unknown one."""
    known = market_data.shared.FAULT_KINDS
    kinds = tuple(kind.strip() for kind in text.split(",") if kind.strip())
    problems = []
    for kind in kinds:
        if kind not in known:
            near = difflib.get_close_matches(kind, known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"write some of {', '.join(known)}"
            problems.append(Problem("command line", None, "--accept", f"{kind!r} is not a fault", remedy))
    if problems:
        raise InputError(*problems)
    return kinds


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written to, before the run and without creating it; raises InputError."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise runs.files.unwritable(folder, NotADirectoryError(0, f"{there} is a file, not a folder"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise runs.files.unwritable(folder, PermissionError(0, f"{there} may not be written"))
