"""A session whose old market facts are gone: its orders are not, it goes on after a kill, and its hash is the same."""

import asyncio
import signal

import numpy as np
import pytest
from tests.app.runs.live.pushed import has_stop, is_flat, written
from tests.app.runs.live.staged import Stage, StillMarket
from tests.app.runs.live.trading import differences, keys

from tightloop.app.runs.live import desks, files, run, snapshots
from tightloop.app.runs.live.settings import Settings
from tightloop.app.runs.strategies import load_strategies
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.driver.session import state_hash
from tightloop.runtime.session.journal import RecordKind, events
from tightloop.runtime.session.journal.layout import SegmentSizes

STEP_NS = 100_000_000


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_BINANCE"):
            monkeypatch.setenv(name, value)


def test_a_session_whose_market_facts_were_reduced_is_replayed_to_its_hash_and_goes_on_after_a_kill(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "read_settings", lambda home: Settings(keep_market_days=60 / 86_400))
    monkeypatch.setattr(snapshots, "REDUCE_S", 60.0)
    market = StillMarket(step_ns=STEP_NS)
    stage = Stage(written(tmp_path), market)
    stage.segments = SegmentSizes(32_768, 65_536, 8_192)
    taken = []

    def prints():
        disk = stage.home.disks[stage.home.session_names()[-1]]
        facts = [event for record, event in events(disk, files.JOURNAL) if record.kind == RecordKind.FACT]
        return int((np.frombuffer(b"".join(facts), EVENT)["kind"] == int(EventKind.TRADE)).sum())

    async def trades(stage):
        await stage.ready()
        for _ in range(6):
            market.prices["BTCUSDT"] = 63_000.0
            await stage.until(lambda shown: shown["positions"] and has_stop(stage.truth()))
            market.prices["BTCUSDT"] = 58_000.0
            await stage.until(is_flat)
            await asyncio.sleep(60.0)
        taken.append(stage.view()["facts"])

    async def ends(stage):
        shown = await stage.ready()
        assert len(shown["fills"]) == 12
        assert differences(stage.truth(), shown) == []
        stage.machine.signal(signal.SIGTERM)
        await stage.ended()

    stage.play(trades)
    assert prints() < taken[0] / 4, "most of what the market told is gone"
    stage.play(ends)
    (about,) = stage.home.sessions()
    plan = files.plan_of(load_strategies([stage.file]), about)
    again = files.repeated(plan, stage.home.disks[about["id"]], about["id"], account=desks.repetition(plan, about))
    assert state_hash(again.plan) == about["state_hash"]
