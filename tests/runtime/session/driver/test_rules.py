"""Rules that change while a session runs reach the step once, and orders are made by them."""

import asyncio
import math
from dataclasses import replace

import pytest
from tests.runtime.session.driver.told import Told, begun, pumped, recovered

from tightloop.core.domain.enums import EventKind, TradingStatus
from tightloop.ports.market_data import ListedInstrument, ListInstruments
from tightloop.runtime.session.driver.rules import RulesWatch, words_of

NAN = math.nan


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


class Watched:
    """A session whose venue lists what ``there`` has, by symbol; ``said`` is what people were told."""

    def __init__(self, market, folder):
        self.market, self.folder = market, folder
        self.world, self.said, self.asked = Told([]), [], []
        self.world.now_ns = 1_700_000_000 * 10**9
        self.session, self.journal = begun(market, folder, self.world)
        plan = self.session.plan
        self.symbols = {instrument.symbol: at for at, instrument in enumerate(plan.instruments)}
        rules = [plan.rules[instrument] for instrument in plan.instruments]
        self.there = {
            symbol: ListedInstrument(
                symbol, "TRADING", True, "", "USDT", one.price_increment, one.lot_size, one.contract_size, 1e6, 1e5,
                one.min_notional, NAN, NAN,
            )
            for symbol, one in zip(self.symbols, rules, strict=True)
        }  # fmt: skip
        self.watch_again()

    def watch_again(self):
        self.watch = RulesWatch(self.session, self._ask, self.symbols, lambda found: self.said.append(words_of(found)))

    async def _ask(self, request):
        self.asked.append(request)
        return list(self.there.values())

    def look(self):
        """Look, step what is told, and return what it was: (instrument, status)."""
        asyncio.run(self.watch.look())
        waiting = len(self.session.intake)
        found = [
            (int(row["instrument"]), int(row["reason"]))
            for row in self.session.intake.rows[:][self.session.intake.taken_count :][:waiting]
            if row["kind"] == int(EventKind.INSTRUMENT_CHANGED)
        ]
        while self.session.take_batch():
            pass
        return found

    def row(self, at=0):
        return self.session.plan.states[0]["instruments"][at]

    def change(self, at, **rules):
        symbol = list(self.symbols)[at]
        self.there[symbol] = replace(self.there[symbol], **rules)


@pytest.fixture
def watched(market, tmp_path):
    return Watched(market, tmp_path)


def test_largest_sizes_that_were_not_known_are_told_and_said_once(watched):
    assert len(watched.look()) == len(watched.symbols)
    assert ["market_qty_max" in said for said in watched.said] == [True] * len(watched.symbols)
    watched.said.clear()
    assert (watched.row()["qty_max"], watched.row()["market_qty_max"]) == (1e6, 1e5)
    assert watched.look() == []
    assert watched.said == []
    assert watched.asked == [ListInstruments()] * 2


def test_increments_that_changed_are_set_and_said_once(watched):
    watched.look()
    watched.said.clear()
    watched.change(1, price_increment=0.5, min_notional=25.0)
    assert watched.look() == [(1, TradingStatus.TRADING)]
    assert (watched.row(1)["price_increment"], watched.row(1)["min_notional"]) == (0.5, 25.0)
    assert watched.look() == []
    (said,) = watched.said
    assert "price_increment" in said
    assert "min_notional" in said


def test_what_the_venue_does_not_say_stays_as_it_is(watched):
    watched.look()
    before = watched.row().copy()
    watched.change(0, price_increment=NAN, min_notional=NAN, qty_max=NAN)
    assert watched.look() == []
    assert watched.row()["price_increment"] == before["price_increment"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"is_trading": False, "status": "PENDING"}, TradingStatus.HALTED, "halted (PENDING): no entries"),
        (
            {"is_trading": False, "is_leaving": True, "status": "SETTLING"},
            TradingStatus.DELISTED,
            "delisted (SETTLING)",
        ),
    ],
)
def test_a_halt_and_its_end_and_a_delisting_are_told(watched, change, status, words):
    watched.look()
    watched.change(0, **change)
    assert watched.look() == [(0, status)]
    assert int(watched.row()["status"]) == status
    assert words in watched.said[-1]
    watched.change(0, is_trading=True, is_leaving=False, status="TRADING")
    assert watched.look() == [(0, TradingStatus.TRADING)]
    assert int(watched.row()["status"]) == TradingStatus.TRADING


def test_an_instrument_that_is_not_listed_any_more_is_told_once(watched):
    watched.look()
    del watched.there[next(iter(watched.symbols))]
    assert watched.look() == [(0, TradingStatus.DELISTED)]
    assert watched.look() == []
    assert "is not listed any more: no entries" in watched.said[-1]


def test_margin_tiers_are_said_though_the_step_is_not_told(watched):
    watched.look()
    watched.change(0, maintenance_tiers=((1e9, 0.02, 20.0),))
    assert watched.look() == []
    assert "maintenance_tiers" in watched.said[-1]


def test_what_changed_while_the_session_was_dead_is_found_at_its_first_look(watched):
    watched.look()
    watched.journal.close()
    watched.session, watched.journal = recovered(watched.market, watched.folder, watched.world)
    assert watched.row()["qty_max"] == 1e6, "the journal has what was told before"
    watched.change(0, lot_size=5.0)
    watched.watch_again()
    assert watched.look() == [(0, TradingStatus.TRADING)]
    assert watched.row()["lot_size"] == 5.0


def test_it_looks_again_soon_after_a_refusal_and_not_before_five_seconds_are_over(watched, monkeypatch):
    monkeypatch.setattr("tightloop.runtime.session.driver.rules.APART_S", 0.02)

    async def main():
        task = asyncio.ensure_future(watched.watch.follow())
        await asyncio.sleep(0.01)
        watched.watch.soon.set()
        first = len(watched.asked)
        await asyncio.sleep(0.05)
        watched.watch.soon.set()
        await asyncio.sleep(0.01)
        task.cancel()
        return first, len(watched.asked)

    assert asyncio.run(main()) == (1, 3)
