"""The check on the number of open orders, on a State laid out by a plan."""

import pytest

from tightloop.core.checks import max_open_orders
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan

HOLD = """
name: hold them
family: hold
direction: LONG
instruments: [test:AAAUSDT-perp]
timeframe: 1m
params: {equity_pct: 1}
"""


@pytest.mark.parametrize(("open_orders", "may_go"), [(0, 1), (99, 1), (100, 0)])
def test_nothing_is_entered_from_a_hundred_open_orders_on(open_orders, may_go):
    strategy = signal_read.loads(HOLD)
    state = make_plan([strategy], {i: default_rules(i) for i in strategy.instruments}).states[0]
    state["order_count"] = open_orders
    assert max_open_orders.check(state, state["orders"][0], 100.0) == may_go
