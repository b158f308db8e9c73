"""``tightloop replay``: step the journal of a session again and compare everything it did."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from tightloop.app import cli, runs
from tightloop.app.cli.commands.paper import HOME
from tightloop.app.cli.console import errors_shown


@click.command()
@click.argument("session_id", metavar="ID")
@HOME
@click.option(
    "--speed",
    type=click.Choice(("1", "10", "100", "max")),
    default="max",
    show_default=True,
    help="Its time against ours; all but max print its fills as they come.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(session_id: str, home: Path, speed: str, as_json: bool) -> None:
    """Step all facts of a session again: every row and hash must be what the journal has; prints the state_hash.

    Exit code 1 at the first difference, which is printed.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        factor = math.inf if speed == "max" else float(speed)
        found = runs.live.outside.replayed(home, session_id, factor, lambda line: click.echo(line, err=as_json))
        click.echo(json.dumps(found) if as_json else f"state_hash {found['state_hash']} after {found['facts']} facts")
