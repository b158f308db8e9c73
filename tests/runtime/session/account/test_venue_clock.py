"""The venue's clock: an offset, another speed, and a step, each taken for what it is."""

import random

import pytest

from tightloop.runtime.session.account.venue_clock import EVERY_FAST_S, EVERY_S, SAMPLES_KEPT, VenueClock

SECOND_NS = 1_000_000_000
MS = 1_000_000


def sampled(times_s, venue_s, travel_ms=(1.0, 40.0), seed=1):
    """Return a clock that was asked at times; ``venue_s`` gives the venue's time."""
    clock, draw = VenueClock(), random.Random(seed)
    for at_s in times_s:
        there, back = (draw.uniform(*travel_ms) for _ in range(2))
        sent_ns = int(at_s * SECOND_NS)
        asked_s = at_s + there * 1e-3
        clock.take(sent_ns, sent_ns + int((there + back) * MS), int(venue_s(asked_s) * 1_000) * MS)
    return clock


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("apart_s", [0.06, 60.0])
def test_an_offset_is_no_other_speed_however_answers_travel(seed, apart_s):
    clock = sampled([k * apart_s for k in range(SAMPLES_KEPT)], lambda at_s: at_s + 7.0, seed=seed)
    assert (clock.speed, clock.every_s) == (1.0, EVERY_S)
    assert clock.offset_ns(0) == pytest.approx(7 * SECOND_NS, abs=30 * MS)


@pytest.mark.parametrize("speed", [2.0, 10.0, 0.1])
def test_another_speed_is_followed(speed):
    clock = sampled([k * 0.06 for k in range(SAMPLES_KEPT)], lambda at_s: 100.0 + at_s * speed, (0.2, 0.5))
    assert clock.speed == pytest.approx(speed, rel=0.05)
    assert clock.every_s == EVERY_FAST_S
    assert clock.offset_ns(SECOND_NS) == pytest.approx((99.0 + speed) * SECOND_NS, rel=0.02)


@pytest.mark.parametrize("step_s", [6.0, -6.0, 3_600.0])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_clock_that_was_set_is_no_other_speed_and_counts_once_most_samples_have_it(step_s, at):
    times_s = [k * 60.0 for k in range(SAMPLES_KEPT)]
    clock = sampled(times_s, lambda at_s: at_s + (step_s if at_s >= at * 60.0 else 0.0))
    assert clock.speed == 1.0
    expected_s = step_s if SAMPLES_KEPT - at > SAMPLES_KEPT // 2 else 0.0
    assert clock.offset_ns(0) == pytest.approx(expected_s * SECOND_NS, abs=30 * MS)
