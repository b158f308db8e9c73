"""Simulated live sessions: a sample of seeds is green, traces repeat, and what is broken on purpose is found."""

import pytest

from sim.live import simulate
from sim.live.planted import FOUND_AT, MUTATIONS
from sim.live.player import play
from sim.live.scenario import GROUPS, scenario_of

SAMPLE = 60
AGAIN = 3


def test_a_sample_of_seeds_is_green():
    red, hits, _ = simulate.play_all(range(1, SAMPLE + 1))
    assert red == []
    assert sum(hits[kind] > 0 for kinds in GROUPS.values() for kind in kinds) > 25, "most classes strike in a sample"


def test_a_seed_repeats_under_another_hash_seed():
    _, _, traces = simulate.play_all(range(1, AGAIN + 1))
    assert simulate.differing(1, AGAIN, traces) == [], traces
    assert len(set(traces.values())) == AGAIN
    assert play(scenario_of(1)).trace == traces[1]


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("skip the tail at recovery", 2),
        ("book half of the fees", 1),
        ("write the secret into the journal", 1),
        ("use a snapshot that knows more than the journal", 307),  # of those that lose power just after a snapshot
    ],
)
def test_a_broken_promise_is_found_at_once(name, seed):
    found = simulate.find_planted(name, range(seed, seed + 20))
    assert found is not None


def test_there_are_twenty_broken_promises_and_more_to_look_for():
    assert len(MUTATIONS) >= 20
    assert set(FOUND_AT) <= set(MUTATIONS)
    assert all(1 <= seed <= simulate.PLANTED_SEEDS for seed in FOUND_AT.values()), "of the seeds that are looked at"
