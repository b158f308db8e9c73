"""The check on unknown outcomes, on a State laid out by a plan."""

import pytest

from tightloop.core.checks import all_checks, unknown_outcome
from tightloop.core.domain.enums import OrderState, VenueState
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan

HOLD = """
name: hold them
family: hold
direction: LONG
instruments: [test:AAAUSDT-perp, test:BBBUSDT-perp]
timeframe: 1m
params: {equity_pct: 1}
"""


@pytest.fixture
def state():
    strategy = signal_read.loads(HOLD)
    return make_plan([strategy], {i: default_rules(i) for i in strategy.instruments}).states[0]


def place(state, slot, instrument, order_state, venue_state=VenueState.KNOWN):
    order = state["orders"][slot]
    order["venue_state"] = int(venue_state)
    order["id"], order["instrument"], order["state"] = slot + 1, instrument, int(order_state)
    state["order_high"] = max(int(state["order_high"]), slot + 1)
    return order


@pytest.mark.parametrize(
    ("order_state", "venue_state", "instrument", "may_go"),
    [
        (OrderState.IN_FLIGHT, VenueState.UNKNOWN, 0, 0),
        (OrderState.IN_FLIGHT, VenueState.UNKNOWN, 1, 1),
        (OrderState.PENDING_CANCEL, VenueState.UNKNOWN, 0, 0),
        (OrderState.ACCEPTED, VenueState.UNKNOWN, 0, 0),
        (OrderState.PENDING_CANCEL, VenueState.KNOWN, 0, 1),
        (OrderState.ACCEPTED, VenueState.KNOWN, 0, 1),
        (OrderState.SUBMITTED, VenueState.KNOWN, 0, 1),
    ],
)
def test_an_entry_waits_for_the_outcome_of_orders_on_its_own_instrument(
    state, order_state, venue_state, instrument, may_go
):
    place(state, 0, instrument, order_state, venue_state)
    draft = place(state, 1, 0, OrderState.INITIALIZED)
    assert unknown_outcome.check(state, draft, 100.0) == may_go


def test_an_order_does_not_wait_for_itself(state):
    draft = place(state, 0, 0, OrderState.IN_FLIGHT, VenueState.UNKNOWN)
    assert unknown_outcome.check(state, draft, 100.0) == 1


def test_every_run_asks_it():
    assert unknown_outcome in all_checks()
