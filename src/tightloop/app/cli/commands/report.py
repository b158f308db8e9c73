"""``tightloop report``: write the report of a finished run again."""

from __future__ import annotations

from pathlib import Path

import click

from tightloop.app import analysis, cli
from tightloop.app.cli.console import errors_shown, say_replaced
from tightloop.app.cli.options import FILE, FOLDER


@click.command()
@click.argument("run_folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", type=FOLDER, help="Folder of the catalog the run read [the one it names].")
@click.option("--out", type=FILE, help="Where to write the page [RUN/report.html, or compare.html for several].")
def report(run_folders: tuple[Path, ...], data: Path | None, out: Path | None) -> None:
    """Rewrite the report of a finished run from its files and the data it read.

    Several carry runs are compared on one page.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        if len(run_folders) > 1:
            say_replaced(out or Path("compare.html"))
        click.echo(str(analysis.report_again.write_again(run_folders, data, out)))
