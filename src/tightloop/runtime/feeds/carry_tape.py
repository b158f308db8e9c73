"""A carry feed in the form the compiled loop reads: columns in the order of the plan, all else as timed events."""

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
    """A feed in the order of a plan: ``values`` per instant, and ``extras`` (dtype EVENT) sorted by time."""

    instants: Ints
    values: Floats
    extras: Rows

    def fresh(self) -> tuple[Floats, Ints]:
        """Return initial loop state: the last value seen of each series (NaN), and read positions (zeros)."""
        return np.full(self.values.shape[1], math.nan), np.zeros(4, np.int64)


def kill_switch(ts_ns: int, *, engaged: bool = True, instrument: int = -1, strategy: int = -1) -> Rows:
    """Return a KILL_SWITCH event: an operator forbids new risk, or with ``engaged=False`` allows it again.

    ``strategy`` and ``instrument`` limit the scope; -1 means all. In a carry run ``strategy`` is 0 and ``instrument``
    is an index into ``CarryPlan.instruments``. Pass it to ``make_tape``, or to ``replay.step_one`` at any event.
    """
    event = _extra(ts_ns, EventKind.KILL_SWITCH, -1)
    event["order_id"], event["instrument"], event["order_slot"] = int(engaged), instrument, strategy
    return event


def rearmed(ts_ns: int) -> Rows:
    """Return a REARMED event: an operator lifts a drawdown or ruin stop."""
    return _extra(ts_ns, EventKind.REARMED, -1)


def make_tape(plan: CarryPlan, feed: CarryFeed, operated: Sequence[Rows] = ()) -> CarryTape:
    """Arrange a feed in the order of a plan; the initial capital arrives at the first instant.

    ``operated``: events of an operator (``kill_switch``, ``rearmed``), applied before the decisions of their instant.
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
        for forecast in feed.predictions.get(leg.name, ()):
            kind, side = EventKind.SIGNAL_RECEIVED, forecast.side
            confidence, sd = forecast.confidence, forecast.sd
            extras.append(_extra(forecast.ts_ns, kind, number, qty=side, amount=confidence, rate=sd))
    extras += operated
    timed = np.empty(sum(len(rows) for rows in extras), EVENT)  # np.concatenate matches fields by name: 10 ms
    start = 0
    for rows in extras:
        timed[start : start + len(rows)] = rows
        start += len(rows)
    timed = timed[np.argsort(timed["ts_init_ns"], kind="stable")]
    return CarryTape(feed.instants.astype(np.int64), values, timed)


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
        _flow(flow.ts_ns, flow.amount, int(flow.speed == "fast"))
        for flow in plan.strategy.flows
        if first <= flow.ts_ns <= last
    ]


def _settlements(holding: int, feed: CarryFeed, instrument: str) -> list[Rows]:
    settlement = feed.settlements.get(instrument)
    if settlement is None:
        return []
    events = np.zeros(len(settlement.ts_ns), EVENT)
    events["kind"], events["instance"], events["instrument"] = int(EventKind.SETTLEMENT_PUBLISHED), holding, -1
    events["ts_init_ns"] = events["ts_event_ns"] = settlement.ts_ns
    events["rate"], events["price"] = settlement.rate, settlement.mark
    return [events]


def _payouts(plan: CarryPlan, feed: CarryFeed) -> list[Rows]:
    """Emit two events per payout: the start of its accrual period (rate 0), then the payment itself."""
    events: list[Rows] = []
    for leg in plan.strategy.legs:
        for payout in feed.payouts.get(leg.name, ()):
            reward = plan.rewards.get((leg.name, payout.token), -1)
            if reward < 0 or not feed.instants[0] <= payout.ts_ns <= feed.instants[-1]:
                continue
            events.append(_extra(max(payout.from_ns, int(feed.instants[0])), EventKind.REWARD_PUBLISHED, reward))
            events.append(
                _extra(payout.ts_ns, EventKind.REWARD_PUBLISHED, reward, payout.from_ns, rate=payout.per_unit)
            )
    return events
