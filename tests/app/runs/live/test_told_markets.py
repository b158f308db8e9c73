"""Strategies that wait for a pump, in a session that is told one: exported and backtested, the same row by row."""

import itertools

import numpy as np
import pytest
from tests.app.runs.live.test_export import EXAMPLES, TRADES, columns_of, first_difference, listed, recorded

from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.live import files, outside
from tightloop.app.runs.signal import strategy_names, texts_of
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.ticks import BookRow
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as tick_driver
from tightloop.runtime.feeds.ticks import PIECE_ROWS
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal
from tightloop.runtime.session.market.intake import Intake

WAITING = [path for path in EXAMPLES if path.stem not in TRADES]
INSTRUMENTS = ("lab:PUMPBUSDT-perp", "lab:PUMPDUSDT-perp")
STATED = ("price_increment", "lot_size", "contract_size", "min_notional", "settle_asset")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    write_tick_sample(root, ["pump"], seed=1, books=True)
    return root


def market_rows(market, plan):
    """Yield (ns of receipt, instrument, kind, rows): single prints and quotes, and the levels of one book update."""
    streams = []
    for at, instrument in enumerate(plan.instruments):
        for kind in plan.feed:
            rows = np.concatenate(list(market.readers[(instrument, kind)].pieces(PIECE_ROWS)))
            cuts = np.arange(1, len(rows))
            if kind == "book":
                cuts = np.flatnonzero(rows["is_buyer_maker"][1:] & int(BookRow.IS_FIRST)) + 1
            ends = [0, *cuts.tolist(), len(rows)]
            streams += [(int(rows["ts_init_ns"][a]), at, kind, rows[a:b]) for a, b in itertools.pairwise(ends)]
    return sorted(streams, key=lambda one: one[0])


def put(intake, at, kind, rows):
    row = rows[0]
    happened, price, qty = int(row["ts_event_ns"]), float(row["price"]), float(row["qty"])
    if kind == "trades":
        intake.put_print(at, price, qty, int(row["trade_id"]), int(row["is_buyer_maker"]), happened)
    elif kind == "quotes":
        intake.put_quote(at, price, qty, float(row["ask"]), float(row["ask_qty"]), happened)
    else:
        flags = rows["is_buyer_maker"]
        levels = [
            (float(one["price"]), float(one["qty"]), bool(int(one["is_buyer_maker"]) & int(BookRow.IS_BID)))
            for one in rows
        ]
        is_snapshot = bool(int(flags[0]) & int(BookRow.IS_SNAPSHOT))
        intake.put_update(at, levels, int(row["trade_id"]), happened, is_snapshot=is_snapshot)


@pytest.mark.parametrize("path", WAITING, ids=lambda path: path.stem)
def test_what_waits_for_a_pump_trades_in_it_and_its_backtest_is_the_same(path, lab, tmp_path):
    strategies = runs_strategies.load_strategies([path], instruments=INSTRUMENTS)
    market = load_tick_market(strategies, lab)
    about = {
        "mode": "paper", "state": "STOPPED", "venue": "binance-usdm", "url": None, "key": "k", "lease": "l",
        "instruments": list(INSTRUMENTS), "strategies": strategy_names(strategies), "account": None, "seed": 0,
        "made_ns": 0, "config_hash": [one.config_hash for one in strategies],
        "rules": {str(name): {key: getattr(market.rules[name], key) for key in STATED} for name in market.rules},
    }  # fmt: skip
    home = Home(tmp_path / "home")
    home.make()
    about["id"] = home.make_session(about, texts_of(strategies))
    plan = files.plan_of(strategies, about)
    clock = [0]
    journal = Journal.create(LocalDisk(home.folder(about["id"])), files.JOURNAL, about["id"], 1)
    session = Session(plan, journal, Intake(lambda: clock[0]), lambda: clock[0])
    for number, (ts_ns, at, kind, rows) in enumerate(market_rows(market, plan)):
        clock[0] = max(clock[0], ts_ns)
        put(session.intake, at, kind, rows)
        if number % 20 == 19:
            session.take_batch()
    while session.take_batch():
        pass
    session.finish()
    journal.close()
    home.write_session(about["id"], about)

    outside.export(home.root, "last", tmp_path / "catalog")
    told, rows = recorded(home.root)
    last_ns = int(told["ts_init_ns"][told["kind"] != 0][-1])
    strategies = runs_strategies.load_strategies([path], instruments=INSTRUMENTS)
    again = load_tick_market(strategies, tmp_path / "catalog")
    plan, recorder = make_plan(strategies, again.rules), Recorder()
    tick_driver.run(plan, again.feed(plan), recorder)
    assert first_difference(listed(recorder, last_ns), columns_of(rows[rows["ts_ns"] <= last_ns])) is None
    assert len(recorder.columns(RowKind.FILL)["ts_ns"]) > 2
