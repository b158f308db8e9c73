"""``tightloop version``: print the version."""

import click

from tightloop import __version__


@click.command()
def version() -> None:
    """Print the version of the engine."""
    click.echo(__version__)
