"""How a session ends when what ends with it does not, and what follows the next start."""

import asyncio
import signal

import pytest
from tests.app.runs.live.pushed import has_stop, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.trading import keys

from tightloop.app.runs.live import desks, files
from tightloop.app.runs.strategies import load_strategies
from tightloop.runtime.session.driver.operator import OperatorRequest
from tightloop.runtime.session.journal import events
from tightloop.runtime.session.read_model.records import SessionRecords

UNANSWERED = ("POST order", "GET order", "GET algoOrder", "DELETE algoOrder")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def test_an_end_without_positions_says_what_it_waits_for_and_a_second_signal_leaves_it_to_the_next_start(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def waits(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(UNANSWERED, UNKNOWN)
        stage.machine.signal(signal.SIGTERM)
        shown = await stage.until(lambda _: any("the end waits for" in line for line in stage.said), 10.0)
        assert shown["state"] == "STOPPING"
        assert "BTCUSDT" in shown["waits_for"]
        await asyncio.sleep(70.0)
        assert sum("the end waits for the position" in line for line in stage.said) >= 3
        stage.machine.signal(signal.SIGTERM)
        ended = await stage.ended(15.0)
        assert (ended.state, ended.exit_code) == ("STOPPING", 5)
        assert stage.home.sessions()[-1]["state"] == "STOPPING"
        assert stage.truth()["positions"]

    async def goes_on(stage):
        ended = await stage.ended()
        assert (ended.state, ended.exit_code) == ("STOPPED", 0)
        assert stage.truth()["positions"] == []
        assert not has_stop(stage.truth())
        assert len(stage.home.session_names()) == 1

    stage.play(waits, keeps=False)
    stage.server.answers = {}
    stage.play(goes_on)


def test_one_signal_ends_a_session_whose_venue_answers(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.machine.signal(signal.SIGINT)
        ended = await stage.ended()
        assert (ended.state, ended.exit_code) == ("STOPPED", 130)
        assert (stage.truth()["positions"], has_stop(stage.truth())) == ([], False)
        assert not any("the end waits" in line for line in stage.said)

    Stage(written(tmp_path), market).play(script, keeps=False)


def test_one_signal_leaves_a_session_that_an_operator_is_ending_already(tmp_path):
    market = StillMarket()
    stage = Stage(written(tmp_path), market)

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(UNANSWERED, UNKNOWN)
        stage.machine.operator.take(OperatorRequest(what="stop", keep=False))
        await stage.until(lambda shown: shown["waits_for"], 5.0)
        stage.machine.signal(signal.SIGINT)
        ended = await stage.ended(15.0)
        assert (ended.state, ended.exit_code) == ("STOPPING", 5)

    stage.play(script)


def test_what_came_to_nothing_because_of_an_end_is_not_put_down_to_the_kill_switch(tmp_path):
    both = ('"binance:BTCUSDT-perp"', '"binance:BTCUSDT-perp", "binance:ETHUSDT-perp"')
    market = StillMarket()
    market.prices.update(BTCUSDT=3_000.0, ETHUSDT=3_000.0)
    stage = Stage(written(tmp_path, both, ("> 62000", "> 3100"), ('"< 58500"', '"< 1"')), market)

    async def script(stage):
        await stage.ready()
        market.prices["ETHUSDT"] = 3_200.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        stage.server.answers = dict.fromkeys(UNANSWERED, UNKNOWN)
        stage.machine.signal(signal.SIGTERM)
        await asyncio.sleep(2.0)
        market.prices["BTCUSDT"] = 3_200.0
        shown = await stage.until(lambda shown: any(row["state"] == "SUPPRESSED" for row in shown["refused"]))
        assert {row["reason"] for row in shown["refused"] if row["state"] == "SUPPRESSED"} == {"session_ends"}
        assert not any(row["killed"] for row in shown["instances"])
        assert signals(stage) == {"session_ends"}
        stage.home.engage("all")
        await asyncio.sleep(5.0)
        assert all(row["killed"] for row in stage.view()["instances"])

    stage.play(script, keeps=False)


def signals(stage):
    """Return why signals came to nothing, as the read model has it."""
    (about,) = stage.home.sessions()
    disk = stage.home.disks[about["id"]]
    plan = files.plan_of(load_strategies([stage.file]), about)
    fold = SessionRecords(plan, about["id"], 0, lambda epoch: desks.begin(plan, about, epoch))
    rows = [row for record, event in events(disk, files.JOURNAL) for row in fold.take(record, event)]
    return {row.values["reason"] for row in rows if row.table == "signals" and row.values["event"] == "suppressed"}
