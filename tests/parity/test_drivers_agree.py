"""The compiled replay and the driver that runs one event at a time are the same machine, event by event."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import runs

from examples import examples
from tightloop.adapters.data.sample import write_sample
from tightloop.app.markets import bars as markets_bars
from tightloop.app.text.window import time_of
from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.model.signal import read as signal_read
from tightloop.runtime.feeds.bars import make_feed

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
EXAMPLES = sorted((REPOSITORY / "strategies").glob("*.yaml"))
SAMPLE = ("sample:BTCUSDT-perp", "sample:PUMPAUSDT-perp", "sample:PUMPDUSDT-perp")
EVERY_KIND = {name: (text,) for name, text in runs.KINDS.items()} | runs.TOGETHER


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    write_sample(root, seed=5, days=1)
    return root


def example(path, instruments):
    """An example strategy on instruments of a market that is here."""
    read = signal_read.load(path).read
    return signal_read.load(path, instruments=instruments[: max(1, len(read.instruments))], settings=["timeframe=1m"])


def setting_of(strategies, root, **window):
    market = markets_bars.load_market(strategies, root, **window)
    return runs.Setting(strategies, market.bars, market.funding, rules=market.rules)


def agree_at_every_event(setting):
    if any(strategy.code is not None for strategy in setting.strategies):
        return  # their replay stops elsewhere; the hash at the end and all files are compared all the same
    looped, one = runs.hashes_of_loop(setting)
    replayed, other = runs.hashes_of_replay(setting)
    wrong = [seq for seq, value in replayed.items() if looped.get(seq) != value]
    assert not wrong, f"the rolling hashes part at step {wrong[0]} of {len(looped)}"
    assert int(one.states[0]["seq"]) == int(other.states[0]["seq"])
    assert max(replayed) <= max(looped)


def leave_the_same_files(setting, folder):
    array, single = setting.run(), setting.run(one_by_one=True)
    assert array.state_hash == single.state_hash
    files, others = array.files(folder / "array"), single.files(folder / "single")
    assert list(files) == list(others)
    for name, content in files.items():
        assert content == others[name], f"{name} differs"


@pytest.mark.parametrize("name", EVERY_KIND)
def test_both_drivers_have_the_same_hash_at_every_event(name):
    agree_at_every_event(runs.Setting.random(*EVERY_KIND[name], seed=3))


@pytest.mark.parametrize("name", EVERY_KIND)
def test_both_drivers_leave_the_same_bytes_in_every_file(name, tmp_path):
    leave_the_same_files(runs.Setting.random(*EVERY_KIND[name], seed=4, move=0.008), tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run_the_same_in_both_drivers_on_the_sample_market(path, sample, tmp_path):
    setting = setting_of((example(path, SAMPLE),), sample)
    agree_at_every_event(setting)
    leave_the_same_files(setting, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run_the_same_in_both_drivers_on_real_bars(path, tmp_path):
    if not REAL_DATA.is_dir():
        assert not os.environ.get("CI"), f"{REAL_DATA} is missing, and CI must not skip what it holds"
        pytest.skip("the catalog of real data does not lie beside the repository")
    real = example(path, ("ftx:BTCUSD-perp",))
    window = {
        "start_ns": time_of("2022-01-02", "--from"),
        "end_ns": time_of("2022-01-04", "--to"),
    }
    setting = setting_of((real,), REAL_DATA, **window)
    agree_at_every_event(setting)
    leave_the_same_files(setting, tmp_path)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(sorted(EVERY_KIND)),
    st.integers(0, 10_000),
    st.integers(2, 250),
    st.sampled_from([0.001, 0.02, 0.05]),
)
def test_both_drivers_agree_on_any_market(name, seed, count, move):
    setting = runs.Setting.random(*EVERY_KIND[name], seed=seed, count=count + 60, move=move)
    agree_at_every_event(setting)
    assert setting.run().state_hash == setting.run(one_by_one=True).state_hash


def test_where_the_log_is_drained_changes_nothing(monkeypatch):
    """A log that is full all the time, and equity rows that are handed over one by one."""
    setting = runs.Setting.random(*EVERY_KIND["long_and_short"], seed=8)
    usual = setting.run()
    monkeypatch.setattr(runs.bars_backtest.core_log, "ROWS", 0)
    monkeypatch.setattr(runs.bars_backtest, "EQUITY_ROWS", 1)
    monkeypatch.setattr(runs.bars_backtest, "EVENTS_AT_ONCE", 7)
    drained = setting.run()
    assert drained.state_hash == usual.state_hash
    assert runs.rows_of(drained.run.result.tables["signals"]) == runs.rows_of(usual.run.result.tables["signals"])
    assert drained.run.trades.equals(usual.run.trades)
    assert drained.run.equity.equals(usual.run.equity)


# The order of one instant, written a second time ---------------------------------------------------------------------


def merged_plainly(bars, funding):
    """Events of an instant: bars that end (instruments in order), funding, bars that begin; flags on the last ones."""
    events = []
    for instrument, rows in enumerate(bars):
        for bar in rows:
            opened, closed = int(bar["open_ns"]), int(bar["close_ns"])
            events.append((opened, 2, instrument, (EventKind.BAR_OPENED, opened, float(bar["open"]))))
            values = tuple(float(bar[name]) for name in ("open", "high", "low", "close", "volume"))
            events.append((closed, 0, instrument, (EventKind.BAR_CLOSED, opened, *values)))
    for place, (instrument, (ts_ns, rates)) in enumerate(sorted(funding.items()), len(bars)):
        opens = {int(bar["open_ns"]): float(bar["open"]) for bar in bars[instrument]}
        span = int(bars[instrument]["open_ns"][0]), int(bars[instrument]["close_ns"][-1])
        for ts, rate in zip(ts_ns.tolist(), rates.tolist(), strict=True):
            if span[0] <= ts <= span[1]:
                events.append((ts, 1, place, (EventKind.FUNDING_RATE, ts, rate, opens.get(ts), instrument)))
    events.sort(key=lambda event: event[:3])
    found = []
    for place, (ts, phase, _, what) in enumerate(events):
        after = events[place + 1] if place + 1 < len(events) else (None, None)
        flags = 0 if after[0] == ts else int(Phase.RECORD)
        if phase == 0 and after[:2] != (ts, 0):
            flags |= int(Phase.DECIDE_ON_CLOSE)
        found.append((ts, flags, what))
    return found


def merged_by_the_core(bars, funding):
    feed, events, found = make_feed(bars, funding), np.zeros(1, EVENT), []
    while replay_bars.feed_next(feed.streams, feed.heap, feed.bars, feed.rates, events):
        e = events[0]
        kind, ts_event = EventKind(int(e["kind"])), int(e["ts_event_ns"])
        if kind == EventKind.BAR_OPENED:
            what = (kind, ts_event, float(e["price"]))
        elif kind == EventKind.BAR_CLOSED:
            what = (kind, ts_event, *(float(e[name]) for name in ("open", "high", "low", "price", "qty")))
        else:
            mark = float(e["price"])
            what = (kind, ts_event, float(e["rate"]), None if mark != mark else mark, int(e["instrument"]))
        found.append((int(e["ts_init_ns"]), int(e["phase"]), what))
    assert len(found) == feed.event_count
    return found


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_the_merge_is_the_sorted_list_of_all_events(data):
    """On any number of streams that begin, end and have holes where they like, funding on and off the grid."""
    bars, funding = [], {}
    for instrument in range(data.draw(st.integers(1, 6))):
        opens = sorted(data.draw(st.sets(st.integers(0, 25), min_size=1, max_size=12)))
        rows = runs.random_bars(instrument, len(opens))
        rows["open_ns"] = np.array(opens) * 60
        rows["close_ns"] = rows["open_ns"] + 60
        bars.append(rows)
        if data.draw(st.booleans()):
            stamps = np.array(sorted(data.draw(st.sets(st.integers(0, 1_560), max_size=6))), np.int64)
            grid = np.array(sorted(data.draw(st.sets(st.integers(0, 26), max_size=6))), np.int64) * 60
            ts_ns = np.union1d(stamps, grid).astype(np.int64)
            funding[instrument] = ts_ns, np.arange(len(ts_ns)) / 1e4
    assert merged_by_the_core(bars, funding) == merged_plainly(bars, funding)
