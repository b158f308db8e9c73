"""Trades of tightloop beside the peer's, one by one: bar and price of entry and exit.

    python -m peers.comparison [--data DIR]     the table of README.md (from the folder `tests`)

Both run on the very rows that our run read. The peer's targets fill only beyond the target, as the contract says;
``touches`` counts the bars that reached one exactly, where backtesting.py left alone would have filled.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, field
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
    Dataset("binance:EIGENUSDT-spot", "1h", 3.0, 5.0, ("straight_line",)),
    Dataset("okx:ETHUSDT-perp", "1h", 2.0, 3.0, ("holes",)),
    Dataset("coinbase:BTCUSD-spot", "1h", 2.0, 3.0),
    Dataset("coinbase:ETHUSD-spot", "1h", 2.0, 3.0),
    Dataset("uniswap_v3:WETHUSDT-spot", "1h", 2.0, 3.0),
    Dataset("uniswap_v3:ETHFIWETH-spot", "1h", 3.0, 5.0),
    Dataset("uniswap_v3:EIGENWETH-spot", "1h", 3.0, 5.0),
    Dataset("curve:weETHWETH-spot", "1h", 0.2, 0.3, ("straight_line",)),
)  # fmt: skip


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


def compare(dataset: Dataset, data: Path = DATA, drawn_count: int = DRAWN_PER_DATASET) -> list[Compared]:
    """Every fixed pair on all of a dataset, and pairs drawn by seed on stretches drawn by seed."""
    asked: list[tuple[str, Pair, list[Trade]]] = []
    jobs = []
    whole: Any = None
    cases: list[tuple[Pair, Random | None]] = [
        (pair, None) for pair in fixed(dataset.stop_pct, dataset.target_pct, short=dataset.short)
    ]
    for seed in range(drawn_count):
        random = Random(f"{dataset.name} {seed}")
        cases.append((drawn(random, dataset.stop_pct, dataset.target_pct, short=dataset.short), random))
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
    """Markdown: a row for each strategy and dataset of the fixed pairs, one for all that was drawn on a dataset."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in found:
        kind = "drawn" if one.strategy.startswith("drawn ") else one.strategy
        for key in ((kind, one.dataset), ("**all**", "")):
            row = rows[key]
            for place, value in enumerate((one.trades, one.equal, len(one.differences), one.touches)):
                row[place] += value
    total = rows.pop(("**all**", ""))
    lines = ["| strategy | bars | trades | equal | different | touches of a target |", "|---|---|--:|--:|--:|--:|"]
    for (strategy, dataset), row in [*sorted(rows.items()), (("**all**", ""), total)]:
        lines.append(f"| {strategy} | {dataset} | {' | '.join(f'{value:,}' for value in row)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--drawn", type=int, default=DRAWN_PER_DATASET, help="drawn pairs for each dataset")
    chosen = parser.parse_args()
    found = []
    for dataset in DATASETS:
        found += compare(dataset, chosen.data, chosen.drawn)
    print(table(found))
    for one in found:
        for difference in one.differences[:3]:
            print(f"{one.dataset} {one.strategy}: {difference}")


if __name__ == "__main__":
    main()
