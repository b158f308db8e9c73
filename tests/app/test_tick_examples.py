"""The strategies on ticks that people copy first: each is valid, trades on its market, and its books add up."""

import os
from pathlib import Path

import polars as pl
import pytest

from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.bootstrap import backtest, sweep
from tightloop.model import config
from tightloop.model.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
EXAMPLES = sorted((ROOT / "strategies" / "ticks").glob("*.yaml"))

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    write_tick_sample(root, ["pump"], seed=1)
    return root


def data_of(path, lab):
    if all(instrument.venue == "lab" for instrument in config.load(path).instruments):
        return lab
    if not REAL.is_dir():
        assert not os.environ.get("CI"), f"{REAL} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    return REAL


def last_mid(root, name):
    venue, _, stem = name.partition(":")
    last = pl.read_parquet(max((root / "quotes" / venue / stem).glob("*.parquet"))).sort("ts_init_ns").tail(1)
    return (last["bid"][0] + last["ask"][0]) / 2


@each_example
def test_an_example_on_ticks_is_valid_without_a_warning_and_called_like_its_file(path):
    strategy = config.load(path)
    assert strategy.warnings == ()
    assert strategy.read.name == path.stem


@each_example
@pytest.mark.real_data
def test_an_example_on_ticks_trades_and_its_books_add_up(path, lab):
    run = backtest(path, data=data_of(path, lab))
    closed = run.trades.filter(pl.col("exit_ts").is_not_null())
    left = run.trades.filter(pl.col("exit_ts").is_null())
    parts = run.summary["attribution"]
    change = run.summary["final_equity"] - run.summary["initial_equity"]
    assert len(closed) == run.summary["metrics"]["trades"] >= 3
    assert sum(parts.values()) == pytest.approx(change, abs=1e-6)
    if left.is_empty():
        assert closed["pnl"].sum() == pytest.approx(change, abs=1e-6)
    signed = pl.when(pl.col("side") == "BUY").then(pl.col("qty")).otherwise(-pl.col("qty"))
    flows = run.fills.select(pl.col("instrument"), held=signed, cash=-signed * pl.col("price") - pl.col("fee"))
    held = dict(flows.group_by("instrument").agg(pl.col("held").sum()).iter_rows())
    at_mark = sum(held[name] * last_mid(data_of(path, lab), name) for name in left["instrument"])
    assert flows["cash"].sum() + at_mark + parts["funding"] == pytest.approx(change, abs=1e-5)


def test_a_sweep_over_ticks_is_refused_with_the_line_and_what_to_do(lab):
    path = ROOT / "strategies" / "ticks" / "peak_fade_short.yaml"
    with pytest.raises(InputError, match="ticks can not be swept") as refused:
        sweep(path, data=lab, parameters={"sections.O1.timeout_s": [120, 240]})
    assert "peak_fade_short.yaml:" in str(refused.value)
    assert "--set" in str(refused.value)
