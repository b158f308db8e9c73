"""``tightloop live``: run strategies on a venue's market, with orders at the venue."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from tightloop.app import cli, runs
from tightloop.app.cli.commands.paper import HOME, QUIET, print_nothing, seconds, told
from tightloop.app.cli.console import errors_shown
from tightloop.app.cli.options import ACCOUNT_HELP, INSTRUMENTS, STRATEGIES
from tightloop.app.cli.printer import Printer
from tightloop.model.errors import InputError


@click.command()
@STRATEGIES
@click.option("--venue", required=True, help="Where to trade: binance-usdm.")
@click.option("--login", default="main", show_default=True, help="Which key: TIGHTLOOP_<VENUE>[_<LOGIN>]_KEY, _SECRET.")
@click.option("--url", help="Where the venue is, e.g. http://127.0.0.1:8700 of `tightloop sandbox`.")
@HOME
@INSTRUMENTS
@click.option("--account", help=ACCOUNT_HELP)
@click.option("--enable-live", is_flag=True, help="Say that orders go to the venue.")
@click.option("--confirm", help='The words "TRADE <login>"; asked for where there is a terminal.')
@click.option(
    "--on-exit", type=click.Choice(("keep", "flatten")), default="keep", show_default=True, help="Positions at the end."
)
@click.option("--override-paper", metavar="REASON", help="Trade although the paper criteria are not met; it is kept.")
@click.option(
    "--durability",
    type=click.Choice(("process", "power")),
    default="process",
    show_default=True,
    help="What an order's record survives before an entry leaves: the end of the process, or a loss of power too.",
)
@click.option("--for", "span", metavar="TIME", help="Stop after this time, e.g. 60s, 10m, 1h.")
@QUIET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a second.")
def live(
    strategies: tuple[Path, ...],
    venue: str,
    login: str,
    url: str | None,
    home: Path,
    instruments: tuple[str, ...],
    account: str | None,
    enable_live: bool,
    confirm: str | None,
    on_exit: str,
    override_paper: str | None,
    durability: str,
    span: str | None,
    is_quiet: bool,
    as_json: bool,
) -> None:
    """Run strategies on a venue's market; orders go to the venue, with the money that is there.

    The same command finds a session that was killed and goes on with it. Exit codes: 0 stopped, 2 bad input, 3 the
    account is traded already, 4 the venue or the account refuses, 5 stopped with a position.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        _confirm(login, enable_live, confirm)
        options = runs.live.live.LiveOptions(
            venue=venue,
            url=url,
            home=home,
            instruments=instruments,
            account=account,
            for_s=seconds(span),
            keeps=on_exit == "keep",
            tells_trades=not (is_quiet or as_json),
            login=login,
            override=override_paper,
            is_power_safe=durability == "power",
        )
        try:
            with Printer() as printer:
                ended = runs.live.live.live(
                    strategies, options, printer.say, told(printer) if as_json else print_nothing
                )
        except runs.live.paper.SessionHeld as held:
            click.echo(json.dumps({"session": held.session, "error": str(held)}) if as_json else held.session)
            raise
        click.echo(f"session {ended.session} {ended.state.lower()}, state_hash {ended.state_hash}", err=as_json)
        if ended.exit_code:
            sys.exit(ended.exit_code)


def _confirm(login: str, enable_live: bool, confirm: str | None) -> None:
    """Ask for the words that start trading. Raises InputError."""
    words = f"TRADE {login}"
    if not enable_live:
        message = "orders would go to the venue, and that was not said"
        raise InputError.one("command line", None, "--enable-live", message, "add --enable-live, or use `paper`")
    if confirm is None and sys.stdin.isatty():
        confirm = click.prompt(f"Type {words} to trade with real orders", err=True)
    if confirm != words:
        message = f"the words are not {words!r}"
        raise InputError.one("command line", None, "--confirm", message, f'write --confirm "{words}"')
