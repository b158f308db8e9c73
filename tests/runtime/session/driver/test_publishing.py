"""What a session writes is told on the bus, and who comes late or fell behind reads the same from the journal."""

import asyncio
import random

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.adapters.system.clock import SystemClock
from tightloop.core.domain.enums import RowKind
from tightloop.runtime.session.bus import BEGINNING, Bus
from tightloop.runtime.session.driver.publishing import FILLS, ORDERS, RISK, STRATEGIES, publish, replayed, row_of
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal, reading
from tightloop.runtime.session.market.intake import Intake
from tightloop.runtime.session.tasks import Tasks


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


class Follower:
    """Follows everything; ``raises_at``: the messages on which it raises, once each; ``sleeps_s`` at the first."""

    def __init__(self, raises_at=(), sleeps_s=0.0):
        self.seen, self.raises_at, self.sleeps_s = [], set(raises_at), sleeps_s

    def routes(self):
        return [topic.to(self.take) for topic in (ORDERS, FILLS, RISK, STRATEGIES)]

    async def take(self, place, message):
        if self.sleeps_s:
            wait_s, self.sleeps_s = self.sleeps_s, 0.0
            await asyncio.sleep(wait_s)
        if len(self.seen) in self.raises_at:
            self.raises_at.discard(len(self.seen))
            raise ValueError("a fault of a subscriber")
        self.seen.append((place, message))


def test_orders_fills_and_risk_reach_every_follower_and_the_journal_has_the_same(market):
    disk, plan = SimulatedDisk(), plan_of(market)
    facts = facts_of(market[0], plan)
    world = Told(facts)
    journal = Journal.create(disk, "journal", "one", 1)
    session = Session(plan, journal, Intake(world.clock), world.clock)
    quick, raising, sleeping, late = Follower(), Follower(raises_at=(1,)), Follower(sleeps_s=0.5), Follower()

    async def main():
        failures = []
        tasks = Tasks(SystemClock(), random.Random(1).random, failures.append)
        bus = Bus(SystemClock(), tasks, lambda seq: replayed(reading.records(disk, "journal", seq), seq))
        session.on_rows = lambda seq, rows: publish(bus, seq, rows)
        for name, follower in (("quick", quick), ("raising", raising), ("sleeping", sleeping)):
            bus.subscribe(name, follower.routes())
        for _ in range(0, len(facts), 37):
            world.tell(session.intake, 37)
            while session.take_batch():
                pass
            world.now_ns += 1_000
            session.advance()
            await asyncio.sleep(0)
        bus.subscribe("late", late.routes(), after=BEGINNING)
        assert await bus.drain(30.0) == []
        await tasks.stop_all()
        return failures

    failures = asyncio.run(main())
    assert [str(failure.error) for failure in failures] == ["a fault of a subscriber"]
    assert len(quick.seen) > 10
    kinds = {RowKind(int(row_of(message)[0]["kind"])) for _, message in quick.seen}
    assert {RowKind.SUBMIT, RowKind.ORDER, RowKind.FILL, RowKind.TRADE} <= kinds
    assert raising.seen == sleeping.seen == late.seen == quick.seen
    assert [place for place, _ in quick.seen] == sorted({place for place, _ in quick.seen})
    assert [
        (one.place, one.message) for one in replayed(reading.records(disk, "journal"), 0) if one.topic
    ] == quick.seen
    half = quick.seen[len(quick.seen) // 2][0]
    again = [one.place for one in replayed(reading.records(disk, "journal", half.seq), half.seq) if one.topic]
    assert again == [place for place, _ in quick.seen if place.seq >= half.seq]
