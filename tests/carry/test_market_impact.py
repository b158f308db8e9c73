"""What our own size does to the rates of a pool, by hand and on the real rows; and what a pool has not got to give."""

import dataclasses
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from app.carry_strategies import real
from carry.acceptance import Ran, near, ns, run, run_on, written
from tightloop.adapters.data.catalog import Catalog
from tightloop.core import log
from tightloop.core.carry import interest
from tightloop.core.domain.carry import COUNTERS, GO, ContraAccount, Instruction, PnlComponent, Rollback
from tightloop.core.domain.enums import RowKind, WarningCode
from tightloop.core.replay import carry as replay_carry
from tightloop.model.carry.rates import PoolRates, packaged_rates
from tightloop.model.carry.venues import packaged
from tightloop.model.errors import InputError
from tightloop.runtime.feeds.carry import CarryFeed, SeriesKey

HOUR = 3_600_000_000_000
LENDING = """
name: lending
family: carry
share_class: USDT
capital: {capital}
{more}
legs: {{cash: {{kind: lend, pool: aave_v3, asset: USDT, size: all}}}}
costs: {{market_impact: {impact}}}
"""
BORROWING = """
name: borrowing
family: carry
share_class: ETH
capital: {capital}
marks: {{usd: {{ETH: bybit:ETHUSDT-spot}}}}
legs:
  base: {{kind: lend, pool: aave_v3, asset: WETH, size: {{weight: 0.9}}, borrow: USDT, ltv: 0.4}}
  cash: {{kind: lend, pool: aave_v3, from: base, asset: USDT, size: all}}
costs: {{market_impact: {impact}}}
"""
TOLERANCE = 5e-5
"""Of a rate over utilisation: half of the fourth decimal, which is how exactly the slopes are stated."""


def lending(capital=1_000.0, impact=True, more=""):
    return written(LENDING.format(capital=capital, impact=str(impact).lower(), more=more))


# By hand --------------------------------------------------------------------------------------------------------------

MODEL = {"rate_base": 0.01, "rate_below": 0.08, "rate_above": 0.60, "rate_optimal": 0.80, "reserve_factor": 0.10}


def made(index, supplied, borrowed, debt_index=None, **model):
    """A feed of one pool, whose numbers are given hour by hour."""
    hours = len(index)
    columns = {
        "liquidity_index": index, "borrow_index": debt_index or [1.0] * hours, "supplied": supplied,
        "borrowed": borrowed, **{kind: [value] * hours for kind, value in (MODEL | model).items()},
    }  # fmt: skip
    return CarryFeed(
        np.arange(1, hours + 1, dtype=np.int64) * HOUR, tuple(SeriesKey(kind, "aave_v3/USDT") for kind in columns),
        np.column_stack([np.array(own, float) for own in columns.values()]), {}, {}, {}, (), "", [], [],
    )  # fmt: skip


def counted(ran: Ran, counter: ContraAccount) -> float:
    counters = ran.carry["books"]["counters"]
    return float(counters[int(counter) :: COUNTERS].sum())


def test_two_slopes_meet_at_the_kink_and_the_pool_keeps_its_part():
    assert interest.borrow_rate(0.4, 0.01, 0.08, 0.6, 0.8) == pytest.approx(0.05)
    assert interest.borrow_rate(0.8, 0.01, 0.08, 0.6, 0.8) == pytest.approx(0.09)
    assert interest.borrow_rate(0.9, 0.01, 0.08, 0.6, 0.8) == pytest.approx(0.39)
    assert interest.borrow_rate(1.0, 0.01, 0.08, 0.6, 0.8) == pytest.approx(0.69)
    assert interest.supply_rate(0.4, 0.05, 0.1) == pytest.approx(0.018)


def test_a_supplier_as_large_as_the_pool_is_paid_by_the_model_at_half_the_utilisation():
    """A pool of 1000 that lends 800: 9 % for borrowers, 6.48 % for suppliers. With our 1000 it is used to 40 %: 5 % and
    1.8 %. So of the 1 % that the index grows by, we earn 1.8 / 6.48 of it: 1000 x 0.01 x 0.2777... = 2.7777..."""
    ran = run_on(lending(1_000.0), made([1.0, 1.01], [1_000.0] * 2, [800.0] * 2))
    assert near(ran.column("equity")[-1], 1_000.0 + 10.0 * 1.8 / 6.48, 1e3)
    assert near(ran.bucket(PnlComponent.SUPPLY_YIELD), 10.0 * 1.8 / 6.48)
    assert near(ran.held("aave_v3:aUSDT"), (1_000.0 + 10.0 * 1.8 / 6.48) / 1.01, 1e3)
    assert np.abs(ran.residuals()).max() < 1e-9


def test_every_accrual_is_scaled_by_what_was_known_when_it_began():
    """Over the second hour we are 1000 + 10 x 1.8 / 6.48 in a pool of 2000 that lends 1600, as said when it began;
    what the pool becomes at its end is for the hour after."""
    ran = run_on(lending(1_000.0), made([1.0, 1.01, 1.02], [1_000.0, 2_000.0, 9_000.0], [800.0, 1_600.0, 9.0]))
    ours = 1_000.0 + 10.0 * 1.8 / 6.48
    used = 1_600.0 / (2_000.0 + ours)
    ratio = (0.01 + 0.08 * used / 0.8) * used / (0.09 * 0.8)
    assert near(ran.column("equity")[-1], ours + ours * (1.02 / 1.01 - 1.0) * ratio, 1e3)


def test_what_size_takes_stands_in_a_counter_so_books_add_up_to_zero():
    ran = run_on(lending(1_000.0), made([1.0, 1.01, 1.02], [1_000.0] * 3, [800.0] * 3))
    books = ran.carry["books"]
    assert counted(ran, ContraAccount.IMPACT) > 0.0
    for token in range(int(books["token_count"])):
        own = [b["sign"] * b["amount"] for b in books["balances"][: int(books["balance_count"])] if b["token"] == token]
        assert abs(sum(own) + books["counters"][token * COUNTERS : (token + 1) * COUNTERS].sum()) < 1e-9


def test_the_venues_keep_the_same_books():
    ran = run_on(lending(1_000.0), made([1.0, 1.01, 1.03], [1_000.0] * 3, [800.0] * 3))
    mine, theirs = ran.carry["books"], ran.plan.venues[0]["books"]
    count = int(mine["balance_count"])
    assert mine["balances"]["amount"][:count].tolist() == theirs["balances"]["amount"][:count].tolist()
    assert mine["counters"].tolist() == theirs["counters"].tolist()


def test_both_drivers_give_the_same_hash():
    feed = made([1.0, 1.01, 1.03], [1_000.0] * 3, [800.0] * 3)
    assert run_on(lending(), feed).hash == run_on(lending(), feed, one_by_one=True).hash


def test_a_pool_that_nobody_borrows_from_pays_nothing_with_us_either():
    ran = run_on(lending(), made([1.0, 1.0, 1.0], [1_000.0] * 3, [0.0] * 3))
    assert ran.column("equity")[-1] == 1_000.0


def test_who_is_nobody_is_paid_what_the_index_says():
    feed = made([1.0, 1.01, 1.03], [1e9] * 3, [8e8] * 3)
    tiny = run_on(lending(1e-3), feed)
    assert tiny.column("equity")[-1] / 1e-3 == pytest.approx(1.03, rel=1e-11)
    whole = run_on(lending(1e-3, impact=False), feed)
    assert tiny.column("equity")[-1] < whole.column("equity")[-1]


def test_without_market_impact_size_changes_nothing():
    feed = made([1.0, 1.01, 1.03], [1_000.0] * 3, [800.0] * 3)
    ran = run_on(lending(1e6, impact=False), feed)
    assert near(ran.column("equity")[-1], 1.03e6, 1e6)
    assert counted(ran, ContraAccount.IMPACT) == 0.0


# Withdrawals and what pools have --------------------------------------------------------------------------------------

WITHDRAWAL = "flows: [{ts: 1970-01-01T02:00:00Z, amount: -600, speed: slow}]"


def bundles(ran: Ran) -> list[Rollback]:
    return [Rollback(int(reason)) for reason in ran.recorder.columns(RowKind.BUNDLE)["reason"]]


def test_a_withdrawal_waits_until_the_pool_has_so_much():
    feed = made([1.0] * 5, [10_000.0] * 5, [9_500.0, 9_500.0, 9_500.0, 9_300.0, 9_300.0])
    ran = run_on(lending(1_000.0, False, WITHDRAWAL), feed)
    assert ran.column("flows").tolist() == [0.0, 0.0, 0.0, -600.0, -600.0]
    assert [(ts // HOUR, value) for ts, value in ran.warnings(WarningCode.NOT_PAYABLE)] == [(2, 600.0)]
    assert set(bundles(ran)) == {Rollback.NONE}


def test_our_own_liquidity_is_there_to_be_withdrawn_when_our_size_counts():
    feed = made([1.0] * 3, [10_000.0] * 3, [9_500.0] * 3)
    ran = run_on(lending(1_000.0, True, WITHDRAWAL), feed)
    assert ran.column("flows")[-1] == -600.0


def withdraw(ran: Ran, qty: float) -> Rollback:
    """Instruct the venues as an allocator would that does not look what a pool has."""
    names = [f"{own.venue}:{own.asset}" for own in ran.plan.balances]
    rows = log.new_log(log.ROWS)
    for at, code in enumerate((Instruction.WITHDRAW, GO)):
        rows[at]["kind"], rows[at]["code"], rows[at]["order_id"] = int(RowKind.INSTRUCT), int(code), 77
        rows[at]["slot"], rows[at]["oco"] = names.index("aave_v3:aUSDT"), names.index("wallet:USDT")
        rows[at]["role"] = rows[at]["instance"] = rows[at]["tif"] = -1
        rows[at]["qty"], rows[at]["threshold"] = qty, np.nan
        replay_carry.venue_instructed(ran.plan.venues, rows, at)
    venue = ran.plan.venues[0]
    return Rollback(int(venue["inbox"][int(venue["inbox_count"]) - 1]["reason"]))


@pytest.mark.parametrize(("qty", "ended"), [(500.0, Rollback.NONE), (501.0, Rollback.LIQUIDITY)])
def test_a_pool_gives_nobody_more_than_it_has(qty, ended):
    ran = run_on(lending(1_000.0, False), made([1.0] * 2, [10_000.0] * 2, [9_500.0] * 2))
    books = ran.plan.venues[0]["books"]
    before = books["balances"]["amount"].copy(), books["counters"].copy()
    assert withdraw(ran, qty) == ended
    is_same = all(map(np.array_equal, before, (books["balances"]["amount"], books["counters"])))
    assert is_same == (ended != Rollback.NONE)


# The table ------------------------------------------------------------------------------------------------------------


def test_every_asset_of_every_pool_has_regimes():
    for name, pool in packaged().pools.items():
        assert set(packaged_rates().pools[name].assets) == set(pool.assets)


@pytest.mark.parametrize(
    "regimes",
    [
        [],
        [{"from": "2024-02-01"}, {"from": "2024-01-01"}],
        [{"from": "2026-01-01"}],
        [{"from": "yesterday"}],
        [{"from": "2024-01-01", "below": 0.1}],
        [{"from": "2024-01-01", "base": 0, "below": 0.1, "above": 1, "optimal": 1.0, "reserve_factor": 0.1}],
        [{"from": "2024-01-01", "base": 0, "below": 0.1, "above": 1, "optimal": 0.9, "reserve_factor": 1.1}],
    ],
)
def test_a_table_that_makes_no_sense_is_refused(regimes):
    with pytest.raises(ValidationError):
        PoolRates.model_validate({"until": "2025-01-01", "assets": {"USDT": regimes}})


# Real rows ------------------------------------------------------------------------------------------------------------


@cache
def recorded(asset):
    """(day, utilisation, borrow rate, supply rate) of every row."""
    rows = Catalog(real("data")).series(f"lending/aave_v3/{asset}")
    own = rows.columns
    return rows.ts_ns, own["total_borrowed"] / own["total_supplied"], own["borrow_rate"], own["liquidity_rate"]


def regimes_of(asset):
    own = packaged_rates().pools["aave_v3"]
    found = own.assets[asset]
    return list(zip(found, [*(one.since for one in found[1:]), own.until], strict=True))


@pytest.mark.real_data
@pytest.mark.parametrize("asset", ["USDT", "WETH", "weETH", "wstETH"])
def test_below_the_kink_the_model_asks_what_the_pool_asked(asset):
    times, used, borrow, supply = recorded(asset)
    seen = 0
    for regime, until in regimes_of(asset):
        for at in np.flatnonzero((times >= regime.since) & (times < until)):
            assert regime.is_known, f"{asset} has rows where nobody knows the regime"
            if used[at] > regime.optimal:
                continue
            rate = interest.borrow_rate(used[at], regime.base, regime.below, np.nan, regime.optimal)
            day = datetime.fromtimestamp(times[at] / 1e9, UTC).date()
            assert abs(rate - borrow[at]) <= TOLERANCE * used[at], f"{asset} at {day}: {rate} is not {borrow[at]}"
            paid = interest.supply_rate(used[at], rate, regime.reserve_factor)
            # A total that is off by what the treasury has not claimed is off in the rate and in the share of it.
            assert paid == pytest.approx(supply[at], rel=2e-3)
            seen += 1
    assert seen > 300
    assert times[0] >= regimes_of(asset)[0][0].since


@pytest.mark.real_data
@pytest.mark.parametrize(("asset", "days", "highest"), [("USDT", 96, 0.4027), ("WETH", 22, 0.2264)])
def test_above_the_kink_it_does_too_when_the_utilisation_is_taken_from_the_rates(asset, days, highest):
    times, used, borrow, supply = recorded(asset)
    found = []
    for regime, until in regimes_of(asset):
        for at in np.flatnonzero((times >= regime.since) & (times < until)):
            if used[at] > regime.optimal:
                exact = supply[at] / (borrow[at] * (1.0 - regime.reserve_factor))
                rate = interest.borrow_rate(exact, regime.base, regime.below, regime.above, regime.optimal)
                assert abs(rate - borrow[at]) < 1e-4
                found.append(rate)
    assert len(found) == days
    assert max(found) == pytest.approx(highest, abs=1e-4)


GATE = ("2024-06-01", "2024-06-05")


@pytest.mark.real_data
def test_the_more_is_lent_the_less_a_unit_earns():
    gains = []
    for capital in (1.0, 1e5, 1e6, 1e7, 1e8, 1e9):
        ran = run(lending(capital), *GATE)
        gains.append(ran.column("equity")[-1] / capital - 1.0)
        assert np.abs(ran.residuals()).max() < 1e-8 * capital
    plain = run(lending(1.0, impact=False), *GATE).column("equity")[-1] - 1.0
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx(plain, rel=1e-6)
    assert gains[1] > gains[4] > 0.0
    assert gains[0] <= plain


@pytest.mark.real_data
def test_the_more_is_borrowed_the_more_a_unit_costs():
    costs, used = [], []
    for capital in (1.0, 1e4, 1e5):
        ran = run(written(BORROWING.format(capital=capital, impact="true")), *GATE)
        assert np.abs(ran.residuals()).max() < 1e-8 * capital
        costs.append(-ran.bucket(PnlComponent.BORROW_COSTS) / capital)
        used.append(ran.column("utilisation")[-1])
    assert costs == sorted(costs)
    assert used == sorted(used)
    assert costs[0] > 0.0


@pytest.mark.real_data
def test_a_loop_that_is_large_pays_more_and_both_drivers_agree():
    def loop(capital, impact):
        text = """
name: looping
family: carry
share_class: ETH
capital: {capital}
legs: {{loop: {{kind: loop, lst: weETH, pool: aave_v3, debt: WETH, emode: true, ltv: 0.9}}}}
costs: {{market_impact: {impact}}}
"""
        return written(text.format(capital=capital, impact=impact))

    small, large = (run(loop(capital, "true"), *GATE) for capital in (1.0, 5_000.0))
    plain = run(loop(1.0, "false"), *GATE)
    cost = [ran.bucket(PnlComponent.BORROW_COSTS) / ran.plan.strategy.capital for ran in (plain, small, large)]
    assert cost[0] == pytest.approx(cost[1], rel=1e-3)
    assert cost[2] < cost[1] <= cost[0] < 0.0
    assert large.hash == run_on(large.plan.strategy, large.feed, one_by_one=True).hash


@pytest.mark.real_data
def test_a_day_whose_regime_nobody_knows_is_refused_by_name(monkeypatch):
    from tightloop.app.markets.carry import rates as carry_rates

    known = packaged_rates().pools["aave_v3"]
    table = known.model_dump(by_alias=True) | {"until": "2024-06-03"}
    table["assets"] = {
        asset: [
            own | {"from": str(datetime.fromtimestamp(own["from"] / 1e9, UTC).date())}
            for own in rows if own["from"] < ns("2024-06-03")
        ]
        for asset, rows in table["assets"].items()
    }  # fmt: skip
    short = packaged_rates().model_copy(update={"pools": {"aave_v3": PoolRates.model_validate(_plain(table))}})
    monkeypatch.setattr(carry_rates, "packaged_rates", lambda: short)
    with pytest.raises(
        InputError, match="the interest rate model of aave_v3 for USDT is not known at 2024-06-03T00:00:00Z"
    ):
        run(lending(), *GATE)


def _plain(table):
    """Whole regimes write all keys, days alone none."""
    table["assets"] = {
        asset: [own if own["optimal"] is not None else {"from": own["from"]} for own in rows]
        for asset, rows in table["assets"].items()
    }
    return table


@pytest.mark.real_data
def test_an_asset_whose_rate_above_the_kink_nobody_saw_is_not_borrowed_by_size():
    strategy = written(BORROWING.format(capital=1.0, impact="true"))
    legs = tuple(dataclasses.replace(leg, borrow="weETH") if leg.borrow else leg for leg in strategy.legs)
    with pytest.raises(
        InputError, match="the rate of weETH on aave_v3 above its optimal utilisation is not known at 2024-06-01"
    ):
        run(dataclasses.replace(strategy, legs=legs), *GATE)


@pytest.mark.real_data
def test_regimes_are_read_as_of_the_day():
    ran = run(lending(), "2024-09-10", "2024-09-12")
    below = ran.feed.values[:, ran.feed.column("rate_below", "aave_v3/USDT")]
    assert below[ran.at("2024-09-10T23:00:00")] == 0.065
    assert below[ran.at("2024-09-11")] == 0.055


def test_size_without_a_pool_is_warned_of():
    text = """
name: coins
family: carry
share_class: BTC
capital: 1
legs: {coin: {kind: perp, side: short, size: {notional: 0.1}, venues: {bybit:BTCUSDT-perp: 1.0}, margin: {weight: 0.5}}}
marks: {usd: {BTC: bybit:BTCUSDT-spot}}
costs: {market_impact: true}
"""
    assert any("market_impact" in own for own in written(text).warnings)
