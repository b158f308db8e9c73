"""``tightloop session``: what sessions there are, and what they are asked to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tightloop.app import cli, runs
from tightloop.app.cli import show as shown_as
from tightloop.app.cli.commands.paper import HOME
from tightloop.app.cli.console import errors_shown, table

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SESSION = click.argument("session_id", metavar="ID")


@click.group()
def session() -> None:
    """List sessions, look at one, ask one to pause, to stop, to close everything."""


def _echo(found: Any, as_json: bool) -> None:
    click.echo(json.dumps(found) if as_json else _in_words(found))


def _print(lines: list[str], found: Any, as_json: bool) -> None:
    for line in [json.dumps(found)] if as_json else lines:
        click.echo(line)


def _ask(home: Path, session_id: str, request: Mapping[str, Any], as_json: bool) -> None:
    found = runs.live.outside.asked(home, session_id, request)
    _print(shown_as.asked.done(str(request["what"]), session_id, found), found, as_json)


def _in_words(found: Any) -> str:
    """Write an object as lines of name and value."""
    lines = []
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            head = list(dict.fromkeys(key for row in value for key in row))
            lines += [
                f"{name}:",
                *table(head, [[str(row[key]) if key in row else "" for key in head] for row in value]),
            ]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)


@session.command("list")
@HOME
@JSON
def list_sessions(home: Path, as_json: bool) -> None:
    """List the sessions of a home folder, the oldest first."""
    with errors_shown():
        rows = runs.live.outside.listed(home)
        for line in [json.dumps(rows)] if as_json else shown_as.sessions.listed(rows, home.expanduser()):
            click.echo(line)


@session.command()
@SESSION
@HOME
@JSON
def show(session_id: str, home: Path, as_json: bool) -> None:
    """Show what a session does and why not: orders, fills, positions, refusals; without a process from its journal.

    ID: or `last`, the newest. --json has all of it, exact.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        view = runs.live.outside.shown(home, session_id)
        click.echo(json.dumps(view) if as_json else "\n".join(shown_as.sessions.shown(view)))


@session.command()
@SESSION
@HOME
@click.option("--last", "count", type=click.IntRange(0), default=10, show_default=True, help="How many trades.")
@JSON
def why(session_id: str, home: Path, count: int, as_json: bool) -> None:
    """Say what a session did and why: its trades with their conditions, and what did not come to be."""
    with errors_shown():
        cli.compiling.say_when_compiling()
        told = runs.live.index.reading.told(home, session_id)
        click.echo(json.dumps(told) if as_json else "\n".join(shown_as.story.lines(told, count)))


@session.command()
@SESSION
@HOME
@JSON
def pause(session_id: str, home: Path, as_json: bool) -> None:
    """Take no more entries; exits, stops and funding go on."""
    with errors_shown():
        _ask(home, session_id, {"what": "pause"}, as_json)


@session.command()
@SESSION
@HOME
@JSON
def resume(session_id: str, home: Path, as_json: bool) -> None:
    """Take entries again."""
    with errors_shown():
        _ask(home, session_id, {"what": "resume"}, as_json)


@session.command()
@SESSION
@HOME
@click.option("--keep/--flatten", "keep", default=True, help="Keep positions, or close them first.")
@JSON
def stop(session_id: str, home: Path, keep: bool, as_json: bool) -> None:
    """End a session for good."""
    with errors_shown():
        _ask(home, session_id, {"what": "stop", "keep": keep}, as_json)


@session.command()
@HOME
@click.option("--scope", default="all", show_default=True, help="all, strategy:N or symbol:S.")
@JSON
def kill(home: Path, scope: str, as_json: bool) -> None:
    """Close positions and take no entries until `rearm`, in every session; it holds for later ones, too.

    Sessions without a process are told when they start again; exit code 5 if one of them has a position, if a stopped
    live session has kept one, or if a session cannot be read.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        found = runs.live.outside.kill(home, scope)
        _print(shown_as.asked.killed(found, home), found, as_json)
        if found["open"] or found["failed"]:
            sys.exit(runs.live.options.AT_RISK)


@session.command()
@HOME
@click.option("--scope", default="all", show_default=True, help="all, strategy:N or symbol:S.")
@click.option("--by", required=True, metavar="NAME", help="Who lifts it.")
@JSON
def rearm(home: Path, scope: str, by: str, as_json: bool) -> None:
    """Allow entries again: release the kill switch."""
    with errors_shown():
        found = runs.live.outside.rearm(home, scope, by)
        _print(shown_as.asked.rearmed(found), found, as_json)


@session.command()
@SESSION
@HOME
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the catalog.")
@JSON
def export(session_id: str, home: Path, out: Path, as_json: bool) -> None:
    """Write what a session received as a catalog, on which a backtest makes the same decisions."""
    with errors_shown():
        _echo(runs.live.outside.export(home, session_id, out), as_json)


@session.command()
@HOME
@JSON
def index(home: Path, as_json: bool) -> None:
    """Make `index.db` whole: the tables of all sessions, from their journals. It is a copy, and may be deleted.

    A session that runs keeps its rows by itself. Exit code 1 if a journal cannot be read.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        failed = runs.live.index.keeping.catch_up_all(home)
        _echo({"failed": [{"id": name, "error": text} for name, text in failed.items()]}, as_json)
        if failed:
            sys.exit(1)
