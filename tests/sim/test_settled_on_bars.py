"""What the contract settles for bars, by hand: losses before gains, trails, holds, funding, what expires, what is past.

Costs are 0 and one unit is held where nothing else is said. Every run is made by both drivers.
"""

from pathlib import Path

import pytest

from sim.market import (
    NO_ACCOUNT_LIMITS,
    A,
    B,
    denials_of,
    fills_of,
    orders_of,
    rows_of,
    run,
    strategy,
    trade_of,
    trades_of,
    warned_of,
    when,
)

close_to = pytest.approx
ANY_LEVERAGE = NO_ACCOUNT_LIMITS.removesuffix("}") + ", max_leverage: 125}"
AT_100 = 'all: [{px: "== 100"}]'
LADDER = "{type: ladder, of: percent, steps: [[1, 50], [5, 50]]}"


def left(done) -> tuple[float, float, str]:
    """When, at what price and why the one trade ended."""
    trade = trade_of(done)
    return trade.exit_min, None if trade.exit_price is None else close_to(trade.exit_price), trade.exit_reason


# Losses before gains


@pytest.mark.parametrize("target", ["{type: percent, value: 5}", "{type: absolute, price: %s}", LADDER])
@pytest.mark.parametrize(
    ("direction", "bar", "absolute", "price"),
    [
        ("LONG", "101 120 70 101", 105, (100 - 20) / 0.995),  # 80.402010
        ("SHORT", "99 130 80 99", 95, 120 / 1.005),  # 119.402985
    ],
)
def test_a_bar_that_reaches_the_liquidation_price_and_a_target_is_a_loss(
    direction: str, bar: str, absolute: float, price: float, target: str
) -> None:
    own = target % absolute if "%s" in target else target
    text = strategy(direction=direction, timeframe="1h", leverage=5, size="{type: units, value: 2}", target=own)
    done = run(text, f"100 S1\n100 100.5 99.5 100\n{bar}\n100")
    assert left(done) == (120, price, "liquidation")
    assert trade_of(done).pnl == close_to(-2 * abs(price - 100))
    assert {order.state for order in orders_of(done, role="take_profit")} == {"CANCELED"}


@pytest.mark.parametrize(
    ("direction", "stop", "entry", "bar", "price"),
    [
        ("LONG", 88, 115, "115 116 70 75", 115 * 0.8 / 0.995),  # 92.462312; at the decision it was 80.402010
        ("LONG", 88, 115, "80 81 70 75", 80),  # opens beyond both
        ("LONG", 88, 115, "90 91 89 90", 90),  # opens beyond the liquidation price alone
        ("SHORT", 112, 85, "85 130 84 125", 85 * 1.2 / 1.005),  # 101.492537
        ("SHORT", 112, 85, "115 116 114 115", 115),
    ],
)
def test_a_stop_that_comes_to_lie_beyond_the_liquidation_price_never_fills(
    direction: str, stop: float, entry: float, bar: str, price: float
) -> None:
    done = run(
        strategy(direction=direction, leverage=5, stop=f"{{type: absolute, price: {stop}}}"), f"100 S1\n{entry}\n{bar}"
    )
    assert left(done) == (2, price, "liquidation")
    (order,) = orders_of(done, role="stop_loss")
    assert (order.state, order.filled_qty) == ("CANCELED", 0)


@pytest.mark.parametrize("gap", ["100 101 70 75", "84 85 70 75"])
def test_a_stop_before_the_liquidation_price_still_fills(gap: str) -> None:
    done = run(strategy(leverage=5, stop="{type: percent, value: 15}"), f"100 S1\n100\n{gap}")
    assert left(done) == (2, min(85, float(gap.split(maxsplit=1)[0])), "stop_loss")


def test_a_liquidation_pays_the_taker_fee_and_no_slippage_and_may_lose_more_than_the_margin() -> None:
    costs = "{taker_bps: 10, maker_bps: 0, slippage: {type: fixed, bps: 10}}"
    done = run(strategy(leverage=5, costs=costs), "100 S1\n100\n60 61 59 60")
    paid = 100 * 1.001
    trade = trade_of(done)
    assert (trade.exit_price, trade.exit_reason) == (60, "liquidation")
    assert trade.pnl == close_to(60 - paid - 0.001 * (60 + paid))  # -40.26 of a margin of 20.02
    assert trade.slippage == close_to(0.1)


@pytest.mark.parametrize("costs", ["{taker_bps: 0, maker_bps: 0}", "{taker_bps: 0, maker_bps: 0, participation: 0.5}"])
@pytest.mark.parametrize("open_price", [79, 106])
def test_a_market_exit_comes_before_liquidation_and_target_at_the_same_open(costs: str, open_price: float) -> None:
    text = strategy(leverage=5, target="{type: percent, value: 5}", costs=costs)
    done = run(text, f"100 S1\n100\n100 ZE1\n{open_price}\n{open_price}")
    assert left(done) == (3, open_price, "ZE1")
    assert fills_of(done)[1].liquidity == "taker"


def test_with_participation_what_a_stop_leaves_is_liquidated() -> None:
    text = strategy(
        s1=AT_100,
        leverage=5,
        size="{type: units, value: 10}",
        stop="{type: percent, value: 10}",
        costs="{taker_bps: 0, maker_bps: 0, participation: 0.1}",
    )
    done = run(text, "100 100 100 100 100\n101 101 101 101 100\n101 101 79 80 40")
    price = 101 * 0.8 / 0.995
    assert [(f.side, f.qty, f.price, f.role) for f in fills_of(done)[1:]] == [
        ("SELL", 4, close_to(90.9), "stop_loss"),
        ("SELL", 6, close_to(price), "liquidation"),
    ]


# The bar of an entry by a stop


@pytest.mark.parametrize("kind", ["{type: stop, price: %s}", "{type: stop_limit, price: %s, limit_offset_bps: 100}"])
@pytest.mark.parametrize(
    ("direction", "price", "bar", "left_at", "is_untouched"),
    [
        # Long at 105, its stop at 102.9
        ("LONG", 105, "100 106 99 104", None, True),  # opened beyond, closed on its good side
        ("LONG", 105, "100 106 99 102.9", 102.9, False),  # closed at it
        ("LONG", 105, "100 106 99 101", 102.9, False),
        ("LONG", 105, "103 106 102.5 104", 102.9, False),  # opened on its good side, and touched
        ("LONG", 105, "103 106 102.95 104", None, False),
        ("LONG", 105, "102.9 106 102.9 104", None, True),  # it opened at the stop: before the entry
        # Short at 95, its stop at 96.9
        ("SHORT", 95, "100 101 94 96", None, True),
        ("SHORT", 95, "100 101 94 97", 96.9, False),
        ("SHORT", 95, "96 97 94 96", 96.9, False),
        ("SHORT", 95, "96 96.8 94 96", None, False),
    ],
)
def test_in_the_bar_of_a_stop_entry_the_stop_counts_by_what_lay_after_it(
    direction: str, price: float, bar: str, left_at: float | None, is_untouched: bool, kind: str
) -> None:
    own_stop = 102.9 if direction == "LONG" else 96.9
    text = strategy(direction=direction, order=kind % price, stop=f"{{type: absolute, price: {own_stop}}}")
    done = run(text, f"100 S1\n{bar}")
    trade = trade_of(done)
    assert (trade.entry_min, trade.entry_price) == (1, price)
    assert trade.exit_price == (left_at if left_at is None else close_to(left_at))
    assert warned_of(done, "1 bars of an entry opened beyond") == is_untouched


def test_in_the_bar_of_a_stop_limit_that_filled_as_a_resting_limit_a_touch_is_enough() -> None:
    """Up to 105, where it was triggered, then down through its limit: the worse reading."""
    text = strategy(order="{type: stop_limit, price: 105}", stop="{type: absolute, price: 102.9}")
    assert left(run(text, "100 S1\n100 106 99 104")) == (1, 102.9, "stop_loss")


def test_a_stop_that_was_not_touched_in_the_bar_of_its_entry_works_from_the_next_one() -> None:
    text = strategy(order="{type: stop, price: 105}", stop="{type: percent, value: 2}")
    assert left(run(text, "100 S1\n100 106 99 104\n104 105 102 104")) == (2, 102.9, "stop_loss")


@pytest.mark.parametrize("trail", ["{type: trailing, trail_pct: 2}", "{type: percent, value: 2}"])
def test_bars_in_which_a_stop_was_not_touched_are_counted(trail: str) -> None:
    text = strategy(order="{type: stop, price: 105}", stop=trail)
    done = run(text, "100 S1\n100 106 99 104\n104 104 104 104 ZE1\n104\n100 S1\n100 106 99 104")
    assert len(trades_of(done)) == 2
    assert warned_of(done, "2 bars of an entry opened beyond")


@pytest.mark.parametrize(
    ("direction", "price", "bar", "left_at", "is_untouched"),
    [
        # Long at 105 with leverage 50: liquidated at 105 x 0.98 / 0.995 = 103.417085
        ("LONG", 105, "100 106 99 104", None, True),
        ("LONG", 105, "100 106 99 103", 105 * 0.98 / 0.995, False),
        ("LONG", 105, "104 107 103 106.5", 105 * 0.98 / 0.995, False),  # and beyond the target at its close
        # Short at 95: 95 x 1.02 / 1.005 = 96.417910
        ("SHORT", 95, "100 101 94 96", None, True),
        ("SHORT", 95, "100 101 94 97", 95 * 1.02 / 1.005, False),
        ("SHORT", 95, "96 97 93 93.5", 95 * 1.02 / 1.005, False),
    ],
)
def test_in_the_bar_of_a_stop_entry_the_liquidation_price_counts_as_a_stop_does(
    direction: str, price: float, bar: str, left_at: float | None, is_untouched: bool
) -> None:
    text = strategy(
        direction=direction,
        order=f"{{type: stop, price: {price}}}",
        leverage=50,
        target="{type: percent, value: 1}",
        account=ANY_LEVERAGE,
    )
    done = run(text, f"100 S1\n{bar}")
    assert trade_of(done).exit_reason == (None if left_at is None else "liquidation")
    assert trade_of(done).exit_price == (left_at if left_at is None else close_to(left_at))
    assert warned_of(done, "1 bars of an entry opened beyond") == is_untouched


@pytest.mark.parametrize(
    ("direction", "price", "bar"),
    [("LONG", 101, "98 103 95 102"), ("SHORT", 99, "102 105 97 98")],  # liquidated at 96.43, at 103.43
)
def test_behind_a_stop_that_was_not_touched_nobody_is_liquidated(direction: str, price: float, bar: str) -> None:
    """From the entry to the liquidation price the way leads over the stop, at 98.98 (100.98), which lay before it."""
    text = strategy(
        direction=direction,
        order=f"{{type: stop, price: {price}}}",
        leverage=20,
        stop="{type: percent, value: 2}",
        account=ANY_LEVERAGE,
    )
    done = run(text, f"100 S1\n{bar}\n100")
    assert [(fill.min, fill.role, fill.price) for fill in fills_of(done)] == [(1, "entry", price)]


def test_of_stop_and_liquidation_price_that_both_lay_before_the_entry_one_bar_is_counted() -> None:
    text = strategy(
        order="{type: stop, price: 105}", leverage=50, stop="{type: percent, value: 1}", account=ANY_LEVERAGE
    )
    done = run(text, "100 S1\n100 106 99 104.5")  # the stop at 103.95 lies before 103.417085
    assert trade_of(done).exit_min is None
    assert warned_of(done, "1 bars of an entry opened beyond")


def test_the_bar_of_a_limit_entry_lies_beyond_it_after_it() -> None:
    """Price comes down to a buy limit from above: what lies below was reached after the entry."""
    text = strategy(order="{type: limit, price: 99}", leverage=50, account=ANY_LEVERAGE)
    price = 99 * 0.98 / 0.995
    assert left(run(text, "100 S1\n100 101 97 100")) == (1, price, "liquidation")
    assert trade_of(run(text, "100 S1\n100 101 98 100")).exit_min is None


# Trails


@pytest.mark.parametrize(
    ("direction", "table", "when_left", "price"),
    [
        # From 100, 3 away; 5 at the close of bar 1, whose best is 101: 96, and it stays at 97.
        ("LONG", "100 100 100 100 3\n100 101 99 100.5 5\n100.5 100.6 97.5 98 5\n98 98 96.5 97 5", 3, 97),
        ("SHORT", "100 100 100 100 3\n100 101 99 99.5 5\n99.5 102.5 99.4 102 5\n102 103.5 102 103 5", 3, 103),
        # 1 at the close of bar 1: 101 - 1 = 100, by the distance of that close.
        ("LONG", "100 100 100 100 3\n100 101 99 100.5 1\n100.5 100.6 99.5 100.2 1", 2, 100),
        ("SHORT", "100 100 100 100 3\n100 101 99 99.5 1\n99.5 100.5 99.4 99.8 1", 2, 100),
    ],
)
def test_a_trail_by_a_variant_is_of_the_close_at_which_it_is_applied(
    direction: str, table: str, when_left: float, price: float
) -> None:
    stop = "{type: trailing, variant: vol, multiple: 1}"
    done = run(strategy(direction=direction, s1=AT_100, stop=stop), table)
    assert left(done) == (when_left, price, "trailing")


def test_a_trail_by_a_variant_goes_on_from_what_was_reached_when_the_distance_grows_and_shrinks() -> None:
    done = run(
        strategy(s1=AT_100, stop="{type: trailing, variant: vol, multiple: 1}"),
        """
        100 100 100 100 3
        100 104 99 103.5 8     # 104 - 8 = 96: 97 stays
        103.5 103.6 102 103 4  # 104 - 4 = 100
        103 103 101 102 9      # stays
        102 102 99 99.5 9
        """,
    )
    assert left(done) == (4, 100, "trailing")


def test_a_trail_that_a_shorter_distance_puts_beyond_the_close_fills_at_the_next_open() -> None:
    """The bar's own extreme moved nothing: nobody passed the trail while it was there."""
    done = run(
        strategy(s1=AT_100, stop="{type: trailing, variant: vol, multiple: 1}"),
        "100 100 100 100 9\n100 110 100 109 9\n109 109.5 103 104 2\n107 112 106 111 2",
    )
    assert left(done) == (3, 107, "trailing")  # 110 - 2 = 108, above the close of 104


def test_a_trail_by_a_variant_that_the_bar_passed_for_certain_fills_in_it() -> None:
    table = "100 100 100 100 3\n100 110 99 104 3\n104"
    done = run(strategy(s1=AT_100, stop="{type: trailing, variant: vol, multiple: 1}"), table)
    assert left(done) == (1, 107, "trailing")


def test_after_such_a_bar_the_same_close_may_enter_again() -> None:
    text = strategy(s1='all: [{px: ">= 100"}]', stop="{type: trailing, variant: vol, multiple: 1}")
    done = run(text, "100 100 100 100 3\n100 110 99 104 3\n105 105.5 104.5 105 3")
    assert [(t.entry_min, t.exit_min, t.exit_price) for t in trades_of(done)] == [(1, 1, 107), (2, None, None)]


def test_a_partial_target_does_not_reset_a_trail() -> None:
    done = run(
        strategy(
            s1=AT_100,
            size="{type: units, value: 2}",
            stop="{type: trailing, variant: vol, multiple: 1}",
            target="{type: ladder, of: percent, steps: [[1, 50], [50, 50]]}",
        ),
        """
        100 100 100 100 3
        100 100.5 99 100 5      # 97 stays
        100 101.5 100 101 5     # half is sold at 101; 101.5 - 5 = 96.5
        101 101 97.2 98 5
        98 98 96 97 5
        """,
    )
    assert [(f.min, f.qty, f.price) for f in fills_of(done, side="SELL")] == [(2, 1, 101), (4, 1, 97)]


@pytest.mark.parametrize(
    ("direction", "bar", "price"),
    [("LONG", "110 111 106 107", 106.7), ("SHORT", "90 93 89 92", 92.7)],
)
def test_a_trail_follows_the_open(direction: str, bar: str, price: float) -> None:
    text = strategy(direction=direction, stop="{type: trailing, trail_pct: 3}")
    assert left(run(text, f"100 S1\n100\n{bar}")) == (2, price, "trailing")


@pytest.mark.parametrize("arm", ["", "arm_pct: 5, "])
@pytest.mark.parametrize("first", ["", "100 100 100 100\n"])
@pytest.mark.parametrize(
    ("direction", "bar", "price"),
    [
        ("LONG", "100 110 100 105", 106.7),
        ("LONG", "100 110 100 106.69", 106.7),
        ("LONG", "100 110 100 106.71", None),
        ("SHORT", "100 100 90 95", 92.7),
        ("SHORT", "100 100 90 92.6", None),
    ],
)
def test_a_trail_that_the_bars_own_extreme_moved_and_that_its_close_lies_beyond_fills_in_it(
    direction: str, bar: str, price: float | None, first: str, arm: str
) -> None:
    text = strategy(direction=direction, stop=f"{{type: trailing, {arm}trail_pct: 3}}")
    trade = trade_of(run(text, f"100 S1\n{first}{bar}"))
    at = 2 if first else 1
    assert (trade.exit_min, trade.exit_price) == ((None, None) if price is None else (at, close_to(price)))


def test_such_a_fill_is_a_takers() -> None:
    costs = "{taker_bps: 10, maker_bps: 0, slippage: {type: fixed, bps: 10}}"
    done = run(strategy(stop="{type: trailing, trail_pct: 3}", costs=costs), "100 S1\n100 110 100 105")
    (fill,) = fills_of(done, side="SELL")
    assert (fill.price, fill.liquidity, fill.fee) == (close_to(106.7 * 0.999), "taker", close_to(0.1067 * 0.999))


def test_targets_on_the_way_to_the_extreme_come_before_the_trail_that_it_moves() -> None:
    text = strategy(size="{type: units, value: 2}", stop="{type: trailing, trail_pct: 3}", target=LADDER)
    done = run(text, "100 S1\n100\n100 104 100 100.5")
    assert [(f.min, f.qty, f.price) for f in fills_of(done, side="SELL")] == [(2, 1, 101), (2, 1, close_to(100.88))]


# Orders and their first price


@pytest.mark.parametrize(
    ("offset_bps", "bar", "filled"),
    [
        (50, "100 106 99 104", (1, 105, "taker")),
        (0, "100 106 99 105.5", None),
        (0, "100 106 99 105", None),  # a touch is never a fill
        (0, "100 106 99 104.9", (1, 105, "maker")),
    ],
)
def test_a_stop_limit_inside_a_bar(offset_bps: float, bar: str, filled: tuple[float, float, str] | None) -> None:
    order = f"{{type: stop_limit, price: 105, limit_offset_bps: {offset_bps}}}"
    found = [(f.min, f.price, f.liquidity) for f in fills_of(run(strategy(order=order), f"100 S1\n{bar}"))]
    assert found == ([] if filled is None else [filled])


@pytest.mark.parametrize(
    ("direction", "offset_bps", "bar", "filled"),
    [("SHORT", -50, "100 101 94 96", (1, 95, "taker")), ("SHORT", 0, "100 101 94 95.1", (1, 95, "maker"))],
)
def test_a_short_stop_limit_inside_a_bar(
    direction: str, offset_bps: float, bar: str, filled: tuple[float, float, str]
) -> None:
    order = f"{{type: stop_limit, price: 95, limit_offset_bps: {abs(offset_bps)}}}"
    done = run(strategy(direction=direction, order=order), f"100 S1\n{bar}")
    assert [(f.min, f.price, f.liquidity) for f in fills_of(done)] == [filled]


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_post_only_at_the_next_open_is_rejected_and_without_it_the_order_rests(direction: str) -> None:
    order = "{type: limit, price: 100, post_only: true}"
    (sent,) = orders_of(run(strategy(direction=direction, order=order), "100 S1\n100 101 99 100"))
    assert (sent.state, sent.reason) == ("REJECTED", "post_only_would_take")
    touched = "100 101 100 100" if direction == "LONG" else "100 100 99 100"
    done = run(strategy(direction=direction, order="{type: limit, price: 100}"), f"100 S1\n{touched}\n100 101 99 100")
    assert [(f.min, f.price, f.liquidity) for f in fills_of(done)] == [(2, 100, "maker")]


@pytest.mark.parametrize(
    ("direction", "price", "close", "rest", "filled"),
    [
        ("LONG", 105, 106, "104 104.5 103 104", (1, 104)),  # triggered when it was sent
        ("LONG", 105, 106, "107 108 106 107", (1, 107)),
        ("SHORT", 95, 94, "96 97 95.5 96", (1, 96)),
        ("LONG", 105, 104, "104 104.5 103 104", None),
    ],
)
def test_a_stop_sent_where_the_market_has_left_it_behind_fills_at_the_next_open(
    direction: str, price: float, close: float, rest: str, filled: tuple[float, float] | None
) -> None:
    done = run(strategy(direction=direction, order=f"{{type: stop, price: {price}}}"), f"{close} S1\n{rest}")
    assert [(f.min, f.price) for f in fills_of(done)] == ([] if filled is None else [filled])


# What ends


@pytest.mark.parametrize(
    ("order", "again"),
    [
        ("{type: limit, price: 90, ttl_s: 60}", 5),  # expires at 2
        ("{type: limit, price: 90, tif: IOC}", 4),  # ends at the open at 1
        ("{type: limit, price: 90, tif: FOK}", 4),
        ("{type: limit, price: 101, post_only: true}", 4),
    ],
)
def test_the_cooldown_of_o1_follows_an_entry_that_ended_unfilled(order: str, again: float) -> None:
    done = run(strategy(order=order, o1=when("O1") + ", cooldown_min: 3"), "100 S1\n" * 7)
    assert [sent.submitted_min for sent in orders_of(done)][:2] == [1, again]


def test_what_expires_inside_a_bar_can_fill_at_its_open_alone() -> None:
    text = strategy(timeframe="5m", order="{type: limit, price: 99, ttl_s: 60}")
    assert fills_of(run(text, "100 S1\n100 101 98 100")) == []
    assert [f.price for f in fills_of(run(text, "100 S1\n98 101 97 100"))] == [98]


def test_what_a_canceled_entry_held_is_free_from_the_next_evaluation_on() -> None:
    waits = strategy(name="waits", s1=AT_100, order="{type: limit, price: 90}", size="{type: units, value: 50}")
    wants = strategy(name="wants", s1='all: [{px: "> 99"}]', size="{type: percentage, value: 100}")
    done = run([waits, wants], "100\n101\n101 O1\n101\n101")
    assert [(o.submitted_min, o.strategy) for o in orders_of(done)] == [(1, "waits"), (4, "wants")]
    # All of 20,000 is free again: 20,000 / 101.
    assert orders_of(done)[1].qty == close_to(20_000 / 101)


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_what_happens_in_a_bar_that_ends_at_midnight_is_of_the_day_before(names: tuple[str, str]) -> None:
    text = strategy(
        instruments=names,
        stop="{type: percent, value: 2}",
        target="{type: percent, value: 9}",
        limits="{max_losses_in_row: 1}",
    )
    table = "100 S1\n100\n100 101 97 97 S1\n97"  # the third bar ends at 00:00, with a loss in both
    done = run(text, {A: table, B: table}, start_min=1437)
    assert [trade.exit_min for trade in trades_of(done)[:2]] == [1439, 1439]
    assert denials_of(done) == []
    assert sorted(order.submitted_min for order in orders_of(done, role="entry")) == [1438, 1438, 1440, 1440]
    late = run(text, {A: "100\n" + table, B: "100\n" + table}, start_min=1437)
    assert {reason for _, reason in denials_of(late)} == {"loss_streak"}


# Holds


HOLE = "100 S1\n100 101 99 101\n101 102 100 101\n-\n110 112 100 111\n111 112 110 111"


@pytest.mark.parametrize("order", ["alone", "first", "last"])
def test_a_hold_ends_at_the_first_open_at_or_after_it_whoever_runs_beside(order: str) -> None:
    held = strategy(name="held", timeframe="1h", limits="{max_hold_min: 180}")
    other = strategy(name="other", timeframe="1h", instruments=[B], s1='all: [{px: "== 1"}]')
    market = {A: HOLE} if order == "alone" else {A: HOLE, B: "50\n" * 7}
    texts = {"alone": [held], "first": [held, other], "last": [other, held]}[order]
    done = run(texts, market)
    trade = trade_of(done)
    assert (trade.entry_min, trade.exit_min, trade.exit_price, trade.exit_reason) == (60, 240, 110, "time")
    capital = 10_000 * len(texts)
    (row,) = rows_of(done.equity, min=240)
    assert (row.cash, row.equity) == (capital + 10, capital + 10)


@pytest.mark.parametrize("hold_min", [150, 180, 239])
@pytest.mark.parametrize(
    "protection",
    [{}, {"stop": "{type: percent, value: 2}"}, {"target": "{type: percent, value: 5}"}, {"leverage": 5}],
)
def test_a_hold_that_ends_in_a_hole_or_with_it_comes_before_what_the_open_reaches(
    hold_min: float, protection: dict[str, str]
) -> None:
    opens = 110 if "target" in protection else 79
    text = strategy(timeframe="1h", limits=f"{{max_hold_min: {hold_min}}}", **protection)
    done = run(text, f"100 S1\n100\n100\n-\n{'-' if hold_min > 180 else opens}\n{opens}")
    assert left(done) == (300 if hold_min > 180 else 240, opens, "time")
    assert fills_of(done)[1].liquidity == "taker"


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_with_participation_a_hold_that_ends_inside_a_bar_does_not_fill_at_the_open_before(
    names: tuple[str, str],
) -> None:
    text = strategy(
        instruments=names,
        timeframe="5m",
        limits="{max_hold_min: 7}",
        costs="{taker_bps: 0, maker_bps: 0, participation: 0.5}",
    )
    done = run(text, {A: "100 S1\n100\n101\n102\n103", B: "50\n" * 5})
    assert left(done) == (15, 102, "time")


# Funding


@pytest.mark.parametrize("order", [("off",), ("on", "off"), ("off", "on")])
def test_funding_off_is_of_the_strategy_that_says_it(order: tuple[str, ...]) -> None:
    texts = {
        "off": strategy(name="without", timeframe="1h", costs='{taker_bps: 0, maker_bps: 0, funding: "off"}'),
        "on": strategy(name="with", timeframe="1h", s1='all: [{px: "< 0"}]'),
    }
    rates = {A: {0: 0.01, 240: 0.01, 480: 0.01}}
    done = run([texts[name] for name in order], "100 S1\n" + "100\n" * 10, rules={A: "{taker_bps: 0}"}, funding=rates)
    assert (trade_of(done).funding, done.metrics["funding"]) == (0, 0)
    paid = run(
        [texts[name].replace(': "off"', ': "on"') for name in order],
        "100 S1\n" + "100\n" * 10,
        rules={A: "{taker_bps: 0}"},
        funding=rates,
    )
    assert trade_of(paid).funding == close_to(-2)


def test_two_that_hold_the_same_pay_each_as_it_says() -> None:
    texts = [
        strategy(name="without", timeframe="1h", costs='{taker_bps: 0, maker_bps: 0, funding: "off"}'),
        strategy(name="with", timeframe="1h", s1=when("O1"), direction="SHORT"),
    ]
    done = run(
        texts,
        "100 S1\n100 ZE1\n100 O1\n" + "100\n" * 8,
        rules={A: "{taker_bps: 0}"},
        funding={A: {0: 0.01, 60: 0.01, 120: 0.01, 240: 0.01, 480: 0.01}},
    )
    assert {trade.strategy: trade.funding for trade in trades_of(done)} == {"without": 0, "with": close_to(2)}


def test_funding_in_a_hole_is_paid_on_the_last_mark_and_none_after_the_last_bar() -> None:
    text = strategy(timeframe="1h", costs="{taker_bps: 0, maker_bps: 0}")
    table = "100 S1\n100 110 100 110\n-\n-\n120 130 120 130"
    rates = {A: {0: 0.01, 180: 0.01, 300: 0.01, 360: 0.01, 420: 0.01}}
    done = run(text, {A: table}, rules={A: "{taker_bps: 0}"}, funding=rates)
    # At 180, in the hole, on the close of 110; at 300, where the last bar ends, on 130; later none.
    assert trade_of(done).funding == close_to(-1.1 - 1.3)


# Strategies in Python


def _python(folder: Path, body: str, **keys: str) -> str:
    """The text of a strategy in Python whose ``on_bar`` is ``body``: ``n`` bars have ended."""
    path = folder / "own.py"
    lines = "\n".join("        " + line for line in body.strip().splitlines())
    path.write_text(
        "class Own:\n    def __init__(self): self.n = 0\n"
        f"    def on_bar(self, view, bar):\n        self.n += 1\n        n = self.n\n{lines}\n",
        encoding="utf-8",
    )
    limits, costs, timeframe = (
        keys.get(name, own)
        for name, own in (("limits", "{}"), ("costs", "{taker_bps: 0, maker_bps: 0}"), ("timeframe", "1m"))
    )
    return (
        f"name: own\nfamily: python\nclass: {path}:Own\ninstruments: [{A}]\ntimeframe: {timeframe}\ncapital: 10_000\n"
        f"variants: {{}}\ncosts: {costs}\nlimits: {limits}\naccount: {NO_ACCOUNT_LIMITS}\n"
    )


@pytest.mark.parametrize(
    ("side", "stop", "bar", "price"),
    [("buy", 75, "100 101 70 74", (100 - 20) / 0.995), ("sell", 125, "100 130 99 126", 120 / 1.005)],
)
def test_a_stop_moved_beyond_the_liquidation_price_never_fills(
    tmp_path: Path, side: str, stop: float, bar: str, price: float
) -> None:
    body = f"if n == 1: view.{side}(1, leverage=5)\nif n == 2: view.protect(stop_loss={stop})"
    assert left(run(_python(tmp_path, body), f"100\n100\n{bar}")) == (2, price, "liquidation")


@pytest.mark.parametrize(
    "say", ["view.protect(stop_loss=105)", 'view.sell(1, type="stop", price=105, reduce_only=True)']
)
@pytest.mark.parametrize("opens", [98, 102, 107])
def test_an_exit_stop_that_the_market_has_left_behind_fills_at_the_next_open(
    tmp_path: Path, say: str, opens: float
) -> None:
    body = f"if n == 1: view.buy(1)\nif n == 2: {say}"
    done = run(_python(tmp_path, body), f"100\n100\n{opens} {opens + 3} {opens - 3} {opens}")
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (2, opens)


def test_the_stop_of_a_stop_entry_is_not_touched_by_what_lay_before_it_whoever_decides(tmp_path: Path) -> None:
    body = 'if n == 1: view.buy(1, type="stop", price=105, stop_loss=102.9)'
    done = run(_python(tmp_path, body), "100\n100 106 99 104\n104 104 102 104")
    assert left(done) == (2, 102.9, "stop_loss")
    assert warned_of(done, "1 bars of an entry opened beyond")


@pytest.mark.parametrize("hold_min", [150, 180])
def test_the_hold_of_a_strategy_in_python_ends_at_the_first_open_too(tmp_path: Path, hold_min: float) -> None:
    text = _python(tmp_path, "if n == 1: view.buy(1)", timeframe="1h", limits=f"{{max_hold_min: {hold_min}}}")
    assert left(run(text, HOLE)) == (240, 110, "time")
    whole = "100\n100\n101\n102\n103\n104\n105"
    assert left(run(text, whole)) == (240, 103, "time")


def test_a_strategy_in_python_with_funding_off_pays_none_beside_another(tmp_path: Path) -> None:
    text = _python(
        tmp_path, "if n == 1: view.buy(1)", timeframe="1h", costs='{taker_bps: 0, maker_bps: 0, funding: "off"}'
    )
    other = strategy(name="with", timeframe="1h", s1='all: [{px: "< 0"}]')
    rates = {A: {0: 0.01, 240: 0.01, 480: 0.01}}
    for texts in ([text, other], [other, text]):
        done = run(texts, "100\n" * 11, rules={A: "{taker_bps: 0}"}, funding=rates)
        assert trade_of(done).funding == 0
