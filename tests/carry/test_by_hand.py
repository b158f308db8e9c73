"""Carry, one rule at a time, by hand, on markets that stand still but for what is looked at."""

import dataclasses
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from carry.synthetic import (
    Bands,
    Costs,
    Flow,
    Instruction,
    Payout,
    Prediction,
    Run,
    Settlement,
    Size,
    at,
    borrowing,
    directional,
    done,
    feed,
    flat,
    gas,
    lend,
    loop,
    short,
    spot,
    stake,
    strategy,
    weight,
)
from tightloop.core.domain.carry import LegState, Level, Monitor, PnlComponent, RebalanceReason
from tightloop.core.domain.enums import RowKind, WarningCode
from tightloop.model.carry.strategy import CarryStrategy

ETH_PERP = "binance:ETHUSDT-perp"
BTC_PERP = "binance:BTCUSDT-perp"


def _marked(values: dict[tuple[str, str], Any], base: str, price: list[float]) -> None:
    """Spot and mark of every venue go along ``price``."""
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and base in name:
            series[: len(price)] = price
            series[len(price) :] = price[-1]


def _bucket(run: Run, bucket: PnlComponent) -> float:
    return float(run.carry["buckets"][bucket])


# Leverage and liquidation ---------------------------------------------------------------------------------------------


def test_a_loop_is_as_large_as_its_ltv_says() -> None:
    """LTV 0.9094005: leverage 11.037588507663 and a health factor of 1.044644."""
    run = done(strategy([loop(ltv=0.9094005)], share="ETH", capital=100.0), feed(flat(2)))
    assert run.amount("supplied", "aweETH") * 1.04 == pytest.approx(1103.7588507663)
    assert run.amount("debt", "debtWETH") == pytest.approx(1003.7588507663)
    assert run.carry["hf"] == pytest.approx(1.044644, abs=1e-6)
    assert run.carry["nav"] == pytest.approx(100.0)


@pytest.mark.parametrize(("ltv", "leverage"), [(0.65, 2.857142857), (0.9, 10.0)])
def test_leverage_is_one_over_one_less_ltv(ltv: float, leverage: float) -> None:
    run = done(strategy([loop(ltv=ltv)], share="ETH", capital=100.0), feed(flat(2)))
    assert run.amount("supplied", "aweETH") * 1.04 == pytest.approx(100.0 * leverage)


def test_a_flash_loan_of_5_bps_is_paid_out_of_the_loan_and_the_ltv_is_met() -> None:
    """F = L E / (1 + f - L): 0.9094005 x 100 / 0.0910995 is staked beside the 100, and F x 1.0005 is owed."""
    run = done(strategy([loop(ltv=0.9094005, flash_bps=5.0)], share="ETH", capital=100.0), feed(flat(2)))
    flash = 0.9094005 * 100.0 / (1.0005 - 0.9094005)
    assert run.amount("debt", "debtWETH") == pytest.approx(flash * 1.0005)
    assert run.amount("supplied", "aweETH") * 1.04 == pytest.approx(100.0 + flash)
    assert run.carry["ltv"] == pytest.approx(0.9094005)
    assert run.carry["nav"] == pytest.approx(100.0 - 0.0005 * flash)


@pytest.mark.parametrize(("market", "fee"), [(1.0, 0.0), (0.995, 0.0), (0.995, 0.002)])
def test_a_loop_above_its_ltv_comes_back_to_it_in_one_go_whatever_a_sale_costs(market: float, fee: float) -> None:
    values = flat(6)
    values["borrow_index", "aave_v3/WETH"][2:] = 1.05  # 0.80 becomes 0.84
    values["market_rate", "weETH"][:] = 1.04 * market
    own = strategy(
        [loop(ltv=0.8, flash_bps=5.0)], share="ETH", capital=100.0, bands=Bands(ltv=0.02), costs=Costs(swap_rate=fee)
    )
    run = done(own, feed(values))
    assert run.snapshots[2, 5] == pytest.approx(0.8, rel=1e-9)
    assert [hour for hour, _, _, band in run.warnings(WarningCode.BAND_LEFT) if band == RebalanceReason.LTV] == [2]


def test_a_loop_below_its_ltv_borrows_up_to_it_in_one_go() -> None:
    values = flat(6)
    values["rate", "weETH"][2:] *= 1.1
    values["market_rate", "weETH"][2:] *= 1.1
    own = strategy([loop(ltv=0.8, flash_bps=5.0)], share="ETH", capital=100.0, bands=Bands(ltv=0.02))
    run = done(own, feed(values))
    assert run.snapshots[2, 5] == pytest.approx(0.8, rel=1e-9)


def test_half_of_a_debt_is_liquidated_just_below_a_health_factor_of_1() -> None:
    """Debt 172.0112: 86.0056 repaid, 86.8657 seized with the bonus of 1 %, 0.86006 lost."""
    equity = 172.0112 * (1.0 - 0.9094005) / 0.9094005
    values = flat(4)
    values["rate", "weETH"][2:] *= 0.957  # health factor 0.99973
    own = strategy([loop(ltv=0.9094005)], share="ETH", capital=equity)
    run = Run.of(own, feed(values))
    for hour in run.instants():
        if hour == 2:
            break
    assert run.amount("debt", "debtWETH") == pytest.approx(86.0056, abs=1e-4)
    row = next(row for row in run.rows if row["kind"] == RowKind.WARNING and row["code"] == WarningCode.LIQUIDATED)
    assert row["value"] == pytest.approx(0.86006, abs=1e-5)
    assert _bucket(run, PnlComponent.LIQUIDATION_PNL) == pytest.approx(-0.86006, abs=1e-5)
    seized = (equity + 172.0112) / 1.04 - run.amount("supplied", "aweETH")
    assert seized * 1.04 * 0.957 == pytest.approx(86.8657, abs=1e-4)


def test_all_of_a_debt_is_liquidated_below_a_health_factor_of_095() -> None:
    values = flat(3)
    values["rate", "weETH"][1:] *= 0.94 * 0.6 / 0.8  # health factor 0.94
    leg = dataclasses.replace(loop(ltv=0.6), max_ltv=0.7, liquidation_threshold=0.8)
    run = done(strategy([leg], share="ETH", capital=100.0), feed(values))
    assert run.amount("debt", "debtWETH") == 0.0
    assert _bucket(run, PnlComponent.LIQUIDATION_PNL) == pytest.approx(-0.01 * 150.0)


def test_a_liquidator_repays_no_more_than_the_collateral_pays_for() -> None:
    """Collateral of 500 ETH falls to 200 against a debt of 400: what is left is a debt, never a gift."""
    values = flat(3)
    values["rate", "weETH"][1:] *= 0.4
    run = Run.of(strategy([loop(ltv=0.8)], share="ETH", capital=100.0), feed(values))
    for hour in run.instants():
        if hour == 1:
            break
    assert run.amount("supplied", "aweETH") == pytest.approx(0.0, abs=1e-9)
    assert run.amount("debt", "debtWETH") == pytest.approx(400.0 - 200.0 / 1.01)
    assert _bucket(run, PnlComponent.LIQUIDATION_PNL) == pytest.approx(200.0 / 1.01 - 200.0)


@pytest.mark.parametrize(
    ("ratio", "rate", "times"), [(1.0, 0.10, 1.8182), (0.5, 0.10, 1.3636), (1.0, 0.05, 1.9048), (0.5, 0.05, 1.4286)]
)
def test_a_short_is_liquidated_where_its_margin_is_the_maintenance(ratio: float, rate: float, times: float) -> None:
    """P* = (margin + q entry) / (q (1 + mm)); the spot is at another exchange and stays, unhedged."""
    share = 1.0 / (1.0 + ratio)
    values = flat(4)
    _marked(values, "ETH", [3000.0, 3000.0, 3000.0 * times * 1.02])
    own = strategy([spot(venue="bybit", share=share), short(margin=1.0 - share)], bands=Bands(margin_liquidate=rate))
    run = done(own, feed(values))
    code, row = run.warnings(WarningCode.LIQUIDATED), run.warnings(WarningCode.DELTA_LEFT)
    assert code[0][2] == pytest.approx(3000.0 * times, rel=1e-4)
    assert row[0][2] == pytest.approx(share * 100_000.0 / 3000.0)
    assert run.qty() == 0.0
    assert run.amount("venue", "USDT", "binance") == pytest.approx(0.0, abs=1e-6), "no margin below zero"
    assert run.carry["legs"][1]["state"] == LegState.LIQUIDATED


def test_two_holdings_that_share_a_margin_are_closed_at_no_price_that_was_not_there() -> None:
    """Each alone would be liquidated beyond the mark; together they are below the maintenance at it."""
    values = flat(4)
    for base, price in (("ETH", 3000.0), ("BTC", 60_000.0)):
        _marked(values, base, [price, price, 1.30 * price])
    own = strategy(
        [
            spot("BTC", "bybit", 0.4, "b"), spot("ETH", "bybit", 0.4, "e"),
            short("BTC", margin=0.1, of="b", name="sb"), short("ETH", margin=0.1, of="e", name="se"),
        ],
        bands=Bands(margin_liquidate=0.1),
    )  # fmt: skip
    values["mark", ETH_PERP][2:], values["mark", BTC_PERP][2:] = 3000.0 * 1.145, 60_000.0 * 1.145
    run = done(own, feed(values))
    prices = [value for _, _, value, _ in run.warnings(WarningCode.LIQUIDATED)]
    assert len(prices) == 2
    assert all(any(price <= top * (1 + 1e-12) for top in (3435.0, 68_700.0)) for price in prices)
    assert run.amount("venue", "USDT", "binance") >= -1e-6


def test_nothing_is_opened_again_that_was_liquidated() -> None:
    values = flat(12)
    _marked(values, "BTC", [60_000.0] * 3 + [120_000.0])
    said = {"signal": (Prediction(at(1), -1, 0.9, math.nan), Prediction(at(6), -1, 0.9, math.nan))}
    run = done(strategy([directional()], bands=Bands(margin_liquidate=0.1)), feed(values, predictions=said))
    assert len(run.warnings(WarningCode.LIQUIDATED)) == 1
    assert run.qty() == 0.0


# Funding and rewards --------------------------------------------------------------------------------------------------


def _settled(*hours: int, rate: float = 0.001) -> dict[str, Settlement]:
    stamps = np.array([at(hour) for hour in hours], np.int64)
    return {ETH_PERP: Settlement(stamps, np.full(len(hours), rate), np.full(len(hours), 3000.0))}


BASIS = strategy([spot(), short()])


def test_funding_is_quantity_times_mark_times_rate_and_not_received_at_the_instant_of_opening() -> None:
    run = done(BASIS, feed(flat(10), settlements=_settled(0, 8)))
    assert _bucket(run, PnlComponent.FUNDING_PNL) == pytest.approx(50_000.0 * 0.001)
    assert run.carry["nav"] == pytest.approx(100_050.0)


def test_a_settlement_that_is_said_twice_is_paid_once() -> None:
    run = done(BASIS, feed(flat(10), settlements=_settled(8, 8)))
    assert _bucket(run, PnlComponent.FUNDING_PNL) == pytest.approx(50.0)
    assert run.carry["settlement_count"] == 1


def _rewarded(amount: float = 0.178826, hours: int = 12, price: float = 3.0, **fields: float) -> Run:
    values = flat(hours)
    values["rate", "weETH"][:] = 1.0
    values["price", "EIGEN"][:] = price
    leg = stake(rewards=("eigen",), dust=fields.get("dust", 0.002))
    payout = {"stake": (Payout(at(8), "EIGEN", amount, price, at(0), at(8)),)}
    own = strategy([leg], share="ETH", capital=100.0, costs=Costs(swap_rate=fields.get("swap_rate", 0.0)))
    return done(own, feed(values, payouts=payout))


def test_a_reward_is_paid_for_the_average_that_was_staked() -> None:
    """0.178826 EIGEN for each of 100 ETH staked from the first hour to the last: 17.8826."""
    run = _rewarded()
    assert run.amount("reward", "EIGEN") == pytest.approx(17.8826)
    assert _bucket(run, PnlComponent.STAKING_YIELD_REWARDS) == pytest.approx(17.8826 * 3.0 / 3000.0)


def test_what_was_staked_for_half_of_the_period_earns_half() -> None:
    values = flat(12)
    values["rate", "weETH"][:] = 1.0
    values["market_rate", "weETH"][:] = 1.0
    own = strategy([stake(rewards=("eigen",))], share="ETH", capital=100.0, flows=[Flow(at(4), -100.0, "slow")])
    payout = {"stake": (Payout(at(8), "EIGEN", 0.178826, 3.0, at(0), at(8)),)}
    run = done(own, feed(values, payouts=payout))
    assert run.amount("reward", "EIGEN") == pytest.approx(17.8826 / 2)


def test_a_reward_without_a_market_price_is_said_and_not_valued() -> None:
    run = _rewarded(price=math.nan)
    assert [value for _, _, value, _ in run.warnings(WarningCode.REWARD_UNPRICED)] == [pytest.approx(17.8826)]
    assert run.carry["nav"] == pytest.approx(100.0)


def test_rewards_worth_more_than_the_floor_are_sold() -> None:
    """178.826 EIGEN at 3 USD are 0.178826 ETH: above 0.1 % of the fund, below 0.2 %."""
    kept, sold = _rewarded(1.78826), _rewarded(1.78826, dust=0.001, swap_rate=0.01)
    assert kept.amount("reward", "EIGEN") == pytest.approx(178.826)
    assert sold.amount("reward", "EIGEN") == 0.0
    assert sold.amount("wallet", "ETH") == pytest.approx(0.178826 * 0.99)
    assert _bucket(sold, PnlComponent.TRANSACTION_COSTS) == pytest.approx(-0.00178826)


# Ways and flows -------------------------------------------------------------------------------------------------------


def test_a_transfer_takes_its_time_and_its_fee() -> None:
    own = strategy([spot(), short()], costs=Costs(transfer_delay_h=2.0, transfer_fee=10.0))
    run = Run.of(own, feed(flat(4)))
    seen = [(run.amount("transit", "USDT"), run.amount("venue", "USDT"), run.qty()) for _ in run.instants()]
    assert seen[0] == (99_990.0, 0.0, 0.0)
    assert seen[1] == (99_990.0, 0.0, 0.0)
    assert seen[2] == (0.0, pytest.approx(49_990.0), pytest.approx(-50_000.0 / 3000.0))
    assert run.carry["nav"] == pytest.approx(99_990.0)


def test_what_is_redeemed_waits_in_the_queue_and_is_paid_out_when_it_comes() -> None:
    own = strategy(
        [stake(way_out="queue", queue_h=5.0)], share="ETH", capital=100.0, flows=[Flow(at(3), -25.0, "slow")]
    )
    run = Run.of(own, feed(flat(12)))
    waiting = [(run.amount("queue", "ETH"), float(run.carry["payable"])) for _ in run.instants()]
    assert waiting[2] == (0.0, 0.0)
    assert all(waiting[hour] == (pytest.approx(25.0), 25.0) for hour in range(3, 8))
    assert waiting[8] == (0.0, 0.0)
    assert run.carry["flows"] == pytest.approx(-25.0)
    assert run.carry["units"] == pytest.approx(75.0)


def test_a_withdrawal_leaves_the_units_of_the_others_as_they_were() -> None:
    values = flat(8)
    values["liquidity_index", "aave_v3/USDT"][:] = 1.07
    run = done(strategy([lend()], flows=[Flow(at(4), -25_000.0, "slow")]), feed(values))
    assert run.amount("supplied", "aUSDT") == pytest.approx(75_000.0 / 1.07)
    assert run.carry["units"] == pytest.approx(75_000.0)
    assert run.carry["unit_price"] == pytest.approx(1.0)


def test_a_fast_withdrawal_that_is_not_there_stays_owed_and_is_said_once() -> None:
    run = done(strategy([lend()], reserve=0.1, flows=[Flow(at(2), -20_000.0, "fast")]), feed(flat(8)))
    assert run.carry["payable"] == 20_000.0
    assert [(hour, value) for hour, _, value, _ in run.warnings(WarningCode.NOT_PAYABLE)] == [(2, pytest.approx(1e4))]
    paid = done(strategy([lend()], reserve=0.1, flows=[Flow(at(2), -5_000.0, "fast")]), feed(flat(8)))
    assert paid.carry["payable"] == 0.0
    assert paid.amount("supplied", "aUSDT") == pytest.approx(90_000.0), "nothing was taken out"


def test_a_slow_withdrawal_is_not_stopped_by_a_fast_one_after_it() -> None:
    flows = [Flow(at(2), -20_000.0, "slow"), Flow(at(3), -10.0, "fast")]
    own = strategy([stake(way_out="queue", queue_h=2.0)], share="ETH", capital=100_000.0, flows=flows)
    assert done(own, feed(flat(12))).carry["payable"] == 0.0


@pytest.mark.parametrize("amount", [-100_000.0, -150_000.0])
def test_nobody_gets_more_than_all_and_who_comes_later_owes_nothing_of_it(amount: float) -> None:
    flows = [Flow(at(2), amount, "slow"), Flow(at(6), 50_000.0, "slow")]
    run = done(strategy([lend()], flows=flows), feed(flat(10)))
    assert run.carry["flows"] == pytest.approx(-50_000.0)
    assert run.carry["payable"] == 0.0
    assert run.carry["nav"] == pytest.approx(50_000.0)
    assert run.amount("supplied", "aUSDT") == pytest.approx(50_000.0)
    assert run.carry["unit_price"] == pytest.approx(1.0)


def test_everything_is_paid_out_of_a_hedged_loop() -> None:
    own = strategy(
        [spot(), loop(source="spot"), short(margin=0.48)], reserve=0.02, bands=Bands(ltv=0.02, hf_floor=1.1),
        costs=Costs(0.0007, 0.0004, swap_rate=0.001, transfer_delay_h=1.0, transfer_fee=1.0, gas=gas()),
        flows=[Flow(at(3), -100_000.0, "slow")],
    )  # fmt: skip
    run = done(own, feed(flat(12)))
    assert run.carry["payable"] == 0.0
    assert run.amount("debt", "debtWETH") == 0.0, "no dust is owed"
    assert run.carry["rollback_count"] == 0
    assert run.carry["liquidation_count"] == 0
    assert abs(run.carry["nav"]) < 20.0
    assert 98_000.0 < -run.carry["flows"] < 100_000.0


def test_a_withdrawal_pays_the_gas_of_its_way_out_once() -> None:
    """220,000 units at 10 gwei x 1.2 and 3,000 USD are 7.92 USD."""
    run = done(strategy([lend()], costs=Costs(gas=gas()), flows=[Flow(at(2), -25_000.0, "slow")]), feed(flat(8)))
    assert run.carry["payable"] == 0.0
    assert run.carry["flows"] == pytest.approx(-25_000.0)
    assert run.carry["gas_cost"] == pytest.approx((250_000 + 220_000) * 12e-9 * 3000.0)
    assert len(run.executed(Instruction.WITHDRAW)) == 1


def test_capital_that_is_all_at_work_pays_gas_out_of_what_is_moved() -> None:
    own = strategy([spot("BTC"), short("BTC")], costs=Costs(gas=gas()), flows=[Flow(at(3), -30_000.0, "slow")])
    run = done(own, feed(flat(8)))
    assert run.carry["rollback_count"] == 0
    assert run.carry["payable"] == 0.0
    assert run.carry["nav"] == pytest.approx(70_000.0 - 2 * 3.6)


def test_two_legs_that_share_all_of_the_capital_leave_room_for_gas() -> None:
    own = strategy([lend(size=weight(0.5)), lend(size=weight(0.5), name="other")], costs=Costs(gas=gas()))
    run = done(own, feed(flat(4)))
    assert run.carry["rollback_count"] == 0
    assert run.amount("supplied", "aUSDT") == pytest.approx(100_000.0 - 18.0)


def test_gas_of_what_fails_takes_no_more_than_there_is() -> None:
    """All is lent: the gas of a way out comes out of what is taken out, and nothing is when it fails."""
    own = strategy([lend()], costs=Costs(gas=gas()), flows=[Flow(at(2), -25_000.0, "slow")])
    run = Run.of(own, feed(flat(8)), {hour: int(Instruction.WITHDRAW) for hour in range(2, 6)})
    assert all(run.amount("wallet", "USDT") > -1e-9 for _ in run.instants())
    assert run.carry["rollback_count"] == 4
    assert run.carry["payable"] == 0.0
    assert run.carry["gas_cost"] == pytest.approx((250_000 + 220_000) * 12e-9 * 3000.0)


def test_what_is_not_worth_a_transfer_stays_and_stops_nothing() -> None:
    own = strategy(
        [spot("BTC"), short("BTC", {"binance": 0.5, "bybit": 0.5})], costs=Costs(transfer_fee=1.0),
        flows=[Flow(at(3), -60_000.0, "slow")],
    )  # fmt: skip
    run = done(own, feed(flat(8)))
    assert run.carry["rollback_count"] == 0
    assert run.carry["payable"] == 0.0


def test_a_withdrawal_leaves_every_venue_the_same_margin_for_its_notional() -> None:
    own = strategy([spot("BTC"), short("BTC", {"binance": 0.5, "bybit": 0.5})], flows=[Flow(at(3), -60_000.0, "slow")])
    run = done(own, feed(flat(8)))
    assert run.amount("venue", "USDT", "binance") == pytest.approx(10_000.0)
    assert run.amount("venue", "USDT", "bybit") == pytest.approx(10_000.0)
    assert run.qty(0) == run.qty(1) == pytest.approx(-20_000.0 / 60_000.0 / 2)


def test_a_margin_that_runs_low_is_refilled_with_what_a_resize_sells_elsewhere() -> None:
    values = flat(8)
    _marked(values, "BTC", [60_000.0] * 3 + [100_000.0])
    own = strategy(
        [spot("BTC"), short("BTC", {"binance": 0.5, "bybit": 0.5})], bands=Bands(margin_warn=0.4, margin_resize=0.3)
    )
    run = done(own, feed(values))
    shares = [
        run.amount("venue", "USDT", venue) + run.qty(k) * (100_000.0 - 60_000.0)
        for k, venue in enumerate(("binance", "bybit"))
    ]
    assert shares[0] == pytest.approx(shares[1])
    assert shares[0] == pytest.approx(25_000.0)
    assert run.carry["resize_count"] == 1
    assert run.carry["margin_ratio"] > 0.9


def test_what_comes_before_the_first_entry_is_entered_once() -> None:
    run = done(strategy([spot("BTC"), short("BTC")], flows=[Flow(at(0), 50_000.0, "slow")]), feed(flat(6)))
    assert run.amount("venue", "BTC") == pytest.approx(75_000.0 / 60_000.0)
    assert len(run.executed(Instruction.SPOT_BUY)) == 1


def test_a_guard_that_fails_while_an_entry_goes_on_repeats_nothing_of_the_entry() -> None:
    """A deposit is on its way to the exchange when the health factor falls and the repayment fails."""
    values = flat(12)
    values["rate", "weETH"][6:] *= 0.93
    values["market_rate", "weETH"][6:] *= 0.93
    own = strategy(
        [spot(), loop(source="spot"), short(margin=0.48)], reserve=0.02, bands=Bands(hf_floor=1.15),
        costs=Costs(transfer_delay_h=2.0), flows=[Flow(at(5), 20_000.0, "slow")],
    )  # fmt: skip
    run = Run.of(own, feed(values), {6: int(Instruction.SWAP)}).to_end()
    assert [hour for hour, _, reason in run.bundles() if reason] == [6]
    assert len(run.executed(Instruction.SPOT_BUY)) == 2
    sent = [float(row["qty"]) for row in run.executed(Instruction.TRANSFER) if row["side"] == -1]
    assert len(sent) == 2, "one transfer for each entry"


# Directional legs -----------------------------------------------------------------------------------------------------


def _signalled(high: float, low: float, opens: list[float], side: int = 1, own: CarryStrategy | None = None) -> Run:
    """Opened at hour 1 at 60,000 with a stop and a target 2 x 1 % away; hour 2 to 3 has the high and the low."""
    values = flat(6)
    _marked(values, "BTC", opens)
    values["high", BTC_PERP][:] = values["mark", BTC_PERP]
    values["low", BTC_PERP][:] = values["mark", BTC_PERP]
    values["high", BTC_PERP][2] = values["low", BTC_PERP][2] = opens[1]
    values["high", BTC_PERP][3], values["low", BTC_PERP][3] = high, low
    said = {"signal": (Prediction(at(1), side, 0.9, 0.01),)}
    return done(own or strategy([directional()]), feed(values, predictions=said))


@pytest.mark.parametrize(
    ("high", "low", "side", "price"),
    [
        (61_300.0, 59_900.0, 1, 61_200.0),  # the target
        (60_100.0, 58_700.0, 1, 58_800.0),  # the stop
        (61_300.0, 58_700.0, 1, 58_800.0),  # both: the stop
        (61_300.0, 59_900.0, -1, 61_200.0),
        (60_100.0, 58_700.0, -1, 58_800.0),
        (61_300.0, 58_700.0, -1, 61_200.0),
    ],
)
def test_a_stop_comes_before_a_target_inside_the_bar(high: float, low: float, side: int, price: float) -> None:
    run = _signalled(high, low, [60_000.0] * 5, side)
    closed = run.executed(Instruction.PERP_TRADE)[-1]
    assert run.qty() == 0.0
    assert closed["price"] == pytest.approx(price)
    assert closed["order_id"] == 0, "no bundle asked for it"
    assert run.carry["nav"] == pytest.approx(100_000.0 * (1.0 + side * (price / 60_000.0 - 1.0)))
    assert _bucket(run, PnlComponent.TRANSACTION_COSTS) == 0.0


def test_a_target_that_is_only_touched_does_not_fill_and_a_stop_does() -> None:
    assert _signalled(61_200.0, 59_000.0, [60_000.0] * 5).qty() > 0.0
    assert _signalled(61_000.0, 58_800.0, [60_000.0] * 5).qty() == 0.0


def test_a_bar_that_opens_beyond_the_stop_fills_at_its_open() -> None:
    run = _signalled(58_100.0, 57_900.0, [60_000.0, 60_000.0, 58_000.0, 58_050.0])
    assert run.executed(Instruction.PERP_TRADE)[-1]["price"] == pytest.approx(58_000.0)


def test_the_open_of_a_bar_is_the_last_mark_though_it_did_not_change() -> None:
    """58,000 was the open two bars ago; the bar of the stop opened at 60,000, as the one before it."""
    run = _signalled(60_100.0, 58_700.0, [58_000.0, 60_000.0, 60_000.0, 60_000.0])
    assert run.executed(Instruction.PERP_TRADE)[-1]["price"] == pytest.approx(58_800.0)


def test_what_was_stopped_inside_a_bar_does_not_pay_the_funding_at_its_end() -> None:
    values = flat(6)
    values["low", BTC_PERP][3] = 58_000.0
    said = {"signal": (Prediction(at(1), 1, 0.9, 0.01),)}
    paid = {BTC_PERP: Settlement(np.array([at(3)], np.int64), np.array([0.01]), np.array([60_000.0]))}
    run = done(strategy([directional()]), feed(values, predictions=said, settlements=paid))
    assert run.qty() == 0.0
    assert _bucket(run, PnlComponent.FUNDING_PNL) == 0.0


@pytest.mark.parametrize(
    ("size", "qty"),
    [(Size("notional", 30_000.0), 0.5), (Size("units", 0.25), 0.25), (Size("all"), 1.0 / 0.6), (weight(0.3), 0.5)],
)
def test_a_directional_leg_is_as_large_as_it_says(size: Size, qty: float) -> None:
    run = _signalled(60_000.0, 60_000.0, [60_000.0] * 4, own=strategy([directional(own_size=size)]))
    assert run.qty() == pytest.approx(qty)


def test_the_margin_of_a_directional_leg_may_be_in_a_coin() -> None:
    own = strategy([directional(own_size=weight(0.5), stop_sd=50.0, target_sd=50.0)], share="BTC", capital=2.0)
    run = _signalled(66_000.0, 60_000.0, [60_000.0] * 3 + [66_000.0], own=own)
    # 1 BTC of notional gains 6,000 USDT, which are 1/11 BTC at 66,000.
    assert run.carry["nav"] == pytest.approx(2.0 + 1.0 / 11.0)


# What is watched ------------------------------------------------------------------------------------------------------


def test_each_change_of_a_level_is_said_once() -> None:
    values = flat(8)
    _marked(values, "ETH", [3000.0, 3000.0, 3600.0, 3600.0, 4500.0, 4500.0, 5600.0])
    own = strategy([spot(venue="bybit", share=0.5), short(margin=0.5)])
    run = done(own, feed(values))
    said = [
        (int((row["ts_ns"] - at(0)) // (at(1) - at(0))), int(row["reason"]))
        for row in run.rows
        if row["kind"] == RowKind.MONITOR and row["code"] == Monitor.MARGIN
    ]
    # Ratios (2 - p) / p of p = 1, 1.2, 1.5, 1.8667: 1, 0.667, 0.333, 0.0714.
    assert said == [(4, Level.CAUTION), (6, Level.CRITICAL)]
    assert run.snapshots[4, 6] == pytest.approx(1.0 / 3.0)


def test_the_level_of_a_peg_follows_the_market() -> None:
    values = flat(6)
    values["market_rate", "weETH"][1:] = 1.04 * np.array([1.0, 0.997, 0.99, 0.97, 1.0])
    run = done(strategy([stake()], share="ETH", capital=10.0), feed(values))
    levels = [int(row["reason"]) for row in run.rows if row["kind"] == RowKind.MONITOR and row["code"] == Monitor.PEG]
    assert levels == [Level.CAUTION, Level.WARNING, Level.CRITICAL, Level.SAFE]


def test_a_band_that_was_followed_is_quiet_the_next_hour() -> None:
    values = flat(24)
    _marked(values, "ETH", list(3000.0 * np.linspace(1.0, 1.4, 24)))
    own = strategy(
        [spot(), short(venues={"binance": 0.5, "bybit": 0.5})], bands=Bands(margin_warn=0.9, margin_resize=0.8)
    )
    run = done(own, feed(values))
    hours = [hour for hour, _, _, band in run.warnings(WarningCode.BAND_LEFT) if band == RebalanceReason.MARGIN]
    assert hours
    assert all(later - earlier > 1 for earlier, later in pairwise(hours))


def test_a_stake_that_no_market_buys_waits_and_says_so_once() -> None:
    values = flat(10)
    values["market_rate", "weETH"][:7] = math.nan
    own = strategy([stake()], share="ETH", capital=100.0, flows=[Flow(at(2), -50.0, "slow")])
    run = done(own, feed(values))
    assert [hour for hour, _, _, _ in run.warnings(WarningCode.NOT_PAYABLE)] == [2]
    assert run.carry["payable"] == 0.0
    assert run.carry["flows"] == pytest.approx(-50.0)


def test_a_pool_of_two_legs_is_left_once() -> None:
    own = strategy(
        [lend(size=weight(0.5)), lend(size=weight(0.5), name="other")], flows=[Flow(at(2), -40_000.0, "slow")]
    )
    run = done(own, feed(flat(6)))
    assert run.amount("supplied", "aUSDT") == pytest.approx(60_000.0)
    assert run.amount("wallet", "USDT") == pytest.approx(0.0, abs=1e-6)


def test_a_short_never_turns_into_a_long() -> None:
    """All have left, and a little gas is owed in ETH: nothing is bought against it."""
    own = strategy(
        [spot(), short()], bands=Bands(delta=0.02), costs=Costs(gas=gas("ETH")),
        flows=[Flow(at(2), -100_000.0, "slow"), Flow(at(6), 50_000.0, "slow")],
    )  # fmt: skip
    run = Run.of(own, feed(flat(10)))
    assert all(run.qty() <= 0.0 for _ in run.instants())
    assert run.qty() == pytest.approx(-25_000.0 / 3000.0, rel=1e-3)


def test_collateral_that_still_stands_against_a_debt_stays() -> None:
    """Fees took a part of the borrowed USDT: what cannot be repaid keeps its collateral at the LTV that was meant."""
    own = strategy(
        [
            borrowing(share=0.9), spot(share=0.15, source="base"), short(margin=0.15, source="base"),
        ],
        share="ETH", capital=100.0, costs=Costs(0.01, 0.01), flows=[Flow(at(3), -100.0, "slow")],
    )  # fmt: skip
    run = done(own, feed(flat(8)))
    debt = run.amount("debt", "debtUSDT")
    assert debt > 0.0
    assert debt == pytest.approx(0.35 * run.amount("supplied", "aWETH") * 3000.0, rel=1e-6)
    assert run.carry["rollback_count"] == 0
    assert len(run.warnings(WarningCode.NOT_PAYABLE)) == 1


def test_who_asks_when_all_have_left_is_owed_nothing_by_those_who_come() -> None:
    flows = [Flow(at(2), -100_000.0, "slow"), Flow(at(4), -5_000.0, "slow"), Flow(at(6), 50_000.0, "slow")]
    run = done(strategy([lend()], flows=flows), feed(flat(10)))
    assert run.carry["nav"] == pytest.approx(50_000.0)
    assert run.carry["payable"] == 0.0


def test_a_pool_is_not_left_for_less_than_the_gas_of_it() -> None:
    own = strategy([lend()], capital=5.0, costs=Costs(gas=gas()), flows=[Flow(at(2), -1.0, "slow")])
    run = done(own, feed(flat(6)))
    assert run.carry["gas_cost"] <= 5.0
    assert run.carry["rollback_count"] == 0
