"""Facts taken one by one, as a session receives them, give the bytes of a backtest over the same rows."""

import numpy as np
import pytest
from tests.parity.test_ticks import busy
from tests.sim import walkthrough

from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, Phase, RowKind, SessionControl
from tightloop.core.domain.ticks import TICK, Clock
from tightloop.core.domain.types import EVENT
from tightloop.core.state import state_hash
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.feeds.ticks import PIECE_ROWS, TickFeed, TickSource
from tightloop.runtime.results.recorder import KEPT, Recorder
from tightloop.runtime.session.driver.facts import FactDriver

KINDS = {"trades": EventKind.TRADE, "quotes": EventKind.QUOTE}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return walkthrough.write_catalog(tmp_path_factory.mktemp("ticks"), delay_ns=5_000_000)


def facts_of(market, plan):
    """The rows of a catalog as facts, in the order of one instant: prints before quotes, then by instrument."""
    pieces = []
    for at, instrument in enumerate(plan.instruments):
        for rank, kind in enumerate(plan.feed):
            rows = np.concatenate(list(market.readers[(instrument, kind)].pieces(PIECE_ROWS)))
            facts = np.zeros(len(rows), EVENT)
            facts["kind"], facts["instrument"] = int(KINDS[kind]), at
            facts["phase"] = int(Phase.DECIDE_ON_CLOSE | Phase.RECORD)
            facts["ts_event_ns"], facts["ts_init_ns"] = rows["ts_event_ns"], rows["ts_init_ns"]
            facts["price"], facts["qty"] = rows["price"], rows["qty"]
            if kind == "trades":
                facts["order_id"], facts["is_maker"] = rows["trade_id"], rows["is_buyer_maker"]
            else:
                facts["rate"], facts["amount"] = rows["ask"], rows["ask_qty"]
            pieces.append((rank, at, facts))
    pieces.sort(key=lambda piece: piece[:2])
    facts = np.concatenate([rows for _, _, rows in pieces])
    return facts[np.argsort(facts["ts_init_ns"], kind="stable")]


def prepared(kind, catalog, *instruments):
    strategies = runs_strategies.load_strategies([busy(kind, *instruments)])
    market = load_tick_market(strategies, catalog)
    return market, strategies


def rows_of(recorder):
    return {kind: {name: column.tolist() for name, column in recorder.columns(kind).items()} for kind in KEPT}


def test_missing_prints_are_the_same_gap(catalog):
    market, strategies = prepared("recorded", catalog, walkthrough.PUMPED)
    plan, recorder = make_plan(strategies, market.rules), Recorder()
    facts = facts_of(market, plan)
    facts = facts[(facts["kind"] != int(EventKind.TRADE)) | (facts["order_id"] % 500 > 20)]
    sources = []
    for kind, event in KINDS.items():
        rows = facts[facts["kind"] == int(event)]
        ticks = np.zeros(len(rows), TICK)
        for name in ("ts_event_ns", "ts_init_ns", "price", "qty"):
            ticks[name] = rows[name]
        ticks["trade_id"], ticks["is_buyer_maker"] = rows["order_id"], rows["is_maker"]
        ticks["ask"], ticks["ask_qty"] = rows["rate"], rows["amount"]
        pieces = [ticks[at : at + PIECE_ROWS] for at in range(0, len(ticks), PIECE_ROWS)]
        sources.append((TickSource(0, kind, iter(pieces)), Clock.BOTH))
    ticks_backtest.run(plan, TickFeed(sources, {}, plan.grids_ns), recorder)

    live, kept = make_plan(strategies, market.rules), Recorder()
    driver = FactDriver(live, on_rows=kept.take_log)
    for at in range(0, len(facts), 100):
        driver.take(facts[at : at + 100])
    driver.close()
    assert len(recorder.columns(RowKind.TRANSITION)["ts_ns"]) > 3
    assert repr(rows_of(kept)) == repr(rows_of(recorder))
    assert state_hash(live.states, live.arena) == state_hash(plan.states, plan.arena)


def test_a_fact_of_no_instrument_leaves_the_venue_alone(catalog):
    market, strategies = prepared("market", catalog, walkthrough.PUMPED)
    plan = make_plan(strategies, market.rules)
    driver, fact = FactDriver(plan, on_rows=core_log.empty), np.zeros(1, EVENT)
    fact["kind"], fact["reason"] = int(EventKind.SESSION_CONTROL), int(SessionControl.PAUSED)
    fact["instrument"] = fact["instance"] = -1
    fact["ts_event_ns"], fact["ts_init_ns"] = 5, 9
    before = plan.venues.tobytes()
    driver.take(fact)
    assert plan.venues.tobytes() == before
    assert plan.states[0]["paused"]


@pytest.mark.parametrize("batch", [1, 7, 256])
@pytest.mark.parametrize("kind", ["post_only", "market", "far_away", "recorded"])
def test_facts_in_any_batches_are_a_backtest_of_their_rows(kind, batch, catalog):
    names = (walkthrough.PUMPED, *walkthrough.CALM)
    market, strategies = prepared(kind, catalog, *names)
    plan, recorder = make_plan(strategies, market.rules), Recorder()
    market.is_one_clock, market.offset_ns = True, 0
    ticks_backtest.run(plan, market.feed(plan), recorder)

    live, kept = make_plan(strategies, market.rules), Recorder()
    driver = FactDriver(live, on_rows=kept.take_log)
    facts = facts_of(market, live)
    for at in range(0, len(facts), batch):
        driver.take(facts[at : at + batch])
    driver.close()  # nothing is on its way after the last row, so the backtest ends with it
    assert len(kept.columns(RowKind.TRANSITION)["ts_ns"]) > 3
    assert kind != "market" or len(kept.columns(RowKind.FILL)["ts_ns"]) > 3
    assert repr(rows_of(kept)) == repr(rows_of(recorder))  # NaN is not equal to itself
    assert state_hash(live.states, live.arena) == state_hash(plan.states, plan.arena)
