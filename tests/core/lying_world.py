"""A strategy of each family with a position, for tests in which a venue repeats, delays, refuses and lies."""

from pathlib import Path

import numpy as np
from tests.core.driven import Driven, of_kind, submitted
from tests.parity import runs

from tightloop.core.domain.enums import EventKind, OrderKind, Reason, Role, RowKind, WarningCode

SECOND_NS = 1_000_000_000
CODE = Path(__file__).parents[2] / "strategies" / "python_ema_cross.py"
STOPPED = runs.strategy(
    "stopped",
    s1={"all": [{"close": "> 0"}]},
    ze1={"all": [{"close": "< 0"}]},
    z1={"stop_loss": {"type": "percent", "value": 2}},
)
HOLD = f"""
name: hold it
family: hold
direction: LONG
instruments: ["{runs.NAMES[0]}"]
timeframe: 1m
capital: 10_000
params: {{equity_pct: 5}}
"""
PYTHON = f"""
name: in python
family: python
class: {CODE}:EmaCross
instruments: ["{runs.NAMES[0]}"]
timeframe: 1m
capital: 10_000
params: {{notional: 1_000, stop_loss_pct: 2, take_profit_pct: 3}}
"""
FAMILIES = {"signal": STOPPED, "python": PYTHON, "hold": HOLD}
WITH_STOPS = ("signal", "python")
NOTHING_PLANNED = dict.fromkeys(("stop_loss", "take_profit"), np.nan)


def close(own):
    """A bar around 100 that ends and is decided on; the rows it wrote."""
    return own.bar(0, 100.0, 101.0, 99.0, 100.0)


def priced(own):
    """A price is known, and nothing was decided on it."""
    own.send(EventKind.BAR_OPENED, instrument=0, price=100.0)


def ask(own, qty=5.0, stop_pct=2.0):
    """An entry at market, requested from outside, with a stop; the rows it wrote."""
    return own.send(
        EventKind.ORDER_REQUESTED, instrument=0, instance=0, side=1, order_kind=int(OrderKind.MARKET), qty=qty,
        leverage=2.0, stop_loss_pct=stop_pct, **NOTHING_PLANNED,
    )  # fmt: skip


def entered(family="signal"):
    """A State with an entry that is sent and not answered, its id and its quantity."""
    own = Driven(FAMILIES[family])
    rows = close(own)
    (entry,) = submitted(ask(own) if family == "python" else rows)
    return own, entry, float(own.order(entry)["qty"])


def report(own, order_id, qty, price=100.0, *, cum=0.0, average=0.0, key=0, fee=1.0, kind=EventKind.ORDER_FILLED):
    """An execution as a real venue tells it; the rows it wrote."""
    return own.send(
        kind, order_id=order_id, instrument=0, instance=0, qty=qty, price=price, amount=fee, rate=np.nan, cum_qty=cum,
        high=average, fill_key=key,
    )  # fmt: skip


def held(family="signal"):
    """A State with an open position, the id of its stop (None in hold) and its quantity."""
    own, entry, qty = entered(family)
    rows = own.fill(entry, qty, 100.0)
    sent = of_kind(rows, RowKind.SUBMIT)
    stops = sent[sent["role"] == Role.STOP_LOSS]["order_id"].tolist()
    return own, stops[0] if stops else None, qty


def held_with_target(family):
    """As ``held``, with a target 3 % away."""
    if family == "python":
        own, stop, qty = held(family)
        own.send(EventKind.PROTECTION_REQUESTED, instrument=0, instance=0, take_profit=103.0, stop_loss=np.nan)
        return own, stop, qty
    z1 = {"stop_loss": {"type": "percent", "value": 2}, "take_profit": {"type": "percent", "value": 3}}
    own = Driven(runs.strategy("both", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, z1=z1))
    (entry,) = submitted(close(own))
    qty = float(own.order(entry)["qty"])
    stops = sent(own.fill(entry, qty, 100.0), Role.STOP_LOSS)
    return own, int(stops["order_id"][0]), qty


def refuse(own, order_id, reason=Reason.NONE, kind=EventKind.ORDER_REJECTED):
    return own.send(kind, order_id=order_id, reason=int(reason))


def wait(own, seconds):
    """Time passes, and the step is told so; the rows it wrote."""
    own.now_ns += int(seconds * SECOND_NS)
    return own.send(EventKind.TIMER, instrument=-1, reason=1)


def sent(rows, role=None):
    """Rows of orders that were sent, of one role."""
    found = of_kind(rows, RowKind.SUBMIT)
    return found if role is None else found[found["role"] == int(role)]


def warnings(rows):
    return [WarningCode(int(code)) for code in of_kind(rows, RowKind.WARNING)["code"]]


def position(own):
    return float(own.state["positions"][0]["qty"])


def wallet(own):
    return float(own.state["balances"][1])
