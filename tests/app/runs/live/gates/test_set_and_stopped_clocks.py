"""A wall clock that is set and a process that is stopped: no timer fires early, and none stands still."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import keys

from sim.virtual.machine import SECOND_NS

HOUR_NS = 3_600 * SECOND_NS


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


async def entered(stage, market):
    """Let the strategy enter; return when it did, by the venue's clock."""
    market.prices["BTCUSDT"] = 63_000.0
    await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
    market.prices["BTCUSDT"] = 60_000.0
    return stage.truth()["fills"][-1]["ts_ns"]


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS])
@pytest.mark.parametrize("after_s", [1.0, 30.0])
def test_a_clock_that_is_set_by_an_hour_moves_no_timer_and_no_order(tmp_path, step_ns, after_s):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        at_ns = await entered(stage, market)
        await asyncio.sleep(after_s)
        stage.world.machine.step_wall(step_ns)
        await asyncio.sleep(50.0 - after_s)
        shown = stage.view()
        assert shown["positions"], "its minute is not over"
        assert shown["is_ready"]
        await stage.until(is_flat, 15.0)
        assert 59 * SECOND_NS <= stage.truth()["fills"][-1]["ts_ns"] - at_ns <= 63 * SECOND_NS
        assert not any(" late: " in line for line in stage.said)
        again_ns = await entered(stage, market)
        assert again_ns > at_ns

    Stage(written(tmp_path, ("max_hold_min: 10", "max_hold_min: 1")), market).play(script)


@pytest.mark.parametrize("slept_s", [30.0, 120.0])
def test_a_process_that_is_stopped_finds_its_timers_where_they_are_and_takes_no_entry_on_what_is_old(tmp_path, slept_s):
    market = StillMarket()

    async def script(stage):
        await stage.ready()
        at_ns = await entered(stage, market)
        stage.world.machine.sleep(int(slept_s * SECOND_NS))
        await asyncio.sleep(1.5)
        assert any(" late: " in line for line in stage.said)
        if slept_s < 60.0:
            assert stage.view()["positions"]
            await stage.until(lambda shown: shown["is_ready"], 5.0)
        await stage.until(is_flat, 60.0)
        held_ns = stage.truth()["fills"][-1]["ts_ns"] - at_ns
        assert 59 * SECOND_NS <= held_ns <= (max(60.0, slept_s) + 5.0) * SECOND_NS
        assert not has_stop(stage.truth())
        await entered(stage, market)

    Stage(written(tmp_path, ("max_hold_min: 10", "max_hold_min: 1")), market).play(script)
