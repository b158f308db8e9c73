"""Acceptance scenarios with all that they name: a venue that answers 500, thirty symbols, a hundred followers."""

import asyncio
import json
import zlib
from itertools import pairwise

import numpy as np
import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, least_held, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.test_scenarios_live import PAIR, a_class
from tests.app.runs.live.trading import differences, keys

from sim.live.market import listing_of
from tightloop.app.runs.live import files
from tightloop.core.domain.enums import EventKind, FeedState, OrderState, RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.desk.ids import decode
from tightloop.runtime.session.driver.publishing import FILLS, ORDERS, RISK
from tightloop.runtime.session.journal import RecordKind, events

BROKEN = HttpAnswer(500, {}, b"Internal Server Error")
BOTH = ('"binance:BTCUSDT-perp"', '"binance:BTCUSDT-perp", "binance:ETHUSDT-perp"')


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def rows_of(stage, kind):
    """Return the rows of a kind that the session's journal has."""
    found = [np.zeros(0, LOG_ROW)]
    disk = stage.home.disks[stage.home.session_names()[-1]]
    for record, _ in events(disk, files.JOURNAL):
        if record.kind == RecordKind.ROWS:
            found.append(np.frombuffer(zlib.decompress(record.payload), LOG_ROW))
    rows = np.concatenate(found)
    return rows[rows["kind"] == int(kind)]


def facts_of(stage, kind):
    """Return the facts of a kind that the session's journal has."""
    disk = stage.home.disks[stage.home.session_names()[-1]]
    facts = [event for record, event in events(disk, files.JOURNAL) if record.kind == RecordKind.FACT]
    rows = np.frombuffer(b"".join(facts), EVENT)
    return rows[rows["kind"] == int(kind)]


@pytest.mark.parametrize("back_after_s", [25.0, 100.0])
def test_6_a_venue_that_answers_500_says_nothing_of_the_outcome_and_nothing_is_lost_or_sent_twice(
    tmp_path, back_after_s
):
    file = a_class(tmp_path, "Pair", PAIR, ["binance:BTCUSDT-perp", "binance:ETHUSDT-perp"])
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"])
        market.prices.update(BTCUSDT=58_000.0, ETHUSDT=3_200.0)
        stage.server.answers = dict.fromkeys(("POST order", "GET order", "DELETE order", "GET time"), BROKEN)
        await stage.until(lambda _: any("breaker_opened" in line for line in stage.said))
        opened_s = stage.world.now_s
        await asyncio.sleep(opened_s + back_after_s - stage.world.now_s)
        assert sum("exit_waits" in line for line in stage.said) >= back_after_s // 10 - 1
        stage.server.answers = {}
        await stage.until(lambda shown: not shown["positions"], 3.0)
        await asyncio.sleep(30.0)
        assert any("breaker_closed" in line for line in stage.said)
        orders = stage.truth()["orders"]
        assert [row["side"] for row in orders if row["symbol"] == "BTCUSDT" and row["cum_qty"]] == ["BUY", "SELL"]
        assert sum(row["symbol"] == "ETHUSDT" for row in orders) <= 1, "an entry is sent once"
        assert least_held(stage.truth()) == 0.0
        assert stage.view()["unknown"] == []
        assert differences(stage.truth(), stage.view()) == []

    Stage(file, market).play(script)


def test_8_what_is_not_filled_in_time_expires_with_what_was_filled(tmp_path):
    file = written(tmp_path, ("order: {type: market}", "order: {type: limit, ttl_s: 60}"),
                   ("fixed, value: 500", "fixed, value: 630"))  # fmt: skip
    market = StillMarket(lots=4)

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        shown = await stage.until(lambda shown: any(row["state"] == "ACCEPTED" for row in shown["orders"]))
        market.prices["BTCUSDT"] = 64_000.0
        market.dips["BTCUSDT"] = shown["orders"][0]["price"] - 0.1
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        await stage.until(lambda shown: all(row["side"] != "BUY" for row in shown["orders"]), 70.0)
        ended = rows_of(stage, RowKind.ORDER)
        (expired,) = ended[ended["code"] == int(OrderState.EXPIRED)]
        assert expired["reason"] != 0
        fills = rows_of(stage, RowKind.FILL)
        assert fills["qty"].sum() == pytest.approx(0.004)
        stops = [row for row in stage.truth()["orders"] if row["stop_price"] and row["state"] == "NEW"]
        assert [row["qty"] for row in stops] == [0.004]

    Stage(file, market).play(script)


def test_10_thirty_symbols_whose_feed_is_lost_are_followed_again_and_nothing_is_decided_on_what_was_before(tmp_path):
    market = StillMarket(step_ns=500_000_000)
    names = [f"A{number:02d}USDT" for number in range(28)]
    market.listings += tuple(listing_of(name, 2, 1, 1_000) for name in names)
    market.prices |= dict.fromkeys(names, 100.0)
    everything = ", ".join(f'"binance:{name}-perp"' for name in ("BTCUSDT", "ETHUSDT", *names))
    file = written(tmp_path, ('"binance:BTCUSDT-perp"', everything),
                   ("  E1: {all:", "  E1: {on_stale: {after_s: 15, do: exit}, all:"))  # fmt: skip

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        before = len(rows_of(stage, RowKind.SECTION))
        stage.server.is_there, gone_s, said = False, stage.world.now_s, len(stage.said)
        stage.world.faults.rates["pong_lost"] = 1.0
        await stage.until(lambda _: not stage.truth()["positions"], 20.0)
        assert 14.9 <= stage.world.now_s - gone_s <= 17.0
        exits = rows_of(stage, RowKind.SECTION)[before:]
        assert len(exits) == 1, "E1 by silence, and nothing else was decided"
        await stage.until(lambda _: any("no sign of life" in line for line in stage.said[said:]), 60.0)
        await asyncio.sleep(max(0.0, gone_s + 45.0 - stage.world.now_s))
        market.prices["BTCUSDT"] = 60_000.0
        sockets = [float(line.split(" ", 1)[0]) for line in stage.said[said:] if "public-0: " in line]
        waits = [round(later - sooner) for sooner, later in pairwise(sockets)]
        assert waits == sorted(waits), "waits grow"
        stage.world.faults.rates.clear()
        stage.server.is_there, back_s = True, stage.world.now_s
        await stage.until(lambda shown: set(shown["sockets"].values()) == {"open"} and shown["feed_age_s"] < 1.0, 45.0)
        assert stage.world.now_s - back_s <= 31.0 + 10.0
        await asyncio.sleep(5.0)
        gaps = facts_of(stage, EventKind.DATA_GAP)
        assert set(gaps["instrument"].tolist()) == set(range(30))
        states = facts_of(stage, EventKind.FEED_STATE)
        assert {int(FeedState.DOWN), int(FeedState.UP)} <= set(states["reason"].tolist())
        assert len(rows_of(stage, RowKind.SECTION)) == before + 1, "no signal on windows that span the loss"
        assert (stage.view()["positions"], stage.view()["is_ready"]) == ([], True)

    Stage(file, market).play(script)


def test_13_a_hundred_followers_and_one_that_fails_lose_nothing_of_a_thousand_facts_a_second(tmp_path):
    market = StillMarket(step_ns=2_000_000)

    async def script(stage):
        shown = await stage.ready()
        bus, followers, late_s = stage.run.bus, [[] for _ in range(100)], [0.0]

        def follower(told):
            async def take(place, message):
                told.append((place, message))
                row = np.frombuffer(message, LOG_ROW)[0]
                late_s[0] = max(late_s[0], stage.world.machine.true_ns() * 1e-9 - float(row["ts_ns"]) * 1e-9)

            return take

        async def fails(place, message):
            raise RuntimeError("a follower that fails")

        for number, told in enumerate(followers):
            bus.subscribe(f"screen {number}", [topic.to(follower(told)) for topic in (ORDERS, FILLS, RISK)])
        bus.subscribe("failing", [ORDERS.to(fails), FILLS.to(fails)])
        begun_s, facts, rounds = stage.world.now_s, shown["facts"], 0
        while stage.world.now_s < begun_s + 20.0:
            market.prices["BTCUSDT"] = 63_000.0
            await stage.until(lambda shown: shown["positions"])
            market.prices["BTCUSDT"] = 58_000.0
            await stage.until(is_flat)
            rounds += 1
            await asyncio.sleep(2.0)
        shown, truth = stage.view(), stage.truth()
        assert shown["facts"] - facts > 0.98 * 1_000 * (stage.world.now_s - begun_s)
        assert differences(truth, shown) == []
        assert len(truth["fills"]) == 2 * rounds
        assert all(told == followers[0] for told in followers)
        kinds = [int(np.frombuffer(message, LOG_ROW)[0]["kind"]) for _, message in followers[0]]
        assert kinds.count(int(RowKind.FILL)) == len(truth["fills"])
        assert late_s[0] < 0.05
        assert shown["state"] == "RUNNING"

    Stage(written(tmp_path), market).play(script)


def test_15_a_killed_session_goes_on_30_s_later_with_its_order_its_stop_its_timers_and_its_cooldown(tmp_path):
    file = written(tmp_path, BOTH, ("max_hold_min: 10", "max_hold_min: 1"), ("> 62000", "> 3100"),
                   ("loss_cooldown_min: 0.03", "loss_cooldown_min: 2"), ('"< 58500"', '"< 1"'))  # fmt: skip
    market = StillMarket()
    market.prices["BTCUSDT"] = 3_000.0
    stage = Stage(file, market)
    noted = {}

    async def enters(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 3_200.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        noted["entered_s"] = stage.world.now_s
        noted["resting"] = [row["client_id"] for row in stage.truth()["orders"] if row["state"] == "NEW"]
        noted["orders"] = len(stage.truth()["orders"])
        noted["state"] = stage.view()["instances"]

    async def goes_on(stage):
        shown = await stage.ready()
        assert stage.world.now_s - noted["woke_s"] < 5.0
        assert shown["instances"] == noted["state"]
        assert [row["client_id"] for row in stage.truth()["orders"] if row["state"] == "NEW"] == noted["resting"]
        assert len(stage.truth()["orders"]) == noted["orders"], "nothing was sent again"
        await stage.until(is_flat, 60.0)
        assert 59.0 <= stage.world.now_s - noted["entered_s"] <= 63.0, "its time is counted from the entry"
        market.prices["BTCUSDT"] = 3_000.0
        asked = [ask["client_id"] for ask in stage.asks() if ask["client_id"] and "POST" in ask["call"]]
        assert len(asked) == len(set(asked))
        assert {decode(one).epoch for one in asked} == {1, 2}
        noted["flat_s"] = stage.world.now_s

    async def cools_down(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 3_200.0
        orders = len(stage.truth()["orders"])
        await asyncio.sleep(noted["flat_s"] + 110.0 - stage.world.now_s)
        assert len(stage.truth()["orders"]) == orders, "the cooldown after a loss outlives the process"
        await stage.until(lambda shown: shown["positions"], 40.0)

    stage.play(enters)
    stage.world.pass_time(30.0)
    noted["woke_s"] = stage.world.now_s
    stage.play(goes_on)
    stage.play(cools_down)
    assert len({json.loads(about)["id"] for about in stage.home.about.values()}) == 1
