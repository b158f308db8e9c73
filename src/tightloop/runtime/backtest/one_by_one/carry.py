"""A carry run on recorded series, one event at a time: its tape, the simulated venues, a snapshot of each instant."""

from collections.abc import Callable, Iterator

import numpy as np

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, Rows
from tightloop.core.replay import carry as replay_carry
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.backtest.one_by_one.loop import Loop, Taken, taken_from
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape
from tightloop.runtime.python.strategies import Strategies
from tightloop.runtime.results.carry.snapshots import room_for
from tightloop.runtime.results.recorder import Recorder


class CarryEvents:
    """The events of a tape, one by one, to its end or for ``until`` instants."""

    def __init__(self, tape: CarryTape, until: int | None = None) -> None:
        self._tape, self._until, self.event = tape, len(tape.instants) if until is None else until, np.zeros(1, EVENT)
        self._last, self._at = tape.fresh()

    @property
    def instants(self) -> int:
        """How many instants have been closed."""
        return int(self._at[replay_carry.INSTANT])

    def next(self, due_ns: int) -> bool | None:  # noqa: ARG002  # of every feed; carry has no timers
        """Write the next event; return None at the end."""
        tape = self._tape
        if self.instants >= self._until:
            return None
        is_there = replay_carry.next_carry_event(
            tape.instants, tape.values, tape.extras, self._last, self._at, self.event
        )
        return is_there or None


class CarryExecutor:
    """The simulated venues of carry, behind the interface of real ones."""

    def __init__(self, plan: CarryPlan) -> None:
        self._venues = plan.venues

    def before(self, event: Rows) -> Iterator[list[Rows]]:
        """Run the venues on the event; yield what they did by themselves."""
        replay_carry.run_venues(self._venues, event)
        yield taken_from(self._venues)

    def after(self, event: Rows) -> None:
        """Skip: the venues come first."""

    def command(self, log: Rows, row: int) -> list[Rows]:
        """Pass an instruction to the venues; return what came of it."""
        replay_carry.venue_instructed(self._venues, log, row)
        return taken_from(self._venues)


class CarryMoments:
    """A snapshot is kept when an instant is closed; ``before`` is called when its values are known."""

    delivers_at_once = False

    def __init__(self, plan: CarryPlan, rows: Floats, feed: CarryEvents, before: Callable[[], None] | None) -> None:
        self._plan, self._rows, self._feed, self._before = plan, rows, feed, before

    def before_step(self, event: Rows) -> None:
        """Look at State when all values of an instant are known and nothing is decided yet."""
        if self._before is not None and event[0]["kind"] == EventKind.SNAPSHOT_COMPLETE:
            self._before()

    def speak(self, strategies: Strategies, taken: Taken) -> None:
        """Skip: the allocator decides within the step."""

    def keep(self, taken: Taken) -> None:
        """Keep a snapshot of an instant that is closed."""
        if taken.event[0]["kind"] == EventKind.SNAPSHOT_CLOSED:
            replay_carry.snapshot_of(self._plan.states, self._rows[self._feed.instants - 1])

    def close(self) -> None:
        """Skip: snapshots are in place."""


def run(
    plan: CarryPlan,
    tape: CarryTape,
    recorder: Recorder,
    before: Callable[[], None] | None = None,
    until: int | None = None,
) -> Floats:
    """Run a plan over its tape one event at a time; return a snapshot for each instant.

    ``before`` is called at every instant when its values are known and nothing is decided yet. ``until``: number of
    instants after which the run ends; None: all.
    """
    rows, feed = room_for(plan, tape).rows, CarryEvents(tape, until)
    Loop(plan, CarryExecutor(plan), recorder, CarryMoments(plan, rows, feed, before)).run(feed)
    return rows
