"""What happens in a session, told to those who follow it: recorder, read model, notifier, API.

Theory of operation. Messages are published under typed topics. Publishing appends to a queue of each subscriber and
returns: it never waits, calls no code of a subscriber, and costs microseconds. Each subscriber has a worker task that
calls its functions, one message after another. So one that sleeps, raises or is slow delays itself alone.

There are two kinds of topics. Of a LatestTopic (market data) only the last message of each key matters: one that still
waits is replaced where it stands. Of a Topic (orders, fills, risk) no message is ever left out. A subscriber that is
BEHIND_MAX of these messages behind is disconnected: its queue is given up, ``ended`` returns and says up to which place
it was served, and the failure is reported as that of a task. It resumes with ``subscribe(.., after=place)``: what
it missed is read from the journal, at its pace and in no queue, and it joins at the journal's end.

A place is the seq of a record in the session's journal and the row in it. Messages are published after their record was
written, and places increase; that is why a subscriber can change from the journal to the queue without a gap.

None of this reaches the session: ``is_subscriber`` tells the failure of a subscriber from one of the session's own
tasks, and whoever runs the session says it and goes on. One that raises again and again is called again every 30 s with
the same message, until it is BEHIND_MAX behind.

What may surprise: delivery is at least once. A message stays first in its queue until the subscriber's function has
returned; when that raises, the worker is begun again after a pause (``tasks.py``) and calls it again with the same
message. Who must not act twice remembers places. A function that blocks the thread blocks the session: what must wait
for a disk or a network does so with ``await``, and what computes for long does so in a thread.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from tightloop.ports.clock import TimeSource
from tightloop.runtime.session.tasks import Tasks

BEHIND_MAX = 10_000  # messages of Topics that wait for one subscriber
KEYS_MAX = 65_536  # messages of LatestTopics that wait for one subscriber
SUBSCRIBERS_MAX = 256
TASKS = "bus "  # how the names of the workers' tasks begin
TURN_MESSAGES = 256  # a worker delivers before the others have their turn: as many as facts of a session's batch

Message = TypeVar("Message")
Key = TypeVar("Key", bound=Hashable)


class Place(NamedTuple):
    """Where a message stands in the journal of its session."""

    seq: int
    row: int = 0


BEGINNING = Place(-1)


Receive = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A topic and the function of a subscriber that takes its messages."""

    topic: str
    receive: Receive
    is_latest: bool


@dataclass(frozen=True)
class Topic(Generic[Message]):
    """Messages none of which is left out."""

    name: str

    def to(self, receive: Callable[[Place, Message], Awaitable[None]]) -> Route:
        """Route the topic to a function."""
        return Route(self.name, receive, is_latest=False)


@dataclass(frozen=True)
class LatestTopic(Generic[Key, Message]):
    """Messages of which the last one of each key replaces those before it."""

    name: str

    def to(self, receive: Callable[[Key, Message], Awaitable[None]]) -> Route:
        """Route the topic to a function."""
        return Route(self.name, receive, is_latest=True)


class Published(NamedTuple):
    """A message of a Topic as the journal gives it back."""

    topic: str
    place: Place
    message: Any


ReplayFrom = Callable[[int], Iterator[Published]]
"""Yield the messages of all Topics from the record ``seq`` on to the end of the journal, in order of their places.

A record without messages may be told as one that no Topic has: others have their turn while many of them are read."""


class EndReason(IntEnum):
    """Why a subscription ended."""

    BEHIND = 0
    UNSUBSCRIBED = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a subscription: all up to ``place`` was delivered; resume with ``after=place``."""

    name: str
    reason: EndReason
    place: Place


def is_subscriber(task: str) -> bool:
    """Return whether a task, by its name, is the worker of a subscriber."""
    return task.startswith(TASKS)


class FellBehind(Exception):
    """A subscriber was disconnected because it was BEHIND_MAX messages behind."""


class _Waiting:
    """A message of a LatestTopic that waits; ``message`` may be replaced."""

    __slots__ = ("id", "is_over", "message", "since_ns")

    def __init__(self, slot_id: tuple[str, Hashable], message: Any, since_ns: int) -> None:
        self.id, self.message, self.since_ns = slot_id, message, since_ns
        self.is_over = False  # a newer one of its key waits


Kept = tuple[str, Place, Any, int]
"""A message of a Topic that waits: topic, place, message, published at (monotonic ns). All queues share it."""


class Subscription:
    """What waits for a subscriber, and how far it is. ``place``: everything up to it was delivered."""

    def __init__(self, bus: "Bus", name: str, routes: Sequence[Route], place: Place) -> None:
        self.name, self.place = name, place
        self.kept_routes = {route.topic: route.receive for route in routes if not route.is_latest}
        self.latest_routes = {route.topic: route.receive for route in routes if route.is_latest}
        assert len(self.kept_routes) + len(self.latest_routes) == len(routes), f"{name} has two functions for one topic"
        self.task = f"{TASKS}{name} {bus.numbered()}"
        self.end: Ended | None = None
        self.is_joined = False  # to what is published; before that it reads the journal
        self.delivered_count = self.replaced_count = 0
        self.queue: deque[Kept | _Waiting] = deque()
        self.wake: asyncio.Future[None] | None = None  # there while the worker waits for a message
        self.idle = asyncio.Event()
        """Set while nothing waits."""
        self._bus = bus
        self._latest: dict[tuple[str, Hashable], _Waiting] = {}
        self._latest_count = 0  # in the queue
        self._told: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    @property
    def waiting_count(self) -> int:
        """Messages that wait, with the one that is being delivered."""
        return len(self.queue)

    @property
    def behind_count(self) -> int:
        """Messages of Topics that wait."""
        return len(self.queue) - self._latest_count

    @property
    def latest_count(self) -> int:
        """Messages of LatestTopics that wait."""
        return self._latest_count

    def age_ns(self, now_ns: int) -> int:
        """Return for how long the oldest message waits, ns; 0 when none does. ``now_ns``: the monotonic clock."""
        if not self.queue:
            return 0
        first = self.queue[0]
        return now_ns - (first.since_ns if isinstance(first, _Waiting) else first[3])

    def put_latest(self, slot_id: tuple[str, Hashable], message: Any, now_ns: int) -> None:
        """Queue a message of a LatestTopic, or replace the one of its key that waits; with KEYS_MAX waiting, end."""
        waiting = self._latest.get(slot_id)
        if waiting is not None:
            waiting.message = message
            self.replaced_count += 1
            return
        if len(self._latest) >= KEYS_MAX:
            self._bus.end(self, EndReason.BEHIND)
            return
        waiting = self._latest[slot_id] = _Waiting(slot_id, message, now_ns)
        self.queue.append(waiting)
        self._latest_count += 1
        if self.wake is not None:
            self.rouse()

    async def ended(self) -> Ended:
        """Return how the subscription ended, as soon as it has. It goes on when whoever waits is cancelled."""
        return await asyncio.shield(self._told)

    def give_up(self, end: Ended) -> None:
        """Forget what waits, and tell those who wait for the end."""
        self.end = end
        self._told.set_result(end)
        self.queue.clear()
        self._latest.clear()
        self._latest_count = 0
        self.idle.set()

    def rouse(self) -> None:
        """Resume the worker: there is a message."""
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)
        self.wake = None
        self.idle.clear()

    async def work(self) -> None:
        """Deliver, first from the journal if the subscription is not joined, then from the queue. Never returns."""
        if not self.is_joined:
            await self._catch_up()
        queue, routes, count = self.queue, self.kept_routes, 0
        while True:
            if not queue:
                self.idle.set()
                self.wake = asyncio.get_running_loop().create_future()
                await self.wake
                count = 0
            first = queue[0]
            if isinstance(first, _Waiting):
                await self._deliver_latest(first)
            else:
                await routes[first[0]](first[1], first[2])
                if self.end is not None:  # the function has swallowed the cancellation
                    raise asyncio.CancelledError
                self.place = first[1]
                queue.popleft()
            self.delivered_count += 1
            count += 1
            if not count % TURN_MESSAGES:
                await asyncio.sleep(0)

    async def _deliver_latest(self, waiting: _Waiting) -> None:
        """Deliver; what is published of the key meanwhile waits anew. After an exception the newer of the two waits."""
        if not waiting.is_over:
            self._latest.pop(waiting.id, None)
            is_delivered = False
            try:
                await self.latest_routes[waiting.id[0]](waiting.id[1], waiting.message)
                is_delivered = True
            finally:
                if not is_delivered and self.end is None:
                    waiting.is_over = self._latest.setdefault(waiting.id, waiting) is not waiting
            if self.end is not None:
                raise asyncio.CancelledError
        self.queue.popleft()
        self._latest_count -= 1

    async def _catch_up(self) -> None:
        """Deliver from the journal up to its end, then join what is published: nothing is awaited in between."""
        count = 0
        for topic, place, message in self._bus.replay_from(max(self.place.seq, 0)):
            count += 1
            if not count % TURN_MESSAGES:
                await asyncio.sleep(0)
            if place <= self.place:
                continue
            receive = self.kept_routes.get(topic)
            if receive is not None:
                await receive(place, message)
                if self.end is not None:
                    raise asyncio.CancelledError
                self.delivered_count += 1
            self.place = place
        assert self.place >= self._bus.last, "what was published is in the journal"
        self._bus.join(self)


class Bus:
    """The topics of a session and who follows them. ``last``: the place of the last message of a Topic."""

    def __init__(self, clock: TimeSource, tasks: Tasks, replay_from: ReplayFrom) -> None:
        self.clock, self.replay_from = clock, replay_from
        self.last = BEGINNING
        self._tasks = tasks
        self._subscriptions: list[Subscription] = []
        self._followers: dict[str, tuple[Subscription, ...]] = {}  # of Topics, by name
        self._latest_followers: dict[str, tuple[Subscription, ...]] = {}
        self._number = 0

    def subscribe(self, name: str, routes: Sequence[Route], after: Place | None = None) -> Subscription:
        """Begin to deliver topics: what is published from now on, or with ``after`` all that follows that place."""
        assert len(self._subscriptions) < SUBSCRIBERS_MAX, f"{SUBSCRIBERS_MAX} subscribers"
        subscription = Subscription(self, name, routes, self.last if after is None else after)
        self._subscriptions.append(subscription)
        if after is None:
            self.join(subscription)
        self._tasks.start(subscription.task, subscription.work)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; what waits is not delivered. Harmless when it has ended."""
        if subscription.end is None:
            self.end(subscription, EndReason.UNSUBSCRIBED)

    def publish(self, topic: Topic[Message], place: Place, message: Message) -> None:
        """Give a message of a Topic to all who follow it. ``place`` is after that of every message before."""
        assert place > self.last, "places of messages increase"
        self.last = place
        followers = self._followers.get(topic.name)
        if followers:
            kept = (topic.name, place, message, self.clock.monotonic_ns())
            for subscription in followers:
                queue = subscription.queue
                if len(queue) >= BEHIND_MAX and subscription.behind_count >= BEHIND_MAX:
                    self.end(subscription, EndReason.BEHIND)
                    continue
                queue.append(kept)
                if subscription.wake is not None:
                    subscription.rouse()

    def publish_latest(self, topic: LatestTopic[Key, Message], key: Key, message: Message) -> None:
        """Give a message of a LatestTopic to all who follow it."""
        followers = self._latest_followers.get(topic.name)
        if followers:
            now_ns, slot_id = self.clock.monotonic_ns(), (topic.name, key)
            for subscription in followers:
                subscription.put_latest(slot_id, message, now_ns)

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return the subscriptions that have not ended, oldest first."""
        return tuple(self._subscriptions)

    async def drain(self, timeout_s: float) -> list[str]:
        """Wait until nothing waits for any subscriber; return the names of those that were not served in time."""
        waits = {subscription: subscription.idle.wait() for subscription in self._subscriptions}
        tasks = [asyncio.ensure_future(wait) for wait in waits.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        late = [subscription.name for subscription, task in zip(waits, tasks, strict=True) if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return late

    def join(self, subscription: Subscription) -> None:
        """Give a subscription what is published from now on."""
        subscription.is_joined = True
        for topic in subscription.kept_routes:
            self._followers[topic] = (*self._followers.get(topic, ()), subscription)
        for topic in subscription.latest_routes:
            self._latest_followers[topic] = (*self._latest_followers.get(topic, ()), subscription)

    def end(self, subscription: Subscription, reason: EndReason) -> None:
        """End a subscription: nothing more is queued for it, its worker is cancelled, and ``ended`` returns."""
        self._subscriptions.remove(subscription)
        for followers in (self._followers, self._latest_followers):
            for topic, those in followers.items():
                if subscription in those:
                    followers[topic] = tuple(one for one in those if one is not subscription)
        place, behind = subscription.place, max(BEHIND_MAX, subscription.latest_count)
        subscription.give_up(Ended(subscription.name, reason, place))
        if reason == EndReason.BEHIND:
            text = f"{subscription.name} is {behind} messages behind: disconnected, served up to seq {place.seq}"
            self._tasks.fail(subscription.task, FellBehind(text))
        else:
            self._tasks.cancel(subscription.task)

    def numbered(self) -> int:
        """Return the number of the next subscription: a name may be used again before its last worker has ended."""
        self._number += 1
        return self._number
