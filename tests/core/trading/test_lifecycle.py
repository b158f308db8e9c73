"""The life of what is sent: what the table allows, and that the states of orders only refine it."""

import numpy as np
import pytest

from tightloop.core.domain.enums import OrderState
from tightloop.core.trading import lifecycle, orders
from tightloop.core.trading.lifecycle import Life

OPEN = (Life.SENT, Life.IN_FLIGHT, Life.UNKNOWN)


def test_what_has_ended_never_changes_and_what_was_not_sent_is_not_done():
    for life in (Life.DONE, Life.REFUSED):
        assert lifecycle.has_ended(life)
        assert not any(lifecycle.is_legal(life, to) for to in Life)
    assert [to for to in Life if lifecycle.is_legal(Life.NONE, to)] == [Life.SENT, Life.REFUSED]


@pytest.mark.parametrize("life", OPEN)
def test_what_is_open_may_end_or_become_unknown_and_is_not_sent_again(life):
    assert {to for to in Life if lifecycle.is_legal(life, to)} == {
        Life.IN_FLIGHT, Life.DONE, Life.REFUSED, Life.UNKNOWN,
    }  # fmt: skip
    assert lifecycle.is_pending(life) == (life != Life.UNKNOWN)


def test_every_transition_of_an_order_is_one_of_the_table():
    found = 0
    for state in OrderState:
        for to in orders.TRANSITIONS[state]:
            if to >= 0:
                assert lifecycle.is_legal(lifecycle.life_of(state), lifecycle.life_of(OrderState(to)))
                found += 1
    assert found > 20


def test_a_table_of_orders_that_contradicts_it_is_not_built(monkeypatch):
    narrow = lifecycle.TRANSITIONS.copy()
    narrow[Life.IN_FLIGHT, Life.DONE] = 0
    monkeypatch.setattr(lifecycle, "TRANSITIONS", narrow)
    with pytest.raises(AssertionError, match="ACCEPTED to FILLED contradicts"):
        orders._table()
    assert np.array_equal(orders.TRANSITIONS >= -1, np.ones_like(orders.TRANSITIONS, bool))
