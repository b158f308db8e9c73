"""``tightloop session``: what sessions there are, and what they are asked to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from tightloop.app import cli, runs
from tightloop.app.cli.commands.paper import HOME
from tightloop.app.cli.console import errors_shown, table

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SESSION = click.argument("session_id", metavar="ID")


@click.group()
def session() -> None:
    """List sessions, look at one, ask one to pause, to stop, to close everything."""


def _echo(found: Any, as_json: bool) -> None:
    click.echo(json.dumps(found) if as_json else _in_words(found))


def _in_words(found: Any) -> str:
    """Write an object as lines of name and value."""
    lines = []
    for name, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            head = list(value[0])
            lines += [f"{name}:", *table(head, [[str(row[key]) for key in head] for row in value])]
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
        if as_json:
            click.echo(json.dumps(rows))
            return
        head = ["id", "state", "venue", "pid", "strategies"]
        for line in table(head, [[str(row[name]) for name in head] for row in rows]):
            click.echo(line)


@session.command()
@SESSION
@HOME
@JSON
def show(session_id: str, home: Path, as_json: bool) -> None:
    """Show orders, fills, positions, wallet and hash; of a session without a process from its journal."""
    with errors_shown():
        cli.compiling.say_when_compiling()
        _echo(runs.live.outside.shown(home, session_id), as_json)


@session.command()
@SESSION
@HOME
@JSON
def pause(session_id: str, home: Path, as_json: bool) -> None:
    """Take no more entries; exits, stops and funding go on."""
    with errors_shown():
        _echo(runs.live.outside.asked(home, session_id, {"what": "pause"}), as_json)


@session.command()
@SESSION
@HOME
@JSON
def resume(session_id: str, home: Path, as_json: bool) -> None:
    """Take entries again."""
    with errors_shown():
        _echo(runs.live.outside.asked(home, session_id, {"what": "resume"}), as_json)


@session.command()
@SESSION
@HOME
@click.option("--keep/--flatten", "keep", default=True, help="Keep positions, or close them first.")
@JSON
def stop(session_id: str, home: Path, keep: bool, as_json: bool) -> None:
    """End a session for good."""
    with errors_shown():
        _echo(runs.live.outside.asked(home, session_id, {"what": "stop", "keep": keep}), as_json)


@session.command()
@HOME
@click.option("--scope", default="all", show_default=True, help="all, strategy:N or symbol:S.")
@JSON
def kill(home: Path, scope: str, as_json: bool) -> None:
    """Close positions and take no entries until `rearm`, in every session; it holds for later ones, too.

    Sessions without a process are told when they start again; exit code 5 if one of them has a position, or cannot
    be read.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        found = runs.live.outside.kill(home, scope)
        _echo(found, as_json)
        if found["open"] or found["failed"]:
            sys.exit(runs.live.outside.AT_RISK)


@session.command()
@HOME
@click.option("--scope", default="all", show_default=True, help="all, strategy:N or symbol:S.")
@click.option("--by", required=True, metavar="NAME", help="Who lifts it.")
@JSON
def rearm(home: Path, scope: str, by: str, as_json: bool) -> None:
    """Allow entries again: release the kill switch."""
    with errors_shown():
        _echo(runs.live.outside.rearm(home, scope, by), as_json)


@session.command()
@SESSION
@HOME
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the catalog.")
@JSON
def export(session_id: str, home: Path, out: Path, as_json: bool) -> None:
    """Write what a session received as a catalog, on which a backtest makes the same decisions."""
    with errors_shown():
        _echo(runs.live.outside.export(home, session_id, out), as_json)
