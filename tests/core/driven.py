"""A real State, driven one event at a time from outside: the test plays the market, the venue and the operator."""

import math

import numpy as np
from tests.parity import runs

from tightloop.core import log as core_log
from tightloop.core.compiled import as_rows
from tightloop.core.domain.enums import EventKind, OrderState, Phase, RowKind
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import bars as replay_bars
from tightloop.core.state import check_invariants

OPEN_STATES = (
    OrderState.SUBMITTED,
    OrderState.IN_FLIGHT,
    OrderState.ACCEPTED,
    OrderState.PARTIALLY_FILLED,
    OrderState.PENDING_CANCEL,
)
MINUTE_NS = runs.MINUTE_NS


class Driven:
    """One plan and its log. ``orders`` are the slots of the open orders by id; ``rows`` all rows written so far."""

    def __init__(self, *texts, log_rows=8_192):
        setting = runs.Setting.random(*texts, count=70)
        self.plan = setting.plan()
        self.states, self.arena = self.plan.states, self.plan.arena
        self.state = self.states[0]
        self.log = core_log.new_log(log_rows)
        self.now_ns = runs.START_NS
        self.rows = []

    def send(self, kind, **fields):
        """One event; returns the rows it wrote."""
        event = np.zeros(1, EVENT)
        event["kind"], event["ts_event_ns"], event["ts_init_ns"] = int(kind), self.now_ns, self.now_ns
        event["order_slot"] = -1
        for name, value in fields.items():
            event[0][name] = value
        replay_bars.step_one(self.states, self.arena, event, self.log, self.plan.table)
        end = core_log.stop(self.log)
        written = self.log[core_log.FIRST : end].copy()
        core_log.empty(self.log)
        self.rows.append(written)
        check_invariants(self.states[0])
        return written

    def bar(self, instrument, opened, high, low, close, volume=10.0, *, last=True):
        """One bar of an instrument that begins now: its open, a minute, its close and the evaluation."""
        self.send(EventKind.BAR_OPENED, instrument=instrument, price=opened, phase=int(Phase.RECORD))
        self.now_ns += MINUTE_NS
        phase = int(Phase.DECIDE_ON_CLOSE) | int(Phase.RECORD) if last else 0
        return self.send(
            EventKind.BAR_CLOSED,
            instrument=instrument,
            open=opened,
            high=high,
            low=low,
            price=close,
            qty=volume,
            phase=phase,
            ts_event_ns=self.now_ns - MINUTE_NS,
        )

    def quiet_bars(self, count, price=100.0, instrument=0):
        """Bars that zigzag a little, so that every indicator is known soon."""
        for k in range(count):
            close = price * (1.0 + 0.004 * math.sin(1.7 * k))
            self.bar(instrument, price, max(price, close) * 1.001, min(price, close) * 0.999, close)

    @property
    def orders(self):
        high = int(self.state["order_high"])
        return {int(self.state["orders"][k]["id"]): k for k in range(high) if self.state["orders"][k]["id"]}

    def order(self, order_id):
        return as_rows(self.state["orders"])[self.orders[order_id]]

    def fill(self, order_id, qty, price, *, fee=0.0, slippage=0.0):
        known = self.orders.get(order_id)
        instrument = int(self.state["orders"][known]["instrument"]) if known is not None else 0
        return self.send(
            EventKind.ORDER_FILLED,
            order_id=order_id,
            order_slot=-1 if known is None else known,
            instrument=instrument,
            qty=qty,
            price=price,
            amount=fee,
            rate=slippage,
        )

    def answer(self, kind, order_id):
        known = self.orders.get(order_id)
        return self.send(kind, order_id=order_id, order_slot=-1 if known is None else known)


def of_kind(rows, *kinds):
    """Rows of a log of some kinds."""
    return rows[np.isin(rows["kind"], [int(kind) for kind in kinds])]


def submitted(rows):
    return [int(order_id) for order_id in of_kind(rows, RowKind.SUBMIT)["order_id"]]
