"""How often something may be asked."""

import pytest

from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.security.throttle import ENTRIES_MAX, Throttle


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def refused(call, *arguments):
    try:
        call(*arguments)
    except HttpProblem as problem:
        return int(problem.headers["Retry-After"])
    return None


def test_a_bucket_is_emptied_and_fills_with_time(clock):
    throttle = Throttle({"a": 6}, clock)
    assert [refused(throttle.take, "a", "one") for _ in range(7)] == [None] * 6 + [10]
    clock.now_s += 10.0
    assert [refused(throttle.take, "a", "one") for _ in range(2)] == [None, 10]
    assert refused(throttle.take, "a", "two") is None
    clock.now_s += 3_600.0
    assert [refused(throttle.take, "a", "one") for _ in range(7)] == [None] * 6 + [10], "no more than a bucket"


def test_refused_requests_do_not_keep_a_bucket_empty(clock):
    throttle = Throttle({"a": 60}, clock)
    for _ in range(60):
        throttle.take("a", "one")
    for _ in range(100):
        assert refused(throttle.take, "a", "one") == 1
    clock.now_s += 1.0
    assert refused(throttle.take, "a", "one") is None


def test_a_name_that_fails_waits_longer_each_time_and_not_for_ever(clock):
    throttle = Throttle({}, clock)
    waits = []
    for _ in range(12):
        throttle.failed("one")
        waits.append(refused(throttle.check_failures, "one"))
        clock.now_s += 61.0
        assert refused(throttle.check_failures, "one") is None
    assert waits == [None, None, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert refused(throttle.check_failures, "two") is None
    throttle.succeeded("one")
    throttle.failed("one")
    assert refused(throttle.check_failures, "one") is None


def test_what_is_counted_has_a_bound(clock):
    throttle = Throttle({"a": 1}, clock)
    for number in range(ENTRIES_MAX + 10):
        throttle.take("a", str(number))
        throttle.failed(str(number))
    assert len(throttle._left) == len(throttle._failed) == ENTRIES_MAX
