"""Trades of tightloop beside the peer's, one by one: bar and price of entry and exit.

    python -m peers.comparison [--data DIR]     the table of README.md (from the folder `tests`)

Both run on the very rows that our run read. The peer's targets fill only beyond the target, as the contract says;
``touches`` counts the bars that reached one exactly, where backtesting.py left alone would have filled.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

import tightloop
from peers.environment import run_jobs
from peers.pairs import Pair, drawn, fixed

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RELATIVE = 1e-9
DRAWN_PER_DATASET = 6

Trade = tuple[int, float, int | None, float | None]


@dataclass(frozen=True)
class Dataset:
    """Bars that a run reads, and protection that is near enough to be reached on them."""

    instrument: str
    timeframe: str
    stop_pct: float
    target_pct: float
    accept: tuple[str, ...] = ()
    exact: bool = False  # drawn pairs keep these percentages

    @property
    def name(self) -> str:
        return f"{self.instrument} {self.timeframe}"

    @property
    def short(self) -> bool:
        return self.instrument.endswith("-perp")


DATASETS = (
    Dataset("ftx:BTCUSD-perp", "1m", 0.5, 0.75),
    *(Dataset(f"binance:{symbol}BTC-spot", "5m", 1.0, 2.0) for symbol in ("ADA", "ETH", "NXT", "TRX", "XLM")),
    Dataset("oanda:EURUSD-spot", "1h", 0.3, 0.5),
    Dataset("oanda:EURUSD-spot", "15m", 0.2, 0.3),
    *(Dataset(f"bybit:{symbol}", "1h", 2.0, 3.0) for symbol in
      ("BTCUSDT-spot", "BTCUSDT-perp", "ETHUSDT-spot", "ETHUSDT-perp")),
    *(Dataset(f"binance:{symbol}", "1h", 2.0, 3.0) for symbol in ("BTCUSDT-spot", "BTCUSDT-perp", "ETHUSDT-perp")),
    Dataset("okx:ETHUSDT-perp", "1h", 2.0, 3.0, ("holes",)),
    Dataset("coinbase:BTCUSD-spot", "1h", 2.0, 3.0),
    Dataset("coinbase:ETHUSD-spot", "1h", 2.0, 3.0),
    Dataset("uniswap_v3:WETHUSDT-spot", "1h", 2.0, 3.0),
    Dataset("uniswap_v3:ETHFIWETH-spot", "1h", 3.0, 5.0),
    Dataset("uniswap_v3:EIGENWETH-spot", "1h", 3.0, 5.0),
)  # fmt: skip

COARSE = Dataset("coarse:BTCUSDT-perp", "1m", 20.0, 25.0, ("outliers", "units", "flat"), exact=True)
LEVELS = [64.0 * 1.25**number for number in range(9)]


def coarse_market(seed: int, count: int = 4_000) -> pl.DataFrame:
    """Prices on levels a quarter apart: every stop and target lies on one, is touched, gapped over, hit together."""
    random = Random(seed)
    rows = []
    top = len(LEVELS) - 1
    close = top // 2
    for _ in range(count):
        opened = min(max(close + random.choice((0, 0, 0, -1, 1)), 0), top)
        close = min(max(opened + random.choice((0, 0, -1, 1)), 0), top)
        high = min(max(opened, close) + random.choice((0, 0, 1)), top)
        low = max(min(opened, close) - random.choice((0, 0, 1)), 0)
        rows.append([LEVELS[level] for level in (opened, high, low, close)])
    frame = pl.DataFrame(rows, schema=["open", "high", "low", "close"], orient="row")
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    times = pl.Series([begin + timedelta(minutes=number) for number in range(count)])
    return frame.with_columns(volume=pl.lit(1.0), ts=times)


@dataclass
class Compared:
    """Two lists of trades of one strategy. ``differences`` says where they part, empty when they do not."""

    dataset: str
    strategy: str
    trades: int
    equal: int
    touches: int
    differences: list[str] = field(default_factory=list)


def near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= RELATIVE * abs(b)


def is_equal(ours: Trade, theirs: Trade) -> bool:
    return (ours[0], ours[2]) == (theirs[0], theirs[2]) and near(ours[1], theirs[1]) and near(ours[3], theirs[3])


def our_trades(run: Any) -> tuple[list[Trade], Any]:
    """Trades as [entry bar, entry price, exit bar, exit price], and the bars they were made on."""
    (bars,) = run.market.bars.values()
    refused = run.orders.filter(pl.col("state").is_in(["DENIED", "REJECTED"]))
    assert refused.is_empty(), refused
    at = {int(open_ns): number for number, open_ns in enumerate(bars["open_ns"])}
    columns = run.trades.sort("entry_ts").select("entry_ts", "entry_price", "exit_ts", "exit_price")
    return [(at[t[0]], t[1], None if t[2] is None else at[t[2]], t[3]) for t in columns.iter_rows()], bars


def window(random: Random, bars: Any) -> tuple[str, str]:
    """A stretch of 500 to 5,000 bars, as --from and --to."""
    length = min(random.randint(500, 5_000), len(bars) - 1)
    first = random.randint(0, len(bars) - 1 - length)
    return str(bars["open_ns"][first]), str(bars["open_ns"][first + length])


def compare(dataset: Dataset, data: Any = DATA, drawn_count: int = DRAWN_PER_DATASET) -> list[Compared]:
    """Every fixed pair on all of a dataset, and pairs drawn by seed on stretches drawn by seed."""
    asked: list[tuple[str, Pair, list[Trade]]] = []
    jobs = []
    whole: Any = None
    cases: list[tuple[Pair, Random | None]] = [
        (pair, None) for pair in fixed(dataset.stop_pct, dataset.target_pct, short=dataset.short)
    ]
    for seed in range(drawn_count):
        random = Random(f"{dataset.name} {seed}")
        pair = drawn(random, dataset.stop_pct, dataset.target_pct, short=dataset.short, exact=dataset.exact)
        cases.append((pair, random))
    if dataset.exact:
        cases = [(_mirrored(dataset, pair), random) for pair, random in cases]
    with TemporaryDirectory() as temporary:
        for number, (pair, random) in enumerate(cases):
            span = (None, None) if random is None else window(random, whole)
            text = pair.text(dataset.instrument, dataset.timeframe)
            run = tightloop.backtest(text, data=data, start=span[0], end=span[1], accept=dataset.accept)
            trades, bars = our_trades(run)
            whole = bars if whole is None else whole
            file = Path(temporary) / f"{number}.parquet"
            pl.DataFrame({name: bars[name] for name in ("open", "high", "low", "close", "volume")}).write_parquet(file)
            asked.append((f"{'' if random is None else 'drawn '}{pair.name}", pair, trades))
            jobs.append(pair.job(str(file)))
        answers = run_jobs(jobs)
    return [
        _compared(dataset, name, pair, ours, answer) for (name, pair, ours), answer in zip(asked, answers, strict=True)
    ]


def _mirrored(dataset: Dataset, pair: Pair) -> Pair:
    """For a short the stop lies where the target of a long does."""
    if pair.side > 0:
        return pair
    stop_pct = None if pair.stop_pct is None else dataset.target_pct
    return replace(pair, stop_pct=stop_pct, target_pct=None if pair.target_pct is None else dataset.stop_pct)


def _compared(dataset: Dataset, name: str, pair: Pair, ours: list[Trade], answer: dict[str, Any]) -> Compared:
    theirs: list[Trade] = [(t[0], t[1], t[2], t[3]) for t in answer["trades"]]
    by_entry = {trade[0]: trade for trade in theirs}
    own = {trade[0]: trade for trade in ours}
    differences = []
    for entry in sorted(own.keys() | by_entry.keys()):
        a, b = own.get(entry), by_entry.get(entry)
        if a is None or b is None or not is_equal(a, b):
            differences.append(f"ours {a}, backtesting.py {b} ({pair})")
    equal = len(own.keys() | by_entry.keys()) - len(differences)
    return Compared(dataset.name, name, len(ours), equal, int(answer["ties"]), differences)


def table(found: list[Compared]) -> str:
    """Markdown: a row for each dataset, a column for each fixed strategy and one for all drawn ones, and the sums.

    A cell is the number of trades, all of them equal, or how many are.
    """
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    columns: dict[str, None] = {}
    for one in found:
        column = "drawn" if one.strategy.startswith("drawn ") else one.strategy
        columns[column] = None
        for key in ((one.dataset, column), (one.dataset, "all"), ("all", column), ("all", "all")):
            sums[key][0] += one.equal
            sums[key][1] += one.equal + len(one.differences)
    names = [*(name for name in columns if name != "drawn"), "drawn", "all"]

    def cell(dataset: str, column: str) -> str:
        if (dataset, column) not in sums:
            return ""
        equal, count = sums[dataset, column]
        return f"{count:,}" if equal == count else f"{equal:,} of {count:,}"

    datasets = [*dict.fromkeys(one.dataset for one in found), "all"]
    lines = [f"| trades | {' | '.join(name.replace('_', ' ') for name in names)} |", f"|---|{'--:|' * len(names)}"]
    lines += [f"| {dataset} | {' | '.join(cell(dataset, name) for name in names)} |" for dataset in datasets]
    different = sum(len(one.differences) for one in found)
    touches = sum(one.touches for one in found)
    return "\n".join(lines) + f"\n\n{different} trades differ; {touches} bars touched a target and went no further.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--drawn", type=int, default=DRAWN_PER_DATASET, help="drawn pairs for each dataset")
    chosen = parser.parse_args()
    found = []
    for dataset in DATASETS:
        found += compare(dataset, chosen.data, chosen.drawn)
    found += compare(COARSE, {COARSE.instrument: coarse_market(1)}, 5 * chosen.drawn)
    print(table(found))
    for one in found:
        for difference in one.differences[:3]:
            print(f"{one.dataset} {one.strategy}: {difference}")


if __name__ == "__main__":
    main()
