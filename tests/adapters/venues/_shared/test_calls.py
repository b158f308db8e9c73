"""What an answer says of waiting is believed within reason."""

import pytest

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.adapters.venues._shared.calls import RETRY_AFTER_MAX_S, retry_after_s
from tightloop.ports.transport import HttpAnswer


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [("3", 3.0), ("-5", 0.0), ("1e300", RETRY_AFTER_MAX_S), ("nan", 7.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 7.0)],
)
def test_a_wait_is_that_of_the_answer_and_never_without_end(said, wait_s):
    found = retry_after_s(HttpAnswer(429, {"retry-after": said}, b""), 7.0)
    assert found == wait_s
    Budget([], 0).stop(found, 10**18)
