"""Debt in any asset of a pool: what was borrowed is held and owed, handed on to later legs, and repaid."""

from typing import Any

import numpy as np
import pytest

from carry.synthetic import (
    Bands,
    Flow,
    Run,
    at,
    borrowing,
    done,
    feed,
    flat,
    gas,
    lend,
    loop,
    spot,
    stake,
    strategy,
    weight,
)
from tightloop.core.domain.carry import PnlComponent
from tightloop.model.carry import read as carry_read
from tightloop.model.carry.strategy import CarryStrategy, Costs
from tightloop.model.errors import InputError


def against_usdt(borrow: str = "WETH", **fields: Any) -> Any:
    """USDT lent at a threshold of 0.78, a coin borrowed at 0.6."""
    return lend(
        "USDT", fields.pop("size", weight(1.0)), fields.pop("name", "base"), borrow=borrow, ltv=0.6, max_ltv=0.75,
        liquidation_threshold=0.78, liquidation_bonus=0.045, **fields,
    )  # fmt: skip


def market(hours: int = 8, price: float = 2_000.0) -> dict[tuple[str, str], Any]:
    values = flat(hours)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[:] = price + np.arange(hours) % 5
    values["borrow_index", "aave_v3/weETH"] = np.ones(hours)
    return values


@pytest.mark.parametrize(("borrow", "worth"), [("WETH", 1.0), ("weETH", 1.04)])
def test_a_borrowed_coin_is_held_and_owed_and_no_price_of_it_moves_the_fund(borrow: str, worth: float) -> None:
    """6,000 of 10,000 at 2,000 are 3 ETH. Health factor 0.78 / 0.6 = 1.3, and 1.3 x 2000 / 2004 at the highest."""
    own = strategy([against_usdt(borrow)], capital=10_000.0)
    run = done(own, feed(market()))
    assert run.amount("wallet", borrow) == pytest.approx(3.0 / worth)
    assert run.amount("debt", f"debt{borrow}") == pytest.approx(3.0 / worth)
    assert run.snapshots[:, 0] == pytest.approx(10_000.0)
    assert run.snapshots[0, 4] == pytest.approx(1.3)
    assert float(run.carry["hf_min"]) == pytest.approx(1.297405, abs=1e-6)


def test_interest_on_a_borrowed_coin_is_owed_in_the_coin() -> None:
    """3 ETH owed grow by 1 %: 0.03 ETH at 2,000 are 60."""
    values = flat(4)
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[:] = 2_000.0
    values["borrow_index", "aave_v3/WETH"][2:] *= 1.01
    run = done(strategy([against_usdt()], capital=10_000.0), feed(values))
    assert float(run.carry["buckets"][PnlComponent.BORROW_COSTS]) == pytest.approx(-60.0)
    assert run.snapshots[-1, 0] == pytest.approx(9_940.0)


@pytest.mark.parametrize("costs", [Costs(), Costs(gas=gas()), Costs(gas=gas("ETH"))])
def test_a_withdrawal_repays_its_share_of_the_coin(costs: Costs) -> None:
    own = strategy([against_usdt()], capital=10_000.0, flows=[Flow(int(at(5)), -5_000.0, "slow")], costs=costs)
    run = done(own, feed(market()))
    assert float(run.carry["payable"]) == pytest.approx(0.0, abs=1e-6)
    assert run.amount("debt", "debtWETH") == pytest.approx(1.5, rel=2e-2)
    assert run.snapshots[-1, 0] == pytest.approx(5_000.0, rel=2e-2)


def test_a_later_leg_stakes_the_borrowed_coin_and_gives_it_back() -> None:
    """3 ETH borrowed are staked at 1.04; half of it is withdrawn again."""
    own = strategy([against_usdt(), stake(source="base")], capital=10_000.0, flows=[Flow(int(at(5)), -5_000.0, "slow")])
    run = Run.of(own, feed(market()))
    held = [(run.amount("lst", "weETH"), run.amount("debt", "debtWETH")) for _ in run.instants()]
    assert held[4] == (pytest.approx(3.0 / 1.04), pytest.approx(3.0))
    assert held[5] == (pytest.approx(1.5 / 1.04, rel=1e-6), pytest.approx(1.5, rel=1e-6))
    assert run.amount("wallet", "WETH") == pytest.approx(0.0, abs=1e-9)
    assert float(run.carry["payable"]) == pytest.approx(0.0, abs=1e-6)


def test_a_loop_on_a_borrowed_coin_has_an_account_of_its_own() -> None:
    """Each leg's collateral stands behind its own debt: 0.78 / 0.6 and 0.95 / 0.8, not one against the debt of both."""
    run = done(strategy([against_usdt(), loop(ltv=0.8, source="base")], capital=10_000.0), feed(market(4)))
    assert run.amount("debt", "debtWETH", "aave_v3") == pytest.approx(3.0)
    assert run.amount("debt", "debtWETH", "aave_v3/loop") == pytest.approx(12.0)
    assert run.snapshots[0, 4] == pytest.approx(0.95 / 0.8)
    assert run.carry["rollback_count"] == 0


def test_two_loans_on_one_collateral_are_two_accounts() -> None:
    legs = [against_usdt(size=weight(0.5)), against_usdt("weETH", size=weight(0.5), name="other")]
    run = done(strategy(legs, capital=10_000.0), feed(market(4)))
    assert run.snapshots[0, 4] == pytest.approx(1.3), "not 2.6: 10,000 stand behind 3,000 twice"
    plain = done(strategy([legs[0], lend(size=weight(0.5))], capital=10_000.0), feed(market(4)))
    assert plain.snapshots[0, 4] == pytest.approx(1.3)


def test_the_cash_of_a_class_in_a_coin_is_not_taken_for_what_a_spot_leg_bought() -> None:
    """A tenth of 100 is kept and 0.9 of the rest lent: 19 stay. The 22.5 that borrowed dollars bought are staked."""
    own = strategy(
        [
            borrowing(share=0.9, ltv=0.3), spot(share=0.25, name="coins", source="base"), stake(source="coins"),
        ],
        share="ETH", capital=100.0, reserve=0.1,
    )  # fmt: skip
    run = done(own, feed(flat(3)))
    assert run.amount("wallet", "ETH") == pytest.approx(19.0)
    assert run.amount("lst", "weETH") == pytest.approx(22.5 / 1.04, rel=1e-6)


def test_the_band_of_the_ltv_brings_a_debt_in_a_coin_down() -> None:
    values = market()
    for (kind, name), series in values.items():
        if kind in ("price", "mark") and "ETH" in name:
            series[4:] *= 1.1
    run = done(strategy([against_usdt()], capital=10_000.0, bands=Bands(ltv=0.02)), feed(values))
    assert float(run.carry["ltv"]) == pytest.approx(0.6, abs=0.002)
    assert run.amount("debt", "debtWETH") < 3.0


# Refused by name ------------------------------------------------------------------------------------------------------

FILE = """
name: debts
family: carry
share_class: {share}
capital: 100
marks: {{usd: {{ETH: binance:ETHUSDT-spot}}}}
legs:
{legs}
"""


def read(legs: str, share: str = "USDT") -> CarryStrategy:
    return carry_read.loads(FILE.format(share=share, legs=legs))


def test_a_loan_behind_which_stands_what_another_leg_gives_is_refused() -> None:
    legs = (
        "  one: {kind: lend, pool: aave_v3, asset: WETH, borrow: USDT, ltv: 0.5, size: {weight: 0.9}}\n"
        "  two: {kind: lend, pool: aave_v3, asset: USDT, borrow: WETH, ltv: 0.5, from: one}\n"
    )
    with pytest.raises(InputError, match=r"legs\.two\.from: a leg that borrows draws on the wallet"):
        read(legs, "ETH")


def test_a_staking_token_that_no_leg_hands_on_is_refused() -> None:
    with pytest.raises(InputError, match=r"asset: no leg provides weETH to lend"):
        read("  one: {kind: lend, pool: aave_v3, asset: weETH, from: two}\n")


@pytest.mark.parametrize("borrow", ["WETH", "weETH", "wstETH"])
def test_every_asset_of_the_pool_may_be_borrowed(borrow: str) -> None:
    (leg,) = read(f"  one: {{kind: lend, pool: aave_v3, asset: USDT, borrow: {borrow}, ltv: 0.5}}\n").legs
    assert leg.borrow == borrow
