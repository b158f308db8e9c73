"""``tightloop indicators``: what there is, as the files of the core declare it."""

import difflib
from collections.abc import Sequence

import click

from tightloop.core import indicators
from tightloop.core.indicators.contract import Choice, Parameter
from tightloop.model.errors import InputError


def describe(parameter: Parameter) -> str:
    """Format a parameter with its default and bounds on one line."""
    if isinstance(parameter, Choice):
        return f"{parameter.name} = {parameter.default} ({' | '.join(parameter.words)}) {parameter.meaning}".rstrip()
    default = "required" if parameter.default is None else f"{parameter.default:g}"
    whole = "whole, " if parameter.whole else ""
    return f"{parameter.name} = {default} ({whole}{parameter.bounds()}) {parameter.meaning}".rstrip()


def print_indicators(types: Sequence[str]) -> None:
    """Print all types, or the named ones; raises InputError for an unknown type."""
    known = indicators.types_found()
    for name in types:
        if name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, 1)
            remedy = f"did you mean {near[0]}?" if near else "`tightloop indicators` lists those there are"
            raise InputError.one("command line", None, "TYPE", f"{name!r} is not an indicator type", remedy)
    for name in [t.upper() for t in types] or known:
        indicator = indicators.load(name)
        click.echo(f"{click.style(name, bold=True)}  {indicator.formula}")
        click.echo(f"    outputs     {', '.join(indicator.outputs)}")
        for parameter in indicator.parameters:
            click.echo(f"    parameter   {describe(parameter)}")
