"""``tightloop validate``: check strategy files without data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tightloop import model
from tightloop.app import cli
from tightloop.app.cli.console import errors_shown, warn
from tightloop.app.cli.options import ACCOUNT_HELP, FILE, INSTRUMENTS, SETTINGS, STRATEGIES
from tightloop.model import signal
from tightloop.model.errors import InputError, Problem

if TYPE_CHECKING:
    from tightloop.model.signal.read import Strategy


@click.command()
@STRATEGIES
@SETTINGS
@INSTRUMENTS
@click.option("--account", type=FILE, help=ACCOUNT_HELP)
def validate(
    strategies: tuple[Path, ...], settings: tuple[str, ...], instruments: tuple[str, ...], account: Path | None
) -> None:
    """Check strategy files without data: every problem with its line and what to write instead."""
    with errors_shown():
        cli.compiling.say_when_compiling()
        problems: list[Problem] = []
        read: list[Strategy] = []
        for path in strategies:
            try:
                strategy = model.load.load(path, settings=settings, instruments=instruments, account=account)
            except InputError as error:
                problems += (problem for problem in error.problems if problem not in problems)
                continue
            for message in strategy.warnings:
                warn(f"{path}: {message}")
            if isinstance(strategy, signal.read.Strategy):
                read.append(strategy)
                for problem in signal.sizes.against_limits([strategy]):
                    warn(str(problem))
            click.echo(f"{path}: {strategy.name} is valid (config {strategy.config_hash})")
        if problems:
            raise InputError(*problems)
        _warn_of_shared_account(read)


def _warn_of_shared_account(strategies: Sequence[Strategy]) -> None:
    """Warn of limits that the strategies exceed only together, if they could share an account."""
    if len(strategies) < 2:
        return
    try:
        signal.portfolio.check_files(strategies)
    except InputError:
        return  # they cannot run together
    alone = {str(problem) for strategy in strategies for problem in signal.sizes.against_limits([strategy])}
    for problem in signal.sizes.against_limits(strategies):
        if str(problem) not in alone:
            warn(f"run together: {problem}")
