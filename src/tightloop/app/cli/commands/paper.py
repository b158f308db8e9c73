"""``tightloop paper``: run strategies on a venue's market as it happens, with orders at a simulated venue."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tightloop.app import cli, runs
from tightloop.app.cli.console import errors_shown
from tightloop.app.cli.options import ACCOUNT_HELP, FOLDER, INSTRUMENTS, STRATEGIES
from tightloop.app.cli.printer import Printer
from tightloop.model.errors import InputError

if TYPE_CHECKING:
    from tightloop.runtime.session.driver.view import View

HOME = click.option("--home", type=FOLDER, default="~/.tightloop", show_default=True, help="Folder of sessions.")
QUIET = click.option(
    "--quiet", "-q", "is_quiet", is_flag=True, help="Print no fills, ended trades and refused entries."
)
TOLD = (
    "id", "ts_ns", "state", "seq", "state_hash", "equity", "orders", "positions", "unknown", "outside", "feed_age_s",
    "waiting", "held",
)  # fmt: skip
"""Of a view, what is printed each second."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


@click.command()
@STRATEGIES
@click.option("--venue", required=True, help="Whose market: binance-usdm.")
@click.option("--url", help="Where the venue is, e.g. http://127.0.0.1:8700 of `tightloop sandbox`.")
@HOME
@INSTRUMENTS
@click.option("--account", help=ACCOUNT_HELP)
@click.option("--for", "span", metavar="TIME", help="Stop after this time, e.g. 60s, 10m, 1h.")
@click.option(
    "--on-exit", type=click.Choice(("keep", "flatten")), default="keep", show_default=True, help="Positions at the end."
)
@QUIET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a second.")
def paper(
    strategies: tuple[Path, ...],
    venue: str,
    url: str | None,
    home: Path,
    instruments: tuple[str, ...],
    account: str | None,
    span: str | None,
    on_exit: str,
    is_quiet: bool,
    as_json: bool,
) -> None:
    """Run strategies on a venue's market as it happens; orders go to a simulated venue, no key is needed.

    The same command finds a session that was killed and goes on with it; one that runs already is named, exit code 3.
    Ctrl-C stops it. Exit codes: 0 stopped, 4 the venue refuses, 5 stopped with a position.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        options = runs.live.options.PaperOptions(
            venue=venue,
            url=url,
            home=home,
            instruments=instruments,
            account=account,
            for_s=seconds(span),
            keeps=on_exit == "keep",
            tells_trades=not (is_quiet or as_json),
        )
        try:
            with Printer() as printer:
                ended = runs.live.paper.paper(
                    strategies, options, printer.say, told(printer) if as_json else print_nothing
                )
        except runs.live.paper.SessionHeld as held:
            click.echo(json.dumps({"session": held.session, "error": str(held)}) if as_json else held.session)
            raise
        click.echo(f"session {ended.session} {ended.state.lower()}, state_hash {ended.state_hash}", err=as_json)
        if ended.exit_code:
            sys.exit(ended.exit_code)


def seconds(span: str | None) -> float | None:
    """Parse a time such as 60s, 10m, 1h; None for none. Raises InputError."""
    if span is None:
        return None
    found = _SPAN.fullmatch(span.strip())
    if found is None or float(found[1]) <= 0.0:
        raise InputError.one(
            "command line", None, "--for", f"{span!r} is not a time", "write for example 60s, 10m or 1h"
        )
    return float(found[1]) * _SECONDS[found[2]]


def print_nothing(_view: View) -> None:
    """Print nothing."""


def told(printer: Printer) -> Callable[[View], None]:
    """Return what prints the short of a view as a line of JSON."""
    return lambda shown: printer.out(json.dumps({name: shown[name] for name in TOLD}))
