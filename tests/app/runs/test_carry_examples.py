"""The modes of strategies/carry run on what `tightloop data sample --carry` makes, and their books add up."""

from pathlib import Path

import polars as pl
import pytest

from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.runs.backtest import backtest
from tightloop.model import load as model_load

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "strategies" / "carry").glob("*.yaml"))
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    root = tmp_path_factory.mktemp("carry")
    write_carry_sample(root)
    return root


@each_example
def test_a_mode_runs_on_the_sample_and_its_books_add_up(path, market):
    run = backtest(path, data=market)
    summary = run.summary
    change = summary["final_equity"] - summary["initial_equity"]
    assert sum(summary["attribution"].values()) == pytest.approx(change, abs=1e-9 * summary["initial_equity"])
    assert run.positions.filter(pl.col("ts") == pl.col("ts").max())["value"].sum() == pytest.approx(
        summary["final_equity"], rel=1e-9
    )
    assert not run.fills.is_empty()
    # A bet may lose a good part of itself, a book without one may not.
    assert run.series["unit_price"].min() > (0.4 if path.stem.startswith("ml_") else 0.98)


@each_example
def test_nothing_is_liquidated_or_undone_on_the_sample(path, market):
    figures = backtest(path, data=market).summary["figures"]
    assert (figures["liquidations"], figures["rollbacks"]) == (0, 0)


@each_example
def test_a_mode_earns_in_every_bucket_that_it_is_made_for(path, market):
    parts = backtest(path, data=market).summary["attribution"]
    legs = model_load.load(path).legs
    kinds = {leg.kind for leg in legs}
    assert (parts["supply_yield"] > 0) == bool(kinds & {"lend", "loop"})
    assert (parts["staking_yield_oracle"] > 0) == bool(kinds & {"stake", "loop"})
    assert (parts["staking_yield_rewards"] > 0) == any(leg.rewards for leg in legs)
    assert (parts["borrow_costs"] < 0) == any(leg.borrow or leg.debt for leg in legs)
    assert (parts["funding_pnl"] != 0) == ("perp" in kinds)
    assert parts["transaction_costs"] < 0


def test_runs_in_dollars_have_the_benchmark_of_the_sample(market):
    run = backtest(EXAMPLES[-1], data=market)
    assert run.summary["figures"]["benchmark"] > 0
