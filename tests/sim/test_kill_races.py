"""The kill switch against what is on its way: entries that fill before their cancel arrives, scopes that overlap."""

from pathlib import Path

import numpy as np
import pytest
from tests.core.driven import Driven, of_kind, submitted
from tests.parity import runs

from carry.synthetic import Run, at, feed, flat, lend, strategy
from tightloop.core.domain.enums import EventKind, OrderKind, Reason, Role, RowKind
from tightloop.model.carry.plan import make_carry_plan
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.feeds.carry_tape import kill_switch

NEVER = dict.fromkeys(("stop_loss", "take_profit"), np.nan)
CODE = Path(__file__).parents[2] / "strategies" / "python_ema_cross.py"
HOLD = """
name: {name}
family: hold
direction: LONG
instruments: {instruments}
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
SIGNAL = runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]})


def hold(*instruments, name="hold it"):
    return HOLD.format(name=name, instruments=list(instruments or runs.NAMES[:1]))


def close(own, instrument=0):
    """A bar of 100 that ends and is decided on; the rows it wrote."""
    return own.bar(instrument, 100.0, 101.0, 99.0, 100.0)


def kill(own, *, engaged=True, instrument=-1, instance=-1, scope=-1):
    return own.send(
        EventKind.KILL_SWITCH, order_id=int(engaged), instrument=instrument, instance=instance, order_slot=scope
    )


def ask(own, qty=1.0, side=1):
    fields = {"instrument": 0, "instance": 0, "side": side, "order_kind": int(OrderKind.MARKET), "qty": qty}
    return own.send(EventKind.ORDER_REQUESTED, leverage=1.0, **fields, **NEVER)


def entered(own, family):
    """The id of an entry that is sent and not answered."""
    rows = close(own)
    (order_id,) = submitted(ask(own) if family == "python" else rows)
    return order_id


FAMILIES = {"signal": SIGNAL, "hold": hold(), "python": PYTHON}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_entry_that_fills_before_its_cancel_arrives_is_closed(family):
    own = Driven(FAMILIES[family])
    entry = entered(own, family)
    rows = kill(own)
    assert of_kind(rows, RowKind.CANCEL)["order_id"].tolist() == [entry]
    qty = float(own.order(entry)["qty"])
    closing = of_kind(own.fill(entry, qty, 100.0), RowKind.SUBMIT)
    exits = closing[closing["role"] == Role.MANUAL] if family != "signal" else closing[closing["role"] == Role.ZE1]
    assert exits["qty"].tolist() == [qty]
    assert exits["reduce_only"].tolist() == [1]
    own.fill(int(exits["order_id"][0]), qty, 100.0)
    assert own.state["positions"][0]["qty"] == 0.0


@pytest.mark.parametrize("family", ["hold", "python"])
def test_what_fills_of_the_entry_after_the_close_was_sent_is_closed_too(family):
    own = Driven(FAMILIES[family])
    entry = entered(own, family)
    qty = float(own.order(entry)["qty"])
    kill(own)
    (first,) = of_kind(own.fill(entry, 0.5 * qty, 100.0), RowKind.SUBMIT)["order_id"]
    assert len(submitted(own.fill(entry, 0.5 * qty, 100.0))) == 0, "one order closes it at a time"
    rows = own.fill(int(first), 0.5 * qty, 100.0)
    (last,) = submitted(rows) or submitted(close(own))
    own.fill(last, 0.5 * qty, 100.0)
    assert own.state["positions"][0]["qty"] == 0.0


def test_an_exit_of_a_killed_strategy_in_python_that_is_refused_is_sent_again():
    own = Driven(PYTHON)
    entry = entered(own, "python")
    own.fill(entry, float(own.order(entry)["qty"]), 100.0)
    (refused,) = submitted(kill(own))
    own.answer(EventKind.ORDER_REJECTED, refused)
    again = of_kind(close(own), RowKind.SUBMIT)
    assert again["role"].tolist() == [Role.MANUAL]


def test_a_hold_whose_entry_was_canceled_by_the_kill_switch_stays_out():
    own = Driven(hold())
    entry = entered(own, "hold")
    kill(own)
    own.answer(EventKind.ORDER_CANCELED, entry)
    kill(own, engaged=False)
    assert submitted(close(own)) == []


# Scopes ---------------------------------------------------------------------------------------------------------------

TWO = [runs.NAMES[0], runs.NAMES[1]]
SCOPES = {"all": {}, "instrument": {"instrument": 0}, "instance": {"instance": 0}, "strategy": {"scope": 0}}


@pytest.mark.parametrize("lifted", ["instrument", "instance", "strategy"])
@pytest.mark.parametrize("other", SCOPES)
def test_to_re_arm_one_scope_leaves_another_engaged(lifted, other):
    own = Driven(hold(*TWO))
    kill(own, **SCOPES[lifted])
    kill(own, **SCOPES[other])
    kill(own, engaged=False, **SCOPES[lifted])
    close(own)
    denied = of_kind(ask(own), RowKind.ORDER, RowKind.SUBMIT)
    if lifted == other:
        assert denied["kind"].tolist() == [RowKind.SUBMIT]
    else:
        assert denied["reason"].tolist() == [Reason.KILLED]
    kill(own, engaged=False)
    assert len(submitted(ask(own))) == 1, "to re-arm everything lifts all"


@pytest.mark.parametrize(("lifted", "other"), [("strategy", "instrument"), ("instrument", "strategy")])
def test_in_carry_too(lifted, other):
    scopes = {"strategy": {"strategy": 0}, "instrument": {"instrument": 0}}
    own, fed = strategy([lend()]), feed(flat(6))
    plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
    said = [kill_switch(int(at(0)), **scopes[lifted]), kill_switch(int(at(0)), **scopes[other])]
    said.append(kill_switch(int(at(2)), engaged=False, **scopes[lifted]))
    assert Run(plan, carry_tape.make_tape(plan, fed, said)).to_end().bundles() == []
