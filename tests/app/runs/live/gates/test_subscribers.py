"""Whoever follows a session does nothing to it: one that raises, one that sleeps, one that is too far behind."""

import asyncio

import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import differences, keys

from tightloop.runtime.session import bus as session_bus
from tightloop.runtime.session.bus import EndReason, LatestTopic
from tightloop.runtime.session.driver.publishing import FILLS, ORDERS

QUOTES = LatestTopic("quotes")


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def test_one_that_raises_one_that_sleeps_7_s_and_one_that_is_behind_end_no_session_and_delay_no_other(
    tmp_path, monkeypatch
):
    market = StillMarket()
    monkeypatch.setattr(session_bus, "BEHIND_MAX", 20)
    monkeypatch.setattr(session_bus, "KEYS_MAX", 50)

    async def raises(place, message):
        raise ValueError("a subscriber of a test")

    async def sleeps(place, message):
        await asyncio.sleep(7.0)

    async def waits(place, message):
        await asyncio.Event().wait()

    async def script(stage):
        await stage.ready()
        bus, told = stage.run.bus, []

        async def follows(place, message):
            told.append(place)

        raising = bus.subscribe("raising", [ORDERS.to(raises)])
        bus.subscribe("sleeping", [FILLS.to(sleeps)])
        behind = bus.subscribe("behind", [ORDERS.to(waits)])
        keyed = bus.subscribe("keyed", [QUOTES.to(waits)])
        bus.subscribe("other", [FILLS.to(follows)])
        for number in range(60):
            bus.publish_latest(QUOTES, number, b"")
        for _ in range(8):
            market.prices["BTCUSDT"] = 63_000.0
            await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
            market.prices["BTCUSDT"] = 58_000.0
            await stage.until(is_flat)
            await asyncio.sleep(2.0)
        shown = stage.view()
        assert shown["state"] == "RUNNING"
        assert differences(stage.truth(), shown) == []
        assert (behind.end.reason, keyed.end.reason) == (EndReason.BEHIND, EndReason.BEHIND)
        for words in ("behind 4: FellBehind", "keyed", "raising", "a subscriber of a test"):
            assert any(words in line for line in stage.said), words
        assert raising.end is not None or raising.waiting_count > 0, "it is called again, or was dropped"
        assert len(told) == len(set(told)) == len(shown["fills"]) == 16

    Stage(written(tmp_path), market).play(script)
