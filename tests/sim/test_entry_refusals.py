"""What an entry is refused for before it is sent: prices that are not known, stops where none can rest."""

import math

import pytest

from sim.market import A, denials_of, fills_of, orders_of, run, strategy, trade_of, trades_of, warned_of

close_to = pytest.approx

# A coin at 0.00000015 on a grid of 0.00000001: a stop 10 % away lies half-way between two prices of the grid.
COIN = {A: "{price_increment: 0.00000001, lot_size: 1}"}
LATE = "late: {type: SMA, period: 50}"
TIERS = (
    "{margin_tiers: [{notional_max: 1000, maintenance_pct: 0.5, leverage_max: 50}, "
    "{notional_max: 9000, maintenance_pct: 5, leverage_max: 10}]}"
)
STOPS = {
    "percent": "{type: percent, value: 10}",
    "percent of the signal": "{type: percent, value: 10, of: signal}",
    "indicator": "{type: indicator, variant: px, offset_pct: 10}",
    "atr": "{type: atr, variant: px, multiple: 0.1}",
    "atr of the signal": "{type: atr, variant: px, multiple: 0.1, of: signal}",
    "trailing by percent": "{type: trailing, trail_pct: 10}",
    "trailing by a variant": "{type: trailing, variant: px, multiple: 0.1}",
    "peak": "{type: peak, buffer_pct: 10}",
}
SIDES = {"LONG": "1.5e-7 1.5e-7 1.2e-7 1.2e-7", "SHORT": "1.5e-7 1.8e-7 1.5e-7 1.8e-7"}
RESTS = {"LONG": 1.3e-7, "SHORT": 1.7e-7}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("stop", [*STOPS.values(), "{type: absolute, price: %s}"])
def test_what_is_risked_is_what_the_stop_loses_where_it_rests(side: str, stop: str) -> None:
    """1 % of 10,000 over 0.00000002, not 0.000000015: 5,000,000,000 units, which lose 100."""
    stop = stop.replace("%s", {"LONG": "0.000000135", "SHORT": "0.000000165"}[side])
    text = strategy(direction=side, size="{type: risk, value: 1}", stop=stop)
    done = run(text, f"1.5e-7 S1\n1.5e-7\n{SIDES[side]}\n1.2e-7", rules=COIN)
    trade = trade_of(done)
    assert (trade.qty, trade.exit_price, trade.pnl) == (close_to(5e9), close_to(RESTS[side]), close_to(-100))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("least", "denied"), [(1.5, []), (1.51, [(1, "min_risk_reward")])])
def test_the_risk_of_a_ratio_is_the_stop_at_rest_and_the_reward_the_target_before_it_is_rounded(
    side: str, least: float, denied: list[tuple[float, str]]
) -> None:
    """Stop 0.00000002 away, target 0.00000003 (20 %): 1.5. Of 21 %, which rests 0.00000004 away, 1.575 and not 2."""
    text = "{type: percent, value: %s}"
    own = strategy(direction=side, stop=text % 10, target=text % 20, limits=f"{{min_risk_reward: {least}}}")
    assert denials_of(run(own, "1.5e-7 S1\n1.5e-7", rules=COIN)) == denied
    own = strategy(direction=side, stop=text % 10, target=text % 21, limits=f"{{min_risk_reward: {least + 0.08}}}")
    assert denials_of(run(own, "1.5e-7 S1\n1.5e-7", rules=COIN)) == [(1, "min_risk_reward")]


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_a_target_rests_rounded_away_from_the_entry(side: str) -> None:
    text = strategy(direction=side, target="{type: percent, value: 10}")
    done = run(text, "1.5e-7 S1\n1.5e-7\n1.5e-7", rules=COIN)
    (target,) = orders_of(done, role="take_profit")
    assert target.price == close_to({"LONG": 1.7e-7, "SHORT": 1.3e-7}[side])


@pytest.mark.parametrize(
    ("side", "price", "leverage", "stop", "rules", "reason"),
    [
        # At 0: rounded down to it, or computed below it.
        ("LONG", 1.5e-7, 1, "{type: percent, value: 95}", COIN[A], "stop_at_zero"),
        ("LONG", 1.5e-7, 1, "{type: percent, value: 93}", COIN[A], None),
        ("LONG", 100, 1, "{type: atr, variant: px, multiple: 1}", "", "stop_at_zero"),
        ("LONG", 100, 1, "{type: atr, variant: px, multiple: 3}", "", "stop_at_zero"),
        ("LONG", 100, 1, "{type: trailing, variant: px, multiple: 2}", "", "stop_at_zero"),
        # At the entry, and on its wrong side.
        ("LONG", 100, 1, "{type: absolute, price: 100}", "", "stop_beyond_entry"),
        ("SHORT", 100, 1, "{type: absolute, price: 100}", "", "stop_beyond_entry"),
        ("LONG", 100, 1, "{type: indicator, variant: px}", "", "stop_beyond_entry"),
        ("SHORT", 100, 1, "{type: absolute, price: 99}", "", "stop_beyond_entry"),
        ("LONG", 100, 1, "{type: absolute, price: 99.5}", "{price_increment: 1}", None),  # rests at 99
        # Beyond liquidation: 100 * (1 - 1/10) / (1 - 0.005) = 90.45226 and 100 * (1 + 1/10) / (1 + 0.005) = 109.45274.
        ("LONG", 100, 10, "{type: absolute, price: 90.4522}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: absolute, price: 90.4523}", "", None),
        ("LONG", 100, 10, f"{{type: absolute, price: {90 / 0.995!r}}}", "", None),  # equal: the stop comes first
        ("LONG", 100, 10, "{type: absolute, price: 90.9}", "{price_increment: 1}", "stop_beyond_liquidation"),
        ("SHORT", 100, 10, "{type: absolute, price: 109.453}", "", "stop_beyond_liquidation"),
        ("SHORT", 100, 10, "{type: absolute, price: 109.452}", "", None),
        ("SHORT", 100, 10, "{type: absolute, price: 109.1}", "{price_increment: 1}", "stop_beyond_liquidation"),
        ("SHORT", 100, 1, "{type: absolute, price: 199.1}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: atr, variant: px, multiple: 0.4}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: indicator, variant: px, offset_pct: 10}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: peak, buffer_pct: 10}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: trailing, trail_pct: 10}", "", "stop_beyond_liquidation"),
        ("SHORT", 100, 10, "{type: trailing, variant: px, multiple: 0.1}", "", "stop_beyond_liquidation"),
        # A trail that waits for a gain rests where it begins: 101 * 0.8 = 80.8, 120 * 0.8 = 96, 85 * 1.1 = 93.5.
        ("LONG", 100, 10, "{type: trailing, trail_pct: 20, arm_pct: 1}", "", "stop_beyond_liquidation"),
        ("LONG", 100, 10, "{type: trailing, trail_pct: 20, arm_pct: 20}", "", None),
        ("SHORT", 100, 10, "{type: trailing, trail_pct: 10, arm_pct: 0.1}", "", "stop_beyond_liquidation"),
        ("SHORT", 100, 10, "{type: trailing, trail_pct: 10, arm_pct: 15}", "", None),
        # The tier of the notional decides: of 1,000 maintenance is 0.5 %, of 2,000 it is 5 % above 1,000 less 45:
        # (20 * 100 - 200 - 45) / (20 * 0.95) = 92.36842.
        ("LONG", 100, 10, "{type: absolute, price: 92}", TIERS, 20),
        ("LONG", 100, 10, "{type: absolute, price: 92}", TIERS, 10),
    ],
)
def test_a_stop_that_can_not_protect_denies_its_entry(
    side: str, price: float, leverage: float, stop: str, rules: str, reason: str | float | None
) -> None:
    units, wanted = 1.0, reason
    if isinstance(reason, int):
        units, wanted = reason, "stop_beyond_liquidation" if reason > 10 else None
    text = strategy(direction=side, leverage=leverage, stop=stop, size=f"{{type: units, value: {units}}}")
    done = run(text, f"{price} S1\n{price}\n{price}", rules={A: rules} if rules else None)
    assert denials_of(done) == ([] if wanted is None else [(1, wanted)])
    assert len(trades_of(done)) == (1 if wanted is None else 0)


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize("kind", ["limit", "stop", "stop_limit"])
@pytest.mark.parametrize(
    "size",
    ["{type: fixed, value: 100}", "{type: units, value: 1}", "{type: percentage, value: 5}", "{type: risk, value: 1}",
     "{type: fixed, value: 100, clamp: [50, 200]}",
     "{type: fixed, value: 100, scale: {variant: px, points: [[50, 1], [150, 2]]}}"],
)  # fmt: skip
def test_a_price_in_warm_up_denies_the_entry_and_the_run_goes_on(side: str, kind: str, size: str) -> None:
    order = f"{{type: {kind}, price: late}}"
    text = strategy(direction=side, order=order, size=size, stop="{type: percent, value: 5}", variants=LATE)
    done = run(text, "100 S1\n100 S1\n101")
    assert denials_of(done) == [(1, "price_unknown"), (2, "price_unknown")]
    assert done.summary["final_equity"] == 10_000


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"stop": "{type: indicator, variant: late}"}, "stop_unknown"),
        ({"stop": "{type: atr, variant: late, multiple: 1}"}, "stop_unknown"),
        ({"stop": "{type: trailing, variant: late, multiple: 1}"}, "stop_unknown"),
        ({"stop": "{type: indicator, variant: late}", "size": "{type: risk, value: 1}"}, "stop_unknown"),
        ({"target": "{type: indicator, variant: late}"}, "target_unknown"),
        ({"target": "{type: atr, variant: late, multiple: 1}"}, "target_unknown"),
        ({"target": "{type: ladder, of: pump_retracement, base: late, steps: [[30, 100]]}"}, "target_unknown"),
        ({"size": "{type: fixed, value: 100, scale: {variant: late, points: [[0, 1], [9, 2]]}}"}, "size_unknown"),
        ({"size": "{type: units, value: 1, scale: {variant: late, points: [[0, 1], [9, 2]]}}"}, "size_unknown"),
        ({"size": "{type: percentage, value: 9, scale: {variant: late, points: [[0, 1], [9, 2]]}}"}, "size_unknown"),
        ({"order": "{type: limit, price: below}"}, "price_unknown"),
        ({"order": "{type: stop, price: below}"}, "price_unknown"),
        ({"order": "{type: limit, price: zero}"}, "price_unknown"),
    ],
)
def test_whatever_is_not_known_denies_the_entry(given: dict[str, str], reason: str) -> None:
    own = LATE + ", below: {type: ROC, period: 1}, zero: {type: STDDEV, period: 2}"
    done = run(strategy(variants=own, **given), "100\n100 S1\n100\n99 S1\n99")
    assert {why for _, why in denials_of(done)} == {reason}
    assert not fills_of(done)


@pytest.mark.parametrize("order", ["{type: market}", "{type: limit, price: %s}"])
@pytest.mark.parametrize(
    ("side", "base", "reason"),
    [
        ("SHORT", 110, "base_beyond_peak"),
        ("SHORT", 100, "base_beyond_peak"),  # a move of nothing
        ("SHORT", 90, None),
        ("LONG", 90, "base_beyond_peak"),
        ("LONG", 100, "base_beyond_peak"),
        ("LONG", 110, None),
    ],
)
def test_a_retracement_of_no_move_denies_the_entry(side: str, base: float, reason: str | None, order: str) -> None:
    """Peak 100 at S1. From a base of 90 the first target of a short is 97, from 110 it would be 103: below a limit of
    120, where it would close at once what lies between both."""
    text = strategy(
        direction=side,
        variants="base: {type: DONCHIAN, period: 2, output: middle}",
        order=order.replace("%s", {"SHORT": "120", "LONG": "80"}[side]),
        size="{type: units, value: 2}",
        target="{type: ladder, of: pump_retracement, base: base, steps: [[30, 50], [50, 50]]}",
    )
    done = run(text, f"{base}\n{base}\n100 S1\n100\n100")
    assert denials_of(done) == ([(3, reason)] if reason else [])
    if reason is None and "market" in order:
        targets = [own.price for own in orders_of(done, role="take_profit")]
        assert targets == [100 + 0.3 * (base - 100), 100 + 0.5 * (base - 100)]


def test_a_price_below_one_step_of_the_grid_is_none() -> None:
    text = strategy(order="{type: limit, price: 0.004}", size="{type: fixed, value: 100}")
    assert denials_of(run(text, "100 S1\n100", rules={A: "{price_increment: 0.01}"})) == [(1, "price_unknown")]


def test_more_units_than_a_run_can_hold_are_no_size() -> None:
    text = strategy(size="{type: fixed, value: 1.0e+14}", capital=1e15)
    assert denials_of(run(text, "0.00001 S1\n0.00001", rules={A: "{price_increment: 0.00001}"})) == [
        (1, "size_unknown")
    ]


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_a_stop_limit_is_sized_and_judged_at_its_stop(side: str) -> None:
    """Stop 2 % away from the mark, limit 4 %: 1,020 buy 10 units at 102, and a band of 3 % lets it pass."""
    sign = 1 if side == "LONG" else -1
    order = f"{{type: stop_limit, price: close, offset_bps: {200 * sign}, limit_offset_bps: 200}}"
    account = "{max_position_pct: 20, max_symbol_pct: 20, price_band_pct: 3, max_positions: null}"
    price = 100 * (1 + 0.02 * sign)
    size = f"{{type: fixed, value: {10 * price}}}"
    text = strategy(direction=side, order=order, size=size, account=account)
    done = run(text, "100 S1\n100\n100")
    (entry,) = orders_of(done)
    assert (entry.state, entry.qty, entry.stop_price) == ("ACCEPTED", close_to(10), close_to(price))
    done = run(text.replace("price_band_pct: 3", "price_band_pct: 1"), "100 S1\n100\n100")
    assert denials_of(done) == [(1, "price_band")]


def test_what_a_canceled_entry_held_is_free_at_the_next_evaluation() -> None:
    """One slot and margin for one: O1 calls the entry off at 2, the other has both at 3."""
    other = A.replace("AAA", "BBB")
    text = strategy(
        instruments=(A, other), limits="{max_concurrent_positions: 1}", order="{type: limit, price: 90}",
        size="{type: fixed, value: 9_000}",
    )  # fmt: skip
    done = run(text, {A: "100 S1\n100 O1\n100\n100", other: "100\n100 S1\n100 S1\n100"})
    assert [(own.submitted_min, own.instrument, own.state) for own in orders_of(done)] == [
        (1, A, "CANCELED"), (3, other, "ACCEPTED"),
    ]  # fmt: skip
    assert not warned_of(done, "smaller")
    assert math.isclose(done.summary["final_equity"], 10_000)
