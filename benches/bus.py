"""Measure the bus of a session on a real loop: `python benches/bus.py [--events 50000] [--seconds 10]`.

Events are published at a steady rate for some seconds, under three topics none of whose messages may be lost, and a
quote beside each tenth. Subscribers note how long each message took to reach them. This is done twice: alone, which is
the control on the machine as it is, and with two more. One sleeps 7 s, falls 10,000 behind, is disconnected, and
catches up from the journal (an array here: reading files is not what is measured). One raises on some messages. Printed
are the rate that was reached, what it cost, and the delays of each subscriber. The exit code is 1 when a message was
lost or came in another order, or when one that was awake was disconnected; delays depend on the load, so their verdict
is printed alone.
"""

import argparse
import asyncio
import os
import platform
import random
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import uvloop  # the loop of sessions; there is none for Windows, where this script does not run
from children import commit, cpu_model

from tightloop.adapters.system.clock import SystemClock
from tightloop.runtime.session.bus import BEGINNING, Bus, LatestTopic, Place, Published, Topic
from tightloop.runtime.session.tasks import Failure, Tasks

TOPICS = (Topic[int]("orders"), Topic[int]("fills"), Topic[int]("risk"))
QUOTES = LatestTopic[int, int]("quotes")
QUOTE_EACH = 10
INSTRUMENTS = 20
ROUND_S = 0.001  # how long the publisher waits between rounds when it is in time
ROUND_MAX = 256  # events published in one go, as many as facts of a session's batch; one that is late does not wait
SLEEP_S = 7.0
SLEEP_AT = 1_000
P99_MAX_MS = 50.0
SERVED_S = 60.0
RAISES, RAISE_AT = "raises", frozenset({500, 1_000, 2_000, 4_000, 100_000})
"""The name of the one that raises, and the messages on which it does so, each once."""


@dataclass
class Follower:
    """A subscriber that notes the delay of each of ``count`` messages; a sleeper sleeps before the one SLEEP_AT."""

    name: str
    now_ns: Callable[[], int]
    count: int
    is_sleeper: bool
    numbers: list[int] = field(default_factory=list)
    delays_ns: list[int] = field(default_factory=list)
    quotes: int = 0
    is_served: asyncio.Event = field(default_factory=asyncio.Event)
    raised: set[int] = field(default_factory=set)

    @property
    def is_awake(self) -> bool:
        """Whether it takes each message at once."""
        return not self.is_sleeper and self.name != RAISES

    async def take(self, place: Place, published_ns: int) -> None:
        """Take an order, a fill or a risk event: when it was published."""
        if self.is_sleeper and place.seq == SLEEP_AT:
            await asyncio.sleep(SLEEP_S)
        if self.name == RAISES and place.seq in RAISE_AT - self.raised:
            self.raised.add(place.seq)
            raise ValueError(f"message {place.seq}")
        self.delays_ns.append(self.now_ns() - published_ns)
        self.numbers.append(place.seq)
        if len(self.numbers) == self.count:
            self.is_served.set()

    async def take_quote(self, _: int, __: int) -> None:
        """Count a quote."""
        self.quotes += 1


@dataclass(frozen=True)
class Measured:
    """What a run came to."""

    events: int
    wall_s: float
    cpu_s: float  # until the last event was published
    publish_us: float  # of CPU
    followers: list[Follower]
    reported: list[str]

    def p99_ms(self) -> float:
        """Return the worst p99 of those who were awake."""
        return max(delay_ms(follower, 99) for follower in self.followers if follower.is_awake)

    def faults(self) -> list[str]:
        """Return what may never happen, and did."""
        found = []
        for follower in self.followers:
            if follower.numbers != list(range(self.events)):
                found.append(f"{follower.name} has lost messages, or has them in another order")
            if follower.is_awake and any(text.startswith(follower.name) for text in self.reported):
                found.append(f"{follower.name} was disconnected")
        return found


def delay_ms(follower: Follower, percent: float) -> float:
    """Return a percentile of the delays of a subscriber."""
    return float(np.percentile(follower.delays_ns, percent)) / 1e6


async def measure(rate: int, seconds: float, names: dict[str, bool]) -> Measured:
    """Publish ``rate`` events a second for some seconds to subscribers by name -> whether it sleeps."""
    clock, failures = SystemClock(), list[Failure]()
    journal = array("q")  # when each event was published; the rest follows from its number

    def replay_from(seq: int) -> Iterator[Published]:
        while seq < len(journal):
            yield Published(TOPICS[seq % len(TOPICS)].name, Place(seq), journal[seq])
            seq += 1

    tasks = Tasks(clock, random.Random(1).random, failures.append)
    bus = Bus(clock, tasks, replay_from)
    total = int(rate * seconds)
    followers = [Follower(name, clock.monotonic_ns, total, is_sleeper) for name, is_sleeper in names.items()]

    async def follow(follower: Follower) -> None:
        after = BEGINNING
        while True:
            routes = [topic.to(follower.take) for topic in TOPICS]
            subscription = bus.subscribe(follower.name, [*routes, QUOTES.to(follower.take_quote)], after)
            after = (await subscription.ended()).place

    for follower in followers:
        tasks.start(follower.name, partial(follow, follower))
    await asyncio.sleep(0)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    published_s = 0.0
    while len(journal) < total:
        due = min(int((time.perf_counter() - begun) * rate), total)
        at = time.process_time()
        for number in range(len(journal), min(due, len(journal) + ROUND_MAX)):
            publish(bus, journal, number, clock.monotonic_ns())
        published_s += time.process_time() - at
        await asyncio.sleep(ROUND_S if len(journal) == due else 0)
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - begun_cpu
    await asyncio.wait([asyncio.ensure_future(follower.is_served.wait()) for follower in followers], timeout=SERVED_S)
    await tasks.stop_all()
    reported = [str(failure.error) for failure in failures]
    return Measured(total, wall_s, cpu_s, published_s / total * 1e6, followers, reported)


def publish(bus: Bus, journal: "array[int]", number: int, now_ns: int) -> None:
    """Write one event to the journal and publish it; each tenth with a quote."""
    journal.append(now_ns)
    bus.publish(TOPICS[number % len(TOPICS)], Place(number), now_ns)
    if number % QUOTE_EACH == 0:
        bus.publish_latest(QUOTES, number // QUOTE_EACH % INSTRUMENTS, now_ns)


def print_run(title: str, measured: Measured) -> None:
    """Print one run."""
    count, events = len(measured.followers), measured.events
    print(f"\n{title}: {events:,} events in {measured.wall_s:.2f} s = {events / measured.wall_s:,.0f} a second,")
    print(
        f"{measured.cpu_s / events * 1e6:.1f} CPU us an event for {count} subscribers, of it {measured.publish_us:.1f}"
    )
    print(f"to publish it; the process had {measured.cpu_s / measured.wall_s:.2f} of a core")
    for text in measured.reported:
        print(f"reported: {text}")
    print("\n| subscriber | messages | quotes | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|--:|--:|")
    for follower in measured.followers:
        delays = " | ".join(f"{delay_ms(follower, percent):.2f}" for percent in (50, 99, 100))
        print(f"| {follower.name} | {len(follower.numbers):,} | {follower.quotes:,} | {delays} |")


def main() -> int:
    """Run twice and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--subscribers", type=int, default=4, help="who are awake")
    options = parser.parse_args()
    awake = {f"awake {number + 1}": False for number in range(options.subscribers)}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if options.loop == "uvloop" else None) as runner:
        control = runner.run(measure(options.events, options.seconds, awake))
        beside = runner.run(
            measure(options.events, options.seconds, {**awake, f"asleep {SLEEP_S:.0f} s": True, RAISES: False})
        )
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    print(f"- script: benches/bus.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"- data: integers under {len(TOPICS)} topics, a quote of one of {INSTRUMENTS} instruments each {QUOTE_EACH}")
    print(f"- machine: {cpu_model()}, {platform.system()} {platform.machine()}{load}")
    print(f"- software: commit {commit()}, Python {platform.python_version()}, {options.loop}")
    print_run("alone", control)
    print_run("beside one that sleeps and one that raises", beside)
    faults = control.faults() + beside.faults()
    p99_ms, verdict = beside.p99_ms(), "met" if beside.p99_ms() < P99_MAX_MS else "not met"
    print(f"\np99 of those awake under {P99_MAX_MS:.0f} ms: {verdict}, {p99_ms:.2f}; alone {control.p99_ms():.2f}")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
