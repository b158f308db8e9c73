"""Every kind of fault of the contract, planted in clean data and found with its exact count."""

import numpy as np
import pyarrow as pa
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, MINUTE_NS, START_NS, counts, report_of
from tightloop.adapters.data._shared import FAULT_KINDS, DatasetReport, Fault, Verdict, gate
from tightloop.model.errors import InputError, UnfitDataError

BARS = "bars/binance/BTCUSDT-perp-1m.parquet"
DAY_NS = 24 * HOUR_NS


def judged(root, columns, path=BARS, **how):
    planted.write(root / path, columns, **how)
    return report_of(root)


def judged_ticks(root, kind, columns):
    planted.write(root / f"{kind}/binance/BTCUSDT-perp/2024-01-01.parquet", columns)
    return report_of(root)


def only(report: DatasetReport, kind: str, verdict: Verdict) -> Fault:
    assert [fault.kind for fault in report.faults] == [kind]
    assert report.faults[0].verdict is verdict
    assert report.verdict is verdict
    return report.faults[0]


def test_clean_bars_have_no_fault(tmp_path):
    report = judged(tmp_path, planted.bars())
    assert (report.rows, report.from_ns, report.to_ns) == (2_000, START_NS, START_NS + 1_999 * MINUTE_NS)
    assert report.faults == ()


@pytest.mark.parametrize("kind", ["trades", "quotes", "books"])
def test_clean_ticks_have_no_fault(tmp_path, kind):
    assert judged_ticks(tmp_path, kind, getattr(planted, kind)()).faults == ()


CLEAN_SERIES = {
    "funding/binance/BTCUSDT": (8 * HOUR_NS, {"rate": np.linspace(-1e-4, 3e-4, 300)}),
    "lending/aave_v3/USDT": (
        DAY_NS,
        {
            "liquidity_index": planted.index(300, DAY_NS),
            "liquidity_rate": np.full(300, 0.05),
            "borrow_index": planted.index(300, DAY_NS, 0.07),
            "borrow_rate": np.full(300, 0.07),
        },
    ),
    "staking/weETH-rate": (HOUR_NS, {"rate_eth": planted.index(300, HOUR_NS, 0.03)}),
    "staking/weETH-market": (
        HOUR_NS,
        {"protocol_rate": planted.index(300, HOUR_NS, 0.03), "market_rate": 1 + np.sin(np.arange(300)) / 100},
    ),
    "gas/ethereum": (HOUR_NS, {"gwei": 5 + np.abs(np.sin(np.arange(300))) * 300}),
    "benchmark/susde": (DAY_NS, {"apr": np.linspace(0.03, 0.4, 300), "apy": np.linspace(0.03, 0.5, 300)}),
}


@pytest.mark.parametrize("path", CLEAN_SERIES)
def test_clean_series_have_no_fault(tmp_path, path):
    step_ns, columns = CLEAN_SERIES[path]
    assert judged(tmp_path, planted.series(columns, step_ns), f"{path}.parquet").faults == ()


@pytest.mark.parametrize(("missing", "verdict"), [(100, Verdict.USABLE), (101, Verdict.UNFIT)])
def test_holes_are_counted_in_steps_and_are_unfit_above_five_percent(tmp_path, missing, verdict):
    columns = planted.without(planted.bars(2_000), *range(500, 500 + missing - 1), 1_500)
    fault = only(judged(tmp_path, columns), "holes", verdict)
    assert (fault.count, fault.first_ns) == (missing, START_NS + 500 * MINUTE_NS)


def test_rows_that_are_there_again_are_exact_duplicates(tmp_path):
    fault = only(judged(tmp_path, planted.repeat(planted.bars(), 5, 5, 900)), "exact_duplicates", Verdict.USABLE)
    assert (fault.count, fault.first_ns) == (3, START_NS + 5 * MINUTE_NS)


def test_times_with_other_values_are_conflicting_duplicates(tmp_path):
    columns = planted.repeat(planted.bars(), 5, 5, 900)
    columns["volume"][[6, 902]] += 1.0  # of the three rows of time 5 two still agree
    report = judged(tmp_path, columns)
    assert counts(report) == {"exact_duplicates": 1, "conflicting_duplicates": 2}
    assert report.verdict is Verdict.UNFIT


def test_rows_earlier_than_one_before_them_are_disorder(tmp_path):
    columns = planted.bars()
    order = np.arange(2_000)
    order[100], order[103] = 103, 100  # three rows after the early one stand behind it
    fault = only(judged(tmp_path, {name: column[order] for name, column in columns.items()}), "disorder", Verdict.UNFIT)
    assert (fault.count, fault.first_ns) == (3, START_NS + 101 * MINUTE_NS)


def test_rows_that_are_there_again_at_the_end_are_duplicates_and_no_disorder(tmp_path):
    columns = {name: np.concatenate((column, column[10:15])) for name, column in planted.bars().items()}
    assert counts(judged(tmp_path / "a", columns)) == {"exact_duplicates": 5}
    columns["close"][-1] += 0.001
    assert counts(judged(tmp_path / "b", columns)) == {"exact_duplicates": 4, "conflicting_duplicates": 1}


def test_stamps_off_their_grid_by_less_than_a_minute_are_late(tmp_path):
    columns = planted.series({"rate": np.linspace(-1e-4, 3e-4, 300)}, 8 * HOUR_NS)
    columns["ts"][[3, 10, 20]] += np.array([2, 1, 15_000]) * 1_000_000
    fault = only(judged(tmp_path, columns, "funding/binance/BTCUSDT.parquet"), "late_stamps", Verdict.USABLE)
    assert (fault.count, fault.first_ns) == (3, START_NS + 24 * HOUR_NS + 2_000_000)


def test_a_high_below_or_a_low_above_another_price_is_impossible(tmp_path):
    columns = planted.bars()
    columns["high"][10] = columns["close"][10] - 0.02
    columns["low"][[20, 21]] = columns["high"][[20, 21]] + 0.01
    fault = only(judged(tmp_path, columns), "impossible_ohlc", Verdict.UNFIT)
    assert (fault.count, fault.first_ns) == (3, START_NS + 10 * MINUTE_NS)


@pytest.mark.parametrize("value", [0.0, -5.0, np.nan, np.inf])
def test_prices_that_are_not_positive_numbers_are_found(tmp_path, value):
    columns = planted.bars()
    columns["close"][[40, 70_0]] = value
    report = judged(tmp_path, columns)
    assert counts(report)["non_positive"] == 2
    assert report.verdict is Verdict.UNFIT
    assert "outliers" not in counts(report)
    assert "units" not in counts(report)


@pytest.mark.parametrize(("length", "found"), [(60, {"flat": 60}), (59, {})])
def test_sixty_bars_of_one_price_without_volume_are_flat(tmp_path, length, found):
    columns = planted.bars()
    for name in ("open", "high", "low", "close"):
        columns[name][300 : 300 + length] = 100.5
    columns["volume"][300 : 300 + length] = 0.0
    report = judged(tmp_path, columns)
    assert counts(report) == found
    assert report.verdict is (Verdict.USABLE if found else Verdict.FIT)


def test_a_bar_that_is_said_again_for_an_hour_without_volume_is_flat(tmp_path):
    columns = planted.bars()
    for name in ("open", "high", "low", "close"):
        columns[name][300:400] = columns[name][300]
    columns["volume"][300:400] = 0.0
    assert counts(judged(tmp_path, columns)) == {"flat": 100}


def lined(count, length, start=300, volume=1.0):
    columns = planted.bars(count)
    line = columns["close"][start] + 0.01 * np.arange(length)
    columns["close"][start : start + length] = line
    columns["open"][start : start + length] = line
    columns["high"][start : start + length] = line + 0.05
    columns["low"][start : start + length] = line - 0.05
    columns["volume"][start : start + length] *= volume
    return columns


@pytest.mark.parametrize(("length", "found"), [(60, {"straight_line": 60}), (59, {})])
def test_sixty_closes_on_a_line_are_a_placeholder(tmp_path, length, found):
    report = judged(tmp_path, lined(2_000, length))
    assert counts(report) == found
    assert report.verdict is (Verdict.UNFIT if found else Verdict.FIT)


def test_a_line_across_the_slices_that_bars_are_scanned_in_is_found_whole(tmp_path):
    assert counts(judged(tmp_path, lined(40_000, 300, start=16_384 - 150))) == {"straight_line": 300}


def test_a_day_that_is_a_line_without_any_trade_is_a_placeholder_and_one_with_trades_is_not(tmp_path):
    assert counts(judged(tmp_path / "a", lined(24, 24, start=0, volume=0.0))) == {"straight_line": 24}
    assert counts(judged(tmp_path / "b", lined(24, 24, start=0))) == {}


def test_another_commonest_step_than_the_name_says_is_the_cadence_fault(tmp_path):
    columns = planted.bars()
    columns["ts"] = START_NS + np.arange(2_000) * 5 * MINUTE_NS
    assert only(judged(tmp_path, columns), "cadence", Verdict.UNFIT).count == 1_999


@pytest.mark.parametrize("length", [1, 2, 3])
def test_prices_that_leap_and_return_within_three_bars_are_outliers(tmp_path, length):
    columns = planted.bars()
    for at in (400, 1_200):
        for name in ("open", "high", "low", "close"):
            columns[name][at : at + length] *= 1.3
    fault = only(judged(tmp_path, columns), "outliers", Verdict.USABLE)
    assert (fault.count, fault.first_ns) == (2 * length, START_NS + 400 * MINUTE_NS)


def test_a_single_wick_is_an_outlier_and_a_crash_that_half_recovers_is_none(tmp_path):
    columns = planted.bars()
    columns["low"][700] *= 0.7
    assert counts(judged(tmp_path / "a", columns)) == {"outliers": 1}
    crash = planted.bars()
    for name in ("open", "high", "low", "close"):
        crash[name][701:] *= 0.92
    crash["low"][700] *= 0.86
    crash["close"][700] *= 0.92
    assert counts(judged(tmp_path / "b", crash)) == {}


@pytest.mark.parametrize("factor", [5.0, 0.2, 100.0, 0.001])
def test_a_price_that_leaps_by_five_and_stays_is_a_change_of_units(tmp_path, factor):
    columns = planted.bars()
    for name in ("open", "high", "low", "close"):
        columns[name][900:] *= factor
    fault = only(judged(tmp_path, columns), "units", Verdict.UNFIT)
    assert (fault.count, fault.first_ns) == (1, START_NS + 900 * MINUTE_NS)


def test_a_price_that_leaps_by_less_than_five_and_stays_is_a_market(tmp_path):
    columns = planted.bars()
    for name in ("open", "high", "low", "close"):
        columns[name][900:] *= 4.5
    assert counts(judged(tmp_path, columns)) == {}


def test_a_leap_by_five_that_returns_is_an_outlier_and_no_change_of_units(tmp_path):
    columns = planted.bars()
    for name in ("open", "high", "low", "close"):
        columns[name][900:902] *= 10.0
    assert counts(judged(tmp_path, columns)) == {"outliers": 2}


def test_stamps_without_a_zone_are_read_as_utc(tmp_path):
    fault = only(judged(tmp_path, planted.bars(), zone=None), "timezone", Verdict.USABLE)
    assert (fault.count, fault.first_ns) == (2_000, START_NS)


def staked(rate):
    return planted.series({"rate_eth": rate}, HOUR_NS)


def test_an_index_that_falls_is_negative_growth(tmp_path):
    rate = planted.index(300, HOUR_NS, 0.03)
    rate[100] -= 5e-6
    rate[200] -= 4e-6
    report = judged(tmp_path, staked(rate), "staking/weETH-rate.parquet")
    assert counts(report) == {"negative_growth": 2}
    assert report.verdict is Verdict.USABLE


def test_rounding_noise_in_an_index_is_no_fall(tmp_path):
    rate = planted.index(300, HOUR_NS, 0.03)
    rate[100:] = rate[99] - np.arange(200) * 1e-13
    assert counts(judged(tmp_path, staked(rate), "staking/weETH-rate.parquet")) == {}


def test_an_index_that_doubles_in_a_year_is_impossible_growth(tmp_path):
    rate = planted.index(300, HOUR_NS, 0.03)
    rate[150:] *= 1.001
    fault = only(judged(tmp_path, staked(rate), "staking/weETH-rate.parquet"), "impossible_growth", Verdict.UNFIT)
    assert (fault.count, fault.first_ns) == (1, START_NS + 150 * HOUR_NS)


def test_an_index_that_is_published_daily_and_stored_hourly_does_not_grow_a_day_in_an_hour(tmp_path):
    rate = np.repeat(planted.index(13, DAY_NS, 0.40), 24)[:300]
    assert counts(judged(tmp_path, staked(rate), "staking/weETH-rate.parquet")) == {}


def test_a_published_yield_outside_the_bounds_is_impossible_growth(tmp_path):
    columns = planted.series({"base_apr": np.full(300, 0.03), "base_apy": np.full(300, 0.031)})
    columns["base_apr"][[7, 8]] = (9.9, -0.99)
    fault = only(judged(tmp_path, columns, "staking/wstETH-yield.parquet"), "impossible_growth", Verdict.UNFIT)
    assert fault.count == 2


@pytest.mark.parametrize(("crossed", "verdict"), [(5, Verdict.USABLE), (6, Verdict.UNFIT)])
def test_quotes_whose_bid_reaches_their_ask_are_crossed(tmp_path, crossed, verdict):
    columns = planted.quotes(5_000)
    columns["ask"][100 : 100 + crossed] = columns["bid"][100 : 100 + crossed]
    fault = only(judged_ticks(tmp_path, "quotes", columns), "crossed_quotes", verdict)
    assert (fault.count, fault.first_ns) == (crossed, int(columns["ts_init_ns"][100]))


def test_rows_received_before_they_happened_are_future_stamps_and_the_offset_is_stated(tmp_path):
    columns = planted.trades(1_000)
    columns["ts_event_ns"] += 1_250_000_000
    fault = only(judged_ticks(tmp_path, "trades", columns), "future_stamps", Verdict.USABLE)
    assert fault.count == 1_000
    assert "1.246 s behind" in fault.detail


def test_single_rows_received_too_early_are_future_stamps_and_no_disorder(tmp_path):
    columns = planted.trades(1_000)
    columns["ts_init_ns"][[100, 300]] = columns["ts_event_ns"][[100, 300]] - 900_000_000
    report = judged_ticks(tmp_path, "trades", columns)
    assert counts(report) == {"future_stamps": 2}
    assert report.verdict is Verdict.USABLE


@pytest.mark.parametrize("kind", ["trades", "quotes", "books"])
def test_ticks_that_changed_places_are_disorder(tmp_path, kind):
    columns = getattr(planted, kind)(1_000)
    order = np.r_[0:50, 52, 51, 50, 53:1_000]
    report = judged_ticks(tmp_path, kind, {name: column[order] for name, column in columns.items()})
    assert counts(report) == {"disorder": 2}


def test_a_venue_that_sends_no_times_has_no_future_stamps(tmp_path):
    columns = planted.quotes()
    columns["ts_event_ns"][:] = 0
    report = judged_ticks(tmp_path, "quotes", columns)
    assert report.faults == ()
    assert "sent no times" in report.notes[0]


def test_a_trade_id_with_two_prices_conflicts_and_a_trade_received_twice_is_the_same_trade(tmp_path):
    columns = planted.repeat(planted.trades(), 10, 20)
    columns["ts_init_ns"][11:] += 1
    columns["price"][22] += 0.01
    report = judged_ticks(tmp_path, "trades", columns)
    assert counts(report) == {"exact_duplicates": 1, "conflicting_duplicates": 1}


def test_quotes_of_one_instant_with_other_values_conflict(tmp_path):
    columns = planted.repeat(planted.quotes(), 10, 20, 30)
    columns["bid_qty"][11] += 1
    assert counts(judged_ticks(tmp_path, "quotes", columns)) == {"exact_duplicates": 2, "conflicting_duplicates": 1}


def test_levels_of_a_book_with_a_wrong_price_quantity_or_side_are_found(tmp_path):
    columns = planted.books()
    columns["price"][5] = 0.0
    columns["qty"][[6, 7]] = (-1.0, np.nan)
    columns["qty"][8] = 0.0  # removes the level
    columns["side"][9] = "middle"
    assert counts(judged_ticks(tmp_path, "books", columns)) == {"non_positive": 3, "schema": 1}


def test_a_missing_column_and_one_of_a_wrong_type_are_schema_faults(tmp_path):
    columns = planted.bars()
    del columns["high"]
    columns["volume"] = np.array([str(value) for value in columns["volume"]])
    fault = only(judged(tmp_path, columns), "schema", Verdict.UNFIT)
    assert fault.count == 2
    assert "high is missing" in fault.detail
    assert "volume is of type string" in fault.detail


def test_times_as_bare_numbers_are_a_schema_fault_because_their_unit_would_be_a_guess(tmp_path):
    planted.write(tmp_path / BARS, {**planted.bars(), "ts": [1, 2, 3] + [4] * 1_997})
    assert counts(report_of(tmp_path)) == {"schema": 1}


def test_a_week_of_forex_has_no_holes_and_a_missing_hour_of_trading_is_one(tmp_path):
    week = planted.bars(24 * 21, "1h", start_ns=START_NS + DAY_NS)  # from 2 January 2024, a Tuesday
    hours = (week["ts"] // HOUR_NS) % (7 * 24)
    # Friday 22:00 to Sunday 22:00 UTC is 17:00 in a New York winter; hour 0 was a Thursday.
    closed = (hours >= 24 + 22) & (hours < 3 * 24 + 22)
    open_ = planted.without(week, *np.flatnonzero(closed))
    path = "bars/oanda/EURUSD-spot-1h.parquet"
    assert judged(tmp_path / "a", open_, path).faults == ()
    fault = only(judged(tmp_path / "b", planted.without(open_, 30, 31, 200), path), "holes", Verdict.USABLE)
    assert fault.count == 3
    always = "oanda:EURUSD-spot: {calendar: always}"
    (tmp_path / "a" / "instruments.yaml").write_text(always)
    assert counts(report_of(tmp_path / "a")) == {"holes": 3 * 48}


def test_funding_that_changes_its_interval_has_no_holes(tmp_path):
    times = np.concatenate((np.arange(0, 800, 8), np.arange(800, 1_600, 4))) * HOUR_NS + START_NS
    columns = {"ts": times, "rate": np.linspace(-1e-4, 1e-4, len(times))}
    assert judged(tmp_path, columns, "funding/binance/BTCUSDT.parquet").faults == ()
    torn = {"ts": np.delete(times, [20, 250, 251]), "rate": np.delete(columns["rate"], [20, 250, 251])}
    # One settlement among the 8-hourly ones, two among the 4-hourly ones.
    assert counts(judged(tmp_path, torn, "funding/binance/BTCUSDT.parquet")) == {"holes": 3}


def test_times_in_a_wrong_unit_are_refused_before_they_overflow(tmp_path):
    columns = planted.series({"rate": np.zeros(10)}, 8 * HOUR_NS)
    columns["ts"] = columns["ts"] // 10**6 * 10**9 // 10**3  # milliseconds, stored as if they were seconds
    planted.write(
        tmp_path / "funding/x/AB.parquet", {**columns, "ts": pa.array(columns["ts"], pa.timestamp("s", "UTC"))}
    )
    report = report_of(tmp_path)
    assert counts(report) == {"schema": 1}
    assert "not between 1678 and 2262" in report.faults[0].detail


def test_the_index_that_pandas_leaves_in_a_file_makes_no_row_different(tmp_path):
    columns = planted.repeat(planted.series({"rate": np.linspace(0, 1e-4, 30)}, 8 * HOUR_NS), 4)
    columns["__index_level_0__"] = np.arange(31)
    assert counts(judged(tmp_path, columns, "funding/x/AB.parquet")) == {"exact_duplicates": 1}


def test_an_empty_dataset_and_a_file_that_is_no_parquet_are_unfit(tmp_path):
    planted.write(tmp_path / BARS, {name: column[:0] for name, column in planted.bars().items()})
    assert counts(report_of(tmp_path)) == {"schema": 1}
    (tmp_path / BARS).write_text("<html>not found</html>")
    report = report_of(tmp_path)
    assert "is not a Parquet file" in report.faults[0].detail


def test_a_name_that_tells_no_instrument_or_timeframe_is_unfit(tmp_path):
    planted.write(tmp_path / "bars/binance/prices.parquet", planted.bars())
    planted.write(tmp_path / "bars/binance/BTCUSDT-perp-7m.parquet", planted.bars())
    reports = [report_of(tmp_path, f"bars/binance/{name}") for name in ("prices", "BTCUSDT-perp-7m")]
    assert [counts(report) for report in reports] == [{"schema": 1}] * 2


def test_the_gate_warns_of_what_is_usable_and_refuses_what_is_unfit_until_it_is_accepted():
    usable = Fault("holes", 3, START_NS, "3 of 100 steps are missing", Verdict.USABLE)
    unfit = Fault("disorder", 2, START_NS, "2 of 100 rows are early", Verdict.UNFIT)
    torn = Fault("units", 1, None, "a factor of 100", Verdict.UNFIT)
    warned = gate(DatasetReport(BARS, 97, START_NS, START_NS, (usable,)), frozenset())
    assert warned == [f"{BARS}: holes: 3 of 100 steps are missing, first at 2024-01-01T00:00:00Z"]
    report = DatasetReport(BARS, 97, START_NS, START_NS, (usable, unfit, torn))
    with pytest.raises(UnfitDataError, match="--accept disorder,units") as refusal:
        gate(report, frozenset())
    assert [problem.field for problem in refusal.value.problems] == ["disorder", "units"]
    with pytest.raises(UnfitDataError, match="--accept units"):
        gate(report, frozenset({"disorder"}))
    assert len(gate(report, frozenset({"disorder", "units"}))) == 3


def test_a_misspelt_fault_is_refused_with_the_kinds_there_are():
    with pytest.raises(InputError, match="hole is not a kind of fault; use holes, exact_duplicates"):
        gate(DatasetReport(BARS, 0, None, None, ()), frozenset({"hole"}))


def test_a_missing_column_cannot_be_accepted():
    fault = Fault("schema", 1, None, "the column high is missing", Verdict.UNFIT)
    with pytest.raises(UnfitDataError, match="high is missing"):
        gate(DatasetReport(BARS, 1, None, None, (fault,)), frozenset(FAULT_KINDS))
