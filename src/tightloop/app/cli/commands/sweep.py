"""``tightloop sweep``: run many parameter sets over the same data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tightloop.adapters import stores
from tightloop.app import cli, markets, runs
from tightloop.app.cli import show
from tightloop.app.cli.console import RunProgress, errors_shown, say_replaced
from tightloop.app.cli.options import STRATEGIES, accepted_faults, check_folder, run_options
from tightloop.model import files
from tightloop.model.errors import InputError, Interrupted, Problem


@click.command()
@STRATEGIES
@run_options
@click.option(
    "--param",
    "parameters",
    multiple=True,
    required=True,
    metavar="PATH=A,B,C",
    help="Values of one parameter; may be repeated.",
)
@click.option("--split", type=float, help="Share of the time that is in-sample, for example 0.7.")
@click.option("--threads", type=click.IntRange(1, 1_024), help="Threads [all cores].")
@click.option("--sort", default="sharpe", show_default=True, help="Metric the table is sorted by.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of sweep.parquet [runs/sweep-NAME].")
def sweep(
    strategies: tuple[Path, ...],
    data: Path,
    start: str | None,
    end: str | None,
    instruments: tuple[str, ...],
    account: Path | None,
    settings: tuple[str, ...],
    seed: int,
    accept: str,
    parameters: tuple[str, ...],
    split: float | None,
    threads: int | None,
    sort: str,
    out: Path | None,
) -> None:
    """Run many parameter sets over the same data on all cores: a table, and sweep.parquet with every metric."""
    with errors_shown():
        cli.compiling.say_when_compiling()
        engine = runs.sweep  # imported here, before the clock of the progress bar starts
        show.sweep.check_sort(sort, has_split=split is not None)
        folder = out or Path("runs") / f"sweep-{strategies[0].stem}"
        check_folder(folder)
        with RunProgress("sweeping") as on_progress:
            counted = iter(range(1, 10**9))
            done = engine.sweep(
                *strategies, parameters=_parameters(parameters), data=data, start=start, end=end,
                instruments=instruments, account=account, settings=settings, seed=seed,
                accept=accepted_faults(accept), split=split, threads=threads,
                on_row=lambda _, total: on_progress(next(counted), total),
            )  # fmt: skip
        say_replaced(folder / "sweep.parquet")
        with runs.interrupts.Interrupts() as interrupts:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                stores.parquet.write(done.frame, folder / "sweep.parquet")
            except OSError as error:
                raise runs.files.unwritable(folder, error) from None
        if done.is_synthetic:
            click.echo(markets.notes.SYNTHETIC)
        show.sweep.print_sweep(done.frame, done.parameters, sort, folder / "sweep.parquet")
        if done.interrupted or interrupts.asked:
            lost = f", {done.lost} that ran are lost" if done.lost else ""
            raise Interrupted(f"interrupted; {len(done.rows)} of {done.total} parameter sets are done and kept{lost}")


def _parameters(texts: tuple[str, ...]) -> Mapping[str, list[Any]]:
    """Parse every ``--param``; returns path -> values. InputError names every problem."""
    parameters: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        path, equals, values = text.partition("=")
        path, parts = path.strip(), [part.strip() for part in values.split(",")]
        if not equals or not all(path.split(".")) or not all(parts):
            remedy = "write for example variants.fast.period=5,10,20"
            problems.append(Problem("command line", None, "--param", f"{text!r} is not path=a,b,c", remedy))
        elif path in parameters:
            remedy = "give all its values at once"
            problems.append(Problem("command line", None, "--param", f"{path} is given twice", remedy))
        elif len(set(parts)) < len(parts):
            message, remedy = f"{text!r} names a value twice", "name each value once"
            problems.append(Problem("command line", None, "--param", message, remedy))
        else:
            parameters[path] = [files.yaml_lines.scalar(part) for part in parts]
    if problems:
        raise InputError(*problems)
    return parameters
