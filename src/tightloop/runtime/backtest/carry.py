"""Array driver of a carry run: the compiled replay, drained when the log is full."""

from collections.abc import Callable

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import carry as replay_carry
from tightloop.core.replay import status as replay_status
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape
from tightloop.runtime.results.carry.snapshots import Snapshots, room_for
from tightloop.runtime.results.recorder import Recorder

EVENTS_AT_ONCE = 250_000
Progress = Callable[[int], None]


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
    control[replay_status.RESERVE] = plan.rows_per_step
    last, at = tape.fresh()
    status, is_whole = replay_status.PAUSED, True
    while status != replay_status.FINISHED:
        # An instant that has begun is run to its end, event by event, before anything is reported.
        control[replay_status.LEFT] = EVENTS_AT_ONCE if is_whole else 1
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
