"""Corners that a trader runs into on ticks: odd instruments and ticks, orders that cross, clocks, gaps, midnights."""

import os
import shutil
import signal as signals
import time

import polars as pl
import pytest
from click.testing import CliRunner

from sim.market import NO_ACCOUNT_LIMITS, when
from sim.tick_market import RULES, A, B, fired, rows_of, run, run_on, steady, strategy, write_catalog
from tightloop.app.cli.main import main
from tightloop.app.markets import opening as markets_opening
from tightloop.app.runs import backtest as runs_backtest
from tightloop.model.errors import InputError

close_to = pytest.approx


def quiet(last=60.0, bid=100.0, ask=100.1):
    """A quote and a print every second, that nothing happens by."""
    return steady(0, last, 1, bid, ask), steady(0, last, 1, bid, 1)


def told(rows, *more):
    """Rows in order of time, those of ``more`` after what stands at their time already."""
    return sorted([*rows, *more], key=lambda row: row[0])


# Ticks


def test_ticks_of_one_timestamp_are_each_seen_in_their_order():
    text = strategy(
        variants="last: {type: LAST_PRICE, t1: 5}, deals: {type: COUNT_DEALS, t1: 5}",
        s1='all: [{last: ">= 101"}, {deals: "== 7"}]',
    )
    quotes, prints = quiet()
    # At 30 the window (25, 30] has five prints and the one of the grid of seconds; then 101 and 99 at the same time.
    done = run(text, (quotes, told(prints, (30, 101, 1), (30, 99, 1))))
    assert fired(done) == []
    text = text.replace('"== 7"', '"== 6"')
    done = run(text, (quotes, told(prints, (30, 101, 1), (30, 99, 1))))
    assert fired(done)[0] == (30.0, "S1"), "the print of 101 was the last one for no time at all, and was seen"


def test_a_print_of_no_volume_gives_a_price_and_fills_nothing():
    text = strategy(
        variants="last: {type: LAST_PRICE, t1: 5}, mean: {type: AVG_VOLUME, t1: 5}",
        order="{type: limit, price: 99.9, ttl_s: 20}",
        ze1='all: [{last: "== 0"}]',
        o1='all: [{last: "<= 98"}]',
    )
    quotes, prints = quiet()
    prints = [row for row in prints if row[0] != 20]
    quotes[10] = (10.0, 100.0, 100.1, "S1")
    done = run(text, (quotes, told(prints, (20, 97, "-0"))))
    (order,) = rows_of(done.orders)
    assert (order.state, order.updated_ts) == ("CANCELED", 20.0), "O1 saw the price of 97"
    assert done.fills.is_empty()


def test_a_crossed_book_in_a_thousand_is_warned_of_and_more_are_refused():
    quotes, prints = steady(0, 1_200, 1, 100.0, 100.1), steady(0, 1_200, 1, 100.0, 1)
    quotes[600] = (600.0, 100.2, 100.1, "S1")
    done = run(strategy(), (quotes, prints))
    assert any("crossed" in warning for warning in done.summary["warnings"])
    (fill,) = rows_of(done.fills)
    assert fill.price == 100.1, "what was asked is what a buyer pays"
    quotes[601] = (601.0, 100.2, 100.1)
    with pytest.raises(InputError, match="crossed"):
        run(strategy(), (quotes, prints))


def test_a_price_of_a_ten_millionth_is_a_price_like_any_other_on_ticks():
    rules = {A: RULES.replace("price_increment: 0.01", "price_increment: 1e-10")}
    deep = '{taker_bps: 0, maker_bps: 0, funding: "off", depth_spreads: 0}'
    quotes = [(0, 9.99e-8, 1e-7), (1, 9.99e-8, 1e-7, "S1"), (2, 9.99e-8, 1e-7), (30, 1.04e-7, 1.041e-7)]
    text = strategy(
        size="{type: fixed, value: 1000}",
        stop="{type: percent, value: 2}",
        target="{type: percent, value: 3}",
        costs=deep,
    )
    done = run(text, (quotes, [(0, 1e-7, 1), (30, 1.04e-7, 1e12)]), rules=rules)
    (trade,) = rows_of(done.trades)
    qty = 1000 / 9.995e-8  # at the middle of the quote
    assert (trade.qty, trade.exit_price, trade.exit_reason) == (close_to(qty), close_to(1.03e-7), "take_profit")
    assert trade.pnl == close_to(qty * 3e-9)


def test_contracts_of_many_units_count_in_lots_notional_and_profit_on_ticks():
    rules = {A: RULES.replace("contract_size: 1", "contract_size: 0.1").replace("lot_size: 0.001", "lot_size: 2")}
    quotes = [(0, 99.9, 100.0), (1, 99.9, 100.0, "S1"), (2, 110.0, 110.1, "ZE1"), (3, 110.0, 110.1)]
    costs = '{taker_bps: 10, maker_bps: 0, funding: "off"}'
    done = run(strategy(size="{type: fixed, value: 77}", costs=costs), (quotes, [(0, 100.0, 1)]), rules=rules)
    (trade,) = rows_of(done.trades)
    assert trade.qty == 6, "77 of the settle asset are 7.7 contracts of 0.1 at 100, and whole lots of 2 are 6"
    assert trade.pnl == close_to(6 * 0.1 * (110 - 100) - 0.001 * 6 * 0.1 * (100 + 110))


def test_a_quantity_that_rounds_to_nothing_is_denied_on_ticks():
    quotes = [(0, 100.0, 100.1), (1, 100.0, 100.1, "S1"), (2, 100.0, 100.1)]
    done = run(strategy(size="{type: fixed, value: 0.09}"), (quotes, [(0, 100.0, 1)]))
    assert {(own.submitted_ts, own.state, own.reason) for own in rows_of(done.orders)} == {
        (1.0, "DENIED", "qty_rounds_to_zero")
    }


def test_a_market_order_that_no_book_can_hold_sells_for_next_to_nothing_and_never_for_less():
    quotes = [(0, 100.0, 100.1), (1, 100.0, 100.1, "S1"), (2, 100.0, 100.1, "ZE1"), (3, 100.0, 100.1)]
    text = strategy(size="{type: units, value: 5_000_000}").replace("capital: 10_000", "capital: 1_000_000_000")
    done = run(text, (quotes, [(0, 100.0, 1)]))
    (trade,) = rows_of(done.trades)
    assert trade.entry_price > 300, "a straight line away from the touch of 1000 units"
    assert trade.exit_price == 0.01
    # The entry at 350 on average and the exit lose 1.75e9 of 1e9: nothing is made of returns any more.
    assert done.summary["final_equity"] < 0
    for name in ("sharpe", "sortino", "volatility_pct", "cagr_pct", "calmar"):
        assert done.metrics[name] is None
    assert done.metrics["total_return_pct"] < -100
    assert done.metrics["max_drawdown_pct"] > 100


def test_a_symbol_that_is_delisted_stays_at_its_last_price_and_holds_nobody_up():
    ends = [*steady(0, 20, 1, 100.0, 100.1), (20, 90.0, 90.1)], steady(0, 20, 1, 100.0, 1)
    quotes, prints = quiet(120.0)
    ends[0][5], quotes[60], quotes[80] = (
        (5.0, 100.0, 100.1, "S1"),
        (60.0, 100.0, 100.1, "S1"),
        (80.0, 103.0, 103.1, "ZE1"),
    )
    done = run(strategy(instruments=(A, B), limits="{max_hold_min: 1.5}"), {A: ends, B: (quotes, prints)})
    (first,), (second,) = rows_of(done.trades, instrument=A), rows_of(done.trades, instrument=B)
    assert (first.exit_ts, second.exit_ts, second.pnl) == (None, 80.0, close_to(103.0 - 100.1))
    (exit_order,) = rows_of(done.orders, instrument=A, role="time")
    assert exit_order.submitted_ts == close_to(95.0), "it is asked for in time, and nobody trades for a minute by then"
    assert exit_order.state == "ACCEPTED"
    assert done.summary["final_equity"] == close_to(10_000 + (90.05 - 100.1) + (103.0 - 100.1))


def test_no_ticks_are_refused_by_name(tmp_path):
    root = write_catalog(tmp_path, {A: ([], [])})
    with pytest.raises(InputError, match="AAAUSDT"):
        run_on([strategy()], root)


# Orders that cross


SLOW = "{submit_ms: 100, cancel_ms: 1000, response_ms: 100, clock: receive}"


def test_an_entry_that_fills_while_its_cancel_travels_is_closed_at_once():
    text = strategy(order="{type: limit, price: 99.5}", latency=SLOW, ze1='all: [{vol: "< 0"}]')
    quotes, prints = quiet()
    quotes[10], quotes[20] = (10.0, 100.0, 100.1, "S1"), (20.0, 100.0, 100.1, "O1")
    done = run(text, (quotes, told(prints, (20.5, 99.4, "-5"))))
    entry, close = rows_of(done.orders)
    assert (entry.role, entry.state) == ("entry", "FILLED"), "the cancel of 20 arrives at 21, after the fill of 20.5"
    (trade,) = rows_of(done.trades)
    assert close.submitted_ts == close_to(20.6), "as soon as the fill is heard"
    assert (trade.entry_ts, trade.exit_ts) == (20.5, 21.0), "no command overtakes one that left earlier"


def test_an_entry_that_filled_in_part_before_its_cancel_closes_the_part():
    text = strategy(
        order="{type: limit, price: 99.5}", size="{type: units, value: 4}", latency=SLOW, ze1='all: [{vol: "< 0"}]'
    )
    quotes, prints = quiet()
    quotes[10], quotes[20] = (10.0, 100.0, 100.1, "S1"), (20.0, 100.0, 100.1, "O1")
    done = run(text, (quotes, told(prints, (20.5, 99.4, "-1"), (30.5, 99.4, "-1"))))
    entry = rows_of(done.orders, role="entry")[0]
    assert (entry.state, entry.filled_qty) == ("CANCELED", 1.0)
    (trade,) = rows_of(done.trades)
    assert (trade.qty, trade.entry_ts) == (1.0, 20.5)
    assert trade.exit_ts < 22
    assert fired(done, section="O1") == [(20.0, "O1")]


def test_a_stop_that_the_tick_of_the_entry_is_beyond_already_fills_with_it():
    quotes = [(0, 99.9, 100.0), (1, 99.9, 100.0, "S1"), (10, 99.9, 100.0)]
    text = strategy(stop="{type: percent, value: 0.05}", limits="{loss_cooldown_min: 1}")
    done = run(text, (quotes, [(0, 100.0, 1)]))
    (trade,) = rows_of(done.trades)
    assert (trade.entry_ts, trade.entry_price) == (1.0, 100.0)
    assert (trade.exit_ts, trade.exit_price, trade.exit_reason) == (1.0, 99.9, "stop_loss")


# Time


def test_midnight_begins_the_day_anew_and_funding_is_paid_on_what_is_held_then():
    midnight = 12 * 3600.0
    quotes = [(midnight - 30, 99.9, 100.0), (midnight - 20, 99.9, 100.0, "S1"), (midnight - 19, 99.9, 100.0)]
    quotes += [(midnight + 10, 94.0, 94.1), (midnight + 20, 94.0, 94.1, "ZE1"), (midnight + 30, 94.0, 94.1, "S1")]
    quotes += [(midnight + 40, 94.0, 94.1)]
    account = NO_ACCOUNT_LIMITS.replace("daily_loss_pct: null", "daily_loss_pct: 5")
    text = strategy(
        size="{type: units, value: 60}", account=account, costs="{taker_bps: 0, maker_bps: 0, depth_spreads: 0}",
    )  # fmt: skip
    prints = [(row[0], row[1], 1) for row in quotes]
    done = run(text, (quotes, prints), funding={0.0: 0.0, midnight: 0.001})
    first, *later = rows_of(done.trades)
    # Held over midnight at a mark of 99.95; the rate is positive, so a long pays.
    assert first.funding == close_to(-60 * 99.95 * 0.001)
    assert first.pnl == close_to(60 * (94.0 - 100.0) + first.funding)
    # 364 of 10 000 are lost on the new day, whose equity began after the spread and before the fall: no stop.
    assert len(later) == 1
    text = text.replace("daily_loss_pct: 5", "daily_loss_pct: 3")
    done = run(text, (quotes, prints), funding={0.0: 0.0, midnight: 0.001})
    denied = rows_of(done.orders, state="DENIED")
    assert {own.reason for own in denied} == {"daily_loss"}
    assert denied[0].submitted_ts == midnight + 30
    assert any("first 2024-01-02T00:00:10" in warning for warning in done.summary["warnings"])


@pytest.mark.parametrize("received_s", [5.0, -5.0])
def test_clocks_that_differ_by_five_seconds_change_nothing_but_when_things_are_heard(received_s):
    quotes, prints = quiet()
    quotes[10], quotes[20] = (10.0, 100.0, 100.1, "S1"), (20.0, 101.0, 101.1, "ZE1")
    text = strategy(latency="{submit_ms: 0, cancel_ms: 0, response_ms: 0, clock: exchange}")
    done = run(text, (quotes, prints), received_s=received_s)
    moved = [warning for warning in done.summary["warnings"] if "times of receipt are shifted by" in warning]
    if received_s < 0:
        # Received before they happened: the times of receipt are moved until nothing is, and all is as with one clock.
        assert ["+5,000.0 ms" in warning for warning in moved] == [True]
        assert fired(done, section="S1") == [(10.0, "S1")]
        assert rows_of(done.trades)[0].exit_price == 101.0
    else:
        # Heard five seconds late: the order arrives at the venue that much later, at what is asked then.
        assert moved == []
        assert fired(done, section="S1") == [(15.0, "S1")]
        assert rows_of(done.trades)[0].entry_ts == 15.0


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is set on POSIX alone")
def test_the_zone_of_the_machine_and_its_daylight_saving_time_change_nothing(monkeypatch):
    hashes = set()
    quotes, prints = quiet(900.0)
    quotes[10], quotes[800] = (10.0, 100.0, 100.1, "S1"), (800.0, 101.0, 101.1, "ZE1")
    try:
        for zone in ("UTC", "Europe/Warsaw", "America/New_York", "Australia/Lord_Howe"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            done = run(strategy(), (quotes, prints))
            hashes.add((done.summary["state_hash"], done.summary["from"], done.summary["to"]))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(hashes) == 1


# What is not known


def test_the_opposite_of_the_unknown_is_unknown_on_ticks():
    text = strategy(variants="mean: {type: TWPA, t1: 30}", s1='all: [{not: {mean: "> 1000"}}]')
    assert fired(run(text, quiet()))[0] == (30.0, "S1"), "the window of 30 seconds is known at 30"


def test_a_hold_that_a_gap_interrupts_begins_anew():
    text = strategy(
        variants="mean: {type: TWPA, t1: 5}", s1='hold: [{mean: "> 1"}, 20]', z1=when("Z1"), ze1="", o1="", e1=""
    )
    quotes, prints = quiet()
    assert fired(run(text, (quotes, prints))) == [(25.0, "S1")]
    # One id is missing before the print of 18: the window knows nothing until it begins at or behind it, at 23.
    assert fired(run(text, (quotes, [*prints[:18], None, *prints[18:]]))) == [(43.0, "S1")]


def test_a_gap_in_one_instrument_leaves_the_other_alone():
    text = strategy(
        instruments=(A, B), variants="mean: {type: TWPA, t1: 5}", s1='hold: [{mean: "> 1"}, 20]', z1=when("Z1"),
    )  # fmt: skip
    quotes, prints = quiet()
    done = run(text, {A: (quotes, [*prints[:18], None, *prints[18:]]), B: (quotes, prints)})
    assert fired(done, instrument=A) == [(43.0, "S1")]
    assert fired(done, instrument=B) == [(25.0, "S1")]


# A feed that falls silent


def silent(missing):
    """Quotes and prints of a minute, nothing from 20 to 40; ``missing``: trade ids of that time are missing too."""
    quotes, prints = quiet()
    quotes[10] = (10.0, 100.0, 100.1, "S1")
    kept = [row for row in prints if not 20 < row[0] < 40]
    at = next(k for k, row in enumerate(kept) if row[0] >= 40)
    return [row for row in quotes if not 20 < row[0] < 40], [*kept[:at], *[None] * missing, *kept[at:]]


def stale_warnings(done):
    return [warning for warning in done.summary["warnings"] if "feed fell silent" in warning]


@pytest.mark.parametrize(
    ("on_stale", "missing", "warned", "exit_reason"),
    [
        ("{after_s: 20, do: exit}", 1, 1, "E1"),
        ("{after_s: 20, do: alert}", 1, 1, None),
        ("{after_s: 20}", 1, 1, None),
        ("{after_s: 20.001, do: exit}", 1, 0, None),
        ("{after_s: 20, do: exit}", 0, 0, None),
        ("{after_s: 20, do: alert}", 0, 0, None),
    ],
)
def test_a_feed_that_was_silent_for_too_long_is_warned_of_and_left_when_asked(on_stale, missing, warned, exit_reason):
    text = strategy(e1=f"on_stale: {on_stale}", ze1="")
    done = run(text, silent(missing))
    assert len(stale_warnings(done)) == warned
    (trade,) = rows_of(done.trades)
    assert (trade.exit_reason, trade.exit_ts) == (exit_reason, 40.0 if exit_reason else None)
    if warned:
        assert "(1 times, first at 2024-01-01T12:00:40Z)" in stale_warnings(done)[0]
    exits = [(own.ts, own.reason) for own in rows_of(done.signals, section="E1")]
    assert exits == ([(40.0, "feed_silent")] if exit_reason else [])


def test_a_silent_feed_is_said_on_the_screen_in_the_report_and_by_explain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_catalog(tmp_path / "data", {A: silent(1)})
    (tmp_path / "tiny.yaml").write_text(strategy(e1="on_stale: {after_s: 15, do: exit}", ze1=""))
    done = CliRunner().invoke(main, ["backtest", "tiny.yaml", "--out", "out", "--accept", "holes"])
    said = "the feed fell silent for longer than on_stale allows while a position was held (1 times"
    assert f"warning {said}" in done.output
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f'role="alert" aria-label="Account"><ul><li>{said}' in report
    signal_id = pl.read_parquet("out/signals.parquet")["signal_id"][0]
    output = CliRunner().invoke(main, ["explain", "out", "--signal", signal_id]).output
    assert "E1 fired (feed_silent) at 2024-01-01 12:00:40" in output


def test_a_gap_is_warned_of_once_and_the_next_one_again():
    quotes, prints = silent(1)
    twice = [
        *prints,
        *((at + 100, *rest) for at, *rest in prints[-5:]),
        None,
        *((at + 160, *rest) for at, *rest in prints[-5:]),
    ]
    text = strategy(e1="on_stale: {after_s: 15}", ze1="")
    done = run(text, ([*quotes, (155.0, 100.0, 100.1), (216.0, 100.0, 100.1)], twice))
    assert ["(2 times" in own for own in stale_warnings(done)] == [True]


def test_a_silent_feed_is_no_matter_while_nothing_is_held():
    quotes, prints = silent(1)
    quotes[10] = (10.0, 100.0, 100.1)
    assert stale_warnings(run(strategy(e1="on_stale: {after_s: 15}"), (quotes, prints))) == []


# Files


def test_a_strategy_edited_while_it_runs_changes_neither_the_run_nor_what_is_kept_of_it(tmp_path, monkeypatch):
    quotes, prints = quiet()
    quotes[10], quotes[20] = (10.0, 100.0, 100.1, "S1"), (20.0, 101.0, 101.1, "ZE1")
    root = write_catalog(tmp_path / "data", {A: (quotes, prints)})
    file = tmp_path / "tiny.yaml"
    file.write_text(strategy())
    plain = runs_backtest.backtest(file, data=root)

    load = markets_opening.load_tick_market

    def edit_and_load(*arguments, **options):
        file.write_text(strategy(size="{type: units, value: 7}"))
        return load(*arguments, **options)

    monkeypatch.setattr(markets_opening, "load_tick_market", edit_and_load)
    edited = runs_backtest.backtest(file, data=root)
    assert "value: 7" in file.read_text()
    assert edited.summary["config_hash"] == plain.summary["config_hash"]
    edited.write(tmp_path / "out", report=False)
    assert "value: 1}" in (tmp_path / "out" / "strategy.yaml").read_text()
    assert pl.read_parquet(tmp_path / "out" / "trades.parquet")["qty"].to_list() == [1.0]


def test_ctrl_c_while_ticks_are_loaded_ends_with_130_and_writes_nothing(tmp_path, monkeypatch):
    def press(*_arguments, **_options):
        os.kill(os.getpid(), signals.SIGINT)
        time.sleep(5)

    monkeypatch.chdir(tmp_path)
    write_catalog(tmp_path / "data", {A: quiet()})
    (tmp_path / "tiny.yaml").write_text(strategy())
    monkeypatch.setattr(markets_opening, "load_tick_market", press)
    before = signals.signal(
        signals.SIGINT, signals.default_int_handler
    )  # what a shell starts in the background has none
    try:
        assert CliRunner().invoke(main, ["backtest", "tiny.yaml", "--out", "out"]).exit_code == 130
    finally:
        signals.signal(signals.SIGINT, before)
    assert not (tmp_path / "out").exists()


def test_ticks_that_were_deleted_since_the_run_are_missed_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_catalog(tmp_path / "data", {A: quiet()})
    (tmp_path / "tiny.yaml").write_text(strategy())
    assert CliRunner().invoke(main, ["backtest", "tiny.yaml", "--out", "out", "--no-report"]).exit_code == 0
    shutil.rmtree(tmp_path / "data" / "trades")
    done = CliRunner().invoke(main, ["explain", "out"])
    assert done.exit_code == 2
    assert "AAAUSDT" in done.output
