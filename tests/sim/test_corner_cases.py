"""Corners that a trader runs into: odd instruments, shared symbols and capital, conditions at the edge of the known."""

import pytest

from sim.market import (
    A,
    B,
    C,
    D,
    bars,
    denials_of,
    fills_of,
    orders_of,
    run,
    signals_of,
    states_of,
    strategy,
    trade_of,
    trades_of,
    when,
)
from tightloop.app.runs.backtest import backtest
from tightloop.model.errors import InputError

close_to = pytest.approx
AT_100 = 'all: [{px: "== 100"}]'

# Instruments


def test_a_price_of_a_ten_millionth_is_a_price_like_any_other() -> None:
    text = strategy(
        size="{type: fixed, value: 1000}", stop="{type: percent, value: 2}", target="{type: percent, value: 3}"
    )
    done = run(text, "1e-7 S1\n1e-7\n1e-7 1.04e-7 1e-7 1.03e-7")
    trade = trade_of(done)
    assert (trade.qty, trade.exit_price) == (close_to(1e10), close_to(1.03e-7))
    assert trade.pnl == close_to(30)
    assert trade_of(run(text, "1e-7 S1\n1e-7\n1e-7 1e-7 9.7e-8 1e-7")).pnl == close_to(-20)


def test_a_contract_of_many_units_counts_in_notional_and_profit() -> None:
    done = run(
        strategy(size="{type: fixed, value: 1000}", costs="{taker_bps: 10}"),
        "100 S1\n100\n110 ZE1\n110",
        rules={A: "{contract_size: 0.01, lot_size: 1}"},
    )
    trade = trade_of(done)
    assert trade.qty == 1000  # 1000 / (100 x 0.01)
    assert trade.fees == close_to(1000 * 0.01 * (100 + 110) * 0.001)
    assert trade.pnl == close_to(100 - 2.1)


def test_a_share_of_the_volume_is_taken_in_whole_lots_of_contracts() -> None:
    done = run(
        strategy(s1=AT_100, size="{type: units, value: 30}", costs="{taker_bps: 0, participation: 0.1}"),
        "100 100 100 100 9\n100 101 100 101 9\n101 101 101 101 99\n101 101 101 101 999",
        rules={A: "{contract_size: 0.1, lot_size: 2}"},
    )
    # A tenth of 9, 99 and 999 units is 9, 99 and 999 contracts of 0.1, in lots of 2.
    assert [(f.min, f.qty) for f in fills_of(done)] == [(1, 8), (2, 22)]


def test_a_quantity_that_rounds_to_nothing_is_denied() -> None:
    rules = {A: "{lot_size: 0.1}"}
    done = run(strategy(size="{type: fixed, value: 9.99}"), "100 S1\n100", rules=rules)
    assert denials_of(done) == [(1, "qty_rounds_to_zero")]
    done = run(strategy(size="{type: fixed, value: 39}"), "100 S1\n100", rules=rules)
    assert trade_of(done).qty == close_to(0.3)


def test_prices_of_orders_lie_on_the_grid_of_the_instrument() -> None:
    text = strategy(
        order="{type: limit, price: close, offset_bps: -33}",
        stop="{type: percent, value: 2}",
        target="{type: percent, value: 3}",
    )
    done = run(text, "100 S1\n100 100 99 100\n100", rules={A: "{price_increment: 0.5}"})
    prices = {order.role: order.price or order.stop_price for order in orders_of(done)}
    # 99.67 down to 99.5; 99.5 - 2 % = 97.51 down to 97.5; 99.5 + 3 % = 102.485 up to 102.5.
    assert prices == {"entry": 99.5, "stop_loss": 97.5, "take_profit": 102.5}


def test_a_trailing_stop_lies_on_the_grid_of_the_instrument() -> None:
    text = strategy(stop="{type: trailing, trail_pct: 3}")
    done = run(text, "100 S1\n100 101 99 101\n101 101 90 91", rules={A: "{price_increment: 0.5}"})
    assert trade_of(done).exit_price == 97.5  # 101 - 3 % = 97.97, never earlier than asked


def test_spot_is_not_sold_short() -> None:
    spot = "test:AAAUSDT-spot"
    with pytest.raises(InputError, match="short"):
        run(strategy(direction="SHORT", instruments=(spot,)), {spot: "100 S1\n100"})


# Shared symbols, slots and capital


def test_a_symbol_belongs_to_one_strategy_from_signal_to_flat() -> None:
    one = strategy(stop="{type: percent, value: 5}")
    two = strategy(name="two", direction="SHORT")
    done = run([one, two], "100 S1\n100 S1\n100 S1\n100 100 94 95 S1\n95 S1\n95")
    # The first in the file wins the tie at 1, and again at the close of the bar whose stop freed the symbol.
    assert [(t.strategy, t.entry_min, t.exit_min) for t in trades_of(done)] == [("tiny", 1, 3), ("tiny", 4, None)]
    suppressed = [(s.strategy, s.min, s.reason) for s in signals_of(done, event="suppressed")]
    assert suppressed == [("two", 1, "symbol_locked")]  # said once, not at 2, 3, 4 and 5 again


def test_the_second_strategy_gets_the_symbol_once_the_first_is_done() -> None:
    done = run([strategy(), strategy(name="two", direction="SHORT")], "100 S1\n100\n100 ZE1\n100\n100\n90 S1+ZE1\n90")
    assert [(t.strategy, t.side) for t in trades_of(done)] == [("tiny", "LONG"), ("tiny", "LONG")]
    done = run(
        [strategy(ze1=f"{when('ZE1')}, cooldown_min: 60"), strategy(name="two", direction="SHORT")],
        "100 S1\n100\n100 ZE1\n100\n100 S1\n90\n90",
    )
    assert [(t.strategy, t.side, t.entry_min) for t in trades_of(done)] == [("tiny", "LONG", 1), ("two", "SHORT", 5)]


def test_the_fourth_signal_is_suppressed_once_for_each_change_of_its_reason() -> None:
    text = strategy(instruments=(A, B, C, D), limits="{max_concurrent_positions: 3}")
    leaves, holds = "100 S1\n100\n100\n100\n100 ZE1\n100\n100", "100 S1" + "\n100" * 6
    comes = "100 S1\n100 S1\n100\n100 S1\n100\n100 S1\n100"
    done = run(text, {A: leaves, B: holds, C: holds, D: comes})
    own = [(s.min, s.event, s.reason) for s in signals_of(done, instrument=D, section="S1")]
    # At 1 no slot is free, and nothing new at 2; at 4 another signal finds none either; A gives its slot back at 5.
    assert own == [(1, "suppressed", "slots_full"), (4, "suppressed", "slots_full"), (6, "fired", None)]


def test_the_reason_of_a_suppression_is_said_again_when_it_changes() -> None:
    first = strategy(name="first", instruments=(B,))
    text = strategy(instruments=(A, B), limits="{max_concurrent_positions: 1}")
    done = run(
        [text, first],
        {A: "100 S1\n100\n100 ZE1\n100\n100", B: "100 S1\n100 S1\n100 S1\n100 S1\n100 S1"},
    )
    own = [(s.min, s.reason) for s in signals_of(done, strategy="tiny", instrument=B, event="suppressed")]
    assert own == [(1, "slots_full"), (4, "symbol_locked")]


@pytest.mark.parametrize(("levels", "winner"), [((1, 2, 3), C), ((3, 2, 1), A), ((1, 3, 2), B), ((2, 2, 2), A)])
def test_of_more_signals_than_slots_the_highest_confidence_wins(levels: tuple[int, ...], winner: str) -> None:
    text = strategy(instruments=(A, B, C), confidence="px", limits="{max_concurrent_positions: 1}")
    tables = {name: f"{level} S1\n{level}" for name, level in zip((A, B, C), levels, strict=True)}
    assert [t.instrument for t in trades_of(run(text, tables))] == [winner]


@pytest.mark.parametrize("names", [(A, B), (B, A)])
def test_a_confidence_that_is_unknown_comes_last(names: tuple[str, str]) -> None:
    text = strategy(
        instruments=names,
        confidence="avg",
        variants="avg: {type: SMA, period: 3}",
        limits="{max_concurrent_positions: 1}",
    )
    done = run(text, {A: "-\n-\n100 S1\n100", B: "1\n1\n1 S1\n1"})
    assert [t.instrument for t in trades_of(done)] == [B]


def test_instruments_are_merged_by_time_and_share_the_capital() -> None:
    text = strategy(instruments=(A, B), size="{type: percentage, value: 10}")
    done = run(
        text,
        {
            A: "100 S1\n100\n200 ZE1\n200\n200\n200",
            B: bars("50\n50\n50 S1\n50\n50", start_min=1),  # begins a minute later
        },
    )
    first, second = trades_of(done)
    assert (first.instrument, first.entry_min, first.qty) == (A, 1, close_to(10))
    # 10 units gained 1000 by then: a tenth of 11 000.
    assert (second.instrument, second.entry_min, second.qty) == (B, 4, close_to(1100 / 50))
    assert done.equity["equity"].to_list()[-1] == close_to(11_000)


def test_exits_of_an_instant_come_before_its_entries() -> None:
    """B gives its margin only at the open, but its exit is asked for first: the order of the rows says so."""
    text = strategy(instruments=(A, B))
    done = run(text, {A: "100\n100\n100 S1\n100", B: "100 S1\n100\n100 ZE1\n100"})
    assert [(o.instrument, o.role) for o in orders_of(done) if o.submitted_min == 3] == [(B, "ze1"), (A, "entry")]


# Transitions


def test_a_signal_and_its_entry_are_two_evaluations_unless_immediate() -> None:
    done = run(strategy(z1=when("Z1")), "100 S1+Z1\n100\n100 Z1\n100")
    assert [(s.min, s.section) for s in signals_of(done)] == [(1, "S1"), (3, "Z1")]
    assert trade_of(done).entry_min == 3


def test_a_cancel_wins_over_an_entry_of_the_same_evaluation() -> None:
    done = run(strategy(z1=when("Z1")), "100 S1\n100 O1+Z1\n100")
    assert orders_of(done) == []
    assert [(s.min, s.section, s.reason) for s in signals_of(done)] == [(1, "S1", None), (2, "O1", "o1_true")]


def test_with_no_cooldown_the_close_of_the_bar_of_the_exit_may_fire_again() -> None:
    done = run(strategy(stop="{type: percent, value: 2}"), "100 S1\n100 100 97 98 S1\n98\n98")
    assert [(t.entry_min, t.exit_min) for t in trades_of(done)] == [(1, 1), (2, None)]
    assert (2, "SIGNAL_DETECTED") in states_of(done)


def test_an_entry_that_expires_rests_as_a_cancelled_signal_does() -> None:
    text = strategy(order="{type: limit, price: 90, ttl_s: 60}", o1="cooldown_min: 3")
    done = run(text, "100 S1\n100 S1\n100 S1\n100 S1\n100 S1\n100")
    assert [o.submitted_min for o in orders_of(done)] == [1, 5]


@pytest.mark.parametrize("table", ["100 S1\n100\n100\n100", "100 S1\n-\n-\n100", "100 S1\n-\n-\n-\n100"])
def test_a_timeout_gives_its_slot_back_before_the_entries_of_its_instant_with_a_bar_or_without(table: str) -> None:
    never, one = 'all: [{px: "< 0"}]', "{max_concurrent_positions: 1}"
    text = strategy(instruments=(A, B), z1=never, o1="timeout_s: 120", limits=one)
    done = run(text, {A: table, B: "50\n50\n50 S1\n50"})
    assert [(s.min, s.instrument, s.event) for s in signals_of(done, section="S1")] == [
        (1, A, "fired"),
        (3, B, "fired"),
    ]


# Conditions at the edge of the known


def test_the_opposite_of_the_unknown_is_unknown() -> None:
    text = strategy(variants="avg: {type: SMA, period: 3}", s1='all: [{not: {avg: "> 1000"}}]')
    assert signals_of(run(text, "100\n100\n100\n100"))[0].min == 3


def test_a_crossing_needs_both_values_at_both_evaluations() -> None:
    text = strategy(variants="avg: {type: SMA, period: 3}", s1="all: [{px: crosses_above avg}]")
    # At 3 the average is known for the first time, and the price is above it: nobody saw it cross.
    assert signals_of(run(text, "100\n100\n103\n104")) == []
    # From equal to above is a crossing.
    assert [s.min for s in signals_of(run(text, "100\n100\n100\n101\n102"), section="S1")] == [4]


def test_a_crossing_is_seen_even_where_the_state_does_not_listen() -> None:
    """ZE1 compares with the evaluation before, the one at which the position was not there yet."""
    text = strategy(ze1="all: [{px: crosses_below lvl}]", variants="lvl: {type: SMA, period: 2}")
    done = run(text, "100\n102 S1\n98\n98\n98")
    # At 2 the price is above its average of 101; at 3 it is below its average of 100.
    assert (trade_of(done).entry_min, trade_of(done).exit_min) == (2, 3)


def test_hold_wants_every_evaluation_since_the_time_to_hold() -> None:
    text = strategy(s1='hold: [{px: "> 100"}, 120]', z1=when("Z1"))
    assert [s.min for s in signals_of(run(text, "101\n101\n101\n101"))] == [3]
    assert [s.min for s in signals_of(run(text, "101\n101\n100\n101\n101\n101"))] == [6]


def test_hold_counts_evaluations_so_a_hole_does_not_break_it() -> None:
    text = strategy(s1='hold: [{px: "> 100"}, 120]', z1=when("Z1"))
    assert [s.min for s in signals_of(run(text, "101\n-\n-\n101"))] == [4]


def test_seq_wants_its_parts_one_after_another_within_the_gap() -> None:
    text = strategy(s1='seq: [[{px: "> 105"}, {px: "< 95"}], 120]', z1=when("Z1"))
    assert [s.min for s in signals_of(run(text, "106\n100\n94"))] == [3]
    assert signals_of(run(text, "106\n100\n100\n94")) == []
    assert signals_of(run(text, "94\n106\n100")) == []


# Names and nothing


def test_a_strategy_may_be_called_anything() -> None:
    done = run(strategy(name='Пик 🚀 «尖峰» "x"'), "100 S1\n100\n100 ZE1\n100")
    assert trade_of(done).strategy == done.summary["strategy"] == 'Пик 🚀 «尖峰» "x"'


def test_no_bars_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="AAAUSDT"):
        backtest(strategy(), data={A: bars("")})


def test_one_bar_is_enough_for_a_run_and_too_little_for_a_fill() -> None:
    done = run(strategy(), "100 S1")
    assert [(o.role, o.state) for o in orders_of(done)] == [("entry", "ACCEPTED")]
    assert trades_of(done) == []
    assert done.summary["final_equity"] == 10_000
