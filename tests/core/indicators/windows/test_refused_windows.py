"""Windows that cannot be: named by parameter when the strategy is read, never computed."""

import pytest

from sim.tick_market import strategy
from tightloop.core import indicators
from tightloop.core.indicators.contract import REFRESH
from tightloop.model.errors import InputError
from tightloop.model.signal import read as signal_read

PAIRS = [
    "VOLUME_SURGE",
    "TRADE_FREQUENCY_SPIKE",
    "VOLUME_ACCELERATION",
    "TRADE_SIZE_MOMENTUM",
    "SPREAD_WIDENING_RATIO",
    "LIQUIDITY_RATIO",
    "DECISION_DENSITY_ACCELERATION",
    "ORDER_FLOW_REVERSAL",
]
SINGLE = [
    "TRADE_FREQUENCY",
    "AVERAGE_TRADE_SIZE",
    "VOLUME_PRICE_CORRELATION",
    "SPREAD_PERCENTAGE",
    "SPREAD_VOLATILITY",
    "TOTAL_LIQUIDITY",
    "DEAL_VS_MID_DEVIATION",
    "ORDER_FLOW_IMBALANCE",
    "INTER_DEAL_INTERVALS",
    "TRADE_CLUSTERING_COEFFICIENT",
    "PRICE_VOLATILITY",
    "DEAL_SIZE_VOLATILITY",
    "MARKET_STRESS_INDEX",
]
COMPOSITES = ["MOMENTUM_DEATH_INDEX", "PUMP_STRENGTH_SCORE", "EXHAUSTION_SCORE", "SIGNAL_CONFIDENCE"]


def refused(kind, **written):
    indicator = indicators.load(kind)
    found = indicator.refused(indicators.with_defaults(indicator, written))
    return None if found is None else found[0]


@pytest.mark.parametrize("kind", [*PAIRS, *SINGLE, *COMPOSITES, "VOLUME_CONCENTRATION", "VELOCITY_DIVERGENCE_INDEX"])
def test_the_defaults_are_windows_that_can_be(kind):
    assert refused(kind) is None


@pytest.mark.parametrize("kind", [*PAIRS, *SINGLE])
def test_a_window_begins_before_it_ends(kind):
    assert refused(kind, t1=10, t2=10) == "t1"
    if kind in PAIRS:
        assert refused(kind, t3=30, t4=30) == "t3"


def test_the_whole_is_longer_than_its_last_part():
    assert refused("VOLUME_CONCENTRATION", short=60, long=60) == "long"
    assert refused("VELOCITY_DIVERGENCE_INDEX", short=60, long=30) == "long"


@pytest.mark.parametrize("kind", COMPOSITES)
def test_the_base_of_a_velocity_ends_before_now(kind):
    assert refused(kind, t3=20, d=30) == "d"


def test_a_composite_refuses_what_its_parts_can_not_be():
    assert refused("PUMP_STRENGTH_SCORE", cur=600) == "base"
    assert refused("PUMP_STRENGTH_SCORE", surge_lo=5) == "surge_hi"
    assert refused("EXHAUSTION_SCORE", cur=600) == "base"
    assert refused("EXHAUSTION_SCORE", lookback=86_400) == "lookback"
    assert refused("MOMENTUM_DEATH_INDEX", lookback=86_400) == "lookback"
    assert refused("SIGNAL_CONFIDENCE", period=10_000) == "lookback"


@pytest.mark.parametrize("refresh", ["0.49", "0.001", "-1", "3600.5"])
def test_a_grid_finer_than_half_a_second_or_coarser_than_an_hour_is_refused(refresh):
    with pytest.raises(InputError, match=r"is not between 0\.5 and 3_600 or 0; write a number between") as refusal:
        signal_read.loads(strategy(variants=f"mean: {{type: TWPA, t1: 10, refresh: {refresh}}}"))
    assert [problem.field for problem in refusal.value.problems] == ["variants.mean.refresh"]


@pytest.mark.parametrize(("refresh", "seconds"), [("0", 1.0), ("0.5", 0.5), ("3600", 3600.0)])
def test_a_grid_is_as_written_and_0_is_the_types_own(refresh, seconds):
    read = signal_read.loads(strategy(variants=f"mean: {{type: TWPA, t1: 10, refresh: {refresh}}}"))
    assert indicators.load("TWPA").refresh_s(read.variants["mean"].values) == seconds
    assert (REFRESH.minimum, REFRESH.maximum, REFRESH.default) == (0.5, 3600.0, 0.0)
