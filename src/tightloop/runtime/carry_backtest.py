"""The drivers of a carry run: the compiled replay, and one event at a time from outside. Same results."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tightloop.core import carry_replay, replay
from tightloop.core import log as core_log
from tightloop.core.types import EVENT, EventKind, Rows
from tightloop.model.carry_plan import CarryPlan
from tightloop.runtime.carry_feed import CarryFeed, Floats, Ints
from tightloop.runtime.recorder import Recorder

EVENTS_AT_ONCE = 250_000
Progress = Callable[[int], None]


@dataclass(slots=True)
class CarryTape:
    """A feed as the core takes it: columns in its order, and extras (dtype EVENT) in order of time."""

    instants: Ints
    values: Floats
    extras: Rows

    def fresh(self) -> tuple[Floats, Ints]:
        """What was heard last of each series, and where the reading stands: at the beginning."""
        return np.full(self.values.shape[1], math.nan), np.zeros(4, np.int64)


def kill_switch(ts_ns: int, *, engaged: bool = True, instrument: int = -1, strategy: int = -1) -> Rows:
    """What an operator says at a time: nothing is added any more, or (``engaged`` False) something may be again.

    A scope of -1 is everything; ``strategy`` 0 is the one of a carry run, ``instrument`` a number of
    ``CarryPlan.instruments``. Give it to ``make_tape``, or ``replay.step_one`` at any event.
    """
    event = _extra(ts_ns, EventKind.KILL_SWITCH, -1)
    event["order_id"], event["instrument"], event["order_slot"] = int(engaged), instrument, strategy
    return event


def rearmed(ts_ns: int) -> Rows:
    """An operator lifts the stop of a drawdown, or of ruin."""
    return _extra(ts_ns, EventKind.REARMED, -1)


def make_tape(plan: CarryPlan, feed: CarryFeed, operated: Sequence[Rows] = ()) -> CarryTape:
    """Put a feed in the order of a plan. The capital comes in at the first instant.

    ``operated``: what an operator said (``kill_switch``, ``rearmed``), heard before the decisions of its time.
    """
    keys = [(key.kind, key.name) for key in feed.series]
    columns = [keys.index(key) for key in plan.series]
    values = np.ascontiguousarray(feed.values[:, columns]) if columns else np.empty((len(feed.instants), 0))
    extras = [_flow(int(feed.instants[0]), plan.strategy.capital, 0)]
    extras += _flows(plan, feed)
    for number, instrument in enumerate(plan.holdings):
        extras += _settlements(number, feed, str(instrument))
    extras += _payouts(plan, feed)
    for number, leg in enumerate(plan.strategy.legs):
        for own in feed.predictions.get(leg.name, ()):
            extras.append(
                _extra(own.ts_ns, EventKind.PREDICTED, number, qty=own.side, amount=own.confidence, rate=own.sd)
            )
    extras += operated
    together = np.empty(sum(len(rows) for rows in extras), EVENT)  # joining them by name would cost 10 ms
    at = 0
    for rows in extras:
        together[at : at + len(rows)] = rows
        at += len(rows)
    together = together[np.argsort(together["ts_init_ns"], kind="stable")]
    return CarryTape(feed.instants.astype(np.int64), values, together)


def _extra(ts_ns: int, kind: EventKind, instance: int, since_ns: int | None = None, **numbers: float) -> Rows:
    event = np.zeros(1, EVENT)
    event["kind"], event["instance"], event["instrument"] = int(kind), instance, -1
    event["ts_init_ns"] = ts_ns
    event["ts_event_ns"] = ts_ns if since_ns is None else since_ns
    for field, value in numbers.items():
        event[field] = value
    return event


def _flow(ts_ns: int, amount: float, reason: int) -> Rows:
    return _extra(ts_ns, EventKind.FLOW_WANTED, -1, amount=amount, reason=reason)


def _flows(plan: CarryPlan, feed: CarryFeed) -> list[Rows]:
    first, last = int(feed.instants[0]), int(feed.instants[-1])
    return [
        _flow(own.ts_ns, own.amount, int(own.speed == "fast"))
        for own in plan.strategy.flows
        if first <= own.ts_ns <= last
    ]


def _settlements(at: int, feed: CarryFeed, instrument: str) -> list[Rows]:
    own = feed.settlements.get(instrument)
    if own is None:
        return []
    events = np.zeros(len(own.ts_ns), EVENT)
    events["kind"], events["instance"], events["instrument"] = int(EventKind.FUNDING_SETTLED), at, -1
    events["ts_init_ns"] = events["ts_event_ns"] = own.ts_ns
    events["rate"], events["price"] = own.rate, own.mark
    return [events]


def _payouts(plan: CarryPlan, feed: CarryFeed) -> list[Rows]:
    """Each begins its period (a rate of 0), has a price told, and is paid."""
    found: list[Rows] = []
    for leg in plan.strategy.legs:
        for own in feed.payouts.get(leg.name, ()):
            at = plan.rewards.get((leg.name, own.token), -1)
            if at < 0 or not feed.instants[0] <= own.ts_ns <= feed.instants[-1]:
                continue
            found.append(_extra(max(own.from_ns, int(feed.instants[0])), EventKind.REWARD_PAID, at))
            found.append(_extra(own.ts_ns, EventKind.REWARD_PAID, at, own.from_ns, rate=own.per_unit))
    return found


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
    """Room for all snapshots of a run; columns as ``core/carry_replay.py`` has them."""
    books = plan.states[0]["carry"]["books"]
    width = carry_replay.snapshot_width(int(books["balance_count"]), int(books["holding_count"]))
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
    status, is_whole = carry_replay.PAUSED, True
    while status != carry_replay.FINISHED:
        control[1] = EVENTS_AT_ONCE if is_whole else 1  # an instant that has begun is brought to its end
        status = carry_replay.carry_replay(
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
    while carry_replay.next_carry_event(tape.instants, tape.values, tape.extras, last, at, events):
        if len(log) - core_log.count(log) < plan.rows_per_step:
            recorder.take_log(log)
        carry_replay.venue_heard(plan.venues, events)
        _speak(plan, log)
        if before is not None and events[0]["kind"] == EventKind.INSTANT_KNOWN:
            before()
        replay.step_one(plan.states, plan.arena, events, log, plan.table)
        _speak(plan, log)
        if events[0]["kind"] == EventKind.INSTANT_ENDED:
            carry_replay.snapshot_of(plan.states, kept.rows[int(at[0]) - 1])
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
            carry_replay.venue_instructed(plan.venues, log, row)
        elif venue["inbox_taken"] < venue["inbox_count"]:
            taken = int(venue["inbox_taken"])
            replay.step_one(plan.states, plan.arena, venue["inbox"][taken : taken + 1], log, plan.table)
            venue["inbox_taken"] = taken + 1
        else:
            break
    venue["inbox_count"] = venue["inbox_taken"] = 0
