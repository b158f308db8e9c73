"""Each gate for entries, shut by what shuts it at a venue: no entry leaves, and one does as soon as it is open again.

The strategy wants to buy the whole time. A test that passes with its gate always open proves nothing, so each waits for
the entry at the end: nothing else kept it away.
"""

import asyncio
import json

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.test_scenarios_live import a_class
from tests.app.runs.live.trading import keys

from sim.virtual.machine import SECOND_NS
from tightloop.app.runs.live.paper import SessionHeld
from tightloop.app.sandbox import control
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.desk.ids import decode
from tightloop.runtime.session.driver.operator import OperatorRequest

HIGH = 63_000.0
EAGER = """
class Eager:
    def on_start(self, view):
        view.set_timer(4)

    def on_timer(self, view):
        view.set_timer(4)
        if view.position() == 0.0:
            view.buy(notional=500, stop_loss_pct=5)
"""
NOTHING = HttpAnswer(503, {}, b"{}")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def entries(stage):
    """Return the client ids of the entries that have left."""
    return [ask["client_id"] for ask in stage.asks() if ask["lane"] == "ENTRY"]


def asked(stage, what, **more):
    """Ask the session as an operator does."""
    assert stage.machine.operator.take(OperatorRequest(what=what, **more)) == {"outcome": "done"}


async def begun(stage):
    """Wait until the session takes requests and follows the market."""
    await stage.until(lambda shown: shown["feed_age_s"] is not None)


async def held(stage, market, for_s=10.0):
    """Let the strategy want to buy, and see that nothing leaves."""
    before = entries(stage)
    market.prices["BTCUSDT"] = HIGH
    await asyncio.sleep(for_s)
    assert entries(stage) == before


async def let_in(stage, within_s=30.0):
    """See that the entry leaves."""
    await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()), within_s)


@pytest.mark.parametrize("endpoint", ["GET positionRisk", "GET openOrders", "GET openAlgoOrders", "GET account"])
def test_before_a_comparison_with_the_account_agrees(tmp_path, endpoint):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def script(stage):
        await stage.until(lambda _: stage.server.calls)
        await begun(stage)
        await held(stage, market, 20.0)
        assert stage.view()["state"] == "RECONCILING"
        stage.server.answers = {}
        await let_in(stage)

    async def breaks(stage):
        """Answer what a start asks, and no comparison."""
        while not any("session live" in line for line in stage.said):  # noqa: ASYNC110 - it only says so
            await asyncio.sleep(0.01)
        stage.server.answers = {endpoint: NOTHING}
        await script(stage)

    stage.play(breaks)


def test_while_the_private_stream_is_gone(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        stage.server.answers = {"POST listenKey": NOTHING, "PUT listenKey": NOTHING}
        stage.world.faults.arm("ws_drop", 3)
        await stage.until(lambda shown: not shown["is_ready"], 20.0)
        await held(stage, market)
        stage.server.answers = {}
        await let_in(stage, 60.0)

    Stage(written(tmp_path), market).play(script)


def test_while_a_position_that_is_planned_to_have_a_stop_has_none(tmp_path):
    market = StillMarket()
    both = ('"binance:BTCUSDT-perp"', '"binance:BTCUSDT-perp", "binance:ETHUSDT-perp"')
    stage = Stage(written(tmp_path, both, ("> 62000", "> 3100")), market)
    market.prices["BTCUSDT"] = 60_000.0

    async def enters(stage):
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))

    async def goes_on(stage):
        await begun(stage)
        before = entries(stage)
        market.prices["ETHUSDT"] = 3_200.0
        await asyncio.sleep(10.0)
        assert entries(stage) == before
        assert not stage.view()["is_ready"]
        stage.server.answers = {}
        await stage.until(lambda shown: len(shown["positions"]) == 2)

    stage.play(enters)
    for one in [row for row in stage.truth()["orders"] if row["stop_price"] and row["state"] == "NEW"]:
        stage.cancel(one["client_id"])
    stage.server.answers = {"POST algoOrder": UNKNOWN, "GET algoOrder": UNKNOWN}
    stage.play(goes_on)


@pytest.mark.parametrize("ahead_s", [7.0, -7.0])
def test_while_the_clock_is_far_off_the_venue_s(tmp_path, ahead_s):
    market = StillMarket()
    stage = Stage(written(tmp_path), market, wall_off_ns=int(ahead_s * SECOND_NS))

    async def script(stage):
        await begun(stage)
        assert any("s off the venue's" in line for line in stage.said), "before the first comparison"
        await held(stage, market, 20.0)
        stage.world.machine.step_wall(-int(ahead_s * SECOND_NS))

    async def set_right(stage):
        await let_in(stage, 60.0)

    stage.play(script)
    if ahead_s > 0:
        stage.world.pass_time(10.0)  # a clock that is set back is waited for, until it is where the journal ends
    stage.play(set_right)


def test_after_a_wake_that_came_late_until_the_account_was_compared(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = HIGH
        stage.server.answers = {"GET positionRisk": NOTHING}
        stage.world.machine.sleep(30 * SECOND_NS)
        await asyncio.sleep(12.0)
        assert any(" late: " in line for line in stage.said)
        assert entries(stage) == []
        stage.server.answers = {}
        await let_in(stage)

    Stage(written(tmp_path), market).play(script)


def test_while_it_is_paused_also_by_the_next_process(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def pauses(stage):
        await stage.ready()
        asked(stage, "pause")
        await held(stage, market)

    async def resumes(stage):
        await stage.until(lambda shown: shown["state"] == "PAUSED")
        await held(stage, market)
        asked(stage, "resume")
        await let_in(stage)

    stage.play(pauses)
    stage.play(resumes)


@pytest.mark.parametrize("scope", ["all", "strategy:1", "symbol:BTCUSDT"])
def test_while_the_kill_switch_is_engaged_also_in_the_next_process(tmp_path, scope):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def kills(stage):
        await stage.ready()
        stage.home.engage(scope)  # the file alone: no request comes by the socket
        await stage.until(lambda shown: shown["instances"][0]["killed"], 5.0)
        await held(stage, market)

    async def rearms(stage):
        await stage.ready()
        await held(stage, market)
        stage.home.release(scope)
        asked(stage, "rearm", scope=scope)
        await let_in(stage)

    stage.play(kills)
    stage.play(rearms)


def test_a_kill_of_another_symbol_keeps_nothing_away(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        stage.home.engage("symbol:ETHUSDT")
        await asyncio.sleep(3.0)
        market.prices["BTCUSDT"] = HIGH
        await let_in(stage)

    Stage(written(tmp_path), market).play(script)


def test_while_the_account_holds_what_is_not_ours_on_the_symbol(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        control.position(stage.server.venue, {"symbol": "BTCUSDT", "qty": 0.001})
        await stage.until(lambda shown: shown["foreign"], 40.0)
        assert stage.view()["is_ready"]
        await held(stage, market)
        assert {row["reason"] for row in stage.view()["refused"]} == {"foreign_held"}
        control.position(stage.server.venue, {"symbol": "BTCUSDT", "qty": -0.001})
        await let_in(stage, 60.0)

    Stage(written(tmp_path), market).play(script)


def test_while_an_order_of_the_symbol_is_unknown(tmp_path):
    file = a_class(tmp_path, "Eager", EAGER, ["binance:BTCUSDT-perp"])

    async def script(stage):
        stage.server.answers = {"POST order": UNKNOWN, "GET order": UNKNOWN}
        await stage.until(lambda shown: shown["unknown"])
        assert len(entries(stage)) == 1
        await asyncio.sleep(20.0)
        assert len(entries(stage)) == 1
        assert {row["reason"] for row in stage.view()["refused"]} == {"unknown_outcome"}
        stage.server.answers = {}
        await let_in(stage, 60.0)

    Stage(file).play(script)


def test_of_two_processes_of_an_account_one_runs_and_lives_are_told_apart_by_their_epoch(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def first(stage):
        shown = await stage.ready()
        with pytest.raises(SessionHeld) as error:
            await stage.another()
        assert error.value.session == shown["id"]
        market.prices["BTCUSDT"] = HIGH
        await let_in(stage)
        assert {decode(one).epoch for one in entries(stage)} == {1}

    async def second(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 58_000.0
        await stage.until(is_flat)
        mine = [ask for ask in stage.asks() if ask["client_id"] and decode(ask["client_id"]).epoch == 2]
        assert [ask["lane"] for ask in mine if "POST" in ask["call"]] == ["EXIT"]

    stage.play(first)
    assert json.loads(stage.home.about["live-0000000001"])["state"] != "STOPPED"
    stage.play(second)
