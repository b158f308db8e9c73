"""Live sessions that are killed at drawn moments: at each change some rounds of each kind, at night 200 of each."""

import os
import sys

import pytest

from crash.crash import READY_MEDIAN_MAX_S, rounds_of, times_of

KINDS = [
    ("process", False, range(1, 11)), ("process", False, range(11, 21)), ("power", False, range(201, 211)),
    ("power", False, range(211, 221)), ("process", True, range(401, 406)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills processes as Linux does")
@pytest.mark.parametrize(("durability", "cut_tail", "seeds"), KINDS)
def test_a_session_that_is_killed_loses_doubles_and_invents_nothing(durability, cut_tail, seeds):
    found = list(rounds_of(seeds, durability=durability, cut_tail=cut_tail, keep=None))
    assert [(one.seed, one.wrong, one.said) for one in found if one.wrong] == []
    if os.getloadavg()[0] < 2.0 * (os.cpu_count() or 1):  # on a machine that is not overloaded
        assert times_of(found)[0] < READY_MEDIAN_MAX_S
