"""A session that does not keep up takes no entries until it has caught up; every cause is waited for."""

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.runtime.session.driver.holds import Crowd, Holds
from tightloop.runtime.session.driver.operator import Operator, gate_of
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal
from tightloop.runtime.session.market.intake import CAPACITY, CONFLATED_ABOVE, Intake


def test_entries_go_on_after_the_last_cause():
    told = []
    holds = Holds(lambda why: told.append(f"stop {why}"), lambda: told.append("resume"), told.append)
    (hold_disk, release_disk), (hold_queue, release_queue) = holds.of("disk"), holds.of("queue")
    hold_disk("full")
    hold_queue("long")
    assert holds.causes == {"disk": "full", "queue": "long"}
    release_disk("space")
    assert told == ["stop full", "stop long", "space"]
    release_queue("short")
    assert told[3:] == ["short", "resume"]
    assert not holds.causes


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


def test_a_full_queue_ends_entries_until_it_is_short_again_and_loses_nothing(market):
    plan = plan_of(market)
    facts = facts_of(market[0], plan)
    world = Told(facts)
    capacity = 2 * CONFLATED_ABOVE
    intake = Intake(world.clock, capacity=capacity)
    journal = Journal.create(SimulatedDisk(), "journal", "one", 1)
    session = Session(plan, journal, intake, world.clock)
    operator, said = Operator(session, journal, said_nothing, lambda: None), []
    holds = Holds(lambda _why: operator.refuse_entries(), operator.allow_entries, said.append)
    crowd = Crowd(session, *holds.of("queue"))
    world.tell(intake, 100)
    crowd.look()
    assert not holds.causes
    prints = 0
    while not intake.full_count:  # prints are never conflated: the queue fills, and then takes a batch by itself
        intake.put_print(0, 1.0, 1.0, 10**9 + prints, 0, world.now_ns)
        prints += 1
    crowd.look()
    assert f"{capacity:,} facts wait" in holds.causes["queue"]
    while session.take_batch():
        crowd.look()
    assert gate_of(plan).is_not_ready or said
    while session.take_batch():
        crowd.look()
    assert not holds.causes
    assert said == ["the session has caught up with its market"]
    assert not gate_of(plan).is_not_ready
    assert int(session.driver.streams[0]["last_id"]) == 10**9 + prints - 1
    assert CAPACITY == 65_536


def said_nothing(_is_paused):
    raise AssertionError("nobody paused")
