"""Every trade of tightloop is a trade of backtesting.py: same bars, same prices, one by one."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

import tightloop
from peers import comparison, environment
from peers.comparison import COARSE, DATA, DATASETS, Compared, Dataset, Trade
from peers.pairs import Pair, drawn, rsi_reversion
from tightloop.model.signal import read as signal_read

IN_CI = bool(os.environ.get("CI"))


def absent(reason: str) -> None:
    """Skip where a developer works, fail where everything has to be there."""
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def check(found: list[Compared]) -> None:
    print(comparison.table(found))
    differences = [difference for one in found for difference in one.differences]
    assert not differences, f"{len(differences)} trades differ; the first:\n" + "\n".join(differences[:5])
    assert sum(one.trades for one in found) > 500, "a comparison of hardly any trades shows nothing"


@pytest.fixture(scope="session")
def peer() -> Path:
    try:
        return environment.peer_python()
    except environment.NoPeer as error:
        absent(str(error))
        raise


@pytest.fixture(scope="session")
def data() -> Path:
    if not DATA.is_dir():
        absent("the catalog beside the repository is not there")
    return DATA


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("dataset", [pytest.param(dataset, id=dataset.name) for dataset in DATASETS])
def test_trades_are_those_of_the_peer(dataset: Dataset, peer: Path, data: Path) -> None:
    check(comparison.compare(dataset, data))


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [1, 2])
def test_trades_are_those_of_the_peer_where_prices_are_touched_exactly(seed: int, peer: Path) -> None:
    found = comparison.compare(COARSE, {COARSE.instrument: comparison.coarse_market(seed)}, 20)
    check(found)
    assert sum(one.touches for one in found) > 100


def frame_of(opens: list[float], highs: list[float], lows: list[float], closes: list[float]) -> pl.DataFrame:
    minutes = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=bar) for bar in range(len(closes))]
    columns = {"ts": minutes, "open": opens, "high": highs, "low": lows, "close": closes}
    return pl.DataFrame(columns).with_columns(volume=pl.lit(1.0))


def both(pair: Pair, frame: pl.DataFrame, folder: Path, **options: bool) -> tuple[list[Trade], dict[str, Any]]:
    """Our trades on a frame, and what the peer made of it."""
    instrument = "somewhere:BTCUSDT-spot"
    run = tightloop.backtest(pair.text(instrument, "1m"), data={instrument: frame}, accept=["flat"])
    file = folder / "bars.parquet"
    frame.drop("ts").write_parquet(file)
    return comparison.our_trades(run)[0], environment.run_jobs([pair.job(str(file), **options)])[0]


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_target_that_is_only_touched_fills_at_the_peer_alone(peer: Path, tmp_path: Path) -> None:
    """The one rule that differs; without it the comparison above would pass for the wrong reason."""
    fallen, entry_bar, touched_bar = 95.0, 6, 12
    target = fallen * (1.0 + 2.0 / 100.0)
    closes = [100.0, 99.0, 98.0, 97.0, 96.0] + [fallen] * 60
    highs = [target if bar == touched_bar else close for bar, close in enumerate(closes)]
    pair, frame = rsi_reversion(5, 30.0, 90.0, target_pct=2.0), frame_of(closes, highs, closes, closes)

    ours, strict = both(pair, frame, tmp_path)
    assert ours == [(entry_bar, fallen, None, None)]
    assert strict["trades"] == [[entry_bar, fallen, None, None]]
    assert strict["ties"] == 1

    _, touching = both(pair, frame, tmp_path, fills_on_touch=True)
    assert touching["trades"][0] == [entry_bar, fallen, touched_bar, target]


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_stop_that_lies_on_a_price_is_triggered_by_that_price(peer: Path, tmp_path: Path) -> None:
    """0.5 % below an entry at 100.0 is 99.5, wherever the close of the decision was."""
    entry_bar, touched_bar = 6, 10
    closes = [102.0, 101.5, 101.0, 100.5, 100.0, 99.7] + [100.0] * 20
    opens = [102.0, *closes[:-1]]
    opens[entry_bar] = 100.0
    lows = [min(pair) for pair in zip(opens, closes, strict=True)]
    highs = [max(pair) for pair in zip(opens, closes, strict=True)]
    lows[touched_bar] = 99.5
    ours, theirs = both(rsi_reversion(5, 5.0, 99.9, stop_pct=0.5), frame_of(opens, highs, lows, closes), tmp_path)
    assert theirs["trades"] == [[entry_bar, 100.0, touched_bar, 99.5]]
    assert ours == [(entry_bar, 100.0, touched_bar, 99.5)]


@pytest.mark.parametrize("seed", range(20))
def test_every_drawn_strategy_is_a_valid_file_and_the_same_for_one_seed(seed: int) -> None:
    pair = drawn(Random(seed), 1.0, 2.0, short=True)
    assert signal_read.loads(pair.text("bybit:BTCUSDT-perp", "1h")).read.name == pair.name
    assert pair == drawn(Random(seed), 1.0, 2.0, short=True)
