"""``tightloop indicators``: list the indicator types."""

import click

from tightloop.app import cli
from tightloop.app.cli import show
from tightloop.app.cli.console import errors_shown


@click.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
def indicators(types: tuple[str, ...]) -> None:
    """List indicator types: parameters with defaults and bounds, outputs, formula."""
    with errors_shown():
        cli.compiling.say_when_compiling()
        show.indicators.print_indicators(types)
