"""Every rule of the contract for a fill on bars, with the numbers worked out by hand."""

import math

import numpy as np
import pytest

from sim.market import (
    A,
    denials_of,
    fills_of,
    orders_of,
    run,
    strategy,
    trade_of,
    trades_of,
    warned_of,
)
from tightloop.app.runs.run import Run
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, TimeInForce
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.core.limits import NEVER_NS
from tightloop.core.replay import bars as replay_bars
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan

close_to = pytest.approx
AT_100 = 'all: [{px: "== 100"}]'  # for tables whose volume is needed as a volume


# Market orders


def test_a_decision_at_a_close_fills_at_the_next_open() -> None:
    done = run(
        strategy(),
        """
        100 100 100 100 S1
        102 104 101 103
        105 105 105 105 ZE1
        107 107 107 107
        """,
    )
    trade = trade_of(done)
    assert (trade.entry_min, trade.entry_price) == (1, 102)
    assert (trade.exit_min, trade.exit_price, trade.exit_reason) == (3, 107, "ZE1")
    assert trade.pnl == close_to(5)


def test_a_short_sells_to_open_and_buys_to_close() -> None:
    done = run(strategy(direction="SHORT"), "100 S1\n1.086\n1.05 ZE1\n1.045")
    trade = trade_of(done)
    assert (trade.side, trade.entry_price, trade.exit_price) == ("SHORT", 1.086, 1.045)
    assert trade.pnl == close_to(1.086 - 1.045)
    assert [fill.side for fill in fills_of(done)] == ["SELL", "BUY"]


def test_quantity_is_notional_over_the_price_at_the_decision() -> None:
    done = run(strategy(size="{type: fixed, value: 1000}"), "100 S1\n125")
    assert trade_of(done).qty == close_to(10)  # at the close of 100, not at the open of 125


# Limits


@pytest.mark.parametrize(
    ("direction", "table"),
    [
        ("LONG", "100 S1\n100 100 99 100\n100 100 98.9 100"),
        ("SHORT", "98 S1\n98 99 98 98\n98 99.1 98 98"),
    ],
)
def test_an_entry_limit_fills_only_when_traded_through(direction: str, table: str) -> None:
    done = run(strategy(direction=direction, order="{type: limit, price: 99}"), table)
    (fill,) = fills_of(done)
    assert (fill.min, fill.price, fill.liquidity) == (2, 99, "maker")


def test_a_target_fills_only_when_traded_through() -> None:
    done = run(
        strategy(target="{type: percent, value: 3}"),
        """
        100 S1
        100 103 100 101   # equal is not enough
        101 103.01 100 101
        """,
    )
    trade = trade_of(done)
    assert (trade.exit_min, trade.exit_price, trade.exit_reason) == (2, 103, "take_profit")


def test_a_limit_that_the_open_is_beyond_fills_at_the_open() -> None:
    done = run(strategy(order="{type: limit, price: 99}"), "100 S1\n98 98.5 97 98")
    (fill,) = fills_of(done)
    assert (fill.min, fill.price, fill.liquidity) == (1, 98, "taker")


def test_a_limit_that_rested_before_the_gap_is_a_maker() -> None:
    done = run(strategy(order="{type: limit, price: 99}"), "100 S1\n100\n98 98.5 97 98")
    (fill,) = fills_of(done)
    assert (fill.min, fill.price, fill.liquidity) == (2, 98, "maker")


def test_an_offset_moves_the_price_of_a_limit() -> None:
    done = run(strategy(order="{type: limit, price: close, offset_bps: -50}"), "100 S1\n100 100 99 100")
    assert fills_of(done)[0].price == close_to(99.5)


def test_a_limit_can_be_asked_at_a_variant() -> None:
    done = run(
        strategy(order="{type: limit, price: low}", variants="low: {type: PRICE, output: low}"),
        "100 101 97 100 S1\n100 100 96 98",
    )
    assert fills_of(done)[0].price == 97


# Stops and targets


@pytest.mark.parametrize(
    ("direction", "table", "price"),
    [
        ("LONG", "100 S1\n100\n99 99 98 99", 98),
        ("SHORT", "100 S1\n100\n101 102 101 101", 102),
    ],
)
def test_a_stop_is_triggered_by_a_touch(direction: str, table: str, price: float) -> None:
    done = run(strategy(direction=direction, stop="{type: percent, value: 2}"), table)
    trade = trade_of(done)
    assert (trade.exit_min, trade.exit_price, trade.exit_reason) == (2, close_to(price), "stop_loss")
    assert fills_of(done)[1].liquidity == "taker"


@pytest.mark.parametrize("decision", [99.7, 100.1, 101.3, 103.7])
@pytest.mark.parametrize("notional", [1000, 777, 9.99])
def test_a_stop_that_lies_on_a_price_is_triggered_by_it_wherever_the_decision_was(
    decision: float, notional: float
) -> None:
    """0.5 % below an entry at 100 is 99.5, not a rounding of a division away from it."""
    text = strategy(size=f"{{type: fixed, value: {notional}}}", stop="{type: percent, value: 0.5}")
    stop = fills_of(run(text, f"{decision} S1\n100\n100 100 99.5 100"), side="SELL")[0]
    assert (stop.min, stop.price) == (2, 99.5)


@pytest.mark.parametrize(
    ("gap", "reason"),
    [("95 96 94 95", "stop_loss"), ("98 98.5 97.5 98", "stop_loss"), ("110 111 109 110", "take_profit")],
)
def test_a_bar_that_opens_beyond_stop_or_target_fills_at_the_open(gap: str, reason: str) -> None:
    done = run(strategy(stop="{type: percent, value: 2}", target="{type: percent, value: 3}"), f"100 S1\n100\n{gap}")
    trade = trade_of(done)
    assert (trade.exit_price, trade.exit_reason) == (float(gap.split(maxsplit=1)[0]), reason)


def test_the_stop_comes_first_when_one_bar_reaches_both() -> None:
    text = strategy(stop="{type: percent, value: 2}", target="{type: percent, value: 3}")
    done = run(text, "100 S1\n100\n100 104 97 103.5")
    trade = trade_of(done)
    assert (trade.exit_price, trade.exit_reason) == (98, "stop_loss")


@pytest.mark.parametrize(
    ("bar", "price", "reason"),
    [("100 101 97 100", 98, "stop_loss"), ("100 104 99 100", 103, "take_profit")],
)
def test_stop_and_target_work_in_the_bar_of_a_market_entry(bar: str, price: float, reason: str) -> None:
    text = strategy(stop="{type: percent, value: 2}", target="{type: percent, value: 3}")
    trade = trade_of(run(text, f"100 S1\n{bar}"))
    assert (trade.entry_min, trade.exit_min, trade.exit_price, trade.exit_reason) == (1, 1, price, reason)


@pytest.mark.parametrize(
    ("of", "stop", "target"),
    [("entry", 102 * 0.98, 102 * 1.03), ("signal", 98, 103)],
)
def test_percent_is_of_the_entry_unless_it_is_of_the_signal(of: str, stop: float, target: float) -> None:
    text = strategy(stop=f"{{type: percent, value: 2, of: {of}}}", target=f"{{type: percent, value: 3, of: {of}}}")
    low = run(text, "100 S1\n102 102 102 102\n102 102 90 102")
    high = run(text, "100 S1\n102 102 102 102\n102 110 102 102")
    assert trade_of(low).exit_price == close_to(stop)
    assert trade_of(high).exit_price == close_to(target)


def test_an_entry_that_opens_beyond_its_stop_of_the_signal_leaves_at_once() -> None:
    trade = trade_of(run(strategy(stop="{type: percent, value: 2, of: signal}"), "100 S1\n97 99 96 99"))
    assert (trade.entry_price, trade.exit_price, trade.exit_min) == (97, 97, 1)


def test_absolute_stop_and_target() -> None:
    text = strategy(stop="{type: absolute, price: 97}", target="{type: absolute, price: 104}")
    assert trade_of(run(text, "100 S1\n101\n100 100 96 99")).exit_price == 97
    assert trade_of(run(text, "100 S1\n101\n100 104.1 99 99")).exit_price == 104


def test_stop_and_target_from_an_indicator_are_those_of_the_decision() -> None:
    text = strategy(
        stop="{type: indicator, variant: px, offset_pct: 1}", target="{type: indicator, variant: px, offset_pct: 2}"
    )
    assert trade_of(run(text, "100 S1\n101\n101 101 98 99")).exit_price == close_to(99)
    assert trade_of(run(text, "100 S1\n101\n101 103 100.5 101")).exit_price == close_to(102)


def test_stop_and_target_in_multiples_of_the_range_lie_around_the_entry() -> None:
    text = strategy(
        variants="atr: {type: ATR, period: 2}",
        stop="{type: atr, variant: atr, multiple: 1.5}",
        target="{type: atr, variant: atr, multiple: 2}",
    )
    calm = "100 101 99 100\n" * 4 + "100 101 99 100 S1\n101 102 100 101\n"  # every true range is 2
    assert trade_of(run(text, calm + "101 101 90 100")).exit_price == close_to(101 - 3)
    assert trade_of(run(text, calm + "101 110 100 100")).exit_price == close_to(101 + 4)


def test_the_stop_of_a_fade_lies_above_the_peak_since_the_signal() -> None:
    done = run(
        strategy(direction="SHORT", z1='all: [{px: "== 107"}]', stop="{type: peak, buffer_pct: 8}"),
        """
        100 S1
        100 109 100 108   # the peak
        108 108 106 107   # Z1
        107 117 107 116
        116 118 116 117
        """,
    )
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (4, close_to(109 * 1.08))


def test_trailing_arms_then_follows_the_best_price_and_never_loosens() -> None:
    done = run(
        strategy(stop="{type: trailing, arm_pct: 5, trail_pct: 3}"),
        """
        100 S1
        100 104 95 103    # not armed: 104 is below 105
        103 110 102 109   # armed: 110 - 3 % = 106.7
        108 109 107 108   # a lower high moves nothing
        108 108 106 106.5
        """,
    )
    trade = trade_of(done)
    assert (trade.exit_min, trade.exit_price, trade.exit_reason) == (4, close_to(106.7), "trailing")


def test_trailing_of_a_short_follows_the_lowest_price() -> None:
    done = run(
        strategy(direction="SHORT", stop="{type: trailing, arm_pct: 5, trail_pct: 3}"),
        "100 S1\n100 105 96 97\n97 98 90 91\n91 92 90.5 91\n91 94 91 93",
    )
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (4, close_to(90 * 1.03))


def test_trailing_without_arming_protects_from_the_entry() -> None:
    trade = trade_of(run(strategy(stop="{type: trailing, trail_pct: 3}"), "100 S1\n100 101 96 100"))
    assert (trade.exit_min, trade.exit_price) == (1, close_to(97))


def test_trailing_does_not_follow_prices_from_before_a_limit_entry() -> None:
    done = run(
        strategy(order="{type: limit, price: 95}", stop="{type: trailing, trail_pct: 3}"),
        """
        100 S1
        100 110 94 96    # 110 may have been before the entry at 95: the close of 96 was not
        96 97 95 96
        96 96 93 93
        """,
    )
    trade = trade_of(done)
    assert (trade.entry_price, trade.exit_min, trade.exit_price) == (95, 3, close_to(97 * 0.97))


@pytest.mark.parametrize(
    ("rest", "state", "stop"),
    [
        ("103 110 102 109\n108 108 106 106.5", "FILLED", 106.7),  # where it was when it was touched
        ("103 110 102 109\n104 104 103 103", "FILLED", 106.7),  # the open lies beyond it
        ("103 110 102 109\n109 120 108 119\n119 119 118 118 ZE1\n118", "CANCELED", 116.4),
        ("103 110 102 109\n109 120 108 119", "ACCEPTED", 116.4),  # at the end of the run
        ("100 104 99 104\n104 104 99 99", "ACCEPTED", None),  # not armed: it rests nowhere
    ],
)
def test_a_trailing_order_shows_the_stop_at_which_it_rested_last(rest: str, state: str, stop: float | None) -> None:
    done = run(strategy(stop="{type: trailing, arm_pct: 5, trail_pct: 3}"), f"100 S1\n100 104 95 103\n{rest}")
    (order,) = orders_of(done, role="trailing")
    assert order.state == state
    assert order.stop_price == (stop if stop is None else close_to(stop))


def test_trailing_by_a_variant_follows_the_variant_and_never_loosens() -> None:
    done = run(
        strategy(s1=AT_100, stop="{type: trailing, variant: vol, multiple: 1}"),
        """
        100 100 100 100 3
        100 101 99 100.5 3      # entry 100, stop 97; then 101 - 3 = 98
        100.5 101 100 100.8 1   # 101 - 1 = 100
        100.8 101 100.4 100.6 5
        100.6 100.6 99.5 99.9 3
        """,
    )
    trade = trade_of(done)
    assert (trade.exit_min, trade.exit_price, trade.exit_reason) == (4, 100, "trailing")


# Entries inside a bar


@pytest.mark.parametrize(
    ("bar", "exit_min", "exit_price"),
    [
        ("100 101 98.5 99.5", 2, 99.99),  # 101 may lie before the entry
        ("100 101 98.5 100.2", 1, 99.99),  # the close lies after it, beyond the target
        ("100 101 98.01 100.2", 1, 98.01),  # touched: the worse reading
    ],
)
def test_in_the_bar_of_a_limit_entry_only_what_is_certain_counts(bar: str, exit_min: int, exit_price: float) -> None:
    done = run(
        strategy(
            order="{type: limit, price: 99}", stop="{type: percent, value: 1}", target="{type: percent, value: 1}"
        ),
        f"100 S1\n{bar}\n99.5 100.5 99.4 99.6",
    )
    trade = trade_of(done)
    assert (trade.entry_min, trade.entry_price) == (1, 99)
    assert (trade.exit_min, trade.exit_price) == (exit_min, close_to(exit_price))


def test_a_target_that_rested_since_the_bar_of_the_entry_is_a_maker() -> None:
    text = strategy(order="{type: limit, price: 99}", target="{type: percent, value: 1}")
    done = run(text, "100 S1\n100 101 98.5 99.5\n101 101 101 101")
    assert [(f.min, f.price, f.liquidity) for f in fills_of(done)] == [(1, 99, "maker"), (2, 101, "maker")]


def test_a_limit_entry_at_the_open_has_the_whole_bar_after_it() -> None:
    done = run(
        strategy(order="{type: limit, price: 99}", target="{type: percent, value: 1}"), "100 S1\n98 99.5 97.9 98.5"
    )
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (1, close_to(98 * 1.01))


@pytest.mark.parametrize(
    ("direction", "price", "table", "paid"),
    [
        ("LONG", 105, "100 S1\n100 104 99 103\n103 105 102 104", 105),
        ("LONG", 105, "100 S1\n100 104 99 103\n107 108 106 107", 107),
        ("SHORT", 95, "100 S1\n100 101 96 97\n97 98 95 96", 95),
        ("SHORT", 95, "100 S1\n100 101 96 97\n93 94 92 93", 93),
    ],
)
def test_a_stop_entry_fills_at_its_price_or_at_the_open_beyond(
    direction: str, price: float, table: str, paid: float
) -> None:
    done = run(strategy(direction=direction, order=f"{{type: stop, price: {price}}}"), table)
    (fill,) = fills_of(done)
    assert (fill.min, fill.price, fill.liquidity) == (2, paid, "taker")


@pytest.mark.parametrize(
    ("offset_bps", "rest", "filled"),
    [
        (100, "100 105 99 104", (1, 105)),  # inside the bar: at the stop, which the limit of 106.05 allows
        (100, "105.5 107 105 106", (1, 105.5)),  # at the open
        (100, "107 108 106.5 107\n107 108 106 107", (2, 106.05)),  # beyond its limit: rests until traded through
        (0, "100 106 99 105.5\n105.5 106 105 106\n106 106 104.9 106", (3, 105)),  # stop = limit: through, not at
        (0, "100 106 99 104", (1, 105)),  # the close is beyond the limit: traded through after the touch
    ],
)
def test_a_stop_limit_entry_never_pays_more_than_its_limit(
    offset_bps: float, rest: str, filled: tuple[int, float]
) -> None:
    order = f"{{type: stop_limit, price: 105, limit_offset_bps: {offset_bps}}}"
    (fill,) = fills_of(run(strategy(order=order), f"100 S1\n{rest}"))
    assert (fill.min, fill.price) == (filled[0], close_to(filled[1]))


# Time in force


def test_ioc_takes_what_the_first_open_gives_and_no_more() -> None:
    text = strategy(order="{type: limit, price: 99, tif: IOC}")
    (order,) = orders_of(run(text, "100 S1\n100 100 90 95"))
    assert (order.state, order.reason, order.updated_min) == ("CANCELED", "unfilled_ioc", 1)
    (order,) = orders_of(run(text, "100 S1\n98 98 97 98"), role="entry")
    assert (order.state, order.avg_price) == ("FILLED", 98)


@pytest.mark.parametrize(("tif", "filled", "reason"), [("IOC", 1, "unfilled_ioc"), ("FOK", 0, "unfilled_fok")])
def test_ioc_keeps_a_part_and_fok_wants_all(tif: str, filled: float, reason: str) -> None:
    text = strategy(
        s1=AT_100,
        size="{type: units, value: 2}",
        order=f"{{type: limit, price: 99, tif: {tif}}}",
        costs="{taker_bps: 0, participation: 0.1}",
    )
    (order,) = orders_of(run(text, "100 100 100 100 10\n98 98 97 98 10\n97 97 97 97 1000"))
    assert (order.state, order.reason, order.filled_qty) == ("CANCELED", reason, filled)


@pytest.mark.parametrize(("ttl_s", "at"), [(120, 3), (90, 2.5)])
def test_an_order_with_a_time_to_live_expires(ttl_s: float, at: float) -> None:
    # 90 s end inside bar 2: whether its low of 98 came before is not certain.
    low = 98 if ttl_s == 90 else 99.5
    done = run(
        strategy(order=f"{{type: limit, price: 99, ttl_s: {ttl_s}}}"), f"100 S1\n100\n100 100 {low} 100\n98 98 97 98"
    )
    (order,) = orders_of(done)
    assert (order.tif, order.state, order.reason, order.updated_min) == ("GTT", "EXPIRED", "ttl", math.ceil(at))


def test_an_order_lives_until_its_last_second() -> None:
    done = run(strategy(order="{type: limit, price: 99, ttl_s: 120, tif: GTT}"), "100 S1\n100\n100 100 98 100")
    assert fills_of(done)[0].min == 2


def test_post_only_is_rejected_where_it_would_take() -> None:
    (order,) = orders_of(run(strategy(order="{type: limit, price: 101, post_only: true}"), "100 S1\n100\n100"))
    assert (order.state, order.reason, order.filled_qty) == ("REJECTED", "post_only_would_take", 0)
    done = run(strategy(order="{type: limit, price: 99, post_only: true}"), "100 S1\n100 100 98 100")
    assert fills_of(done)[0].liquidity == "maker"


# Ladders


def test_each_step_of_a_ladder_closes_its_share_once_and_the_stop_shrinks() -> None:
    done = run(
        strategy(
            size="{type: units, value: 10}",
            stop="{type: percent, value: 2}",
            target="{type: ladder, of: percent, steps: [[1, 30], [2, 50]]}",
        ),
        """
        100 S1
        100 101.5 100 101   # 30 % at 101
        101 102.5 101 102   # 50 % at 102
        102 102 97 97       # the rest at the stop of 98
        """,
    )
    exits = [(fill.min, fill.role, fill.qty, fill.price) for fill in fills_of(done, side="SELL")]
    assert exits == [
        (1, "take_profit", close_to(3), close_to(101)),
        (2, "take_profit", close_to(5), close_to(102)),
        (3, "stop_loss", close_to(2), close_to(98)),
    ]
    assert trade_of(done).pnl == close_to(3 * 1 + 5 * 2 - 2 * 2)
    assert len(orders_of(done, role="take_profit")) == 2


def test_several_steps_of_a_ladder_fill_in_one_bar() -> None:
    text = strategy(
        size="{type: units, value: 10}", target="{type: ladder, of: percent, steps: [[1, 30], [2, 50], [3, 20]]}"
    )
    done = run(text, "100 S1\n100 102.5 100 102\n102 104 102 103")
    assert [(f.min, f.qty, f.price) for f in fills_of(done, side="SELL")] == [
        (1, close_to(3), close_to(101)),
        (1, close_to(5), close_to(102)),
        (2, close_to(2), close_to(103)),
    ]
    assert trade_of(done).exit_reason == "take_profit"


def test_the_fade_of_a_pump_closes_at_its_retracements() -> None:
    """The walk-through of the signal specification: base 1.000, peak 1.090, entry 1.086."""
    done = run(
        strategy(
            direction="SHORT",
            variants="base: {type: DONCHIAN, period: 2, output: lower}",
            size="{type: fixed, value: 400}",
            leverage=2,
            stop="{type: percent, value: 6}",
            target="{type: ladder, of: pump_retracement, base: base, steps: [[30, 30], [50, 40], [70, 30]]}",
        ),
        """
        1.0
        1.0
        1.0 1.09 1.0 1.086 S1
        1.086 1.10 1.08 1.08       # a higher peak after the entry changes nothing
        1.08 1.08 1.06 1.06        # 30 %
        1.06 1.06 1.04 1.04        # 50 %
        1.04 1.04 1.02 1.02        # 70 %
        """,
        rules={A: "{lot_size: 0.001, price_increment: 0.00001}"},
    )
    stop = orders_of(done, role="stop_loss")[0]
    assert stop.stop_price == close_to(1.15116)
    assert [(f.min, f.qty, f.price) for f in fills_of(done)] == [
        (3, close_to(368.324), close_to(1.086)),
        (4, close_to(110.497), close_to(1.063)),
        (5, close_to(147.329), close_to(1.045)),
        (6, close_to(110.498), close_to(1.027)),
    ]
    assert trade_of(done).pnl == close_to(110.497 * 0.023 + 147.329 * 0.041 + 110.498 * 0.059)


# Time


def test_the_longest_hold_ends_at_the_next_open() -> None:
    done = run(strategy(limits="{max_hold_min: 2}"), "100 S1\n100\n101\n102\n103")
    trade = trade_of(done)
    assert (trade.entry_min, trade.exit_min, trade.exit_price, trade.exit_reason) == (1, 3, 102, "time")


def test_a_hold_that_ends_inside_a_bar_is_decided_then_and_filled_at_the_next_open() -> None:
    done = run(strategy(timeframe="5m", limits="{max_hold_min: 7}"), "100 S1\n100\n101\n102\n103")
    assert orders_of(done, role="time")[0].submitted_min == 5 + 7
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (15, 102)


def test_a_hold_that_ends_in_a_hole_is_filled_at_the_end_of_the_hole() -> None:
    done = run(strategy(limits="{max_hold_min: 2.5}"), "100 S1\n100\n100\n-\n-\n110\n111")
    assert orders_of(done, role="time")[0].submitted_min == 3.5
    assert (trade_of(done).exit_min, trade_of(done).exit_price) == (5, 110)


# Costs


def test_takers_and_makers_pay_their_own_fee() -> None:
    done = run(
        strategy(costs="{taker_bps: 5, maker_bps: 2}", target="{type: percent, value: 3}"),
        "100 S1\n100\n100 104 100 103",
    )
    assert [fill.fee for fill in fills_of(done)] == [close_to(100 * 5e-4), close_to(103 * 2e-4)]
    assert trade_of(done).pnl == close_to(3 - 0.05 - 0.0206)


def test_costs_that_the_strategy_does_not_name_are_those_of_the_instrument() -> None:
    rules = {A: "{taker_bps: 7, maker_bps: -1}"}
    done = run(
        strategy(costs="{maker_bps: 3}", target="{type: percent, value: 3}"),
        "100 S1\n100\n100 104 100 103",
        rules=rules,
    )
    assert [fill.fee for fill in fills_of(done)] == [close_to(100 * 7e-4), close_to(103 * 3e-4)]


@pytest.mark.parametrize(("direction", "paid", "got"), [("LONG", 100.1, 106.893), ("SHORT", 99.9, 107.107)])
def test_fixed_slippage_is_adverse_on_both_sides(direction: str, paid: float, got: float) -> None:
    costs = "{taker_bps: 0, slippage: {type: fixed, bps: 10}}"
    done = run(strategy(direction=direction, costs=costs), "100 S1\n100\n106 ZE1\n107")
    trade = trade_of(done)
    assert (trade.entry_price, trade.exit_price) == (close_to(paid), close_to(got))
    assert trade.slippage == close_to(0.1 + 0.107)


def test_impact_grows_with_the_root_of_the_share_of_the_volume() -> None:
    costs = "{taker_bps: 0, slippage: {type: impact, half_spread_bps: 2, coefficient: 100}}"
    text = strategy(s1=AT_100, size="{type: units, value: 4}", costs=costs)
    done = run(text, "100 100 100 100 400\n100 100 99 99 400")
    assert trade_of(done).entry_price == close_to(100 * (1 + (2 + 100 * math.sqrt(4 / 400)) / 10_000))


def test_random_slippage_is_seeded_bounded_and_adverse() -> None:
    costs = "{taker_bps: 0, slippage: {type: random, bps: 10}}"
    table = "100 S1\n100\n100 ZE1\n100\n" * 5
    runs = [run(strategy(costs=costs), table, seed=seed) for seed in (1, 1, 2)]
    paid = [[(fill.side, fill.price) for fill in fills_of(done)] for done in runs]
    assert paid[0] == paid[1] != paid[2]
    assert len({price for _, price in paid[0]}) == len(paid[0]) == 10
    assert all(100 <= price <= 100.1 if side == "BUY" else 99.9 <= price <= 100 for side, price in paid[0])


@pytest.mark.parametrize("kind", ["fixed", "random"])
def test_slippage_never_passes_a_limit(kind: str) -> None:
    costs = f"{{taker_bps: 0, slippage: {{type: {kind}, bps: 1000}}}}"
    done = run(strategy(order="{type: limit, price: 99}", costs=costs), "100 S1\n98.99 99 98 98")
    assert 98.99 <= fills_of(done)[0].price <= 99


def test_a_maker_does_not_slip() -> None:
    costs = "{taker_bps: 0, slippage: {type: fixed, bps: 100}}"
    done = run(strategy(order="{type: limit, price: 99}", costs=costs), "100 S1\n100 100 98 98")
    assert fills_of(done)[0].price == 99


# Participation


def test_with_participation_an_order_fills_over_several_bars_at_their_opens() -> None:
    text = strategy(s1=AT_100, size="{type: units, value: 5}", costs="{taker_bps: 0, participation: 0.1}")
    done = run(text, "100 100 100 100 20\n101 101 101 101 20\n102 102 102 102 20\n103 103 103 103 20")
    assert [(f.min, f.qty, f.price) for f in fills_of(done)] == [(1, 2, 101), (2, 2, 102), (3, 1, 103)]
    assert trade_of(done).entry_price == close_to((2 * 101 + 2 * 102 + 103) / 5)


def test_with_participation_stops_still_work_from_the_bar_of_the_entry() -> None:
    text = strategy(
        s1=AT_100,
        size="{type: units, value: 2}",
        stop="{type: percent, value: 2}",
        costs="{taker_bps: 0, participation: 0.1}",
    )
    done = run(text, "100 100 100 100 100\n100 101 97 99 100")
    trade = trade_of(done)
    assert (trade.entry_min, trade.exit_min, trade.exit_price) == (1, 1, 98)


def test_all_orders_share_the_part_of_the_volume() -> None:
    text = strategy(
        s1=AT_100,
        size="{type: units, value: 10}",
        stop="{type: percent, value: 2}",
        costs="{taker_bps: 0, participation: 0.1}",
    )
    done = run(text, "100 100 100 100 100\n100 101 97 99 100\n96 96 96 96 40\n95 95 95 95 100")
    # The entry takes all of bar 1, so its stop, touched in it, waits for the volume of the bars that follow.
    assert [(f.min, f.side, f.qty, f.price) for f in fills_of(done)] == [
        (1, "BUY", 10, 100),
        (2, "SELL", 4, 96),
        (3, "SELL", 6, 95),
    ]


def test_a_stop_at_work_ends_the_rest_of_the_entry() -> None:
    text = strategy(
        s1='all: [{px: "== 101"}]',
        size="{type: units, value: 20}",
        order="{type: limit, price: 100}",
        stop="{type: percent, value: 2}",
        costs="{taker_bps: 0, maker_bps: 0, participation: 0.1}",
    )
    done = run(
        text,
        """
        101 101 101 101 100
        100.5 101 99.5 100 100
        100.2 100.3 97 97.5 50   # the stop takes the volume of this bar
        97 97 97 97 200
        """,
    )
    assert [(f.min, f.side, f.qty, f.price) for f in fills_of(done)] == [
        (1, "BUY", 10, 100),
        (2, "SELL", 5, 98),
        (3, "SELL", 5, 97),
    ]


def test_a_bar_without_volume_gives_its_price_but_no_share() -> None:
    table = "100 100 100 100 0\n101 101 101 101 0\n102 102 102 102 50"
    assert trade_of(run(strategy(s1=AT_100), table)).entry_price == 101
    shared = run(strategy(s1=AT_100, costs="{taker_bps: 0, participation: 0.1}"), table)
    assert (trade_of(shared).entry_min, trade_of(shared).entry_price) == (2, 102)


# Funding


def _funding(direction: str, table: str, rate: float = 0.001) -> Run:
    return run(
        strategy(direction=direction, timeframe="1h", size="{type: units, value: 2}"),
        table,
        rules={A: "{taker_bps: 0}"},
        funding={A: {0: rate, 480: rate, 960: rate}},
    )


@pytest.mark.parametrize(
    ("direction", "rate", "amount"), [("LONG", 0.001, -0.22), ("SHORT", 0.001, 0.22), ("LONG", -0.001, 0.22)]
)
def test_longs_pay_a_positive_rate_on_what_was_held_at_the_open_mark(
    direction: str, rate: float, amount: float
) -> None:
    done = _funding(direction, "100 S1\n" + "100\n" * 7 + "110 120 110 120\n" + "120\n" * 3, rate)
    trade = trade_of(done)
    assert trade.funding == close_to(amount)
    assert done.metrics["funding"] == close_to(amount)


def test_a_position_entered_at_the_settlement_pays_nothing_and_one_that_leaves_pays() -> None:
    enters = _funding("LONG", "100\n" * 7 + "100 S1\n" + "100\n" * 3)
    assert (trade_of(enters).entry_min, trade_of(enters).funding) == (480, 0)
    leaves = _funding("LONG", "100 S1\n" + "100\n" * 6 + "100 ZE1\n" + "100\n" * 3)
    assert (trade_of(leaves).exit_min, trade_of(leaves).funding) == (480, close_to(-0.2))


def test_funding_can_be_switched_off() -> None:
    text = strategy(timeframe="1h", costs="{taker_bps: 0, funding: off}")
    done = run(text, "100 S1\n" + "100\n" * 10, rules={A: "{}"}, funding={A: {0: 0.001, 480: 0.001, 960: 0.001}})
    assert trade_of(done).funding == 0


# Liquidation


@pytest.mark.parametrize(
    ("direction", "bar", "price"),
    [
        ("LONG", "90 91 80.3 85", (100 - 20) / 0.995),
        ("SHORT", "110 119.5 109 111", 120 / 1.005),
        ("LONG", "79 81 78 80", 79),
        ("SHORT", "121 122 120 121", 121),
    ],
)
def test_a_position_is_liquidated_at_the_open_or_at_the_adverse_extreme(direction: str, bar: str, price: float) -> None:
    done = run(strategy(direction=direction, leverage=5), f"100 S1\n100\n{bar}")
    trade = trade_of(done)
    assert (trade.exit_price, trade.exit_reason, trade.exit_min) == (close_to(price), "liquidation", 2)
    assert warned_of(done, "liquidations")


@pytest.mark.parametrize(
    ("direction", "side", "price"), [("LONG", "SELL", (100 - 20) / 0.995), ("SHORT", "BUY", 120 / 1.005)]
)
def test_a_liquidation_is_an_order_of_the_venue_with_a_row_of_its_own(direction: str, side: str, price: float) -> None:
    done = run(strategy(direction=direction, leverage=5), "100 S1\n100\n100 130 70 100")
    (order,) = orders_of(done, role="liquidation")
    assert (order.state, order.reason, order.side, order.type) == ("FILLED", "liquidated", side, "market")
    assert (order.qty, order.filled_qty, order.avg_price, order.reduce_only) == (1, 1, close_to(price), True)
    assert (order.submitted_min, order.updated_min) == (3, 3)
    assert {fill.order_id for fill in fills_of(done)} == {row.order_id for row in orders_of(done)}


@pytest.mark.parametrize(("direction", "bar"), [("LONG", "90 91 80.41 85"), ("SHORT", "110 119.40 109 111")])
def test_a_position_just_inside_its_margin_lives(direction: str, bar: str) -> None:
    assert trade_of(run(strategy(direction=direction, leverage=5), f"100 S1\n100\n{bar}")).exit_min is None


def test_the_stop_comes_before_the_liquidation() -> None:
    trade = trade_of(run(strategy(leverage=5, stop="{type: percent, value: 15}"), "100 S1\n100\n90 91 70 75"))
    assert (trade.exit_price, trade.exit_reason) == (close_to(85), "stop_loss")


def test_liquidation_goes_by_the_tier_of_the_notional() -> None:
    tiers = "[{notional_max: 50, maintenance_pct: 1, leverage_max: 20}, {maintenance_pct: 2, leverage_max: 10}]"
    done = run(strategy(leverage=5), "100 S1\n100\n90 91 81 85", rules={A: f"{{taker_bps: 0, margin_tiers: {tiers}}}"})
    # 2 % of the notional less 50 x (2 % - 1 %): 20 - (100 - p) = 0.02 p - 0.5
    assert trade_of(done).exit_price == close_to(79.5 / 0.98)


def test_a_tier_bounds_the_leverage() -> None:
    tiers = "[{notional_max: 50, maintenance_pct: 1, leverage_max: 20}, {maintenance_pct: 2, leverage_max: 10}]"
    account = "{max_leverage: 20, max_position_pct: null, max_symbol_pct: null}"
    done = run(strategy(leverage=15, account=account), "100 S1\n100", rules={A: f"{{margin_tiers: {tiers}}}"})
    assert denials_of(done) == [(1, "max_leverage")]


def test_without_leverage_a_long_can_not_be_liquidated() -> None:
    assert trade_of(run(strategy(), "100 S1\n100\n50 50 0.01 1")).exit_min is None


# Orders that meet


def test_one_fill_cancels_the_other_side_at_the_venue() -> None:
    text = strategy(stop="{type: percent, value: 2}", target="{type: percent, value: 3}")
    for bar, filled in (
        ("100 104 100 103", "take_profit"),
        ("100 100 97 98", "stop_loss"),
        ("100 104 97 100", "stop_loss"),
    ):
        done = run(text, f"100 S1\n100\n{bar}\n90 110 90 100")
        states = {order.role: order.state for order in orders_of(done)}
        other = {"take_profit": "stop_loss", "stop_loss": "take_profit"}[filled]
        assert (states[filled], states[other]) == ("FILLED", "CANCELED")
        assert len(fills_of(done)) == 2


def test_an_exit_and_a_stop_at_one_open_never_flip_the_position() -> None:
    done = run(strategy(stop="{type: percent, value: 2}"), "100 S1\n100\n100 ZE1\n90\n90")
    trade = trade_of(done)
    assert (trade.exit_price, trade.exit_reason) == (90, "ZE1")  # asked for before the price that triggers the stop
    assert [(fill.side, fill.qty) for fill in fills_of(done)] == [("BUY", 1), ("SELL", 1)]
    assert len(trades_of(done)) == 1


def test_an_order_that_crosses_a_hole_fills_at_the_next_bar_with_a_warning() -> None:
    done = run(strategy(), "100\n100 S1\n-\n-\n105\n105")
    assert (trade_of(done).entry_min, trade_of(done).entry_price) == (4, 105)
    assert warned_of(done, "waited through a hole")
    assert not warned_of(run(strategy(), "100\n100 S1\n105\n-\n105"), "waited through a hole")


@pytest.mark.parametrize(
    ("order", "protection", "rest", "warns"),
    [
        ("{type: market}", "{type: percent, value: 2}", "100\n-\n-\n90", True),  # opens beyond the stop
        ("{type: market}", "{type: percent, value: 2}", "100\n-\n-\n100 100 97 98", True),  # touches it
        ("{type: market}", "{type: percent, value: 2}", "100\n90\n-\n90", False),
        ("{type: market}", "{type: percent, value: 2}", "100\n-\n-\n100\n90", False),  # not the first after the hole
        ("{type: market}", "{type: trailing, trail_pct: 2}", "100\n-\n-\n90", True),
        ("{type: stop, price: 105}", "", "100\n-\n-\n107", True),
        ("{type: stop, price: 105}", "", "100\n107\n-\n107", False),
        ("{type: stop_limit, price: 105, limit_offset_bps: 500}", "", "100\n-\n-\n107", True),
        ("{type: limit, price: 95}", "", "100\n-\n-\n90", False),  # at its price or better, hole or none
    ],
)
def test_a_stop_that_fills_in_the_first_bar_after_a_hole_is_warned_of(
    order: str, protection: str, rest: str, warns: bool
) -> None:
    done = run(strategy(order=order, stop=protection), f"100\n100 S1\n{rest}")
    assert len(fills_of(done)) == (2 if protection else 1)
    assert warned_of(done, "waited through a hole") == warns


def test_a_reduce_only_order_larger_than_the_position_closes_it_and_no_more() -> None:
    """Asked of the venue itself: our own exits are never larger than what is held."""
    strategy_read = signal_read.loads(strategy())
    plan = make_plan([strategy_read], {i: default_rules(i) for i in strategy_read.instruments})
    log, opened = np.zeros(2, LOG_ROW), np.zeros(1, EVENT)
    log["kind"], log["order_kind"], log["tif"] = int(RowKind.SUBMIT), int(OrderKind.MARKET), int(TimeInForce.GTC)
    log["order_id"], log["side"], log["qty"], log["reduce_only"] = (1, 2), (1, -1), (1.0, 3.0), (0, 1)
    log["leverage"], log["expires_ns"] = 1.0, NEVER_NS
    for row in range(2):
        replay_bars.venue_command(plan.venues, log, row)
    opened["kind"], opened["price"], opened["ts_init_ns"] = int(EventKind.BAR_OPENED), 100.0, 60
    replay_bars.venue_stage(plan.venues, opened, 0)
    venue = plan.venues[0]
    told = venue["inbox"][: venue["inbox_count"]]
    fills = told[told["kind"] == int(EventKind.ORDER_FILLED)]
    assert fills["qty"].tolist() == [1.0, 1.0]
    assert venue["positions"][0]["qty"] == 0.0
