"""What a session says of itself: marks and open P&L of what it holds."""

import math

import pytest
from tests.runtime.session.driver.told import plan_of, pumped

from tightloop.runtime.session.driver.recent import RecentRows
from tightloop.runtime.session.driver.view import view


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


def said(market, *, qty, entry, mark, liquidation=math.nan):
    """Return the view of a session whose second instance holds ``qty`` lots."""
    plan = plan_of(market)
    state = plan.states[0]
    position, at = state["positions"][1], int(state["instances"][1]["instrument"])
    position["qty"], position["entry_price"], position["liquidation_price"] = qty, entry, liquidation
    state["instruments"][at]["mark"], state["instruments"][at]["touched_ns"] = mark, 5_000
    return view(plan, RecentRows()), str(plan.instruments[at]), float(state["instruments"][at]["multiplier"])


@pytest.mark.parametrize(("side", "gained_pct"), [(1.0, 10.0), (-1.0, -10.0)])
def test_an_open_gain_is_in_money_and_in_percent_of_what_was_paid_and_as_old_as_its_mark(market, side, gained_pct):
    found, name, size = said(market, qty=3.0 * side, entry=100.0, mark=110.0, liquidation=66.0)
    assert found["gains"] == [
        {
            "instance": 1, "received_ns": 5_000, "unrealized": pytest.approx(30.0 * size * side),
            "unrealized_pct": pytest.approx(gained_pct), "liquidation_distance_pct": pytest.approx(40.0),
        }
    ]  # fmt: skip
    assert {"instrument": name, "mark": 110.0, "received_ns": 5_000} in found["marks"]
    (position,) = found["positions"]
    assert position["unrealized"] == found["gains"][0]["unrealized"]


def test_without_a_mark_no_gain_is_known(market):
    found, *_ = said(market, qty=3.0, entry=100.0, mark=math.nan)
    (gain,) = found["gains"]
    assert (gain["unrealized"], gain["unrealized_pct"], gain["liquidation_distance_pct"]) == (None, None, None)


def test_what_is_not_held_has_no_gain(market):
    found, *_ = said(market, qty=0.0, entry=100.0, mark=110.0)
    assert found["gains"] == []
    assert len(found["marks"]) == 3
