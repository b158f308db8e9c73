"""``tightloop doctor``: whether this machine, a home folder and a venue are as sessions need them."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import click

from tightloop.app import runs
from tightloop.app.cli.commands.paper import HOME
from tightloop.app.cli.console import errors_shown
from tightloop.model.errors import InputError

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@HOME
@click.option("--venue", help="Ask this venue what time it is: binance-usdm.")
@click.option("--url", help="Where the venue is, e.g. http://127.0.0.1:8700 of `tightloop sandbox`.")
@click.option("--login", help="Look at the key of this login, too: what it may, and how its account is set up.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(home: Path, venue: str | None, url: str | None, login: str | None, as_json: bool) -> None:
    """Look whether this machine, a home folder and a venue are as sessions need them, and say what to do.

    Nothing is changed, here or at the venue. Exit code 1 if there is a problem, 0 with warnings.
    """
    with errors_shown():
        if venue is None and (url or login):
            option = "--login" if login else "--url"
            raise InputError.one("command line", None, option, "needs a venue", "add --venue binance-usdm")
        found = []
        looks = [runs.doctor.machine.look(home.expanduser()), runs.doctor.sessions.look(home)]
        if venue is not None:
            looks.append(runs.doctor.venues.look(venue, url, login))
        for one in itertools.chain.from_iterable(looks):
            found.append(one)
            if not as_json:
                _print(one)
        if as_json:
            click.echo(json.dumps([one.plain() for one in found]))
    if any(one.verdict == "problem" for one in found):
        sys.exit(1)


def _print(one: runs.doctor.findings.Diagnosis) -> None:
    verdict = str(one.verdict)
    remedy = f"; {one.remedy}" if one.remedy else ""
    click.echo(f"{click.style(verdict.ljust(7), fg=COLOURS[verdict])}  {one.name}: {one.text}{remedy}")
