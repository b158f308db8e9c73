"""``tightloop detect``: what a strategy's signals are worth, against labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tightloop.adapters import data as market_data
from tightloop.app import analysis, cli, markets
from tightloop.app.cli.console import errors_shown, progress, say_replaced, table, warn

if TYPE_CHECKING:
    from tightloop.runtime.research.detection import Tally

WARNINGS_SHOWN = 3
HEAD = (
    "SCENARIO",
    "KIND",
    "LABELS",
    "FOUND",
    "BY PEAK",
    "S1",
    "FALSE",
    "ENTRIES",
    "PRECISION",
    "RECALL",
    "S1 AFTER",
    "Z1 AFTER",
)


@click.command(short_help="Measure how well a strategy detects labelled pumps.")
@click.argument("strategy", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--labels", type=click.Path(path_type=Path, dir_okay=False), help="The labels [those of the catalog].")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="data",
    show_default=True,
    help="Folder of the catalog.",
)
@click.option(
    "--instrument", "instruments", multiple=True, help="Only these of the labelled instruments; may be repeated."
)
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Override a value of the file.")
@click.option(
    "--account",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with the account's limits, or research.",
)
@click.option("--accept", default="", metavar="FAULT,...", help="Run on data in spite of these faults.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to this file."
)
def detect(
    strategy: Path,
    labels: Path | None,
    data: Path,
    instruments: tuple[str, ...],
    settings: tuple[str, ...],
    account: Path | None,
    accept: str,
    json_file: Path | None,
) -> None:
    """Measure how well a strategy detects pumps: precision, recall and delay on a labelled catalog.

    Each labelled instrument is run alone, whatever the file names. A pump is found when an S1 fires between its start
    and its end; several count once. Every other S1 is a false signal.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        done = analysis.detect.detect(
            strategy, data=data, labels=labels, instruments=instruments, account=account, settings=settings,
            accept=tuple(kind.strip() for kind in accept.split(",") if kind.strip()),
            shown=lambda all_: progress(all_, len(all_), "detecting"),
        )  # fmt: skip
        say_replaced(json_file)
        if json_file is not None:
            market_data.quality.written(json_file, json.dumps(done.plain(), indent=2) + "\n")
        if done.is_synthetic:
            click.echo(markets.notes.SYNTHETIC)
        for line in table(HEAD, [_row(tally) for tally in done.rows], right=frozenset(range(2, len(HEAD)))):
            click.echo(line)
        for denial in done.denied:
            click.echo(f"{click.style('denied', fg='red', bold=True)}  {denial['text']}")
        for message in done.warnings[:WARNINGS_SHOWN]:
            warn(message)
        if len(done.warnings) > WARNINGS_SHOWN:
            warn(f"{len(done.warnings) - WARNINGS_SHOWN} more like these; --json has them")
        many = len(done.instruments)
        click.echo(f"{done.strategy} on {many} instrument{'s, each alone' if many > 1 else ''}")
        if any(tally.scenario == "flat" for tally in done.rows):
            click.echo(f"entries where nothing happened (flat): {done.entries_in_flat}")


def _row(tally: Tally) -> tuple[str, ...]:
    plain = tally.plain()
    return (
        tally.scenario, tally.kind, str(tally.labels), f"{tally.found}/{tally.pumps}" if tally.pumps else "-",
        str(tally.by_peak) if tally.pumps else "-",
        str(tally.signals), str(tally.false_signals), str(tally.entries), _share(tally.precision),
        _share(tally.recall), _delay(plain["s1_delay_s"]), _delay(plain["z1_delay_s"]),
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _delay(found: dict[str, float] | None) -> str:
    return "-" if found is None else f"{found['median']:.1f} s"
