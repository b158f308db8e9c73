"""The compiled venue of ticks ends every order as the plain model does, which ends them as hftbacktest does."""

import os
from pathlib import Path

import pytest

from peers import compiled_quoter, hft_coarse, hft_jobs, hft_model
from peers.comparison import DATA


def differs(job):
    """The first pair of orders that differ; None when all are equal, of which there have to be some that filled."""
    ours, theirs = compiled_quoter.run(job.plain()), hft_model.run(job.plain())
    assert sum(order[hft_model.STATE] == hft_model.FILLED for order in theirs) > 50
    if ours == theirs:
        return None
    return next(pair for pair in zip([*ours, None], [*theirs, None], strict=False) if pair[0] != pair[1])


@pytest.mark.real_data
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "instrument",
    [pytest.param(name, marks=pytest.mark.nightly if at else []) for at, name in enumerate(hft_jobs.STEPS)],
)
def test_orders_of_a_quoter_end_as_in_the_model_on_real_ticks(instrument):
    if not DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the catalog beside the repository is not there")
        pytest.skip("the catalog beside the repository is not there")
    jobs = [job for job in hft_jobs.jobs(Path(DATA), instrument) if not isinstance(job.latency, list)]
    assert [job.name for job in jobs if differs(job) is not None] == []


def test_orders_of_a_quoter_end_as_in_the_model_where_times_and_prices_often_coincide(tmp_path):
    jobs = [job for job in hft_coarse.jobs(tmp_path, 1) if not isinstance(job.latency, list)]
    assert [job.name for job in jobs if differs(job) is not None] == []
