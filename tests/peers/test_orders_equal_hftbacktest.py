"""Every order of a post-only quoter ends as on hftbacktest: filled at the same time and price, or not at all."""

import os
from pathlib import Path

import pytest

from peers import compiled_quoter, environment, hft_coarse, hft_jobs, hft_model
from peers.comparison import DATA
from peers.hft_jobs import Job

REQUIREMENTS = environment.HERE / "requirements_hft.txt"


def absent(reason: str) -> None:
    """Skip where a developer works, fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def compare(asked: list[Job]) -> None:
    jobs = [job.plain() for job in asked]
    try:
        answers = environment.run_jobs(jobs, "hft_reference.py", REQUIREMENTS)
    except environment.NoPeer as error:
        absent(str(error))
        raise
    differences = []
    for job, answer in zip(jobs, answers, strict=True):
        ours, theirs = hft_model.run(job), answer["orders"]
        if not isinstance(job["latency"], list):
            assert compiled_quoter.run(job) == theirs, f"the compiled venue: {job['name']}"
        fills = sum(order[hft_model.STATE] == hft_model.FILLED for order in theirs)
        print(job["name"], len(theirs), "orders,", fills, "fills,", "equal" if ours == theirs else "NOT EQUAL")
        assert fills > 100, "a comparison of hardly any fills shows nothing"
        if ours != theirs:
            first = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
            differences.append(f"{job['name']}: {len(ours)} and {len(theirs)} orders; first pair {first}")
    assert not differences, "\n".join(differences)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("eager", [pytest.param(False, id="waits-for-the-cancel"), pytest.param(True, id="eager")])
@pytest.mark.parametrize("instrument", list(hft_jobs.STEPS))
def test_orders_end_as_on_hftbacktest(instrument: str, eager: bool) -> None:
    if not DATA.is_dir():
        absent("the catalog beside the repository is not there")
    compare(list(hft_jobs.jobs(DATA, instrument, eager)))


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_orders_end_as_on_hftbacktest_where_times_and_prices_often_coincide(tmp_path: Path) -> None:
    compare([job for seed in (1, 2, 3) for job in hft_coarse.jobs(tmp_path, seed)])
