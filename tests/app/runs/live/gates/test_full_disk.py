"""A disk that is full and stays so: entries end, exits go on, and positions are closed while that can be written."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import UNKNOWN, Stage, StillMarket
from tests.app.runs.live.trading import keys

STEP_NS = 20_000_000


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def fill(stage):
    """Leave no byte on the session's disk."""
    disk = stage.home.disks[stage.home.session_names()[-1]]
    disk.capacity = disk.used()
    return disk


def test_on_a_full_disk_no_entry_leaves_exits_do_and_entries_come_back_with_space(tmp_path):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        disk, full_s = fill(stage), stage.world.now_s
        await stage.until(lambda shown: not shown["is_ready"], 2.0)
        assert stage.world.now_s - full_s <= 1.0
        market.prices["BTCUSDT"] = 58_000.0
        await stage.until(is_flat, 5.0)
        entries = len([ask for ask in stage.asks() if ask["lane"] == "ENTRY"])
        market.prices["BTCUSDT"] = 63_000.0
        await asyncio.sleep(15.0)
        assert len([ask for ask in stage.asks() if ask["lane"] == "ENTRY"]) == entries
        disk.capacity = None
        await stage.until(lambda shown: shown["positions"], 20.0)

    Stage(written(tmp_path), market).play(script)


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_disk_that_stays_full_past_the_reserve_closes_positions_before_the_end(tmp_path, is_answered):
    market = StillMarket(step_ns=STEP_NS)
    stage = Stage(written(tmp_path), market)

    async def script(stage):
        await stage.ready()
        market.prices["BTCUSDT"] = 63_000.0
        await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
        market.prices["BTCUSDT"] = 60_000.0
        fill(stage)
        if not is_answered:
            stage.server.answers = dict.fromkeys(("POST order", "GET order"), UNKNOWN)
        stage.is_ending = True
        if is_answered:
            ended = await stage.ended(600.0)
            assert (ended.state, ended.exit_code) == ("STOPPED", 1)
            assert stage.truth()["positions"] == []
            assert not has_stop(stage.truth())
        else:
            await asyncio.wait((stage.session,), timeout=600.0)
            assert isinstance(stage.session.exception(), OSError)
            assert has_stop(stage.truth())
        assert any("is nearly used" in line for line in stage.said)
        sent = [ask for ask in stage.asks() if ask["lane"] == "EXIT" and "POST /fapi/v1/order" in ask["call"]]
        assert sent, "as far as the venue answers"

    stage.play(script)
