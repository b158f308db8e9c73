"""The command ``tightloop``. Only click is imported at the start: ``--help`` answers at once."""

from __future__ import annotations

import difflib
import importlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tightloop import __version__
from tightloop.app.cli.compiling import say_when_compiling
from tightloop.app.cli.console import SHOWN_AFTER_S, Bar, errors_shown, fail, made_at, open_bar, say_replaced, warn
from tightloop.model.errors import InputError, Interrupted, Problem, StrategyError

if TYPE_CHECKING:
    from tightloop.app.runs.run import Run
    from tightloop.model.signal.read import Strategy

COMMANDS_ELSEWHERE = {
    "data": ("tightloop.app.cli.data", "data", "Fill, list and check a catalog of market data."),
    "explain": ("tightloop.app.cli.explain", "explain", "Say why a finished run did what it did, and why not more."),
    "detect": ("tightloop.app.cli.detect", "detect", "Measure how well a strategy detects labelled pumps."),
}
NOT_IN_COMMAND = {"--out": 1, "--timing": 0, "--no-report": 0}
"""Options (and how many values they have) that the report does not repeat: they change no result."""

FILE = click.Path(path_type=Path, dir_okay=False)
ACCOUNT_HELP = "A YAML with the account's limits, or research: no bound on the size of a position."
FOLDER = click.Path(path_type=Path, file_okay=False)
STRATEGIES = click.argument("strategies", nargs=-1, required=True, type=FILE)
SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    help="Write over a value of the file, for example variants.fast.period=12; may be repeated.",
)
INSTRUMENTS = click.option(
    "--instrument", "instruments", multiple=True, help="Instead of the file's instruments; may be repeated."
)
DATA = click.option("--data", type=FOLDER, default="data", show_default=True, help="Folder of the catalog.")


class _Commands(click.Group):
    """Commands of other modules are imported when they are called; what is misspelt is refused with what was meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS_ELSEWHERE:
            module, name, _ = COMMANDS_ELSEWHERE[cmd_name]
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and args[0][:1] != "-":
            near = difflib.get_close_matches(args[0], known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            fail(InputError.one("command line", None, "", f"{args[0]!r} is not a command", remedy))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str(120) for name, command in self.commands.items()}
        own |= {name: text for name, (_, _, text) in COMMANDS_ELSEWHERE.items() if name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(own.items()))

    def main(self, *args: Any, **extra: Any) -> Any:
        """As click's, with its refusals in the form of every other: what is wrong; what to do."""
        code: Any = None
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(2)
        except click.ClickException as error:
            fail(_said(error))
        except click.Abort:
            fail(Interrupted("interrupted"))
        sys.exit(code if isinstance(code, int) else 0)


def _said(error: click.ClickException) -> InputError:
    """A refusal of click as one of ours."""
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "tightloop"
    return InputError.one("command line", None, "", message, f"`{command} --help` shows what can be written")


@click.group("tightloop", cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tightloop")
def main() -> None:
    """One engine for trading strategies: what you backtested is what trades."""


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what is run on which data."""
    account = click.option("--account", type=FILE, help=ACCOUNT_HELP)
    start = click.option("--from", "start", metavar="T", help="First bar opens at or after this time (UTC).")
    end = click.option("--to", "end", metavar="T", help="Last bar opens before this time (UTC).")
    seeds = click.IntRange(0, 2**63 - 1)
    seed = click.option("--seed", type=seeds, default=0, show_default=True, help="Of what is random in the venue.")
    accept = click.option("--accept", default="", metavar="FAULT,...", help="Run on data with these faults.")
    for option in reversed((DATA, start, end, INSTRUMENTS, account, SETTINGS, seed, accept)):
        command = option(command)
    return command


def _accepted(text: str) -> tuple[str, ...]:
    from tightloop.adapters.data._shared import FAULT_KINDS

    kinds = tuple(kind.strip() for kind in text.split(",") if kind.strip())
    problems = []
    for kind in kinds:
        if kind not in FAULT_KINDS:
            near = difflib.get_close_matches(kind, FAULT_KINDS, 1)
            remedy = f"did you mean {near[0]}?" if near else f"write some of {', '.join(FAULT_KINDS)}"
            problems.append(Problem("command line", None, "--accept", f"{kind!r} is not a fault", remedy))
    if problems:
        raise InputError(*problems)
    return kinds


def _check_folder(folder: Path) -> None:
    """Refuse a folder that can not be written before the work is done, without making it."""
    import os

    from tightloop.app.runs.files import unwritable

    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise unwritable(folder, NotADirectoryError(0, f"{there} is a file, not a folder"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise unwritable(folder, PermissionError(0, f"{there} may not be written"))


@main.command()
@STRATEGIES
@_run_options
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
    timing: bool,
    out: Path | None,
    no_report: bool,
) -> None:
    """Run strategies over recorded data: a summary on screen, files in a folder.

    Several strategies share one account. Ctrl-C ends a run and keeps the part that was done.
    """
    with errors_shown():
        say_when_compiling()
        from tightloop.app.runs import backtest as runs_backtest
        from tightloop.app.runs.files import check_room
        from tightloop.app.runs.run import Run

        _check_folder(out or Path("runs"))
        if out is not None:
            check_room(out)
        with _Progress("running") as on_progress:
            failure = None
            try:
                run = runs_backtest.backtest(
                    *strategies, data=data, start=start, end=end, instruments=instruments, account=account,
                    settings=settings, seed=seed, accept=_accepted(accept), on_progress=on_progress, on_warning=warn,
                )  # fmt: skip
            except StrategyError as error:
                if not isinstance(error.run, Run):
                    raise
                run, failure = error.run, error
        run.command = _command(sys.argv[1:])
        folder = out or _folder(run)
        _write(run, folder, timing, no_report)
        if failure is not None:
            raise failure


def _command(arguments: list[str]) -> str:
    """The command line that gives the same results, for the report."""
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
    """Files, summary, timing; the files are written whole even when Ctrl-C is pressed meanwhile."""
    import json
    import time

    from tightloop.app.runs.files import earlier_run
    from tightloop.app.runs.interrupts import Interrupts

    there = earlier_run(folder)
    if there is not None:
        since = made_at(folder / "result.json")
        click.echo(f"replaces the run of {since} ({there['strategy']}, config {there['config_hash']}) in {folder}")
    with Interrupts() as interrupts:
        begun = time.process_time()
        report = run.write(folder, report=not no_report)
        run.timing["write"] += time.process_time() - begun
    from tightloop.app.cli.show.summary import print_summary

    print_summary(run.summary, folder, report or folder / "result.json", quality=run.result.quality)
    if timing:
        click.echo(json.dumps({name: round(value, 6) for name, value in run.timing.items()}))
    if run.interrupted or interrupts.asked:
        raise Interrupted(f"interrupted; what was done is in {folder}")


class _Progress:
    """A progress bar of the run once it takes more than two seconds, on a terminal only."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Bar | None = None
        self._begun = 0.0

    def __enter__(self) -> Callable[[int, int], None]:
        import time

        self._begun = time.monotonic()
        return self._on_progress

    def _on_progress(self, done: int, total: int) -> None:
        import time

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
        say_when_compiling()
        from tightloop.adapters.stores import parquet
        from tightloop.app.cli.show.sweep import check_sort, print_sweep
        from tightloop.app.markets.notes import SYNTHETIC
        from tightloop.app.runs import sweep as runs_sweep
        from tightloop.app.runs.files import unwritable
        from tightloop.app.runs.interrupts import Interrupts

        check_sort(sort, has_split=split is not None)
        folder = out or Path("runs") / f"sweep-{strategies[0].stem}"
        _check_folder(folder)
        with _Progress("sweeping") as on_progress:
            counted = iter(range(1, 10**9))
            done = runs_sweep.sweep(
                *strategies, parameters=_parameters(parameters), data=data, start=start, end=end,
                instruments=instruments, account=account, settings=settings, seed=seed, accept=_accepted(accept),
                split=split, threads=threads, on_row=lambda _, total: on_progress(next(counted), total),
            )  # fmt: skip
        say_replaced(folder / "sweep.parquet")
        with Interrupts() as interrupts:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                parquet.write(done.frame, folder / "sweep.parquet")
            except OSError as error:
                raise unwritable(folder, error) from None
        if done.is_synthetic:
            click.echo(SYNTHETIC)
        print_sweep(done.frame, done.parameters, sort, folder / "sweep.parquet")
        if done.interrupted or interrupts.asked:
            lost = f", {done.lost} that ran are lost" if done.lost else ""
            raise Interrupted(f"interrupted; {len(done.rows)} of {done.total} parameter sets are done and kept{lost}")


def _parameters(texts: tuple[str, ...]) -> Mapping[str, list[Any]]:
    from tightloop.model.files.yaml_lines import scalar

    found: dict[str, list[Any]] = {}
    problems = []
    for text in texts:
        path, equals, values = text.partition("=")
        path, parts = path.strip(), [part.strip() for part in values.split(",")]
        if not equals or not all(path.split(".")) or not all(parts):
            remedy = "write for example variants.fast.period=5,10,20"
            problems.append(Problem("command line", None, "--param", f"{text!r} is not path=a,b,c", remedy))
        elif path in found:
            remedy = "give all its values at once"
            problems.append(Problem("command line", None, "--param", f"{path} is given twice", remedy))
        elif len(set(parts)) < len(parts):
            message, remedy = f"{text!r} names a value twice", "name each value once"
            problems.append(Problem("command line", None, "--param", message, remedy))
        else:
            found[path] = [scalar(part) for part in parts]
    if problems:
        raise InputError(*problems)
    return found


@main.command()
@STRATEGIES
@SETTINGS
@INSTRUMENTS
@click.option("--account", type=FILE, help=ACCOUNT_HELP)
def validate(
    strategies: tuple[Path, ...], settings: tuple[str, ...], instruments: tuple[str, ...], account: Path | None
) -> None:
    """Check strategy files without data: every problem with its line and what to write instead."""
    with errors_shown():
        say_when_compiling()
        from tightloop.model import load as files
        from tightloop.model.signal.read import Strategy
        from tightloop.model.signal.sizes import against_limits

        problems: list[Problem] = []
        read: list[Strategy] = []
        for path in strategies:
            try:
                strategy = files.load(path, settings=settings, instruments=instruments, account=account)
            except InputError as error:
                problems += (problem for problem in error.problems if problem not in problems)
                continue
            for message in strategy.warnings:
                warn(f"{path}: {message}")
            if isinstance(strategy, Strategy):
                read.append(strategy)
                for problem in against_limits([strategy]):
                    warn(str(problem))
            click.echo(f"{path}: {strategy.name} is valid (config {strategy.config_hash})")
        if problems:
            raise InputError(*problems)
        _check_shared(read)


def _check_shared(read: Sequence[Strategy]) -> None:
    """What strategies that could run together do to the account they would share."""
    from tightloop.model.signal.portfolio import check_files
    from tightloop.model.signal.sizes import against_limits

    if len(read) < 2:
        return
    try:
        check_files(read)
    except InputError:
        return
    alone = {str(problem) for own in read for problem in against_limits([own])}
    for problem in against_limits(read):
        if str(problem) not in alone:
            warn(f"run together: {problem}")


@main.command()
@click.argument("types", nargs=-1, metavar="[TYPE]...")
def indicators(types: tuple[str, ...]) -> None:
    """List indicator types: parameters with defaults and bounds, outputs, formula."""
    with errors_shown():
        say_when_compiling()
        from tightloop.app.cli.show.indicators import print_indicators

        print_indicators(types)


@main.command()
@click.argument("run_folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data", type=FOLDER, default="data", show_default=True, help="Folder of the catalog the run read.")
@click.option("--out", type=FILE, help="Where to write the page [RUN/report.html, or compare.html for several].")
def report(run_folders: tuple[Path, ...], data: Path, out: Path | None) -> None:
    """Write the report of a finished run again from its files and the data it read.

    Several carry runs are put beside each other on one page.
    """
    with errors_shown():
        say_when_compiling()
        from tightloop.app.analysis.report_again import write_again

        if len(run_folders) > 1:
            say_replaced(out or Path("compare.html"))
        click.echo(str(write_again(run_folders, data, out)))


if __name__ == "__main__":
    main()
