"""``tightloop backtest``: run strategies, print a summary, write the result files."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tightloop.app import cli, runs
from tightloop.app.cli import show
from tightloop.app.cli.console import RunProgress, errors_shown, made_at, warn
from tightloop.app.cli.options import STRATEGIES, accepted_faults, check_folder, run_options
from tightloop.model.errors import Interrupted, StrategyError

if TYPE_CHECKING:
    from tightloop.app.runs.run import Run

NOT_IN_COMMAND = {"--out": 1, "--timing": 0, "--no-report": 0}
"""Options (and how many values they have) that the report does not repeat: they change no result."""


@click.command()
@STRATEGIES
@run_options
@click.option(
    "--fills", type=click.Choice(("ticks",)), help="Bars as a recorded session made them, fills on its ticks."
)
@click.option("--timing", is_flag=True, help="End with one JSON line of CPU seconds.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the result files [runs/NAME-HASH].")
@click.option("--no-report", is_flag=True, help="Write no report.html.")
def backtest(
    strategies: tuple[Path, ...],
    data: Path,
    start: str | None,
    end: str | None,
    instruments: tuple[str, ...],
    account: Path | None,
    settings: tuple[str, ...],
    seed: int,
    accept: str,
    fills: str | None,
    timing: bool,
    out: Path | None,
    no_report: bool,
) -> None:
    """Run strategies over recorded data: a summary on screen, files in a folder.

    Several strategies share one account. Ctrl-C ends a run and keeps the part that was done.
    """
    with errors_shown():
        cli.compiling.say_when_compiling()
        engine = runs.backtest  # imported here, before the clock of the progress bar starts
        check_folder(out or Path("runs"))
        if out is not None:
            runs.files.check_room(out)
        with RunProgress("running") as on_progress:
            failure = None
            try:
                run = engine.backtest(
                    *strategies, data=data, start=start, end=end, instruments=instruments, account=account,
                    settings=settings, seed=seed, accept=accepted_faults(accept), on_progress=on_progress,
                    on_warning=warn, fills=fills,
                )  # fmt: skip
            except StrategyError as error:
                if not isinstance(error.run, runs.run.Run):
                    raise
                run, failure = error.run, error
        run.command = _command(sys.argv[1:])
        _write(run, out or _folder(run), timing, no_report)
        if failure is not None:
            raise failure


def _command(arguments: list[str]) -> str:
    """Return the command line that gives the same results, for the report."""
    kept, skip = [], 0
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if skip:
            skip -= 1
        elif name in NOT_IN_COMMAND:
            skip = 0 if equals else NOT_IN_COMMAND[name]
        else:
            kept.append(argument)
    return shlex.join(["tightloop", *kept])


def _folder(run: Run) -> Path:
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in run.summary["strategy"])
    return Path("runs") / f"{name[:80]}-{run.summary['config_hash']}"


def _write(run: Run, folder: Path, timing: bool, no_report: bool) -> None:
    """Write the files and print summary and timing; Ctrl-C while files are written waits until all are whole."""
    there = runs.files.earlier_run(folder)
    if there is not None:
        since = made_at(folder / "result.json")
        click.echo(f"replaces the run of {since} ({there['strategy']}, config {there['config_hash']}) in {folder}")
    with runs.interrupts.Interrupts() as interrupts:
        begun = time.process_time()
        report = run.write(folder, report=not no_report)
        run.timing["write"] += time.process_time() - begun
    show.summary.print_summary(run.summary, folder, report or folder / "result.json", quality=run.result.quality)
    if timing:
        click.echo(json.dumps({name: round(value, 6) for name, value in run.timing.items()}))
    if run.interrupted or interrupts.asked:
        raise Interrupted(f"interrupted; what was done is in {folder}")
