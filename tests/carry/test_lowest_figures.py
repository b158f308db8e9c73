"""The lowest and the highest of a run are taken when all prices of an instant are known, before anything is done about
them, and again after it."""

from typing import Any

import pytest

from carry.synthetic import Bands, Legacy, Run, at, borrowing, done, feed, flat, loop, short, spot, strategy
from tightloop.core.domain.carry import Level, Monitor
from tightloop.core.domain.enums import RowKind
from tightloop.model.carry.plan import make_carry_plan
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.feeds import carry_tape
from tightloop.runtime.results.carry.build import build_carry
from tightloop.runtime.results.recorder import Recorder


def falling(share: float, hour: int = 4, hours: int = 8) -> dict[tuple[str, str], Any]:
    """The staking token is worth less from an hour on, to everybody."""
    values = flat(hours)
    for name in ("rate", "market_rate"):
        values[name, "weETH"][hour:] *= share
    return values


def levels(run: Run, monitor: Monitor) -> list[tuple[int, Level]]:
    return [
        (int((row["ts_ns"] - at(0)) // (at(1) - at(0))), Level(int(row["reason"])))
        for row in run.rows
        if row["kind"] == RowKind.MONITOR and row["code"] == monitor
    ]


@pytest.mark.parametrize(("ltv", "share"), [(0.90, 0.94), (0.80, 0.83), (0.93, 0.97)])
def test_the_lowest_health_factor_is_the_one_that_was_liquidated(ltv: float, share: float) -> None:
    """0.95 / 0.90 x 0.94 = 0.992222, below 1, which is why it is liquidated."""
    run = done(strategy([loop(ltv=ltv)], share="ETH", capital=100.0), feed(falling(share)))
    assert int(run.carry["liquidation_count"]) == 1
    assert float(run.carry["hf_min"]) == pytest.approx(0.95 / ltv * share)
    assert run.carry["hf_min_ns"] == at(4)
    assert run.snapshots[4, 11] == pytest.approx(0.95 / ltv * share), "the series says it, too"
    assert run.snapshots[4, 12] == pytest.approx(ltv / share)
    assert run.snapshots[4, 4] > 1.0, "and what was left when the instant ended"
    assert (4, Level.CRITICAL) in levels(run, Monitor.HEALTH_FACTOR)
    assert (4, Level.CRITICAL) in levels(run, Monitor.LTV)


def test_the_lowest_health_factor_before_a_rebalance_is_the_lowest() -> None:
    """0.95 / 0.80 x 0.95 = 1.128125, and the band brings it back to 1.1875."""
    own = strategy([loop(ltv=0.8)], share="ETH", capital=100.0, bands=Bands(ltv=0.02))
    run = done(own, feed(falling(0.95)))
    assert float(run.carry["hf_min"]) == pytest.approx(1.128125)
    assert run.snapshots[4, 4] == pytest.approx(1.1875)
    assert run.snapshots[4, 11] == pytest.approx(1.128125)


def test_a_loan_in_dollars_against_a_coin_is_measured_before_it_is_liquidated() -> None:
    """0.83 / 0.8 x 0.95 = 0.985625 when ETH falls by 5 %, in an ETH class."""
    values = flat(8)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[4:] *= 0.95
    run = done(strategy([borrowing(ltv=0.8)], share="ETH", capital=100.0), feed(values))
    assert float(run.carry["hf_min"]) == pytest.approx(0.985625)


@pytest.mark.parametrize("rise", [1.5, 1.7])
def test_the_lowest_margin_ratio_is_the_one_that_was_liquidated(rise: float) -> None:
    """0.5 over 0.5 of margin; the short loses (rise - 1) of its notional, which is rise as large."""
    values = flat(8)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[4:] *= rise
    own = strategy([spot(), short(margin=0.3)], bands=Bands(margin_warn=0.2, margin_liquidate=0.1))
    run = done(own, feed(values))
    ratio = (0.3 - 0.5 * (rise - 1.0)) / (0.5 * rise)
    assert int(run.carry["liquidation_count"]) == 1
    assert float(run.carry["margin_min"]) == pytest.approx(ratio)
    assert run.snapshots[4, 6] == pytest.approx(ratio)
    assert run.carry["low_ns"] == at(4), "the first hour below the ratio at which the venue liquidates"
    assert (4, Level.CRITICAL) in levels(run, Monitor.MARGIN)


def test_a_margin_is_measured_again_after_what_was_done() -> None:
    """Opened with 0.2 over 0.5 at the last instant of the run, which nothing measured before it was there."""
    run = done(strategy([spot(), short(margin=0.2)]), feed(flat(1)))
    assert float(run.carry["margin_min"]) == pytest.approx(0.4)


def test_published_runs_keep_their_own_rule() -> None:
    own = strategy([loop(ltv=0.9)], share="ETH", capital=100.0, legacy=Legacy(is_on=True))
    run = done(own, feed(falling(0.94)))
    assert float(run.carry["hf_min"]) > 1.0


def test_series_and_figures_agree_on_the_lowest() -> None:
    own, fed = strategy([loop(ltv=0.9)], share="ETH", capital=100.0), feed(falling(0.94))
    plan = make_carry_plan(own, [(key.kind, key.name) for key in fed.series])
    recorder = Recorder()
    rows = carry_backtest.run(plan, carry_tape.make_tape(plan, fed), recorder)
    result = build_carry(plan, fed, rows, recorder)
    lowest = result.summary["figures"]["hf_min"]
    assert lowest == pytest.approx(0.95 / 0.9 * 0.94)
    assert min(result.tables["series"]["hf_low"]) == lowest
