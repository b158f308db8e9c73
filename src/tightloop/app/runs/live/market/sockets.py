"""The public sockets of a session: opened again for ever, and what was missed meanwhile asked for.

Prints that were missed are asked for once every socket that brings prints is open again, so that none falls between
the question and the subscription. A socket that brings prints and is silent is not dropped while the venue has none
either: its market is quiet.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

from tightloop.adapters.venues._shared.sockets import (
    SocketChange,
    SocketState,
    SocketUse,
    SupervisedSocket,
    backoff_words,
)
from tightloop.ports.clock import TimeSource
from tightloop.ports.market_data import PublicStream
from tightloop.ports.venue import SocketPlan
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.tasks import Tasks

SILENCE_S = 60.0


class MarketSockets:
    """The sockets of a feed. ``states``: of each by its name; ``seed``: of the times between connections.

    ``on_lost``: called whenever one is lost.
    """

    def __init__(
        self, feed: MarketFeed, clock: TimeSource, seed: str, states: dict[str, str], say: Callable[[str], None],
        on_lost: Sequence[Callable[[], None]],
    ) -> None:  # fmt: skip
        self._feed, self._clock, self._seed, self._states, self._say = feed, clock, seed, states, say
        self._on_lost = on_lost
        self._with_prints: set[str] = set()

    def start(self, tasks: Tasks, kinds: Sequence[PublicStream]) -> None:
        """Open them, each as a task."""
        plans_of, symbols = self._feed.dialect.market_sockets, sorted(self._feed.symbols)
        self._with_prints = {plan.name for plan in plans_of([PublicStream.TRADES], symbols)}
        for plan in plans_of(kinds, symbols):
            tasks.start(plan.name, self._socket(plan).run)

    def _socket(self, plan: SocketPlan) -> SupervisedSocket:
        async def same() -> SocketPlan:
            return plan

        is_quiet = self._is_quiet if plan.name in self._with_prints else None
        use = SocketUse(same, None, lambda: self._clock.now_ns() // 1_000_000, SILENCE_S, is_quiet)
        chance = random.Random(f"{self._seed} {plan.name}").random
        feed = self._feed
        return SupervisedSocket(use, feed.dialect, feed.transport, self._clock, chance, feed.take, self._on_change)

    async def _is_quiet(self) -> bool:
        return not await self._feed.has_missed()

    def _on_change(self, change: SocketChange) -> None:
        self._states[change.name] = change.state.value
        has_prints = change.name in self._with_prints
        if change.state is SocketState.BACKOFF:
            self._feed.lost(has_prints=has_prints)
            for follow in self._on_lost:
                follow()
            self._say(backoff_words(change))
        elif change.state is SocketState.OPEN and not has_prints:
            self._feed.regained()
        else:
            self._catch_up()

    def miss(self) -> None:
        """Note that nothing was read for a while, and ask for the prints of that time."""
        self._feed.lost(has_prints=bool(self._with_prints))
        for follow in self._on_lost:
            follow()
        self._catch_up()

    def _catch_up(self) -> None:
        """Ask for the prints that were missed, once every socket that brings prints is open."""
        if all(self._states.get(name) == SocketState.OPEN.value for name in self._with_prints):
            task = asyncio.ensure_future(self._feed.catch_up())
            task.add_done_callback(self._on_caught_up)

    def _on_caught_up(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._say(f"missed prints were not told: {task.exception()}")
