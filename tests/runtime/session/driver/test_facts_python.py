"""Strategies in Python in a session: what a backtest of the same rows gives, made again by a repetition, saved."""

import itertools

import pytest
from tests.parity.test_live_facts import facts_of, rows_of
from tests.runtime.session.driver.told import Told, begun, plan_of, recovered, run
from tests.sim import walkthrough

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core.domain.enums import RowKind
from tightloop.core.state import state_hash
from tightloop.model.errors import InputError
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.facts import fact_driver
from tightloop.runtime.session.driver.session import NotRepeated, Repetition
from tightloop.runtime.session.journal import events

YAML = """
name: flipping
family: python
class: flipping.py:Flipping
instruments: [{instruments}]
feed: [trades, quotes]
capital: 100_000
variants:
  slow: {{type: TWPA, t1: 5}}
costs: {{taker_bps: 5, maker_bps: 2, funding: "off"}}
latency: {{submit_ms: 20, cancel_ms: 20, response_ms: 30, clock: receive}}
account: {{max_position_pct: 100, max_symbol_pct: 100, daily_loss_pct: null, max_drawdown_pct: null}}
"""
CODE = """
class Flipping:
    '''Buys and sells every few prints, rests orders, moves stops by fills, counts by timer.'''

    def __init__(self):
        self.prints, self.wanted = {}, 1

    def on_start(self, view):
        view.set_timer(0.7)

    def on_timer(self, view):
        view.set_timer(1.3)
        self.wanted = -self.wanted

    def on_trade(self, view, trade):
        count = self.prints[trade.instrument] = self.prints.get(trade.instrument, 0) + 1
        if count % 40 == 0 and view.value("slow") > 0.0:
            if view.position() == 0.0:
                (view.buy if self.wanted > 0 else view.sell)(notional=500, stop_loss_pct=1)
            else:
                view.close()
        FAULT

    def on_quote(self, view, quote):
        if self.prints.get(quote.instrument, 0) % 100 == 7 and not view.orders():
            view.buy(notional=200, type="limit", price=quote.bid, ttl_s=2, post_only=True)

    def on_fill(self, view, fill):
        if view.position() != 0.0:
            view.protect(take_profit_pct=0.3)
"""
SAVING = """
    def on_save(self):
        return {"prints": self.prints, "wanted": self.wanted}

    def on_load(self, saved):
        self.prints, self.wanted = saved["prints"], saved["wanted"]
"""
NAMES = (walkthrough.PUMPED, *walkthrough.CALM)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return walkthrough.write_catalog(tmp_path_factory.mktemp("ticks"), delay_ns=5_000_000)


def written(folder, code=CODE, fault="pass"):
    (folder / "flipping.py").write_text(code.replace("FAULT", fault))
    path = folder / "flipping.yaml"
    path.write_text(YAML.format(instruments=", ".join(f'"{name}"' for name in NAMES)))
    return path


def prepared(path, catalog):
    strategies = runs_strategies.load_strategies([path])
    market = load_tick_market(strategies, catalog)
    market.is_one_clock, market.offset_ns = True, 0
    return market, strategies


@pytest.mark.parametrize("batch", [1, 100])
def test_facts_are_a_backtest_of_their_rows(batch, catalog, tmp_path):
    market, strategies = prepared(written(tmp_path), catalog)
    plan, recorder = make_plan(strategies, market.rules), Recorder()
    ticks_backtest.run(plan, market.feed(plan), recorder)

    live, kept = make_plan(strategies, market.rules), Recorder()
    driver = fact_driver(live, kept.take_log)
    facts = facts_of(market, live)
    for at in range(0, len(facts), batch):
        driver.take(facts[at : at + batch])
    driver.close()
    assert len(kept.columns(RowKind.FILL)["ts_ns"]) > 10
    assert repr(rows_of(kept)) == repr(rows_of(recorder))
    assert state_hash(live.states, live.arena) == state_hash(plan.states, plan.arena)


def test_a_killed_session_goes_on_as_if_it_had_not_been(catalog, tmp_path):
    market = prepared(written(tmp_path), catalog)
    facts = facts_of(market[0], plan_of(market))
    whole = begun(market, tmp_path / "whole", world := Told(facts))[0]
    run(whole, world, 2_000)
    session, journal = begun(market, tmp_path / "parts", world := Told(facts))
    run(session, world, 925)
    journal.close()
    session, journal = recovered(market, tmp_path / "parts", world)
    run(session, world, 2_000 - 925)
    assert list(session.recent.counts) == list(whole.recent.counts)  # stamps differ by some ns, so the hash does
    ended = session.finish()
    journal.close()
    repetition = Repetition(plan_of(market))
    repetition.run(events(LocalDisk(tmp_path / "parts"), "journal"))
    assert state_hash(repetition.plan.states, repetition.plan.arena) == ended
    assert session.recent.counts[int(RowKind.FILL)] > 5


def test_a_snapshot_has_what_a_class_saves(catalog, tmp_path):
    market = prepared(written(tmp_path, CODE + SAVING), catalog)
    facts = facts_of(market[0], plan_of(market))
    session, journal = begun(market, tmp_path / "one", world := Told(facts))
    run(session, world, 925)
    saved = snapshots.snapshot_of(session, "one", journal.seq, "0")
    run(session, world, 925)
    ended = session.finish()
    journal.close()
    repetition = snapshots.restored(plan_of(market), saved, ())
    repetition.run(events(LocalDisk(tmp_path / "one"), "journal", saved.seq))
    assert repetition.rows_left.size == 0
    assert state_hash(repetition.plan.states, repetition.plan.arena) == ended


def test_a_class_that_does_not_say_what_it_keeps_has_no_snapshot(catalog, tmp_path):
    market = prepared(written(tmp_path), catalog)
    session, journal = begun(market, tmp_path / "one", Told(()))
    assert snapshots.snapshot_of(session, "one", journal.seq, "0") is None


def test_a_class_that_can_be_saved_can_be_restored(catalog, tmp_path):
    with pytest.raises(InputError, match="defines on_save and not on_load"):
        prepared(written(tmp_path, CODE + SAVING[: SAVING.index("def on_load")]), catalog)


def test_a_class_that_raises_is_called_no_more_and_its_repetition_neither(catalog, tmp_path):
    market = prepared(written(tmp_path, fault="assert count < 200, 'enough'"), catalog)
    facts = facts_of(market[0], plan_of(market))
    session, journal = begun(market, tmp_path / "one", world := Told(facts))
    run(session, world, 2_000)
    assert "flipping.py" in str(session.driver.failure)
    assert "enough" in str(session.driver.failure)
    ended = session.finish()
    journal.close()
    repetition = Repetition(plan_of(market))
    repetition.run(events(LocalDisk(tmp_path / "one"), "journal"))
    assert str(repetition.driver.failure) == str(session.driver.failure)
    assert state_hash(repetition.plan.states, repetition.plan.arena) == ended


def test_a_class_that_decides_by_something_else_is_not_repeated(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.dice", itertools.count(1), raising=False)
    fault = "count % 50 or view.buy(notional=100 + next(dice), type='limit', price=0.9 * trade.price)"
    market = prepared(written(tmp_path, fault=fault), catalog)
    facts = facts_of(market[0], plan_of(market))
    session, journal = begun(market, tmp_path / "one", world := Told(facts))
    run(session, world, 1_000)
    journal.close()
    with pytest.raises(NotRepeated, match="the journal has"):
        Repetition(plan_of(market)).run(events(LocalDisk(tmp_path / "one"), "journal"))
