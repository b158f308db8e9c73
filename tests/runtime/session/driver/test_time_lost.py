"""A clock that is behind the journal is waited for a little, and refused where it is far."""

import pytest

from tightloop.model.times import SECOND_NS
from tightloop.runtime.session.driver.time_lost import ClockBehind, wait_ns

LAST_NS = 1_767_225_600 * SECOND_NS


@pytest.mark.parametrize(
    ("behind_ns", "waited_ns"),
    [(0, 0), (-3_600 * SECOND_NS, 0), (1, 1), (4 * SECOND_NS, 4 * SECOND_NS), (5 * SECOND_NS, 5 * SECOND_NS)],
)
def test_up_to_five_seconds_are_waited_for(behind_ns, waited_ns):
    assert wait_ns(LAST_NS, LAST_NS - behind_ns) == waited_ns


def test_more_is_refused_with_both_times():
    with pytest.raises(ClockBehind, match=r"2025-12-31T23:00:00Z.*2026-01-01T00:00:00Z.* 3600 s later") as refused:
        wait_ns(LAST_NS, LAST_NS - 3_600 * SECOND_NS)
    assert refused.value.exit_code == 2
