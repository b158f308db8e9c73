"""The drivers of a carry run: the compiled replay, and one event at a time from outside. Same results."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, Rows
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import carry as replay_carry
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape
from tightloop.runtime.results.recorder import Recorder

EVENTS_AT_ONCE = 250_000
Progress = Callable[[int], None]


@dataclass(slots=True)
class Snapshots:
    """Room for a snapshot of each instant; ``count`` of them were finished, by ``events`` events."""

    rows: Floats
    count: int = 0
    events: int = 0

    @property
    def taken(self) -> Floats:
        """The rows that were written."""
        return self.rows[: self.count]


def room_for(plan: CarryPlan, tape: CarryTape) -> Snapshots:
    """Room for all snapshots of a run; columns as ``core/replay/carry.py`` has them."""
    books = plan.states[0]["carry"]["books"]
    width = replay_carry.snapshot_width(int(books["balance_count"]), int(books["holding_count"]))
    return Snapshots(np.full((len(tape.instants), width), math.nan))


def run(
    plan: CarryPlan,
    tape: CarryTape,
    recorder: Recorder,
    on_progress: Progress | None = None,
    snapshots: Snapshots | None = None,
) -> Floats:
    """Run a plan over its tape; returns a snapshot for each instant.

    ``on_progress`` is told how many instants are done, and may raise: recorder and ``snapshots`` then hold all of them,
    and nothing of another one.
    """
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    events = np.zeros(1, EVENT)
    kept = room_for(plan, tape) if snapshots is None else snapshots
    control = np.array([plan.rows_per_step, 0, 0], np.int64)
    last, at = tape.fresh()
    status, is_whole = replay_carry.PAUSED, True
    while status != replay_carry.FINISHED:
        control[1] = EVENTS_AT_ONCE if is_whole else 1  # an instant that has begun is brought to its end
        status = replay_carry.carry_replay(
            plan.states, plan.arena, plan.venues, tape.instants, tape.values, tape.extras, last, at, events, log,
            kept.rows, plan.table, control,
        )  # fmt: skip
        recorder.take_log(log)
        kept.count, kept.events = int(at[0]), int(control[2])
        is_whole = bool(at[1] == 0 and at[3] == 0)
        if on_progress is not None and is_whole:
            on_progress(kept.count)
    return kept.taken


def run_one_by_one(
    plan: CarryPlan,
    tape: CarryTape,
    recorder: Recorder,
    before: Callable[[], None] | None = None,
    until: int | None = None,
) -> Floats:
    """The same, one event at a time, as a session does that speaks to venues.

    ``before`` is called when all is known of an instant and nothing was decided yet; the run ends after ``until``
    instants (None: all of them).
    """
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    events = np.zeros(1, EVENT)
    kept = room_for(plan, tape)
    last, at = tape.fresh()
    while replay_carry.next_carry_event(tape.instants, tape.values, tape.extras, last, at, events):
        if len(log) - core_log.count(log) < plan.rows_per_step:
            recorder.take_log(log)
        replay_carry.venue_heard(plan.venues, events)
        _speak(plan, log)
        if before is not None and events[0]["kind"] == EventKind.SNAPSHOT_COMPLETE:
            before()
        replay_bars.step_one(plan.states, plan.arena, events, log, plan.table)
        _speak(plan, log)
        if events[0]["kind"] == EventKind.SNAPSHOT_CLOSED:
            replay_carry.snapshot_of(plan.states, kept.rows[int(at[0]) - 1])
            if until is not None and int(at[0]) >= until:
                break
    recorder.take_log(log)
    return kept.rows


def _speak(plan: CarryPlan, log: Rows) -> None:
    """Instructions go to the venues, and what came of them to the step, until neither has anything to say."""
    header, venue = log[0], plan.venues[0]
    while True:
        if header["oco"] < header["slot"]:
            row = int(header["oco"])
            header["oco"] = row + 1
            replay_carry.venue_instructed(plan.venues, log, row)
        elif venue["inbox_taken"] < venue["inbox_count"]:
            taken = int(venue["inbox_taken"])
            replay_bars.step_one(plan.states, plan.arena, venue["inbox"][taken : taken + 1], log, plan.table)
            venue["inbox_taken"] = taken + 1
        else:
            break
    venue["inbox_count"] = venue["inbox_taken"] = 0
