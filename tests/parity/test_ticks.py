"""Runs on ticks: both drivers agree on every file, nothing of the future matters, and every step keeps the rules."""

import os
from pathlib import Path

import numpy as np
import pytest
from tests.sim import walkthrough

from tightloop.adapters.stores import parquet
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core.domain.ticks import Clock
from tightloop.core.state import check_invariants, state_hash
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.feeds.ticks import PIECE_ROWS, TickFeed, TickSource
from tightloop.runtime.results.recorder import KEPT, Recorder

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data"
BUSY = """
name: busy
family: signal
direction: {direction}
instruments: [{instruments}]
feed: [trades, quotes]
capital: 100_000
variants:
  fast: {{type: TWPA, t1: 2}}
  slow: {{type: TWPA, t1: 10}}
  pump: {{type: PUMP_MAGNITUDE_PCT, t1: 2, t3: 12, d: 5}}
  surge: {{type: VOLUME_SURGE_RATIO, t1: 2, t3: 20, t4: 2}}
  spread: {{type: SPREAD_PCT}}
sections:
  S1: {{all: [{{fast: crosses_above slow}}, {{spread: "< 1"}}]}}
  O1: {{any: [{{pump: "< -0.2"}}], timeout_s: 5}}
  Z1:
    all: [{{surge: "> 0.2"}}]
    order: {order}
    size: {{type: fixed, value: 3_000}}
    stop_loss: {stop}
    take_profit: {{type: percent, value: 0.03}}
  ZE1: {{all: [{{hold: [{{fast: "< slow"}}, 1]}}]}}
costs: {{taker_bps: 5, maker_bps: 2, funding: "off", queue: {queue}}}
latency: {latency}
account: {{max_position_pct: 100, max_symbol_pct: 100, daily_loss_pct: null, max_drawdown_pct: null}}
"""
KINDS = {
    "post_only": {"order": "{type: limit, price: best_bid, ttl_s: 3, post_only: true}", "queue": "log2"},
    "market": {"order": "{type: market}", "stop": "{type: trailing, trail_pct: 0.02}"},
    "far_away": {"order": "{type: limit, price: best_ask, tif: IOC}", "latency": "{submit_ms: 400, response_ms: 900}"},
    "two_clocks": {"order": "{type: market}", "latency": "{clock: exchange, submit_ms: 5}"},
    "recorded": {"order": "{type: limit, price: best_bid, ttl_s: 3}", "latency": "recorded"},
}


def busy(kind, *instruments):
    keys = {
        "direction": "LONG",
        "stop": "{type: percent, value: 0.05}",
        "queue": "power3",
        "latency": "{clock: receive}",
    }
    return BUSY.format(instruments=", ".join(f'"{name}"' for name in instruments), **(keys | KINDS[kind]))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return walkthrough.write_catalog(tmp_path_factory.mktemp("ticks"), delay_ns=5_000_000)


@pytest.fixture(scope="module")
def real():
    if not REAL.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the catalog beside the repository is not there")
        pytest.skip("the catalog beside the repository is not there")
    return REAL


def tables(run):
    return {name: parquet.arrow(table).to_pylist() for name, table in run.result.tables.items()}


def both(*strategies, **options):
    one = runs_backtest.backtest(*strategies, **options)
    other = runs_backtest.backtest(*strategies, one_by_one=True, **options)
    assert one.summary == other.summary | {"inputs": one.summary["inputs"]}
    assert tables(one) == tables(other)
    return one


@pytest.mark.real_data
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_drivers_agree_on_real_ticks(kind, real):
    run = both(busy(kind, "binance:BTCUSDT-perp", "binance:ETHUSDT-perp"), data=real)
    assert len(run.trades) > 3


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_drivers_agree_on_made_ticks(kind, catalog):
    both(busy(kind, walkthrough.PUMPED, *walkthrough.CALM), data=catalog)


def run_on(text, catalog, change=lambda rows: rows, observer=None):
    """A run whose ticks pass through ``change`` first."""
    strategies = runs_strategies.load_strategies([text])
    market = load_tick_market(strategies, catalog)
    plan = make_plan(strategies, market.rules)
    sources = []
    for at, instrument in enumerate(plan.instruments):
        for kind in plan.feed:
            rows = change(np.concatenate(list(market.readers[(instrument, kind)].pieces(PIECE_ROWS))))
            pieces = (rows[k : k + PIECE_ROWS] for k in range(0, len(rows), PIECE_ROWS))
            sources.append((TickSource(at, kind, pieces), Clock.BOTH))
    feed, recorder = TickFeed(sources, {}, plan.grids_ns), Recorder()
    if observer is None:
        ticks_backtest.run(plan, feed, recorder)
    else:
        ticks_one_by_one.run(plan, feed, recorder, observer)
    return plan, recorder


def before(recorder, ts_ns):
    found = {}
    for kind in KEPT:
        columns = recorder.columns(kind)
        if "ts_ns" in columns:
            kept = columns["ts_ns"] < ts_ns
            found[kind] = {name: column[kept].tolist() for name, column in columns.items()}
    return repr(found)


@pytest.mark.parametrize("seed", range(6))
def test_what_comes_after_a_moment_changes_nothing_before_it(seed, catalog):
    random = np.random.default_rng(seed)
    cut_ns = walkthrough.T0_NS + int(random.integers(-100, 100)) * 1_000_000_000

    def other_future(rows):
        rows = rows.copy()
        after = rows["ts_init_ns"] >= cut_ns
        factor = random.uniform(0.5, 2.0)
        for name in ("price", "ask"):
            rows[name][after] *= factor
        rows["qty"][after] *= random.uniform(0.1, 5.0, int(after.sum()))
        return rows

    text = busy("market" if seed % 2 else "post_only", walkthrough.PUMPED, *walkthrough.CALM)
    (_, one), (_, other) = run_on(text, catalog), run_on(text, catalog, other_future)
    assert before(one, cut_ns) == before(other, cut_ns)


@pytest.mark.parametrize("kind", ["market", pytest.param("post_only", marks=pytest.mark.nightly)])
def test_every_step_keeps_the_rules(kind, catalog):
    seen = []

    def look(plan):
        check_invariants(plan.states[0])
        seen.append(1)

    text = busy(kind, walkthrough.PUMPED)
    watched, _ = run_on(text, catalog, observer=look)
    plain, _ = run_on(text, catalog)
    assert len(seen) > 1_000
    assert state_hash(watched.states, watched.arena) == state_hash(plain.states, plain.arena)
