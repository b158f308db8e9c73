"""A leaf of the core as plain Python computes what its machine code computes."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tightloop.core import rounding
from tightloop.core.domain.types import ORDER
from tightloop.core.venue import triggers
from tightloop.runtime.session.desk.leaves import interpreted

_follow = interpreted(triggers.follow)
_passive = interpreted(rounding.price_passive)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([1, -1]),
    st.floats(1.0, 1e6),
    st.floats(1.0, 1e6),
    st.sampled_from([0.0, 0.1, 0.25, 1e-5]),
    st.sampled_from([math.nan, 0.5, 3.0]),
    st.sampled_from([math.nan, 90.0, 1e5]),
)
def test_following_a_price_is_the_same(
    side: int, best: float, price: float, increment: float, distance: float, stop: float
) -> None:
    rows = np.zeros(2, ORDER)
    for row in rows:
        row["side"], row["best_price"], row["stop_price"], row["trail_distance"] = side, best, stop, distance
        row["trail_pct"], row["arm_price"] = 1.5, math.nan
    triggers.follow(rows.view(np.recarray)[0], price, increment)
    _follow(rows.view(np.recarray)[1], price, increment)
    assert rows[0].tobytes() == rows[1].tobytes()


@given(st.floats(0.01, 1e6), st.sampled_from([0.0, 0.1, 0.05]), st.sampled_from([1, -1]))
def test_rounding_is_the_same(price: float, increment: float, side: int) -> None:
    assert _passive(price, increment, side) == rounding.price_passive(price, increment, side)
