"""The strategies on ticks that people copy first: each is valid, trades on its market, and its books add up."""

import os
from pathlib import Path

import polars as pl
import pytest

from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.runs.backtest import backtest
from tightloop.app.runs.sweep import sweep
from tightloop.model.errors import InputError
from tightloop.model.signal import read as signal_read

ROOT = Path(__file__).resolve().parents[3]
REAL = ROOT.parent / "shared" / "data"
EXAMPLES = sorted((ROOT / "strategies" / "ticks").glob("*.yaml"))

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    write_tick_sample(root, ["pump"], seed=1, books=True)
    return root


def data_of(path, lab):
    if all(instrument.venue == "lab" for instrument in signal_read.load(path).instruments):
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
    strategy = signal_read.load(path)
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


def test_a_sweep_over_ticks_gives_the_figures_of_single_runs(lab):
    path = ROOT / "strategies" / "ticks" / "peak_fade_short.yaml"
    parameters = {"sections.O1.timeout_s": [120, 240], "latency.clock": ["receive", "exchange"]}
    done = sweep(path, data=lab, parameters=parameters, threads=2)
    assert len(done.rows) == 4
    for row in done.rows:
        run = backtest(path, data=lab, settings=list(row.values.items()))
        assert row.in_sample == run.metrics
    assert len({str(row.in_sample) for row in done.rows}) > 1


def test_a_split_sweep_over_ticks_gives_the_figures_of_both_parts(lab):
    path = ROOT / "strategies" / "ticks" / "book_pump_long.yaml"
    done = sweep(path, data=lab, parameters={"variants.lean.t1": [5, 10]}, split=0.5, threads=2)
    trades = [(row.in_sample["trades"], row.out_of_sample["trades"]) for row in done.rows]
    assert all(before > 0 and after > 0 for before, after in trades)
    whole = backtest(path, data=lab, settings=[("variants.lean.t1", 5)]).metrics["trades"]
    row = next(row for row in done.rows if row.values["variants.lean.t1"] == 5)
    assert abs(row.in_sample["trades"] + row.out_of_sample["trades"] - whole) <= 6


def test_the_feed_can_not_be_swept(lab):
    text = """
name: any_feed
family: signal
direction: LONG
instruments: ["lab:PUMPAUSDT-perp"]
feed: trades
variants: {age: {type: SIGNAL_AGE_SECONDS}}
sections:
  S1: {all: [{age: "> 0"}]}
  Z1: {immediate: true, size: {type: fixed, value: 100}}
"""
    with pytest.raises(InputError, match="instruments, timeframe and feed cannot be swept"):
        sweep(text, data=lab, parameters={"feed": ["trades", "book"]})
