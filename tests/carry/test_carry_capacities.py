"""Reaching a capacity of carry is an error that names it; nothing is ever cut off in silence."""

import inspect
import sys

import numpy as np
import pytest

from carry.synthetic import lend, short, spot, strategy
from tightloop.core import limits
from tightloop.core.carry import bundles as carry_bundles
from tightloop.core.compiled import as_rows
from tightloop.core.domain.carry import BUCKETS, Instruction
from tightloop.core.domain.types import LOG_ROW
from tightloop.core.venue.carry import bundles, instructions
from tightloop.model.carry.plan import make_carry_plan
from tightloop.model.errors import CapacityError

SERIES = [
    ("price", "binance:ETHUSDT-spot"), ("price", "binance:BTCUSDT-spot"), ("mark", "binance:ETHUSDT-perp"),
    ("liquidity_index", "aave_v3/USDT"),
]  # fmt: skip


def plan(*legs):
    return make_carry_plan(strategy(legs), SERIES)


@pytest.mark.parametrize(
    ("name", "room", "legs"),
    [
        ("SERIES_MAX", 3, [lend()]),
        ("LEGS_MAX", 1, [spot(), short()]),
        ("ASSETS_MAX", 1, [spot()]),
        ("TOKENS_MAX", 1, [lend()]),
        ("BALANCES_MAX", 1, [spot()]),
        ("HOLDINGS_MAX", 0, [spot(), short()]),
    ],
)
def test_a_plan_that_needs_more_is_refused_by_the_name_of_the_limit(monkeypatch, name, room, legs):
    plan(*legs)
    monkeypatch.setattr(limits, name, room)
    with pytest.raises(CapacityError, match=name):
        plan(*legs)


def test_a_bundle_has_so_many_instructions_and_no_more():
    venues = plan(spot()).venues
    row = np.zeros(1, LOG_ROW)
    row["code"] = int(Instruction.TRANSFER)
    for _ in range(limits.BUNDLE_MAX):
        bundles.on_instruction.py_func(as_rows(venues)[0], as_rows(row)[0])
    with pytest.raises(AssertionError, match="BUNDLE_MAX"):
        bundles.on_instruction.py_func(as_rows(venues)[0], as_rows(row)[0])


def test_so_many_bundles_wait_for_their_outcome_and_no_more():
    state = plan(spot()).states
    state[0]["carry"]["bundle_id"] = 9
    state[0]["carry"]["bundles"]["id"][: limits.BUNDLES_MAX - 1] = 7
    carry_bundles._track.py_func(as_rows(state)[0].carry)
    with pytest.raises(AssertionError, match="BUNDLES_MAX"):
        carry_bundles._track.py_func(as_rows(state)[0].carry)


def test_so_much_may_be_on_its_way_and_no_more():
    venues = plan(spot()).venues
    venues[0]["transit_count"] = limits.TRANSITS_MAX
    with pytest.raises(AssertionError, match="TRANSITS_MAX"):
        instructions._start_transit.py_func(as_rows(venues)[0], 0, 0, 1.0, 0)


def test_every_bucket_has_room():
    assert BUCKETS <= limits.BUCKETS_MAX


def test_every_capacity_of_carry_has_a_test_of_its_own():
    here = inspect.getsource(sys.modules[__name__])
    own = inspect.getsource(limits).split("# Carry:")[1].split("# Magnitudes:")[0]
    for line in own.splitlines():
        if "_MAX =" in line:
            assert line.split(" =")[0] in here, line
