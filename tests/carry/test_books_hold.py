"""Whatever a carry strategy is and whatever the market does, the books hold after every instant."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from carry.synthetic import (
    BalanceKind,
    Bands,
    Costs,
    Flow,
    Instruction,
    Prediction,
    Run,
    at,
    borrowing,
    directional,
    feed,
    flat,
    funding,
    gas,
    lend,
    loop,
    short,
    spot,
    stake,
    strategy,
    walk,
    weight,
)
from examples import examples
from tightloop.core.domain.carry import BUCKETS, COUNTERS, Rollback
from tightloop.core.domain.enums import RowKind
from tightloop.core.replay.carry import FIXED
from tightloop.core.state import check_invariants
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest.one_by_one import carry as carry_one_by_one
from tightloop.runtime.feeds.carry import CarryFeed, SeriesKey
from tightloop.runtime.results.recorder import Recorder

HOURS = 36
BOTH = {"binance": 0.5, "bybit": 0.5}
OWED = (BalanceKind.GAS,)


def _books(reserve: float) -> dict[str, CarryStrategy]:
    """A strategy of every kind; what is left by the reserve is at work."""
    half, rest = 0.5, 0.5 - reserve
    coins = 30.0
    return {
        "lend": strategy([lend()]),
        "two lends": strategy([lend(size=weight(half)), lend(size=weight(rest), name="other")]),
        "lend ETH": strategy([lend("WETH")], share="ETH", capital=coins),
        "basis": strategy([spot("BTC"), short("BTC", margin=rest)]),
        "basis over two": strategy([spot("BTC"), short("BTC", BOTH, margin=rest)]),
        "basis of spot elsewhere": strategy([spot("ETH", "bybit"), short("ETH", margin=rest)]),
        "two bases": strategy(
            [
                spot("BTC", share=0.25, name="b"), spot("ETH", share=0.25, name="e"),
                short("BTC", margin=0.25, of="b", name="sb"), short("ETH", margin=0.25 - reserve, of="e", name="se"),
            ]
        ),
        "basis and lend": strategy([spot(share=0.3), short(margin=0.3), lend(size=weight(0.4 - reserve))]),
        "stake": strategy([stake()], share="ETH", capital=coins),
        "stake and queue": strategy([stake(way_out="queue", queue_h=5.0)], share="ETH", capital=coins),
        "loop": strategy([loop(ltv=0.85)], share="ETH", capital=coins),
        "hedged": strategy([spot(), stake(source="spot"), short(margin=rest)]),
        "hedged queue": strategy([spot(), stake(source="spot", way_out="queue", queue_h=4.0), short(margin=rest)]),
        "hedged loop": strategy([spot(), loop(source="spot", flash_bps=5.0), short(venues=BOTH, margin=rest)]),
        "borrowed basis": strategy(
            [
                borrowing(share=0.95 - reserve), spot(share=0.16, source="base"),
                short(venues=BOTH, margin=0.15, source="base"),
            ],
            share="ETH", capital=coins,
        ),
        "directional": strategy([directional(size=0.5)]),
        "directional in BTC": strategy([directional()], share="BTC", capital=2.0),
    }  # fmt: skip


NAMES = sorted(_books(0.0))


def _optional(*values: Any) -> Any:
    return some.sampled_from((None, *values))


@some.composite
def runs(draw: Any) -> tuple[CarryStrategy, CarryFeed, dict[int, int]]:
    """A strategy with bands, costs and flows, a market for it, and instructions that fail."""
    reserve = draw(some.sampled_from((0.0, 0.02)))
    own = _books(reserve)[draw(some.sampled_from(NAMES))]
    resize, liquidate = draw(_optional(0.3)), draw(_optional(0.1))
    costs = Costs(
        spot_rate=draw(some.sampled_from((0.0, 0.0007))), perp_rate=draw(some.sampled_from((0.0, 0.0004))),
        swap_rate=draw(some.sampled_from((0.0, 0.001))), transfer_delay_h=draw(some.sampled_from((0.0, 1.0, 3.0))),
        transfer_fee=draw(some.sampled_from((0.0, 1.0))) * own.capital / 100_000.0,
        gas=draw(some.sampled_from((None, gas(), gas("ETH")))),
    )  # fmt: skip
    bands = Bands(
        draw(_optional(0.02)),
        draw(_optional(0.02)),
        draw(_optional(0.03)),
        draw(_optional(1.05)),
        0.4,
        resize,
        liquidate,
    )
    flows = [
        Flow(int(at(hour)), own.capital * share, speed)
        for hour, share, speed in draw(
            some.lists(
                some.tuples(
                    some.integers(0, HOURS - 1), some.sampled_from((-1.5, -1.0, -0.4, -0.05, 0.01, 0.7)),
                    some.sampled_from(("fast", "slow")),
                ),
                max_size=3,
            )
        )
    ]  # fmt: skip
    values = walk(draw(some.integers(0, 10_000)), HOURS, draw(some.sampled_from((0.0, 0.004, 0.03, 0.1))))
    unsold = draw(some.integers(0, 10))
    values["market_rate", "weETH"][:unsold] = math.nan
    if draw(some.booleans()):
        values["rate", "weETH"][20:] *= 0.85  # slashed: what was lent against it is liquidated
    signals = {
        "signal": tuple(
            Prediction(int(at(hour)), side, 0.9, 0.02) for hour, side in ((1, 1), (6, -1), (9, 0), (15, 1), (30, -1))
        )
    }
    forced = draw(
        some.dictionaries(some.integers(0, HOURS - 1), some.sampled_from([int(op) for op in Instruction]), max_size=4)
    )
    rate = draw(some.sampled_from((0.0, 0.0003, -0.002)))
    fed = feed(values, settlements=funding(values, lambda _: rate), predictions=signals)
    return (
        dataclasses.replace(
            own, bands=bands, costs=costs, flows=tuple(sorted(flows, key=lambda f: f.ts_ns)), reserve=reserve
        ),
        fed,
        forced,
    )


def _value(run: Run, series: int, hour: int) -> float:
    return 1.0 if series < 0 else float(run.tape.values[hour, series])


def _prices(run: Run, hour: int) -> list[float]:
    """Prices of all assets in the share class, from the feed itself."""
    books = run.carry["books"]
    usd = [
        float(asset["usd"]) if asset["price_series"] < 0 else _value(run, int(asset["price_series"]), hour)
        for asset in books["assets"][: int(books["asset_count"])]
    ]
    return [one / usd[int(books["share"])] for one in usd]


def _worths(run: Run, hour: int) -> list[float]:
    """Signed worth of each balance in the share class."""
    books, prices = run.carry["books"], _prices(run, hour)
    found = []
    for own in books["balances"][: int(books["balance_count"])]:
        amount = float(own["amount"])
        unit = _value(run, int(own["index_series"]), hour) * _value(run, int(own["rate_series"]), hour)
        found.append(int(own["sign"]) * amount * unit * prices[int(own["asset"])] if amount != 0.0 else 0.0)
    return found


def check_balances(run: Run) -> None:
    books = run.carry["books"]
    balances = books["balances"][: int(books["balance_count"])]
    for token in range(int(books["token_count"])):
        own = balances[balances["token"] == token]
        counters = books["counters"][token * COUNTERS : (token + 1) * COUNTERS]
        scale = max(1.0, float(np.abs(own["amount"]).sum()), float(np.abs(counters).max()))
        assert abs(float((own["sign"] * own["amount"]).sum() + counters.sum())) <= 1e-9 * scale, "a token adds up to 0"
        for name, row in zip(run.plan.balances, balances, strict=True):
            if row["token"] == token and not row["may_be_negative"] and row["kind"] not in OWED:
                assert row["amount"] >= -1e-8 * scale, f"{name} is below zero"
            if row["token"] == token and row["kind"] == BalanceKind.FLASH:
                assert abs(row["amount"]) <= 1e-6, "a flash loan is paid back"


def check_worth(run: Run, hour: int) -> None:
    carry = run.carry
    books, worths, prices = carry["books"], _worths(run, hour), _prices(run, hour)
    nav = sum(worths)
    for own in books["holdings"][: int(books["holding_count"])]:
        if own["qty"] != 0.0:
            mark = _value(run, int(own["mark_series"]), hour)
            nav += float(own["qty"]) * (mark - float(own["entry_price"])) * prices[int(own["quote"])]
    capital = max(float(carry["initial"]), abs(nav))
    gross = max(capital, sum(abs(worth) for worth in worths))
    assert carry["nav"] == pytest.approx(nav, abs=1e-11 * gross)
    explained = float(carry["initial"] + carry["flows"] + carry["buckets"][:BUCKETS].sum())
    assert abs(nav - explained) <= 1e-8 * capital, "the buckets add up"
    if carry["units"] > 0.0:
        assert carry["units"] * carry["unit_price"] == pytest.approx(nav, rel=1e-9, abs=1e-9 * capital)
    health = math.inf
    for leg in carry["legs"][: int(carry["leg_count"])]:
        if leg["debt"] >= 0 and worths[leg["debt"]] < 0.0:
            health = min(health, worths[leg["product"]] * float(leg["threshold"]) / -worths[leg["debt"]])
    assert carry["hf"] == pytest.approx(health, rel=1e-9)


def check_venue(run: Run) -> None:
    carry, venue = run.carry, run.plan.venues[0]
    ours, theirs = carry["books"], venue["books"]
    count = int(ours["balance_count"])
    assert ours["balances"]["amount"][:count].tolist() == theirs["balances"]["amount"][:count].tolist()
    for field in ("qty", "entry_price", "unrealized", "is_liquidated", "opened_ns", "realized"):
        assert ours["holdings"][field].tolist() == theirs["holdings"][field].tolist(), field
    assert ours["hash"] == theirs["hash"], "the venues and the step made the same postings, in the same order"
    assert carry["transit_count"] == venue["transit_count"]
    check_invariants(run.plan.states[0])
    assert carry["pending_count"] == 0, "every bundle was answered"
    assert venue["request_count"] == 0


def check_bundles(run: Run) -> None:
    """A bundle that did not take place leaves its gas and nothing else; each ends once."""
    ended = [int(row["order_id"]) for row in run.rows if row["kind"] == RowKind.BUNDLE]
    assert len(ended) == len(set(ended))
    failed = {bundle for _, bundle, reason in run.bundles() if reason != Rollback.NONE}
    assert {int(row["code"]) for row in run.executed() if int(row["order_id"]) in failed} <= {int(Instruction.GAS)}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(runs())
def test_books_hold_after_every_instant(case: tuple[CarryStrategy, CarryFeed, dict[int, int]]) -> None:
    own, fed, forced = case
    run = Run.of(own, fed, forced)
    for hour in run.instants():
        check_balances(run)
        check_worth(run, hour)
        check_venue(run)
    check_bundles(run)
    assert np.isfinite(run.snapshots[:, 0]).all()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(runs())
def test_both_drivers_and_a_second_run_give_the_same_bytes(
    case: tuple[CarryStrategy, CarryFeed, dict[int, int]],
) -> None:
    own, fed, _ = case
    results = []
    for driver in (carry_backtest.run, carry_one_by_one.run, carry_backtest.run):
        run = Run.of(own, fed)
        snapshots = driver(run.plan, run.tape, Recorder())
        state = run.plan.states[0]
        results.append((snapshots.tobytes(), state["hash"].tobytes(), state["carry"].tobytes()))
    assert results[0] == results[1]
    assert results[0] == results[2]


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(runs(), some.integers(1, HOURS - 1), some.integers(0, 10_000))
def test_nothing_that_comes_later_changes_what_was(
    case: tuple[CarryStrategy, CarryFeed, dict[int, int]], hour: int, seed: int
) -> None:
    own, fed, forced = case
    other = walk(seed, HOURS, 0.05)
    values = fed.values.copy()
    for column, key in enumerate(fed.series):
        values[hour:, column] = other[key.kind, key.name][hour:] * 1.5
    later = int(at(hour))
    changed = dataclasses.replace(
        fed,
        values=values,
        settlements={
            name: dataclasses.replace(one, rate=np.where(one.ts_ns < later, one.rate, 0.01))
            for name, one in fed.settlements.items()
        },
        predictions={name: tuple(p for p in said if p.ts_ns < later) for name, said in fed.predictions.items()},
    )
    assert SeriesKey("mark", "binance:ETHUSDT-perp") in fed.series
    first, second = Run.of(own, fed, forced).to_end(), Run.of(own, changed, forced).to_end()
    assert first.snapshots[:hour].tobytes() == second.snapshots[:hour].tobytes()


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    some.sampled_from(NAMES),
    some.integers(0, 10_000),
    some.lists(some.sampled_from((-0.3, -0.05, 0.02, 0.6)), min_size=1, max_size=3),
)
def test_a_flow_never_moves_the_price_of_a_unit(name: str, seed: int, shares: list[float]) -> None:
    """Where nothing costs, a unit is worth the same with and without the flows, whatever they are."""
    own = _books(0.0)[name]
    own = dataclasses.replace(own, legs=tuple(dataclasses.replace(leg, flash_bps=0.0) for leg in own.legs))
    values = flat(HOURS)
    random = np.random.default_rng(seed)
    for key in values:
        if key[0].endswith("_index") or key[0] == "rate":
            values[key] = values[key] * np.cumprod(1.0 + random.uniform(0.0, 1e-4, HOURS))
    values["market_rate", "weETH"] = values["rate", "weETH"]
    flows = tuple(Flow(int(at(6 * (k + 1))), share * own.capital, "slow") for k, share in enumerate(shares))
    run = Run.of(dataclasses.replace(own, flows=flows), feed(values))
    before, units, amounts = math.nan, math.nan, np.zeros(0)
    for hour in run.instants():
        books = run.carry["books"]
        price = float(run.carry["unit_price"])
        if any(int(at(hour)) == flow.ts_ns for flow in flows):
            # What the hour itself earned, on what was held before the flow.
            grown = sum(
                float(held) * (_value(run, int(one["index_series"]), hour) * _value(run, int(one["rate_series"]), hour)
                - _value(run, int(one["index_series"]), hour - 1) * _value(run, int(one["rate_series"]), hour - 1))
                * int(one["sign"]) * _prices(run, hour)[int(one["asset"])]
                for held, one in zip(amounts, books["balances"], strict=False)
            )  # fmt: skip
            assert price == pytest.approx(before + grown / units, rel=1e-9)
        before, units = price, float(run.carry["units"])
        amounts = books["balances"]["amount"][: int(books["balance_count"])].copy()


@pytest.mark.parametrize("name", NAMES)
def test_each_instruction_that_fails_leaves_everything_as_before_but_gas(name: str) -> None:
    values = walk(7, HOURS)
    own = dataclasses.replace(
        _books(0.02)[name], costs=Costs(0.0007, 0.0004, swap_rate=0.001, gas=gas()), reserve=0.02,
        flows=(Flow(int(at(12)), -0.3 * _books(0.02)[name].capital, "slow"),),
    )  # fmt: skip
    signals = {"signal": (Prediction(int(at(2)), 1, 0.9, 0.02),)}
    fed = feed(values, predictions=signals)
    used = {
        (int((row["ts_ns"] - at(0)) // (at(1) - at(0))), int(row["code"]))
        for row in Run.of(own, fed).to_end().executed()
    }
    used = {(hour, op) for hour, op in used if op != Instruction.ARRIVED}
    assert used
    for hour, op in sorted(used):
        run = Run.of(own, fed, {hour: op})
        for _ in run.instants():
            check_balances(run)
            check_venue(run)
        check_bundles(run)
        forced = [one for one in run.bundles() if one[0] == hour and one[2] == Rollback.FORCED]
        assert len(forced) == 1, "one bundle fails, and nothing follows it in its instant"
        assert run.carry["rollback_count"] == len([one for one in run.bundles() if one[2] != Rollback.NONE])
        assert run.snapshots[-1, 0] == pytest.approx(run.carry["nav"])


def test_a_snapshot_has_the_columns_that_are_named() -> None:
    run = Run.of(_books(0.0)["hedged loop"], feed(flat(4))).to_end()
    assert run.snapshots.shape == (4, len(FIXED) + BUCKETS + 2 * len(run.plan.balances) + 2 * len(run.plan.holdings))
