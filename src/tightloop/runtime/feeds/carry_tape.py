"""A carry feed as the core takes it: columns in its order, and flows, settlements and payouts as timed events."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT, Rows
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import CarryFeed, Floats, Ints


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
                _extra(own.ts_ns, EventKind.SIGNAL_RECEIVED, number, qty=own.side, amount=own.confidence, rate=own.sd)
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
    return _extra(ts_ns, EventKind.CAPITAL_FLOW, -1, amount=amount, reason=reason)


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
