"""Bars on their grid: what lies off it, overlaps or carries the time of its close, and the days of summer time."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, MINUTE_NS, START_NS, counts
from tightloop.adapters.data._shared import judge_bars
from tightloop.adapters.data._shared.faults.grid import ZONES, grid_of
from tightloop.adapters.data.catalog import Catalog
from tightloop.core.domain.types import BAR
from tightloop.model.errors import UnfitDataError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId

BTC = InstrumentId("binance", "BTCUSDT", "perp")
DAY_NS = 24 * HOUR_NS
MS_NS = 1_000_000


def judged(times, timeframe, calendar="always"):
    bars = np.zeros(len(times), BAR)
    for name in ("open", "high", "low", "close"):
        bars[name] = 100.0 + np.arange(len(times)) % 3
    bars["volume"] = 1.0
    bars["open_ns"], bars["close_ns"] = times, np.asarray(times) + TIMEFRAMES[timeframe]
    return judge_bars("bars", bars, TIMEFRAMES[timeframe], calendar, zoned=True)


def steps(timeframe, count=40, start_ns=START_NS):
    return start_ns + np.arange(count) * TIMEFRAMES[timeframe]


def local_days(zone, count, hours=24):
    """The times in UTC of a wall clock's every ``hours`` hours from 2023 on; of an hour that comes twice the first."""
    begin = datetime(2023, 1, 1, tzinfo=ZoneInfo(zone))
    return np.array([int((begin + timedelta(hours=hours * k)).timestamp()) for k in range(count)]) * 10**9


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("early_ns", [1, MS_NS, 400 * MS_NS])
def test_a_bar_that_begins_early_is_off_the_grid_and_overlaps_the_one_before_it(timeframe, early_ns):
    times = steps(timeframe)
    times[5] -= early_ns
    found = judged(times, timeframe)
    assert counts(found.report) == {"off_grid": 1, "overlap": 1}
    assert [fault.first_ns for fault in found.report.faults] == [times[5]] * 2
    assert found.report.verdict.word == "unfit"
    assert found.bars["open_ns"].tolist() == np.delete(times, 5).tolist()  # accepted: what begins inside is left out


@pytest.mark.parametrize("timeframe", ["1m", "1h", "4h", "1d"])
def test_a_bar_that_begins_late_is_off_the_grid_and_the_next_one_overlaps_it(timeframe):
    times = steps(timeframe)
    times[5] += 7 * 10**9
    found = judged(times, timeframe)
    assert counts(found.report) == {"off_grid": 1, "overlap": 1}
    assert [fault.first_ns for fault in found.report.faults] == [times[5], times[6]]
    assert found.bars["open_ns"].tolist() == np.delete(times, 6).tolist()


def test_hours_after_a_maintenance_are_off_the_grid_and_no_holes():
    times = START_NS + np.array([*range(0, 600, 60), *range(628, 928, 60), *range(900, 1_500, 60)]) * MINUTE_NS
    found = judged(times, "1h")
    assert counts(found.report) == {"off_grid": 5, "overlap": 1}
    assert [fault.first_ns for fault in found.report.faults] == [times[10], times[15]]
    assert "1680 s late" in found.report.faults[0].detail


def test_days_that_begin_at_22_lie_on_their_grid():
    assert judged(steps("1d", start_ns=START_NS - 2 * HOUR_NS), "1d").report.faults == ()
    assert judged(steps("4h", start_ns=START_NS + HOUR_NS), "4h").report.faults == ()


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("short_ns", [1, 1_000, MS_NS, 10**9])
def test_bars_stamped_at_their_close_are_said_to_be(timeframe, short_ns):
    times = steps(timeframe) + TIMEFRAMES[timeframe] - short_ns
    if timeframe == "1s" and short_ns == 10**9:
        assert judged(times, timeframe).report.faults == ()  # a second earlier is another bar of the same grid
        return
    fault = judged(times, timeframe).report.faults[0]
    assert (fault.kind, fault.count, fault.first_ns) == ("close_stamped", 40, times[0])
    assert fault.verdict.word == "unfit"


def test_bars_of_another_step_are_that_and_no_two_thousand_bars_off_their_grid():
    assert counts(judged(steps("1m", 200), "1h").report) == {"cadence": 199, "overlap": 199}
    assert counts(judged(steps("1h", 50), "1m").report) == {"cadence": 49}


def test_stamps_that_wander_are_off_the_grid_and_neither_holes_nor_another_step():
    times = steps("1m", 200) + np.arange(200) % 7 * 10**9
    found = judged(times, "1m")
    assert counts(found.report) == {"off_grid": 171, "overlap": 28}  # 29 of 200 begin at second 0
    missing = np.delete(times, [20, 21])
    assert counts(judged(missing, "1m").report)["holes"] == 2


@pytest.mark.parametrize("zone", ZONES[:9])
@pytest.mark.parametrize(("hours", "timeframe"), [(24, "1d"), (4, "4h")])
def test_days_of_a_zone_with_summer_time_are_fit_and_end_where_the_next_begins(zone, hours, timeframe):
    times = local_days(zone, 400 * 24 // hours, hours)
    found = judged(times, timeframe)
    assert found.report.faults == ()
    assert {int(step // HOUR_NS) for step in np.diff(times)} == {hours - 1, hours, hours + 1}
    assert (found.bars["close_ns"][:-1] == times[1:]).all()
    assert "23 and 25 hours" in found.report.notes[0]


def test_a_day_that_is_missing_or_off_the_clock_among_those_of_summer_time_is_found():
    times = local_days("Europe/Berlin", 400)
    assert counts(judged(np.delete(times, [40, 200]), "1d").report) == {"holes": 2}
    times[100] += 30 * MINUTE_NS
    found = judged(times, "1d")
    assert counts(found.report) == {"off_grid": 1, "overlap": 1}
    assert "the clock of Europe/Berlin" in found.report.faults[0].detail


def test_a_single_day_an_hour_late_is_off_the_grid_and_no_summer_time():
    times = steps("1d", 100)
    times[50] += HOUR_NS
    assert counts(judged(times, "1d").report) == {"off_grid": 1, "overlap": 1}


def test_a_window_is_judged_on_the_grid_of_its_dataset(tmp_path):
    columns = planted.bars(200, "1h")
    columns["ts"][100:104] += 28 * MINUTE_NS
    planted.write(tmp_path / "bars/binance/BTCUSDT-perp-1h.parquet", columns)
    catalog = Catalog(tmp_path)
    window = START_NS + 100 * HOUR_NS, START_NS + 104 * HOUR_NS
    with pytest.raises(UnfitDataError, match=r"off_grid: .*: 4 of 4 bars, the first 1680 s late"):
        catalog.bars(BTC, "1h", *window)
    loaded = catalog.bars(BTC, "1h", START_NS, START_NS + 110 * HOUR_NS, frozenset({"off_grid", "overlap"}))
    assert (np.diff(loaded.bars["open_ns"]) >= HOUR_NS).all()
    assert len(loaded.bars) == 109  # the bar of 104:00 begins inside of the one of 103:28
    around = catalog.bars_around(
        BTC, "1h", START_NS + 99 * HOUR_NS, START_NS + 106 * HOUR_NS, frozenset({"off_grid", "overlap"})
    )
    assert [fault.kind for fault in around.report.faults] == ["off_grid", "overlap"]


def test_a_winter_of_daily_bars_is_on_the_clock_of_its_dataset(tmp_path):
    times = local_days("Europe/Berlin", 400)
    planted.write(tmp_path / "bars/binance/BTCUSDT-perp-1d.parquet", {**planted.bars(400, "1d"), "ts": times})
    for first, last in ((0, 60), (120, 250), (80, 90)):
        loaded = Catalog(tmp_path).bars(BTC, "1d", int(times[first]), int(times[last]))
        assert loaded.report.faults == ()
        assert (loaded.bars["close_ns"] == times[first + 1 : last + 1]).all()


def test_the_grid_is_the_commonest_offset_whatever_the_order():
    times = np.concatenate((steps("1h", 30) + 5, steps("1h", 10, START_NS + 100 * HOUR_NS)))
    assert grid_of(times[::-1], HOUR_NS).offset_ns == 5


def weekdays(times, first_hour=0, last_hour=24):
    """Stamps of Monday to Friday within these hours of the day."""
    hours = times // HOUR_NS
    return times[((times // DAY_NS + 3) % 7 < 5) & (hours % 24 >= first_hour) & (hours % 24 < last_hour)]


def test_days_of_a_stock_lack_weekends_and_the_fault_says_so():
    found = judged(weekdays(steps("1d", 365)), "1d")
    fault = found.report.faults[0]
    assert (fault.kind, fault.count, fault.verdict.word) == ("holes", 104, "unfit")
    assert "; 104 fall on weekends: write `calendar: forex`" in fault.detail
    assert judged(weekdays(steps("1d", 365)), "1d", "forex").report.faults == ()


def test_hours_of_a_stock_lack_nights_too_and_no_calendar_is_promised():
    times = weekdays(steps("1h", 24 * 90), 14, 21)
    fault = judged(np.delete(times, [50, 51]), "1h").report.faults[0]
    assert "fall on weekends" in fault.detail
    assert "in hours that never have bars, 2 others: no calendar covers nights" in fault.detail


def test_holes_of_a_market_that_is_always_open_are_no_closing_time():
    times = np.delete(steps("1h", 24 * 60), slice(24 * 5, 24 * 7))  # one weekend of eight
    assert "weekends" not in judged(times, "1h").report.faults[0].detail
