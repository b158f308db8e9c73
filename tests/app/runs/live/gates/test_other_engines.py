"""Two engines on one account: no entry leaves once the venue has told of another, and before it was asked."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import keys

from sim.live.home import SimulatedHome
from sim.live.machine import SimulatedMachine
from tightloop.app.runs.live import live
from tightloop.core.domain.enums import OrderKind, Side
from tightloop.ports.execution import SetIsolatedMargin, SetLeverage
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.desk.ids import ClientId, session_code


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def named(session="live-of-another-home", epoch=1, order_id=65_536):
    """Return a client id as another engine names its orders."""
    return ClientId(session_code(session), epoch, order_id, 0).text


def bought(stage):
    """Return the entries that the session has sent."""
    return [ask for ask in stage.asks() if ask["lane"] == "ENTRY"]


@pytest.mark.parametrize("kind", [OrderKind.MARKET, OrderKind.STOP])
@pytest.mark.parametrize("whose", ["other session", "other epoch"])
def test_an_order_of_another_engine_ends_entries_before_the_next_price(tmp_path, kind, whose):
    market = StillMarket()

    async def script(stage):
        shown = await stage.ready()
        session = "live-of-another-home" if whose == "other session" else shown["id"]
        price = {} if kind == OrderKind.MARKET else {"stop_price": 66_000.0}
        assert stage.order(named(session, 7), kind=kind, **price).status == 200
        await asyncio.sleep(0.3)
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda _: any("second_engine" in line for line in stage.said), 5.0)
        await asyncio.sleep(30.0)
        shown = stage.view()
        assert bought(stage) == []
        assert (shown["state"], shown["positions"]) == ("PAUSED", [])
        assert sum("second_engine" in line for line in stage.said) <= 2, "it is said once"

    Stage(written(tmp_path), market).play(script)


def test_no_entry_leaves_before_the_first_comparison_has_asked_for_orders_and_fills_of_others(tmp_path):
    market = StillMarket()
    market.prices["BTCUSDT"] = 63_000.0
    stage = Stage(written(tmp_path), market)
    stage.server.answers = dict.fromkeys(("GET userTrades", "GET allOrders"), HttpAnswer(503, {}, b"{}"))

    async def script(stage):
        await stage.until(lambda shown: shown["feed_age_s"] is not None and shown["sockets"].get("reports") == "open")
        await asyncio.sleep(20.0)
        assert not stage.view()["is_ready"]
        assert bought(stage) == []
        stage.order(named())
        stage.server.answers = {}
        await stage.until(lambda _: any("second_engine" in line for line in stage.said), 10.0)
        await asyncio.sleep(20.0)
        assert bought(stage) == []

    stage.play(script)


def test_an_engine_that_is_seen_leaves_exits_alone(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        market.prices["BTCUSDT"] = 60_000.0
        stage.order(named(), side=Side.BUY, qty=0.001)
        await stage.until(lambda shown: shown["state"] == "PAUSED", 10.0)
        market.prices["BTCUSDT"] = 58_000.0
        await stage.until(is_flat)
        assert [row["qty"] for row in stage.truth()["positions"]] == [0.001]

    Stage(written(tmp_path), market).play(script)


def test_a_stop_that_a_session_before_left_is_no_engine_when_it_triggers(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)
    for request in (SetIsolatedMargin("BTCUSDT"), SetLeverage("BTCUSDT", 1)):
        assert stage.send(request).status == 200
    assert stage.order(named(), kind=OrderKind.STOP, side=Side.BUY, qty=0.001, stop_price=61_000.0).status == 200

    async def script(stage):
        await asyncio.sleep(1.0)
        await stage.ready()
        market.prices["BTCUSDT"] = 61_500.0
        await stage.until(lambda shown: shown["foreign"], 60.0)
        await asyncio.sleep(30.0)
        shown = stage.view()
        assert (shown["state"], shown["is_ready"]) == ("RUNNING", True)
        assert not any("second_engine" in line for line in stage.said)

    stage.play(script)


class OtherHome(SimulatedHome):
    """Another home folder, whose sessions have other ids."""

    def make_session(self, about, texts):
        super().make_session(about, texts)
        session = self.session_names()[-1]
        other = session.replace("live-0", "live-f")
        for kept in (self.about, self.texts, self.disks, self.logs):
            kept[other] = kept.pop(session)
        self.write_session(other, {**about, "id": other})
        return other


def beside(stage):
    """Start a session of the same file in another home, on the same account; return its task and its machine."""
    machine = SimulatedMachine(stage.machine.life, OtherHome(), stage.segments)
    begun = live.life((stage.file,), stage.options, stage.said.append, lambda _: None, machine)
    return asyncio.get_running_loop().create_task(begun), machine


def of_second(stage, machine):
    """Return the entries at the venue that the session beside has made."""
    ours = f"tl{session_code(machine.show()['id'])}"
    return [row for row in stage.truth()["orders"] if row["side"] == "BUY" and row["client_id"].startswith(ours)]


@pytest.mark.parametrize("is_held_first", [True, False])
def test_of_two_homes_on_one_account_the_second_buys_nothing_once_it_can_know(tmp_path, is_held_first):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        if is_held_first:
            market.prices["BTCUSDT"] = 63_000.0
            await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        task, machine = beside(stage)
        await stage.until(lambda _: machine.show is not None and machine.show()["is_ready"], 20.0)
        market.prices["BTCUSDT"] = 63_000.0
        await asyncio.sleep(40.0)
        begun = len(of_second(stage, machine))
        if is_held_first:
            assert begun == 0
            assert machine.show()["foreign"]
        else:
            assert begun <= 1, "at the same print, before either could be told of the other"
        assert stage.view()["state"] == ("PAUSED" if begun else "RUNNING")
        market.prices["BTCUSDT"] = 58_000.0
        await asyncio.sleep(20.0)
        assert stage.truth()["positions"] == []
        assert machine.show()["state"] == "PAUSED"
        market.prices["BTCUSDT"] = 63_000.0
        await asyncio.sleep(20.0)
        assert len(of_second(stage, machine)) == begun
        assert bool(stage.truth()["positions"]) == (begun == 0), "the first trades on if the second never has"
        task.cancel()

    Stage(written(tmp_path), market).play(script)
