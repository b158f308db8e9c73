"""Every trade of tightloop is a trade of backtesting.py: same bars, same prices, one by one."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

import tightloop
from peers import comparison, environment
from peers.comparison import COARSE, DATA, DATASETS, Compared, Dataset
from peers.pairs import drawn, rsi_reversion
from tightloop.model import config

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


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_target_that_is_only_touched_fills_at_the_peer_alone(peer: Path, tmp_path: Path) -> None:
    """The one rule that differs; without it the comparison above would pass for the wrong reason."""
    fallen, entry_bar, touched_bar = 95.0, 6, 12
    target = fallen * (1.0 + 2.0 / 100.0)
    closes = [100.0, 99.0, 98.0, 97.0, 96.0] + [fallen] * 60
    highs = [target if bar == touched_bar else close for bar, close in enumerate(closes)]
    minutes = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=bar) for bar in range(len(closes))]
    frame = pl.DataFrame({"open": closes, "high": highs, "low": closes, "close": closes, "volume": [1.0] * len(closes)})
    pair = rsi_reversion(5, 30.0, 90.0, target_pct=2.0)
    instrument = "somewhere:BTCUSDT-spot"
    run = tightloop.backtest(
        pair.text(instrument, "1m"), data={instrument: frame.with_columns(ts=pl.Series(minutes))}, accept=["flat"]
    )
    file = str(tmp_path / "bars.parquet")
    frame.write_parquet(file)
    strict, touching = environment.run_jobs([pair.job(file), pair.job(file, fills_on_touch=True)])

    assert comparison.our_trades(run)[0] == [(entry_bar, fallen, None, None)]
    assert strict["trades"] == [[entry_bar, fallen, None, None]]
    assert strict["ties"] == 1
    assert touching["trades"][0] == [entry_bar, fallen, touched_bar, target]


@pytest.mark.parametrize("seed", range(20))
def test_every_drawn_strategy_is_a_valid_file_and_the_same_for_one_seed(seed: int) -> None:
    pair = drawn(Random(seed), 1.0, 2.0, short=True)
    assert config.loads(pair.text("bybit:BTCUSDT-perp", "1h")).read.name == pair.name
    assert pair == drawn(Random(seed), 1.0, 2.0, short=True)
