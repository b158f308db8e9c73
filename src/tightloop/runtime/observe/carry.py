"""Replay of a carry run under observation: what the allocator measured at every instant before it decided.

The replay is driven one event at a time by the functions of every run, so the observed code is the code that ran.
"""

import math
from dataclasses import dataclass

import numpy as np

from tightloop.core.replay.observe_carry import SEEN, Seen, measure
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.backtest.one_by_one import carry as carry_one_by_one
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry import CarryFeed, Floats
from tightloop.runtime.feeds.carry_tape import CarryTape
from tightloop.runtime.results.carry.record import CarryRecord
from tightloop.runtime.results.recorder import Recorder


@dataclass(frozen=True, slots=True)
class CarryWatched:
    """An observed run: ``seen[i, Seen.X]`` is a measure at instant i; ``record`` holds its results."""

    plan: CarryPlan
    tape: CarryTape
    record: CarryRecord
    seen: Floats

    def column(self, what: Seen) -> Floats:
        """Return one measure at every instant."""
        return self.seen[:, int(what)]


def watch(plan: CarryPlan, feed: CarryFeed, until: int | None = None) -> CarryWatched:
    """Run a fresh plan over a feed, to its end or for ``until`` instants."""
    tape = carry_tape.make_tape(plan, feed)
    count = len(tape.instants) if until is None else until
    seen = np.full((count, SEEN), math.nan)
    index = 0

    def before() -> None:
        nonlocal index
        measure(plan.states, seen[index])
        index += 1

    recorder = Recorder()
    snapshots = carry_one_by_one.run(plan, tape, recorder, before, count)
    return CarryWatched(plan, tape, CarryRecord(plan, feed, snapshots[:count], recorder), seen)
