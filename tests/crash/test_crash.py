"""Live sessions that are killed at drawn moments: at each change some rounds of each kind, at night many more.

How long a restart takes is measured by `dev.py crash`.
"""

import sys

import pytest

from crash.crash import rounds_of

KINDS = [("process", False, range(1, 4)), ("power", False, range(201, 203)), ("process", True, range(401, 403))]
AT_NIGHT = [("process", False, range(4, 21)), ("power", False, range(203, 221)), ("process", True, range(403, 411))]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills processes as Linux does")
@pytest.mark.parametrize(
    ("durability", "cut_tail", "seeds"),
    [*KINDS, *(pytest.param(*kind, marks=pytest.mark.nightly) for kind in AT_NIGHT)],
)
def test_a_session_that_is_killed_loses_doubles_and_invents_nothing(durability, cut_tail, seeds):
    found = list(rounds_of(seeds, is_fast=False, durability=durability, cut_tail=cut_tail, keep=None))
    assert [(one.seed, one.wrong, one.said) for one in found if one.wrong] == []
