"""Requests are spread so that no window of the venue sees more than its limit, and exits always have a part left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.ports.market_data import VenueLimit
from tightloop.ports.transport import HttpCall, Lane

SECOND_NS = 10**9
LIMITS = [VenueLimit(False, 2_400, 60), VenueLimit(True, 300, 10)]


def call(lane=Lane.QUERY, weight=1, orders=0):
    return HttpCall("GET", "https://x/y", {}, b"", lane, weight, orders)


def sent_at(budget, calls, end_ns, start_ns=0):
    """Send calls as soon as the budget lets them go; return (time, call) of each."""
    now_ns, sent = start_ns, []
    for one in calls:
        wait_s = budget.wait_s(one, now_ns)
        while wait_s > 0:
            now_ns += max(1, round(wait_s * SECOND_NS))
            wait_s = budget.wait_s(one, now_ns)
        if now_ns > end_ns:
            break
        budget.take(one, now_ns)
        sent.append((now_ns, one))
    return sent


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 5, 40, 200]), st.sampled_from(list(Lane)), st.integers(0, 1)),
        min_size=300,
        max_size=500,
    )
)
def test_no_window_sees_more_than_the_limit(drawn):
    calls = [call(lane, weight, orders) for weight, lane, orders in drawn]
    sent = sent_at(Budget(LIMITS, 0), calls, 600 * SECOND_NS)
    for start_ns, _ in sent[::7]:
        inside = [one for at_ns, one in sent if start_ns <= at_ns < start_ns + 60 * SECOND_NS]
        assert sum(one.weight for one in inside) <= 2_400 + 1e-6
        short = [one for at_ns, one in sent if start_ns <= at_ns < start_ns + 10 * SECOND_NS]
        assert sum(one.order_count for one in short) <= 300


def test_a_fifth_is_left_for_exits():
    budget = Budget(LIMITS, 0)
    while budget.wait_s(call(weight=5), 0) == 0:
        budget.take(call(weight=5), 0)
    assert budget.wait_s(call(Lane.ENTRY, 5, 1), 0) > 0
    exits = 0
    while budget.wait_s(call(Lane.EXIT, 1, 1), 0) == 0:
        budget.take(call(Lane.EXIT, 1, 1), 0)
        exits += 1
    assert exits == 150  # all orders of a bucket; of weight a fifth of 1,200 was left


def test_a_refusal_stops_all_lanes_and_is_never_shortened():
    budget = Budget(LIMITS, 0)
    budget.stop(30.0, 0)
    budget.stop(5.0, SECOND_NS)
    assert budget.wait_s(call(Lane.EXIT), SECOND_NS) == pytest.approx(29.0)
    assert budget.wait_s(call(Lane.EXIT), 30 * SECOND_NS) == 0


def test_a_call_dearer_than_the_bucket_goes_when_it_is_full():
    budget = Budget([VenueLimit(False, 100, 60)], 0)
    assert budget.wait_s(call(weight=80), 0) == 0
    budget.take(call(weight=80), 0)
    assert budget.wait_s(call(weight=80), 0) == pytest.approx(96.0)


def test_no_wait_is_shorter_than_a_clock_can_show():
    budget = Budget(LIMITS, 0)
    budget.take(call(weight=720), 0)
    budget.take(call(weight=1e-9), 0)
    assert budget.wait_s(call(weight=240), 0) == 0.001


def test_what_the_venue_says_is_used_is_not_asked_for_again():
    """Another process asked from here before this one began, and all of it falls into one minute of the venue."""
    budget, used, now_ns = Budget([VenueLimit(False, 2_400, 60, "x-used")], 0), 1_900, 0
    while now_ns < 59 * SECOND_NS:
        wait_s = budget.wait_s(call(weight=40), now_ns)
        if wait_s > 0:
            now_ns += max(1, round(wait_s * SECOND_NS))
            continue
        budget.take(call(weight=40), now_ns)
        used += 40
        budget.learn({"x-used": str(used)}, now_ns)
        assert used <= 2_400
    assert used > 1_900


def test_questions_go_at_once_when_the_venue_begins_to_count_anew():
    budget = Budget([VenueLimit(False, 2_400, 60, "x-used")], 0)
    budget.learn({"x-used": "2300"}, 0)
    assert budget.wait_s(call(weight=40), 0) > 10.0
    budget.learn({"x-used": "5"}, SECOND_NS)
    used = 5
    while budget.wait_s(call(weight=40), SECOND_NS) == 0.0:
        budget.take(call(weight=40), SECOND_NS)
        used += 40
        budget.learn({"x-used": str(used)}, SECOND_NS)
    assert 600 < used < 1_200, "what comes back in this minute may be used as well"


@pytest.mark.parametrize("headers", [{}, {"x-used": ""}, {"x-used": "many"}, {"x-used": "-1"}, {"other": "2399"}])
def test_an_answer_that_does_not_say_how_much_is_used_changes_nothing(headers):
    budget = Budget([VenueLimit(False, 2_400, 60, "x-used"), VenueLimit(True, 300, 10)], 0)
    budget.learn(headers, 0)
    assert budget.wait_s(call(weight=900), 0) == 0.0


def test_a_venue_says_more_than_there_can_be():
    budget = Budget([VenueLimit(False, 2_400, 60, "x-used")], 0)
    budget.learn({"x-used": "9" * 5_000}, 0)
    assert 0.0 < budget.wait_s(call(), 0) < 60.0, "no answer stops the questions for good"
