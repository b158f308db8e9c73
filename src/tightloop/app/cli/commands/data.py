"""``tightloop data``: fill, list and check a catalog."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tightloop.adapters import data as market_data
from tightloop.app import markets
from tightloop.app.cli.console import RunProgress, errors_shown, progress, say_replaced, table, warn
from tightloop.app.text.window import time_of
from tightloop.model.errors import InputError
from tightloop.model.times import iso

if TYPE_CHECKING:
    from tightloop.adapters.data._shared import DatasetReport

DATA_DEFAULT = "data"
SAMPLE_RECORD = "sample.json"
"""Options of `data sample`, written last into its folder: without this file the sample is not complete."""
_COLOURS = {"fit": "green", "usable": "yellow", "unfit": "red"}

data_option = click.option(
    "--data",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA_DEFAULT,
    show_default=True,
    help="Folder of the catalog.",
)


@click.group()
def data() -> None:
    """Fill, list and check a catalog of market data."""


@data.command("list")
@data_option
@click.argument("names", nargs=-1, metavar="[DATASET]...")
def list_datasets(root: Path, names: tuple[str, ...]) -> None:
    """Show which datasets there are, without reading their rows."""
    quality = market_data.quality
    with errors_shown():
        rows = [quality.outline(dataset) for dataset in quality.select(root, names)]
        for line in table(("DATASET", "ROWS", "FILES", "INSTRUMENT"), rows, right=frozenset({1, 2})):
            click.echo(line)


@data.command()
@data_option
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the report to this file."
)
@click.argument("names", nargs=-1, metavar="[DATASET]...")
def check(root: Path, json_file: Path | None, names: tuple[str, ...]) -> None:
    """Check datasets: rows, span, faults and verdict of each.

    A DATASET is a path in the catalog (bars/binance/BTCUSDT-perp-1h), a folder (bars/binance) or an instrument
    (binance:BTCUSDT-perp); without one, all are checked. Exits with 1 when a dataset is unfit.
    """
    quality = market_data.quality
    with errors_shown():
        datasets = quality.select(root, names)
        if not datasets:
            warn(f"{root} holds no datasets; make some with `tightloop data sample`")
        reports = list(progress(quality.check(datasets, quality.calendars(root)), len(datasets), "checking"))
        synthetic = sum(market_data.shared.is_synthetic(dataset.files) for dataset in datasets)
        say_replaced(json_file)
        if json_file is not None:
            quality.written(json_file, quality.as_json(reports))
        _show(reports)
        if synthetic:
            many = "all" if synthetic == len(datasets) else f"{synthetic} of {len(datasets)}"
            click.echo(f"{many} of them are synthetic: no price in them was ever paid")
    raise SystemExit(1 if any(report.verdict.word == "unfit" for report in reports) else 0)


@data.command("import")
@data_option
@click.option(
    "--as", "target", required=True, metavar="KIND:VENUE:NAME", help="For example bars:binance:BTCUSDT-perp-1m."
)
@click.option("--replace", is_flag=True, help="Overwrite existing data instead of merging with it.")
@click.option(
    "--stamped",
    type=click.Choice(("open", "close")),
    default="open",
    show_default=True,
    help="Whether bars are stamped with their open or their close time.",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
def import_dataset(root: Path, target: str, replace: bool, stamped: str, files: tuple[Path, ...]) -> None:
    """Import CSV (also .gz and .zip) or Parquet files into a catalog.

    KIND is bars, trades, quotes or funding. Column names and units of time are guessed and shown. Rows that are
    already there are kept once; rows that contradict them are refused; bars that are not final, or have not ended,
    are left out and counted.
    """
    quality = market_data.quality
    with errors_shown():
        wanted = market_data.importer.parse_target(target)
        if stamped == "close" and wanted.timeframe is None:
            message, remedy = f"applies to bars, and these are {wanted.kind}", "leave it out"
            raise InputError.one("command line", None, "--stamped", message, remedy)
        _print_replaced_dataset(root, wanted.path if replace else None)
        done = market_data.importer.import_files(
            root, files, wanted, replace, lambda all_: progress(all_, len(all_), "reading"),
            stamped=stamped, now_ns=time.time_ns(),
        )  # fmt: skip
        for name, found in done.columns:
            click.echo(f"  {name} from {found}")
        for note in done.notes:
            click.echo(f"  {note}")
        again = f", {done.repeated:,} were repeated or already there" if done.repeated else ""
        click.echo(f"{root / done.path}: {done.rows:,} rows, {done.added:,} of them new{again}")
        _show(list(quality.check(quality.select(root, [done.path]), quality.calendars(root))))


def _print_replaced_dataset(root: Path, path: str | None) -> None:
    """Print which dataset is about to be replaced; nothing for None (the command merges or refuses)."""
    name = None if path is None else path.removesuffix(".parquet")
    datasets = market_data.catalog.Catalog(root).datasets() if root.is_dir() and name is not None else ()
    for dataset in datasets:
        if dataset.path.removesuffix(".parquet") == name:
            _, rows, files, _ = market_data.quality.outline(dataset)
            click.echo(f"replaces {root / dataset.path}: {rows} rows in {files} files")


@data.command()
@data_option
@click.option("--since", metavar="T", help="Begin of the history (UTC), for example 2024-01-01; rules need none.")
@click.option("--until", metavar="T", help="End of it (UTC) [now].")
@click.option("--url", help="Ask a stand-in of the venue instead, such as `tightloop sandbox`.")
@click.argument("venue")
@click.argument("symbol", metavar="SYMBOL-perp|-spot")
@click.argument("kind", metavar="TF|trades|funding|rules")
def fetch(
    root: Path, since: str | None, until: str | None, url: str | None, venue: str, symbol: str, kind: str
) -> None:
    """Fetch public history of a venue into a catalog: bars, aggregate trades, funding, or the instrument's rules.

    What is there is not asked for again, so the same command resumes one that was interrupted. For example:
    tightloop data fetch binance BTCUSDT-perp 1h --since 2024-01-01
    """
    quality = market_data.quality
    with errors_shown():
        window = time_of(since, "--since"), time_of(until, "--until")
        wish = markets.fetch_run.Wish(root, venue, symbol, kind, *window, url)
        with RunProgress("fetching") as shown:
            done = markets.fetch_run.fetch(wish, warn, shown)
        for note in done.notes:
            click.echo(f"  {note}")
        what = "rules" if kind == "rules" else "rows in the window"
        click.echo(f"{root / done.path}: {done.rows:,} {what}, {done.added:,} of them new; asked {done.calls} times")
        if kind != "rules" and done.rows:
            _show(list(quality.check(quality.select(root, [done.path]), quality.calendars(root))))


@data.command()
@data_option
@click.option("--replace", is_flag=True, help="Overwrite an existing dataset.")
@click.argument("name", metavar="DATASET")
@click.argument("timeframe", metavar="TF")
def resample(root: Path, name: str, timeframe: str, replace: bool) -> None:
    """Make longer bars: a new dataset beside DATASET, with bars of TF (5m, 15m, 1h, 4h, 1d)."""
    with errors_shown():
        dataset = market_data.quality.only(root, name)
        stem = None if dataset.instrument is None else dataset.instrument.stem
        _print_replaced_dataset(root, f"bars/{dataset.venue}/{stem}-{timeframe}" if replace else None)
        done = market_data.resample.resample(root, dataset, timeframe, replace)
        click.echo(f"{root / done.path}: {done.bars_made:,} bars from {done.bars_read:,}")
        for note in done.notes:
            click.echo(f"  {note}")


@data.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same bytes.")
@click.option("--days", type=int, help="Days of one-minute bars [10]; with --carry [90].")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="NAME",
    help="Ticks with labels instead: pump, dump, thin, gap, halt, flat or all; may be repeated.",
)
@click.option(
    "--out", "--data", type=click.Path(path_type=Path), default=DATA_DEFAULT, show_default=True, help="Folder to write."
)
@click.option("--books", is_flag=True, help="With --scenario: order books too.")
@click.option("--carry", is_flag=True, help="Data for carry strategies instead, 90 days by default.")
@click.option("--replace", is_flag=True, help="Overwrite an existing sample.")
def sample(
    seed: int, days: int | None, scenarios: tuple[str, ...], out: Path, books: bool, carry: bool, replace: bool
) -> None:
    """Make a synthetic market to experiment with: bars with pumps, dumps, gaps and funding, or labelled ticks.

    With --scenario: trades and quotes of 90 minutes, to measure pump detection (`tightloop detect`).
    With --carry: lending, staking, funding, rewards, gas and hourly bars, in a folder of its own.
    """
    with errors_shown():
        if carry and scenarios:
            message, remedy = "and --carry make different markets", "make each in a folder of its own"
            raise InputError.one("command line", None, "--scenario", message, remedy)
        if scenarios and days is not None:
            message, remedy = "belongs to bars, and --scenario makes ticks", "leave one of the two out"
            raise InputError.one("command line", None, "--days", message, remedy)
        if books and not scenarios:
            message, remedy = "belongs to ticks", "name a --scenario, or leave it out"
            raise InputError.one("command line", None, "--books", message, remedy)
        asked = json.dumps({"seed": seed, "days": days, "scenarios": scenarios, "books": books, "carry": carry}) + "\n"
        there = _recorded(out)
        if there is not None and replace:
            click.echo(f"{out}: replaces the sample that was made with {there.strip()}")
        if carry:
            _carry_sample(out, seed, days, replace)
        elif scenarios:
            _tick_sample(out, scenarios, seed, replace, books)
        else:
            _bar_sample(out, seed, days, replace)
        (out / SAMPLE_RECORD).write_text(asked, encoding="utf-8", newline="\n")
        click.echo("  synthetic: no price in it was ever paid; use it to learn the tool, not to judge a strategy")
        click.echo(f"next: tightloop data check --data {out}")


def _recorded(root: Path) -> str | None:
    """Return the options that the sample in a folder was made with; None if no finished sample is there."""
    try:
        return (root / SAMPLE_RECORD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _bar_sample(out: Path, seed: int, days: int | None, replace: bool) -> None:
    many = market_data.sample.DAYS_DEFAULT if days is None else days
    done = market_data.sample.write_sample(out, seed, many, replace, lambda all_: progress(all_, len(all_), "making"))
    click.echo(f"{done.root}: {done.bars:,} one-minute bars of {len(done.instruments)} instruments")
    click.echo(f"  {', '.join(done.instruments)}")
    click.echo(f"  {done.events} pumps and dumps, labelled in {done.root / 'labels' / 'pumps.parquet'}")
    click.echo(f"  {done.missing} minutes are missing on purpose")


def _carry_sample(out: Path, seed: int, days: int | None, replace: bool) -> None:
    carry_sample = market_data.carry_sample
    done = carry_sample.write_carry_sample(out, seed, carry_sample.DAYS_DEFAULT if days is None else days, replace)
    counts = ", ".join(f"{count} of {kind}" for kind, count in carry_sample.names_of(done).items())
    click.echo(f"{done.root}: {done.days} days, {len(done.datasets)} datasets ({counts})")
    click.echo("  it uses the names of real venues: keep it apart from real data")


def _tick_sample(out: Path, scenarios: tuple[str, ...], seed: int, replace: bool, books: bool) -> None:
    tick_sample = market_data.tick_sample
    done = tick_sample.write_tick_sample(
        out, scenarios, seed, replace, lambda all_: progress(all_, len(all_), "making"), books=books
    )
    click.echo(f"{done.root}: {done.trades:,} trades and {done.quotes:,} quotes of {len(done.instruments)} instruments")
    if books:
        click.echo(f"  {done.book_rows:,} rows of order books")
    pumps = sum(label.is_pump for label in done.labels)
    click.echo(f"  {len(done.labels)} labels, {pumps} of them pumps, in {done.root / tick_sample.LABELS_FILE}")
    click.echo(f"  how close it is to a real market: {done.root / 'README.md'}")


def _show(reports: list[DatasetReport]) -> None:
    width = max((len(report.path) for report in reports), default=0)
    for report in reports:
        span = (
            "-" if report.from_ns is None or report.to_ns is None else f"{iso(report.from_ns)} to {iso(report.to_ns)}"
        )
        word = report.verdict.word
        click.echo(
            f"{click.style(word.ljust(6), fg=_COLOURS[word])}  {report.path.ljust(width)}  {report.rows:>9,}  {span}"
        )
        for fault in report.faults:
            since = "" if fault.first_ns is None else f"; first at {iso(fault.first_ns)}"
            click.echo(f"        {click.style(fault.kind, fg=_COLOURS[fault.verdict.word])}: {fault.detail}{since}")
        for note in report.notes:
            click.echo(f"        {note}")
    counts = [f"{sum(report.verdict.word == word for report in reports)} {word}" for word in _COLOURS]
    click.echo(f"{len(reports)} datasets: {', '.join(counts)}")
