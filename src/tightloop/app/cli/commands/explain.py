"""The command ``tightloop explain``."""

from __future__ import annotations

from pathlib import Path

import click

from tightloop.app import analysis, cli, markets
from tightloop.app.cli import show
from tightloop.app.cli.console import errors_shown, say_replaced

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Say why a finished run did what it did, and why not more.")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--at", metavar="T", help="The state of everything at this time (UTC).")
@click.option("--signal", metavar="ID", help="Why the sections of this signal fired.")
@click.option("--order", metavar="ID", help="Why this order was denied, filled at its price, or ended.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of the catalog [the run's].")
@click.option("--all", "show_all", is_flag=True, help="Show everything, not only what fits on one screen.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Also write everything to this file.")
def explain(
    run_folder: Path,
    at: str | None,
    signal: str | None,
    order: str | None,
    data: Path | None,
    show_all: bool,
    json_file: Path | None,
) -> None:
    """Say why a finished run did what it did, and why it did not do more.

    The run is repeated step by step and must end in the same state. Without options: what fired, what was denied
    or held back, and for each section the nearest approach of every condition and what blocked it most; for a
    strategy in Python, what it was given and what it requested; for carry, which rule acted and what kept the others
    from acting.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        facts = analysis.explain.explain(run_folder, data=data, at=at, signal=signal, order=order)
        if facts["run"]["is_synthetic"]:
            click.echo(markets.notes.SYNTHETIC)
        show.explain.print_facts(facts, show_all=show_all)
        say_replaced(json_file)
        if json_file is not None:
            analysis.explain.write_json(facts, json_file)
            click.echo(str(json_file))
