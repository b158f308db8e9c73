"""Every order of a post-only quoter ends as on hftbacktest: filled at the same time and price, or not at all."""

import os

import pytest

from peers import environment, hft_jobs, hft_model
from peers.comparison import DATA

REQUIREMENTS = environment.HERE / "requirements_hft.txt"


def absent(reason: str) -> None:
    """Skip where a developer works, fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("eager", [pytest.param(False, id="waits-for-the-cancel"), pytest.param(True, id="eager")])
@pytest.mark.parametrize("instrument", list(hft_jobs.STEPS))
def test_orders_end_as_on_hftbacktest(instrument: str, eager: bool) -> None:
    if not DATA.is_dir():
        absent("the catalog beside the repository is not there")
    jobs = [job.plain() for job in hft_jobs.jobs(DATA, instrument, eager)]
    try:
        answers = environment.run_jobs(jobs, "hft_reference.py", REQUIREMENTS)
    except environment.NoPeer as error:
        absent(str(error))
        raise
    differences = []
    for job, answer in zip(jobs, answers, strict=True):
        ours, theirs = hft_model.run(job), answer["orders"]
        fills = sum(order[hft_model.STATE] == hft_model.FILLED for order in theirs)
        print(job["name"], len(theirs), "orders,", fills, "fills,", "equal" if ours == theirs else "NOT EQUAL")
        assert fills > 100, "a comparison of hardly any fills shows nothing"
        first = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
        if ours != theirs:
            differences.append(f"{job['name']}: {len(ours)} and {len(theirs)} orders; first pair {first}")
    assert not differences, "\n".join(differences)
