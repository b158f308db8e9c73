"""The bus: whoever sleeps, raises or falls behind delays itself alone, and no order, fill or risk event is lost."""

import asyncio
import itertools
import random
from dataclasses import dataclass

import pytest

from sim.virtual.loop import VirtualLoop
from sim.virtual.machine import SECOND_NS, Machine
from tightloop.runtime.session.bus import (
    BEGINNING,
    BEHIND_MAX,
    Bus,
    EndReason,
    FellBehind,
    LatestTopic,
    Place,
    Published,
    Topic,
)
from tightloop.runtime.session.tasks import Tasks


@dataclass(frozen=True)
class Told:
    """A message, with the time it was published at."""

    number: int
    at_ns: int


ORDERS, FILLS, RISK = Topic[Told]("orders"), Topic[Told]("fills"), Topic[Told]("risk")
QUOTES = LatestTopic[str, Told]("quotes")


class Session:
    """A bus on a virtual loop, with a journal of what was published, and what failed."""

    def __init__(self):
        self.loop = VirtualLoop()
        self.machine = Machine(lambda: self.loop.now_s)
        self.clock = self.machine.clock()
        self.journal, self.failures, self.replayed_from = [], [], []

    def run(self, main):
        async def whole():
            self.tasks = Tasks(self.clock, random.Random(5).random, self.failures.append)
            self.bus = Bus(self.clock, self.tasks, self.replay_from)
            try:
                return await asyncio.wait_for(main(self), 10_000)
            finally:
                await self.tasks.stop_all()
                await asyncio.sleep(0)

        try:
            return self.loop.run_until_complete(whole())
        finally:
            self.loop.close()

    def replay_from(self, seq):
        self.replayed_from.append(seq)
        position = 0
        while position < len(self.journal):  # it grows while it is read
            if self.journal[position].place.seq >= seq:
                yield self.journal[position]
            position += 1

    def publish(self, topic, count=1):
        for _ in range(count):
            place = Place(len(self.journal) // 2, len(self.journal) % 2)  # two rows a record
            told = Told(len(self.journal), self.clock.monotonic_ns())
            self.journal.append(Published(topic.name, place, told))
            self.bus.publish(topic, place, told)

    async def publish_steadily(self, per_s, for_s):
        """Publish each topic in turn at a steady pace, and quotes of five instruments beside it."""
        topics = (ORDERS, FILLS, RISK)
        for number in range(per_s * for_s):
            self.publish(topics[number % 3])
            self.bus.publish_latest(QUOTES, f"X{number % 5}", Told(number, self.clock.monotonic_ns()))
            await asyncio.sleep(1 / per_s)


class Follower:
    """A subscriber that notes what it gets and when; ``act`` may do something with each number first."""

    def __init__(self, session, act=None):
        self.session, self.act = session, act
        self.told, self.quotes, self.delays_ns = [], [], []
        self.routes = [
            *(topic.to(self.take) for topic in (ORDERS, FILLS, RISK)),
            QUOTES.to(self.take_quote),
        ]

    async def take(self, place, message):
        if self.act is not None:
            await self.act(message.number)
        self.delays_ns.append(self.session.clock.monotonic_ns() - message.at_ns)
        self.told.append(message.number)

    async def take_quote(self, key, message):
        self.quotes.append((key, message.number))

    def p99_ms(self):
        return sorted(self.delays_ns)[len(self.delays_ns) * 99 // 100] / 1e6


def test_one_that_sleeps_7_s_one_that_raises_and_one_10_000_behind_delay_none_of_the_others_and_lose_nothing():
    session = Session()

    async def sleep_once(number):
        if number == 1_000:
            await asyncio.sleep(7)

    raising = [77, 77, 78, 5_000, 10_000, 10_000]

    async def raise_often(number):
        if number in raising:
            raising.remove(number)
            raise ValueError(number)

    async def sleep_for_long(number):
        if number == 2_000:
            await asyncio.sleep(20)

    async def main(session):
        others = [Follower(session) for _ in range(3)]
        sleeper, raiser, laggard = (Follower(session, act) for act in (sleep_once, raise_often, sleep_for_long))
        for number, other in enumerate(others):
            session.bus.subscribe(f"other {number}", other.routes)
        session.bus.subscribe("sleeper", sleeper.routes)
        session.bus.subscribe("raiser", raiser.routes)

        async def follow():
            after = BEGINNING
            while True:
                subscription = session.bus.subscribe("laggard", laggard.routes, after)
                ended = await subscription.ended()
                assert (ended.name, ended.reason) == ("laggard", EndReason.BEHIND)
                after = ended.place

        session.tasks.start("laggard", follow)
        await session.publish_steadily(per_s=700, for_s=25)
        await session.bus.drain(60)
        return others, sleeper, raiser, laggard

    others, sleeper, raiser, laggard = session.run(main)
    everything = list(range(17_500))
    for other in others:
        assert other.told == everything
        assert other.p99_ms() < 50
    assert sleeper.told == everything, "4,900 behind is not too far"
    assert max(sleeper.delays_ns) == pytest.approx(7 * SECOND_NS, rel=1e-3)
    assert raiser.told == everything, "what it raised on came again"
    assert laggard.told == everything, "from the journal, where it was disconnected"
    behind = [failure.error for failure in session.failures if isinstance(failure.error, FellBehind)]
    assert [str(error) for error in behind] == [
        f"laggard is 10000 messages behind: disconnected, served up to seq {1_999 // 2}"
    ]
    assert sum(isinstance(failure.error, ValueError) for failure in session.failures) == 6
    assert session.replayed_from == [0, 1_999 // 2]


def test_publishing_returns_before_anything_is_delivered():
    async def main(session):
        follower = Follower(session)
        subscription = session.bus.subscribe("recorder", follower.routes)
        session.publish(ORDERS, 3)
        assert (follower.told, subscription.waiting_count) == ([], 3)
        await asyncio.sleep(0.001)
        assert (follower.told, subscription.waiting_count) == ([0, 1, 2], 0)
        assert subscription.place == Place(1, 0)

    Session().run(main)


def test_of_market_data_the_last_value_of_each_key_waits_where_the_first_one_stood():
    async def main(session):
        follower = Follower(session)
        subscription = session.bus.subscribe("ui", follower.routes)
        for number in range(50_000):
            session.bus.publish_latest(QUOTES, "BTCUSDT", Told(number, 0))
            if number % 10_000 == 0:
                session.bus.publish_latest(QUOTES, "ETHUSDT", Told(number, 0))
        assert subscription.waiting_count == 2
        await asyncio.sleep(0.001)
        assert follower.quotes == [("BTCUSDT", 49_999), ("ETHUSDT", 40_000)]
        assert subscription.replaced_count == 49_999 + 4

    Session().run(main)


def test_market_data_never_disconnects_a_subscriber_and_its_last_value_arrives_after_it_slept():
    async def main(session):
        async def sleep(number):
            await asyncio.sleep(7)

        follower = Follower(session, sleep)
        subscription = session.bus.subscribe("ui", follower.routes)
        session.publish(ORDERS)
        for number in range(3 * BEHIND_MAX):
            session.bus.publish_latest(QUOTES, f"X{number % 100}", Told(number, 0))
            if number % 1_000 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(8)
        assert subscription.end is None
        assert len(follower.quotes) == 100
        assert max(number for _, number in follower.quotes) == 3 * BEHIND_MAX - 1

    Session().run(main)


def test_a_quote_that_raised_is_given_up_for_a_newer_one_and_comes_again_without():
    async def main(session):
        taken, is_failing = [], True

        async def take(key, message):
            nonlocal is_failing
            await asyncio.sleep(0.1)
            if is_failing:
                is_failing = False
                raise OSError("the socket is closed")
            taken.append((key, message.number))

        session.bus.subscribe("ui", [QUOTES.to(take)])
        session.bus.publish_latest(QUOTES, "A", Told(1, 0))
        await asyncio.sleep(5)
        assert taken == [("A", 1)]
        is_failing, taken[:] = True, []
        session.bus.publish_latest(QUOTES, "A", Told(2, 0))
        await asyncio.sleep(0.05)
        session.bus.publish_latest(QUOTES, "A", Told(3, 0))
        await asyncio.sleep(0.1)
        session.bus.publish_latest(QUOTES, "A", Told(4, 0))
        await asyncio.sleep(5)
        assert taken == [("A", 4)]
        assert len(session.failures) == 2

    Session().run(main)


def test_the_one_that_is_disconnected_holds_no_memory_and_gets_nothing_more():
    async def main(session):
        follower = Follower(session, lambda number: asyncio.sleep(1e5))
        subscription = session.bus.subscribe("stuck", follower.routes)
        session.publish(ORDERS, BEHIND_MAX)
        await asyncio.sleep(1)
        assert (subscription.waiting_count, subscription.end is not None) == (BEHIND_MAX, False)
        session.publish(ORDERS)
        assert (subscription.waiting_count, subscription.end is not None) == (0, True)
        session.publish(ORDERS, 100)
        assert (subscription.waiting_count, session.bus.subscriptions()) == (0, ())
        await asyncio.sleep(0)
        assert follower.told == []
        assert (await subscription.ended()).place == BEGINNING

    Session().run(main)


def test_a_subscriber_that_swallows_its_cancellation_still_gets_nothing_more():
    async def main(session):
        async def stubborn(number):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                pass

        follower = Follower(session, stubborn)
        session.bus.subscribe("stubborn", follower.routes)
        session.publish(ORDERS)
        await asyncio.sleep(1)
        session.publish(ORDERS, BEHIND_MAX + 5)
        await asyncio.sleep(500)
        assert follower.told == [0]

    Session().run(main)


def test_one_that_resumes_joins_at_the_end_of_the_journal_without_a_gap_or_a_repeat():
    async def main(session):
        first, second = Follower(session), Follower(session, lambda number: asyncio.sleep(0.0005))
        session.bus.subscribe("first", first.routes)
        publishing = asyncio.ensure_future(session.publish_steadily(per_s=1_000, for_s=10))
        await asyncio.sleep(3)
        session.bus.subscribe("second", second.routes, Place(500, 0))
        await publishing
        assert await session.bus.drain(10) == []
        assert second.told == list(range(1_001, 10_000)), "after row 0 of record 500"
        assert first.told == list(range(10_000))

    Session().run(main)


def test_topics_that_are_not_followed_cost_nothing_and_are_skipped_in_the_journal():
    async def main(session):
        taken = []

        async def take(place, message):
            taken.append(message.number)

        session.publish(ORDERS, 5)
        session.publish(FILLS, 5)
        subscription = session.bus.subscribe("fills", [FILLS.to(take)], BEGINNING)
        await asyncio.sleep(1)
        session.publish(ORDERS, 5)
        session.publish(FILLS, 5)
        assert subscription.waiting_count == 5
        await asyncio.sleep(1)
        assert taken == [*range(5, 10), *range(15, 20)]

    Session().run(main)


def test_a_failing_catch_up_goes_on_where_it_was():
    async def main(session):
        failing = {300, 700}

        async def act(number):
            if number in failing:
                failing.discard(number)
                raise OSError("the table is locked")

        follower = Follower(session, act)
        session.publish(ORDERS, 1_000)
        session.bus.subscribe("read model", follower.routes, BEGINNING)
        await asyncio.sleep(10)
        assert follower.told == list(range(1_000))
        assert [failure.name for failure in session.failures] == ["bus read model 1"] * 2

    Session().run(main)


def test_what_was_published_and_is_not_in_the_journal_is_a_bug_that_is_reported():
    async def main(session):
        session.publish(ORDERS, 10)
        session.journal.pop()
        follower = Follower(session)
        subscription = session.bus.subscribe("reader", follower.routes, BEGINNING)
        await asyncio.sleep(0.1)
        assert not subscription.is_joined
        assert "what was published is in the journal" in str(session.failures[0].error)

    Session().run(main)


def test_a_busy_worker_gives_the_others_their_turn():
    async def main(session):
        follower = Follower(session)
        session.bus.subscribe("recorder", follower.routes)
        seen = []

        async def look():
            while len(follower.told) < 9_000:
                await asyncio.sleep(0)
                seen.append(len(follower.told))

        session.publish(ORDERS, 9_000)
        await look()
        assert max(later - sooner for sooner, later in itertools.pairwise(seen)) <= 256

    Session().run(main)


def test_draining_names_those_that_were_not_served_in_time():
    async def main(session):
        quick, slow = Follower(session), Follower(session, lambda number: asyncio.sleep(1))
        session.bus.subscribe("quick", quick.routes)
        subscription = session.bus.subscribe("slow", slow.routes)
        session.publish(ORDERS, 5)
        assert await session.bus.drain(2.5) == ["slow"]
        assert subscription.age_ns(session.clock.monotonic_ns()) == pytest.approx(2.5 * SECOND_NS)
        assert await session.bus.drain(10) == []
        assert (quick.told, slow.told) == ([0, 1, 2, 3, 4],) * 2
        session.bus.unsubscribe(subscription)
        session.bus.unsubscribe(subscription)
        session.publish(ORDERS)
        assert await session.bus.drain(1) == []
        assert len(slow.told) == 5

    session = Session()
    session.run(main)
    assert session.failures == []


def test_a_subscription_goes_on_when_the_one_who_waits_for_its_end_is_cancelled():
    async def main(session):
        follower = Follower(session)
        subscription = session.bus.subscribe("recorder", follower.routes)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.ended(), 1)
        session.publish(ORDERS, 3)
        await asyncio.sleep(1)
        assert follower.told == [0, 1, 2]
        session.bus.unsubscribe(subscription)
        assert (await subscription.ended()).reason == EndReason.UNSUBSCRIBED

    Session().run(main)


def test_places_increase():
    async def main(session):
        session.bus.publish(ORDERS, Place(4, 1), Told(0, 0))
        for place in (Place(4, 1), Place(4, 0), Place(3, 9)):
            with pytest.raises(AssertionError, match="places of messages increase"):
                session.bus.publish(ORDERS, place, Told(0, 0))
        session.bus.publish(ORDERS, Place(4, 2), Told(0, 0))

    Session().run(main)


def test_two_functions_for_one_topic_are_refused():
    async def main(session):
        follower = Follower(session)
        with pytest.raises(AssertionError, match="two functions"):
            session.bus.subscribe("twice", [ORDERS.to(follower.take), ORDERS.to(follower.take)])

    Session().run(main)
