"""Free cash: what an entry is asked for, with every limit off; what the venue of spot fills when prices have risen."""

import itertools
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sim.market import (
    ACCEPT,
    A,
    bars,
    denials_of,
    drive,
    fills_of,
    orders_of,
    run,
    strategy,
    trade_of,
    trades_of,
    warned_of,
    write_catalog,
)
from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.run import Run
from tightloop.core.trading.ledger import WALLET
from tightloop.model.signal.plan import make_plan

close_to = pytest.approx
COIN, OTHER, THIRD = (f"test:{name}USDT-spot" for name in ("AAA", "BBB", "CCC"))
FEES = "{taker_bps: 10, maker_bps: 2, slippage: {type: fixed, bps: 20}}"
ONE_BUY = "100 S1\n100\n100"


def fixed(notional: float) -> str:
    return f"{{type: fixed, value: {notional}}}"


def spot(size: str = fixed(1_000), instruments: tuple[str, ...] = (COIN,), **given: Any) -> str:
    return strategy(instruments=instruments, size=size, **given)


def held_of(done: Run) -> list[float]:
    return [trade.qty for trade in trades_of(done)]


# Before an order is sent


@pytest.mark.parametrize(
    ("notional", "costs", "denied"),
    [
        (50_000, "{taker_bps: 0, maker_bps: 0}", True),
        (10_000, "{taker_bps: 0, maker_bps: 0}", False),
        (10_000.01, "{taker_bps: 0, maker_bps: 0}", True),
        (10_000, "{taker_bps: 10, maker_bps: 0}", True),
        (9_990, "{taker_bps: 10, maker_bps: 0}", False),  # with 9.99 of fee 9,999.99
        (9_990.02, "{taker_bps: 10, maker_bps: 0}", True),
        (9_970.06, FEES, False),  # x 1.002 x 1.001 = 9,999.9901
        (9_970.08, FEES, True),
        (9_999, "{taker_bps: 0, maker_bps: 0, slippage: {type: random, bps: 20}}", False),  # only fixed is asked
    ],
)
def test_spot_is_paid_out_of_cash_with_fee_and_slippage(notional: float, costs: str, denied: bool) -> None:
    done = run(spot(fixed(notional), costs=costs), {COIN: "100 S1\n99\n99"})
    assert denials_of(done) == ([(1, "insufficient_cash")] if denied else [])


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize(
    ("notional", "leverage", "taker_bps", "denied"),
    [
        (10_000, 1, 0, False), (10_001, 1, 0, True), (10_000, 1, 5, True), (9_995, 1, 5, False),
        (100_000, 10, 0, False), (100_000, 10, 5, True), (99_502.4, 10, 5, False), (99_503, 10, 5, True),
    ],
)  # fmt: skip
def test_a_perp_needs_its_margin_and_its_fee(
    side: str, notional: float, leverage: float, taker_bps: float, denied: bool
) -> None:
    """99,502.4 x (1/10 + 0.0005) = 9,999.99."""
    costs = f"{{taker_bps: {taker_bps}, maker_bps: 0}}"
    done = run(strategy(direction=side, size=fixed(notional), leverage=leverage, costs=costs), ONE_BUY)
    assert denials_of(done) == ([(1, "insufficient_cash")] if denied else [])


def test_slippage_moves_the_price_that_a_margin_is_asked_at() -> None:
    """A buy of 9,990 at 0.1 % more needs 9,999.99, one of 9,991 more than there is; a short sells at less."""
    costs = "{taker_bps: 0, maker_bps: 0, slippage: {type: fixed, bps: 10}}"
    for side, notional, denied in (("LONG", 9_990, 0), ("LONG", 9_991, 1), ("SHORT", 10_000, 0), ("SHORT", 10_011, 1)):
        done = run(strategy(direction=side, size=fixed(notional), costs=costs), ONE_BUY)
        assert len(denials_of(done)) == denied


def test_spot_with_margin_is_asked_as_a_perp_is() -> None:
    text = spot(fixed(30_000), leverage=3)
    assert held_of(run(text, {COIN: ONE_BUY}, rules={COIN: "{margin: true}"})) == [300]
    text = spot(fixed(30_001), leverage=3)
    assert denials_of(run(text, {COIN: ONE_BUY}, rules={COIN: "{margin: true}"})) == [(1, "insufficient_cash")]


def test_coins_count_with_what_they_cost_and_what_was_sold_is_cash_again() -> None:
    """5,000 in coins that double are worth 10,000 and leave 5,000; sold they leave 15,000."""
    own = spot(fixed(5_000), (COIN,), name="own", capital=10_000)
    market = {COIN: "100 S1\n100\n200\n200 ZE1\n200\n200", OTHER: "100\n100\n100 S1\n100\n100 S1\n100"}
    for size, denied in ((5_001, [(3, "insufficient_cash")]), (14_999, [(3, "insufficient_cash")]), (5_000, [])):
        other = spot(fixed(size), (OTHER,), name="other", capital=1e-6)
        done = run([own, other], market)
        assert denials_of(done) == denied
        assert [trade.entry_min for trade in trades_of(done, strategy="other")] == ([5] if denied else [3])


@pytest.mark.parametrize("order", ["{type: limit, price: 90}", "{type: stop, price: 110}",
                                   "{type: stop_limit, price: 110, limit_offset_bps: 100}"])  # fmt: skip
def test_what_waits_is_spent_already(order: str) -> None:
    """6,000 wait at their own price: 4,000 are left, and 6,000 again once they are called off."""
    waits = spot(fixed(6_000), (COIN,), name="waits", order=order)
    market = {COIN: "100 S1\n100\n100\n100 O1\n100\n100", OTHER: "100\n100 S1\n100 S1\n100\n100 S1\n100"}
    other = spot(fixed(4_001), (OTHER,), name="other", capital=1e-6)
    assert denials_of(run([waits, other], market)) == [(2, "insufficient_cash"), (3, "insufficient_cash")]
    other = spot(fixed(4_000), (OTHER,), name="other", capital=1e-6)
    assert denials_of(run([waits, other], market)) == []


def test_margins_held_and_reserved_are_no_cash_of_spot() -> None:
    """A perp holds 6,000 of the wallet: coins for 4,000 are paid for, for 4,001 not."""
    perp = strategy(name="perp", size=fixed(6_000))
    for size, denied in ((4_000, []), (4_001, [(2, "insufficient_cash")])):
        coins = spot(fixed(size), (COIN,), name="coins", capital=1e-6)
        assert denials_of(run([perp, coins], {A: "100 S1\n100\n100", COIN: "100\n100 S1\n100"})) == denied


def test_exits_are_never_asked() -> None:
    """All is spent, and the fee of the exit is not there: it is paid out of what the coins bring."""
    done = run(spot(fixed(9_990), costs="{taker_bps: 10, maker_bps: 0}"), {COIN: "100 S1\n100\n50 ZE1\n50"})
    assert trade_of(done).exit_reason == "ZE1"
    assert done.summary["final_equity"] == close_to(10_000 - 9_990 * 0.5 - 9.99 - 4.995)


# Sizes in percent


@pytest.mark.parametrize(("lot", "qty"), [("0", 10_000 / (100 * 1.002 * 1.001)), ("0.01", 99.7), ("1", 99)])
def test_a_percentage_of_spot_is_made_smaller_to_what_the_cash_pays_for(lot: str, qty: float) -> None:
    """10,000 / (100 x 1.002 x 1.001) = 99.700699: it fits with its slippage and its fee, and is said."""
    text = spot("{type: percentage, value: 100}", costs=FEES)
    done = run(text, {COIN: ONE_BUY}, rules={COIN: f"{{lot_size: {lot}}}"})
    assert held_of(done) == [close_to(qty)]
    assert warned_of(done, "percentage sizes were reduced to what free cash covers (1 entries, first at")
    assert not denials_of(done)
    assert done.summary["final_equity"] == close_to(10_000 - qty * (0.2 + 100.2 * 0.001))


def test_a_percentage_that_fits_is_as_it_was_asked() -> None:
    done = run(spot("{type: percentage, value: 99}", costs=FEES), {COIN: ONE_BUY})
    assert held_of(done) == [close_to(99)]
    assert not warned_of(done, "smaller")


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_a_percentage_of_a_perp_is_made_smaller_to_margin_and_fee(side: str) -> None:
    """1,000 % at leverage 10 with a fee of 0.05 %: 10,000 / (100 x (0.1 + 0.0005)) = 995.0248756."""
    text = strategy(
        direction=side, size="{type: percentage, value: 1000}", leverage=10, costs="{taker_bps: 5, maker_bps: 0}"
    )
    assert held_of(run(text, ONE_BUY)) == [close_to(10_000 / 10.05)]


def test_a_clamp_is_not_undercut() -> None:
    text = spot("{type: percentage, value: 100, clamp: [10_000, 20_000]}", costs=FEES)
    assert denials_of(run(text, {COIN: ONE_BUY})) == [(1, "insufficient_cash")]


def test_a_percentage_of_nothing_names_the_cash() -> None:
    first = spot(fixed(10_000), (COIN,), name="first")
    second = spot("{type: percentage, value: 50}", (OTHER,), name="second", capital=1e-6)
    done = run([first, second], {COIN: "100 S1\n100\n120\n120", OTHER: "100\n100\n100 S1\n100"})
    assert denials_of(done) == [(3, "insufficient_cash")]


# At the fill


@pytest.mark.parametrize(("lot", "qty"), [("0", 10_000 / 110), ("0.1", 90.9), ("1", 90)])
def test_spot_that_has_risen_by_the_fill_gets_what_the_cash_pays_for(lot: str, qty: float) -> None:
    done = run(spot(fixed(10_000)), {COIN: "100 S1\n110\n110"}, rules={COIN: f"{{lot_size: {lot}}}"})
    (entry,) = orders_of(done, role="entry")
    assert (entry.state, entry.reason, entry.filled_qty) == ("CANCELED", "insufficient_cash", close_to(qty))
    assert held_of(done) == [close_to(qty)]
    assert done.equity["cash"][-1] - 110 * qty >= -1e-6


def test_the_fee_and_the_slippage_of_the_fill_are_paid_for_too() -> None:
    """9,970 at 100; at 110 it gets 10,000 / (110 x 1.002 x 1.001)."""
    done = run(spot(fixed(9_970), costs=FEES), {COIN: "100 S1\n110\n110"})
    assert held_of(done) == [close_to(10_000 / (110 * 1.002 * 1.001))]


def test_slippage_by_impact_is_that_of_what_is_bought() -> None:
    """All of the volume of 10 would slip by 10 %: the part that is bought slips less, and cash is used up."""
    costs = "{taker_bps: 0, maker_bps: 0, slippage: {type: impact, half_spread_bps: 0, coefficient: 1000}}"
    text = spot("{type: units, value: 100}", costs=costs, s1='all: [{vol: "== 100"}]')
    done = run(text, {COIN: "100 100 100 100 100\n100\n100"})
    (entry,) = orders_of(done, role="entry")
    assert entry.reason == "insufficient_cash"
    qty = entry.filled_qty
    assert qty * 100 * (1 + 0.1 * (qty / 100) ** 0.5) == close_to(10_000)


@pytest.mark.parametrize("tif", ["FOK", "IOC", "GTC"])
def test_an_order_for_all_or_nothing_gets_nothing(tif: str) -> None:
    text = spot(fixed(10_000), order=f"{{type: limit, price: 120, tif: {tif}}}", capital=12_000)
    other = spot(fixed(1_000), (OTHER,), name="other", capital=1e-6)
    done = run([text, other], {COIN: "100\n100 S1\n110\n110", OTHER: "100 S1\n100\n100\n100"})
    assert trades_of(done, strategy="other")
    (entry,) = orders_of(done, strategy="tiny", role="entry")
    assert entry.state == "FILLED"  # 83.33 units at 110 cost less than they were asked at
    text = spot(fixed(10_000), order=f"{{type: stop, price: 101, tif: {tif}}}" if tif == "GTC" else
                f"{{type: market, tif: {tif}}}")  # fmt: skip
    done = run(text, {COIN: "100 S1\n125\n125"})
    (entry,) = orders_of(done, role="entry")
    assert (entry.state, entry.reason) == ("CANCELED", "insufficient_cash")
    assert entry.filled_qty == (0 if tif == "FOK" else close_to(80))


def test_entries_of_one_open_get_each_what_is_its_own() -> None:
    """5,000 each: one opens 10 % higher and gets 5,000 / 110, the other all of its 50, whatever their order."""
    for first, second in itertools.permutations([COIN, OTHER]):
        done = run(spot(fixed(5_000), (first, second)), {first: "100 S1\n110\n110", second: "100 S1\n100\n100"})
        assert {own.instrument: own.qty for own in fills_of(done)} == {first: close_to(5_000 / 110), second: 50}
    own = spot(fixed(5_000), (COIN,), name="own", capital=5_000)
    other = spot(fixed(5_000), (OTHER,), name="other", capital=5_000)
    done = run([own, other], {COIN: "100 S1\n125\n125", OTHER: "100 S1\n100\n100"})
    assert {fill.instrument: fill.qty for fill in fills_of(done)} == {COIN: 40, OTHER: 50}


def test_cash_that_nobody_asked_for_pays_for_a_rise() -> None:
    done = run(spot(fixed(5_000)), {COIN: "100 S1\n150\n150"})
    assert held_of(done) == [50]


def test_a_perp_that_has_risen_by_the_fill_is_filled() -> None:
    assert held_of(run(strategy(size=fixed(10_000)), "100 S1\n110\n110")) == [100]


def test_a_part_that_waits_for_volume_ends_when_the_cash_does() -> None:
    """100 units, a quarter of a volume of 160 a bar: 40 at 100, 40 at 110, then 1,600 / 120 = 13.33 and no more."""
    costs = "{taker_bps: 0, maker_bps: 0, participation: 0.25}"
    text = spot("{type: units, value: 100}", costs=costs, s1='all: [{px: "== 100"}]')
    done = run(text, {COIN: "\n".join(f"{price} {price} {price} {price} 160" for price in (100, 100, 110, 120, 120))})
    assert [fill.qty for fill in fills_of(done)] == [40, 40, close_to(1_600 / 120)]
    (entry,) = orders_of(done, role="entry")
    assert (entry.state, entry.reason) == ("CANCELED", "insufficient_cash")


@pytest.mark.parametrize("seed", range(12))
def test_no_entry_ever_takes_the_cash_below_nothing(seed: int) -> None:
    """Random walks of three coins with gaps, and strategies that want as much as they can get of them."""
    draw = random.Random(seed)
    slippage = draw.choice(["none", "fixed, bps: 50", "random, bps: 50"])
    costs = f"{{taker_bps: {draw.choice([0, 10, 100])}, maker_bps: 2, slippage: {{type: {slippage}}}}}"
    kinds = ("{type: market}", "{type: limit, price: close}", "{type: stop, price: close, offset_bps: 100}")
    texts = [
        spot(f"{{type: percentage, value: {draw.choice([40, 70, 100])}}}", (coin,), name=f"own{k}",
             order=draw.choice(kinds), costs=costs, capital=1_000 * (k + 1))
        for k, coin in enumerate((COIN, OTHER, THIRD))
    ]  # fmt: skip
    market = {}
    for coin in (COIN, OTHER, THIRD):
        price, rows = 100.0, []
        for _ in range(60):
            opens = price * draw.choice([1, 1, 1.1, 0.9])
            price = opens * draw.uniform(0.9, 1.1)
            high, low = max(opens, price) * draw.uniform(1, 1.05), min(opens, price) * draw.uniform(0.95, 1)
            rows.append(f"{opens} {high} {low} {price} {draw.choice(['S1', 'S1', 'ZE1', 'O1', 'ZE1'])}")
        market[coin] = "\n".join(rows)
    done = run(texts, market)
    assert len(fills_of(done)) > 10
    wallet, coins = 6_000.0, dict.fromkeys(market, (0.0, 0.0))
    for fill in fills_of(done):
        qty, cost = coins[fill.instrument]
        if fill.side == "BUY":
            coins[fill.instrument] = (qty + fill.qty, cost + fill.qty * fill.price)
            wallet -= fill.qty * fill.price + fill.fee
        else:
            coins[fill.instrument] = (qty - fill.qty, cost * (1 - fill.qty / qty))
            wallet += fill.qty * fill.price - fill.fee
        assert wallet >= -1e-5, "money that is not there bought nothing"


def test_the_venue_and_the_ledger_keep_the_same_wallet() -> None:
    """Fees, results, funding and a liquidation of perps, and coins: what the venue spends is what the account has."""
    costs = "{taker_bps: 10, maker_bps: 2, slippage: {type: fixed, bps: 5}}"
    texts = [
        strategy(name="perp", costs=costs, size=fixed(3_000), leverage=10, stop="{type: percent, value: 9}"),
        strategy(name="short", direction="SHORT", costs=costs, size=fixed(2_000), leverage=5),
        spot(fixed(2_000), (COIN,), name="coins", costs=costs, target="{type: percent, value: 3}"),
        spot(fixed(1_000), (OTHER,), name="kept", costs=costs),
    ]
    rows = "100 S1\n100\n101\n104\n103 ZE1\n100 S1\n100\n140 S1\n140\n139\n120 S1\n120\n121 ZE1\n121"
    frames = {name: bars(rows) for name in (A, COIN, OTHER)}
    with tempfile.TemporaryDirectory() as folder:
        write_catalog(Path(folder), frames, "1m", {}, {A: {3: 0.01, 9: -0.02}})
        loaded = runs_strategies.load_strategies(texts)
        seen = markets_bars.load_market(loaded, folder, accepted=frozenset(ACCEPT))
        plan = make_plan(loaded, seen.rules)
        drive(plan, seen, {})
    state, venue = plan.states[0], plan.venues[0]
    statistics = state["statistics"]
    assert statistics["funding"] != 0.0
    assert statistics["fees"] > 0.0
    assert venue["wallet"] == close_to(state["balances"][WALLET], rel=1e-12)
    assert venue["wallet"] != close_to(40_000, rel=1e-6)
