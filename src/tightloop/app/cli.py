"""The command ``tightloop``. Only click is imported at the start: ``--help`` answers at once."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tightloop import __version__
from tightloop.app.console import errors_shown, warn

if TYPE_CHECKING:
    from tightloop.app.bootstrap import Run

COMMANDS_ELSEWHERE = {"data": ("tightloop.app.cli_data", "data", "Fill, list and check a catalog of market data.")}
STRATEGIES = click.argument("strategies", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))


class _Commands(click.Group):
    """Commands of other modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS_ELSEWHERE:
            module, name, _ = COMMANDS_ELSEWHERE[cmd_name]
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str(80) for name, command in self.commands.items()}
        own |= {name: text for name, (_, _, text) in COMMANDS_ELSEWHERE.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(own.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tightloop")
def main() -> None:
    """One engine for trading strategies: what you backtested is what trades."""


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what is run on which data."""
    for option in reversed(
        (
            click.option("--data", type=click.Path(path_type=Path, file_okay=False), default="data", show_default=True, help="Folder of the catalog."),
            click.option("--from", "start", metavar="T", help="First bar opens at or after this time (UTC)."),
            click.option("--to", "end", metavar="T", help="Last bar opens before this time (UTC)."),
            click.option("--instrument", "instruments", multiple=True, help="Instead of the file's instruments; may be repeated."),
            click.option("--account", type=click.Path(path_type=Path, dir_okay=False), help="A YAML with the account's limits."),
            click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Write over a value of the file, for example variants.fast.period=12."),
            click.option("--seed", type=int, default=0, show_default=True, help="Of whatever is random in the venue."),
            click.option("--accept", default="", metavar="FAULT,...", help="Run on data with these faults."),
        )
    ):
        command = option(command)
    return command


def _accepted(text: str) -> tuple[str, ...]:
    from tightloop.adapters.data._shared import FAULT_KINDS
    from tightloop.model.errors import InputError

    kinds = tuple(kind.strip() for kind in text.split(",") if kind.strip())
    for kind in kinds:
        if kind not in FAULT_KINDS:
            raise InputError.one("command line", None, "--accept", f"{kind!r} is not a fault", f"write some of {', '.join(FAULT_KINDS)}")
    return kinds


@main.command()
@STRATEGIES
@_run_options
@click.option("--timing", is_flag=True, help="End with one JSON line of CPU seconds.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the result files [runs/NAME-HASH].")
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
    timing: bool,
    out: Path | None,
    no_report: bool,
) -> None:
    """Run strategies over recorded data: a summary on screen, files in a folder.

    Several strategies share one account.
    """
    with errors_shown():
        from tightloop.app import bootstrap

        with _bar("running") as on_progress:
            run = bootstrap.backtest(
                *strategies, data=data, start=start, end=end, instruments=instruments, account=account,
                settings=settings, seed=seed, accept=_accepted(accept), on_progress=on_progress,
            )  # fmt: skip
        run.command = shlex.join(["tightloop", *sys.argv[1:]])
        folder = out or _folder(run)
        _write(run, folder, timing, no_report)


def _folder(run: Run) -> Path:
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in run.summary["strategy"])
    return Path("runs") / f"{name}-{run.summary['config_hash']}"


def _write(run: Run, folder: Path, timing: bool, no_report: bool) -> None:
    """Files, summary, timing."""
    import json
    import time

    begun = time.process_time()
    report = run.write(folder, report=not no_report)
    run.timing["write"] += time.process_time() - begun
    from tightloop.app.console_summary import print_summary

    print_summary(run.summary, folder, report, quality=run.result.quality)
    if timing:
        click.echo(json.dumps({name: round(value, 6) for name, value in run.timing.items()}))


class _bar:
    """A progress bar of the run once it takes more than two seconds, on a terminal only."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Any = None
        self._begun = 0.0

    def __enter__(self) -> Callable[[int, int], None]:
        import time

        self._begun = time.monotonic()
        return self._on_progress

    def _on_progress(self, done: int, total: int) -> None:
        import time

        from tightloop.app.console import SHOWN_AFTER_S, open_bar

        if self._bar is None and time.monotonic() - self._begun > SHOWN_AFTER_S:
            self._bar = open_bar(self._label, total)
        if self._bar is not None:
            self._bar.to(done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


@main.command()
@STRATEGIES
@_run_options
@click.option("--param", "parameters", multiple=True, required=True, metavar="PATH=A,B,C", help="Values of one parameter; may be repeated.")
@click.option("--split", type=float, help="Share of the time that is in-sample, for example 0.7.")
@click.option("--threads", type=int, help="Threads [all cores].")
@click.option("--sort", default="sharpe", show_default=True, help="Metric the table is sorted by.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of sweep.parquet [runs/sweep-NAME].")
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
        from tightloop.adapters.stores import parquet
        from tightloop.app import bootstrap
        from tightloop.app.console_sweep import print_sweep
        from tightloop.model.errors import Interrupted

        with _bar("sweeping") as on_progress:
            counted = iter(range(1, 10**9))
            done = bootstrap.sweep(
                *strategies, parameters=_parameters(parameters), data=data, start=start, end=end,
                instruments=instruments, account=account, settings=settings, seed=seed, accept=_accepted(accept),
                split=split, threads=threads, on_row=lambda _, total: on_progress(next(counted), total),
            )  # fmt: skip
        folder = out or Path("runs") / f"sweep-{strategies[0].stem}"
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write(done.frame, folder / "sweep.parquet")
        print_sweep(done.frame, done.parameters, sort, folder / "sweep.parquet")
        if done.interrupted:
            raise Interrupted(f"interrupted; {len(done.rows)} of {done.total} parameter sets are done and kept")


def _parameters(texts: tuple[str, ...]) -> dict[str, list[Any]]:
    from tightloop.model.errors import InputError
    from tightloop.model.yaml_lines import scalar

    found: dict[str, list[Any]] = {}
    for text in texts:
        path, equals, values = text.partition("=")
        parts = [part.strip() for part in values.split(",") if part.strip()]
        if not equals or not path.strip() or not parts:
            raise InputError.one("command line", None, "--param", f"{text!r} is not path=a,b,c", "write for example variants.fast.period=5,10,20")
        if path.strip() in found:
            raise InputError.one("command line", None, "--param", f"{path} is given twice", "give all its values at once")
        found[path.strip()] = [scalar(part) for part in parts]
    return found


@main.command()
@STRATEGIES
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Write over a value of the file.")
@click.option("--instrument", "instruments", multiple=True, help="Instead of the file's instruments.")
def validate(strategies: tuple[Path, ...], settings: tuple[str, ...], instruments: tuple[str, ...]) -> None:
    """Check strategy files without data: every problem with its line and what to write instead."""
    with errors_shown():
        from tightloop.model import config
        from tightloop.model.errors import InputError

        problems = []
        for path in strategies:
            try:
                strategy = config.load(path, settings=settings, instruments=instruments)
            except InputError as error:
                problems += error.problems
                continue
            for message in strategy.warnings:
                warn(f"{path}: {message}")
            click.echo(f"{path}: {strategy.read.name} is valid (config {strategy.config_hash})")
        if problems:
            raise InputError(*problems)


@main.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
def indicators(types: tuple[str, ...]) -> None:
    """List indicator types: parameters with defaults and bounds, outputs, formula."""
    with errors_shown():
        from tightloop.app.console_indicators import print_indicators

        print_indicators(types)


@main.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path, file_okay=False))
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default="data", show_default=True, help="Folder of the catalog the run read.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page [RUN/report.html].")
def report(run_folder: Path, data: Path, out: Path | None) -> None:
    """Write the report of a finished run again from its files and the data it read."""
    with errors_shown():
        from tightloop.app.rereport import write_again

        click.echo(str(write_again(run_folder, data, out)))


if __name__ == "__main__":
    main()
