"""Drivers of a carry run: the compiled replay, and one event at a time from Python. Same results."""

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
    """Snapshots, (instants, columns) float64, of which ``count`` are final after ``events`` events."""

    rows: Floats
    count: int = 0
    events: int = 0

    @property
    def taken(self) -> Floats:
        """The rows that were written."""
        return self.rows[: self.count]


def room_for(plan: CarryPlan, tape: CarryTape) -> Snapshots:
    """Allocate the snapshots of a run; columns are those of ``core/replay/carry.py``."""
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
    control = np.zeros(replay_carry.CONTROL_COUNT, np.int64)
    control[replay_carry.RESERVE] = plan.rows_per_step
    last, at = tape.fresh()
    status, is_whole = replay_carry.PAUSED, True
    while status != replay_carry.FINISHED:
        # An instant that has begun is run to its end, event by event, before anything is reported.
        control[replay_carry.LEFT] = EVENTS_AT_ONCE if is_whole else 1
        status = replay_carry.carry_replay(
            plan.states, plan.arena, plan.venues, tape.instants, tape.values, tape.extras, last, at, events, log,
            kept.rows, plan.table, control,
        )  # fmt: skip
        recorder.take_log(log)
        kept.count, kept.events = int(at[replay_carry.INSTANT]), int(control[replay_carry.DONE])
        is_whole = bool(at[replay_carry.SERIES] == 0 and at[replay_carry.PART] == 0)
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
    """Run one event at a time, as a live session does; return the snapshots.

    ``before`` is called at every instant when its values are known and nothing is decided yet. ``until``: number of
    instants after which the run ends; None: all.
    """
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    events = np.zeros(1, EVENT)
    kept = room_for(plan, tape)
    last, at = tape.fresh()
    while replay_carry.next_carry_event(tape.instants, tape.values, tape.extras, last, at, events):
        if core_log.room(log) < plan.rows_per_step:
            recorder.take_log(log)
        replay_carry.run_venues(plan.venues, events)
        _speak(plan, log)
        if before is not None and events[0]["kind"] == EventKind.SNAPSHOT_COMPLETE:
            before()
        replay_bars.step_one(plan.states, plan.arena, events, log, plan.table)
        _speak(plan, log)
        if events[0]["kind"] == EventKind.SNAPSHOT_CLOSED:
            replay_carry.snapshot_of(plan.states, kept.rows[int(at[replay_carry.INSTANT]) - 1])
            if until is not None and int(at[replay_carry.INSTANT]) >= until:
                break
    recorder.take_log(log)
    return kept.rows


def _speak(plan: CarryPlan, log: Rows) -> None:
    """Send instructions to the venues, then apply their answers in order, until both queues are empty."""
    venue = plan.venues[0]
    while True:
        row = core_log.pop_row(log)
        if row >= 0:
            replay_carry.venue_instructed(plan.venues, log, row)
        elif venue["inbox_taken"] < venue["inbox_count"]:
            taken = int(venue["inbox_taken"])
            replay_bars.step_one(plan.states, plan.arena, venue["inbox"][taken : taken + 1], log, plan.table)
            venue["inbox_taken"] = taken + 1
        else:
            break
    venue["inbox_count"] = venue["inbox_taken"] = 0
