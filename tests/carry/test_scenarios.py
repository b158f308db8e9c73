"""What carry strategies must do, on the real rows: lending, basis, staking, leverage, hedges, published runs."""

from dataclasses import replace

import numpy as np
import pytest

from carry.acceptance import MODES, mode, near, ns, reference, run, written
from tightloop.core.domain.carry import PnlComponent
from tightloop.core.domain.enums import WarningCode
from tightloop.model.carry.strategy import Flow
from tightloop.model.errors import InputError
from tightloop.runtime.results.carry.published import legacy_attribution

pytestmark = pytest.mark.real_data

GATE = ("2024-06-01", "2024-08-01")
LONG = ("2024-05-13", "2025-06-30")
ALL = ("2024-01-01", "2025-06-30")

LENDING = """
name: lending
family: carry
share_class: USDT
capital: 100_000
{more}
legs: {{cash: {{kind: lend, pool: aave_v3, asset: USDT, size: all}}}}
"""


def lending(more=""):
    return written(LENDING.format(more=more))


# Lending --------------------------------------------------------------------------------------------------------------


def test_lending_earns_what_the_index_grew_by():
    ran = run(lending(), *GATE)
    assert near(ran.column("equity")[-1], 100_971.657080126, 1e5)
    assert near(ran.bucket(PnlComponent.SUPPLY_YIELD), 971.657080126, 1e5)
    assert np.abs(ran.residuals()).max() < 1e-6


def test_gas_is_paid_out_of_the_capital_before_it_is_supplied():
    gas = "marks: {usd: {ETH: bybit:ETHUSDT-spot}}\ncosts: {gas: {multiplier: 1.2}}"
    ran = run(lending(gas), *GATE)
    gwei, eth = ran.feed.values[0, ran.feed.column("gas", "ethereum")], 3762.62
    paid = 250_000 * gwei * 1e-9 * 1.2 * eth
    assert near(ran.column("equity")[-1], (100_000 - paid) * 1.0097165708012636, 1e5)


def test_equity_over_all_rows_follows_the_index_and_never_falls():
    ran = run(lending(), *ALL)
    index = ran.feed.values[:, ran.feed.column("liquidity_index", "aave_v3/USDT")]
    assert np.allclose(ran.column("equity"), 100_000 * index / index[0], rtol=1e-9, atol=0)
    assert float(ran.carry["drawdown_pct"]) == 0.0


def test_the_first_step_gains_nothing_and_keeps_scaled_units():
    ran = run(lending(), *GATE)
    assert near(ran.column("equity")[0], 100_000, 1e5)
    assert near(ran.held("aave_v3:aUSDT", 0), 93_449.173127293, 1.0)


def test_a_withdrawal_takes_scaled_units_and_leaves_the_price_of_a_unit():
    flows = "flows: [{ts: 2024-07-01T00:00:00Z, amount: -25_000, speed: slow}]"
    ran, whole = run(lending(flows), *GATE), run(lending(), *GATE)
    index = ran.feed.values[ran.at("2024-07-01"), ran.feed.column("liquidity_index", "aave_v3/USDT")]
    taken = ran.held("aave_v3:aUSDT", 0) - ran.held("aave_v3:aUSDT")
    assert near(taken, 25_000 / index, 1e5)
    assert np.allclose(ran.column("unit_price"), whole.column("unit_price"), rtol=1e-12, atol=0)


# Basis ----------------------------------------------------------------------------------------------------------------


def test_a_short_is_not_paid_for_the_instant_it_is_opened_at():
    ran = run(reference("basis_binance_BTCUSDT"), "2024-01-01", "2024-01-02")
    assert int(ran.carry["settlement_count"]) == 3
    rates = ran.feed.settlements["binance:BTCUSDT-perp"]
    assert near(ran.bucket(PnlComponent.FUNDING_PNL), float((rates.rate * rates.mark).sum()), 42_000)


def test_a_book_that_is_never_resized_is_liquidated_where_its_margin_ends():
    own = reference("basis_static", "bands.margin.liquidate=0.10")
    ran = run(own, *ALL)
    assert int(ran.carry["warn_ns"]) == ns("2024-03-11T17:00:00")
    ((when, price),) = ran.warnings(WarningCode.LIQUIDATED)
    assert when == ns("2024-11-11T15:00:00")
    assert price == pytest.approx(82_454.58, abs=0.005)
    ((_, left),) = ran.warnings(WarningCode.DELTA_LEFT)
    assert left == pytest.approx(50_000 / 42_283.58)
    assert ran.holding(0)[0] == 0.0
    assert ran.held("binance:USDT") == pytest.approx(0.0, abs=1e-9), "the venue keeps what was left, and no more"
    lowest = np.nanmin(ran.column("margin_ratio"))
    assert lowest == pytest.approx(0.0992158118810875), "as it was when prices were known, before the liquidation"


def test_margin_is_watched_but_nothing_is_done_when_nothing_is_asked():
    ran = run(reference("basis_static"), *ALL)
    assert not ran.warnings(WarningCode.LIQUIDATED)
    assert int(ran.carry["resize_count"]) == 0
    assert float(ran.carry["margin_min"]) < 0.0


def test_capital_over_three_places_is_all_there_after_the_entry():
    exact, legacy = run(reference("run_1126_clean"), *RUN), run(reference("run_1126"), *RUN)
    assert near(exact.column("equity")[0], 99_931.127904, 1e6)
    assert near(legacy.column("equity")[0], 99_929.910349, 1e6)


# Staking and leverage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ltv", "health"), [(0.65, 1.461538), (0.75, 1.266667), (0.9094005, 1.044644), (0.93, 1.021505)]
)
def test_leverage_is_one_over_one_minus_the_ltv(ltv, health):
    ran = run(reference("loop_weETH", f"params.ltv={ltv}"), *GATE)
    assert ran.worth("aave_v3:aweETH", 0) / ran.column("equity")[0] == pytest.approx(1 / (1 - ltv), rel=1e-12)
    assert ran.column("hf")[0] == pytest.approx(health, abs=1e-6)


def test_a_floor_of_the_health_factor_that_the_target_contradicts_is_refused():
    with pytest.raises(InputError, match=r"0\.8636"):
        reference("loop_weETH", "params.ltv=0.9094005", "bands.hf_floor=1.10")


def test_a_hedge_follows_what_staking_added_once_it_is_two_percent():
    ran = run(reference("hedged_simple", "bands.delta=0.02"), *LONG)
    rate = ran.feed.values[:, ran.feed.column("rate", "weETH")]
    first = int(np.argmax(rate / rate[0] - 1 > 0.02))
    bands = [when for when, _ in ran.warnings(WarningCode.BAND_LEFT)]
    assert bands[1:] == [int(ran.feed.instants[first])]
    assert abs(ran.holding(0)[0]) == pytest.approx(17.06723466423629 * rate[first] / rate[0], rel=1e-9)
    untouched = run(reference("hedged_simple"), *LONG)
    assert untouched.holding(0)[0] == pytest.approx(-17.06723466423629)


# Published runs -------------------------------------------------------------------------------------------------------

RUN = ("2024-05-12", "2024-06-30")


def test_a_published_run_is_reproduced_to_the_digit_with_its_faults():
    ran = run(reference("run_1126"), *RUN)
    index = ran.feed.values[0, ran.feed.column("liquidity_index", "aave_v3/weETH")]
    owed = ran.feed.values[0, ran.feed.column("borrow_index", "aave_v3/WETH")]
    assert near(ran.held("aave_v3:aweETH", 0) * index, 182.19487562041522)
    assert near(-ran.held("aave_v3:debtWETH", 0) * owed, 172.0112088020747)
    assert ran.column("hf")[0] == pytest.approx(1.044644246402, abs=1e-11)
    assert near(float(ran.carry["gas_cost"]), 15.219432245512 + 4 * 1.217554579641)  # one of them twice
    assert near(ran.worth("aave_v3:aweETH"), 641_965.749737857)
    assert near(-ran.worth("aave_v3:debtWETH"), 583_391.403192329)
    exchanges = sum(ran.held(f"{venue}:USDT") + ran.holding(at)[1] for at, venue in enumerate(("binance", "bybit")))
    assert near(exchanges, 42_645.027782, 1e6)
    assert ran.bucket(PnlComponent.FUNDING_PNL) == pytest.approx(665.17675, abs=1e-9)
    found = legacy_attribution(ran.plan, ran.tape, ran.snapshots)
    assert found["total"] == pytest.approx(1_346.477583, abs=5e-7)
    for name, expected in (
        ("supply", 379.228478), ("oracle", 2_318.002985), ("borrow", 2_015.930630), ("delta", -52.157879),
    ):  # fmt: skip
        assert found[name] == pytest.approx(expected, abs=5e-7)


def test_the_same_run_with_stamps_rounded_first_is_paid_the_rate_of_its_own_settlement():
    ran = run(reference("run_1126", "legacy.stale_funding=false"), *RUN)
    exchanges = sum(ran.held(f"{venue}:USDT") + ran.holding(at)[1] for at, venue in enumerate(("binance", "bybit")))
    assert near(exchanges, 42_652.347782, 1e6)
    assert legacy_attribution(ran.plan, ran.tape, ran.snapshots)["total"] == pytest.approx(1_353.797583, abs=5e-7)


def test_the_same_run_without_its_faults_earned_nine_percent_and_not_what_was_published():
    ran = run(reference("run_1126_clean"), *RUN)
    final = float(ran.column("equity")[-1])
    assert near(final, 101_206.225837, 1e6)
    apr = 100 * (final / 100_000 - 1) * 365 / 49
    assert apr == pytest.approx(8.985152, abs=1e-6)
    on_mark = run(reference("run_1126_clean", "legacy.funding_on_entry=false"), *RUN)
    assert on_mark.column("equity")[-1] == pytest.approx(101_359.73, abs=0.005)


# Every mode -----------------------------------------------------------------------------------------------------------

EVERY = sorted(path.stem for path in MODES.glob("*.yaml"))


@pytest.mark.parametrize("name", EVERY)
def test_every_mode_adds_up_at_every_step_and_is_the_same_from_both_drivers(name):
    window = ("2024-05-14", "2024-08-14")
    ran, again = run(mode(name), *window), run(mode(name), *window, one_by_one=True)
    assert int(ran.carry["has_entered"]) == 1
    assert int(ran.carry["rollback_count"]) == 0
    assert np.abs(ran.residuals()).max() <= 1e-8 * mode(name).capital
    assert ran.hash == again.hash
    assert ran.snapshots.tobytes() == again.snapshots.tobytes()


@pytest.mark.parametrize("name", EVERY)
def test_every_mode_keeps_the_price_of_a_unit_through_flows(name):
    own = mode(name)
    flows = tuple(
        Flow(ns(when), share * own.capital, "slow") for when, share in (("2024-06-20", 0.3), ("2024-07-20", -0.2))
    )
    ran = run(replace(own, flows=flows), "2024-05-14", "2024-08-14")
    plain = run(own, "2024-05-14", "2024-08-14")
    row = ran.at("2024-06-20")
    assert ran.column("unit_price")[row] == pytest.approx(plain.column("unit_price")[row], rel=2e-3), "costs alone"
    assert np.abs(ran.residuals()).max() <= 1e-8 * own.capital * 1.3
    assert float(ran.carry["payable"]) == pytest.approx(0.0, abs=1e-6)
    assert float(ran.carry["flows"]) == pytest.approx(0.1 * own.capital, rel=1e-9)
