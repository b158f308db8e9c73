"""The schedule of funding: changes of the interval are no holes, settlements that are missing are."""

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, START_NS
from tightloop.adapters.data._shared.faults.schedule import missing_settlements
from tightloop.adapters.data.catalog import Catalog
from tightloop.model.errors import UnfitDataError


def hours_of(*stretches):
    """Settlements at hours, from (interval, how often) on."""
    steps = np.repeat([interval for interval, _ in stretches], [count for _, count in stretches])
    return np.concatenate(([0], np.cumsum(steps)))


def missing(hours):
    found = missing_settlements(START_NS + np.asarray(hours) * HOUR_NS)
    return ((found - START_NS) // HOUR_NS).tolist()


CHANGES = {
    "often, later": [(8, 36), (1, 240)],
    "seldom, later": [(1, 240), (8, 36)],
    "once a day in the end": [(1, 200), (24, 3)],
    "soon after the beginning": [(8, 3), (1, 100)],
    "soon after the beginning, by half": [(8, 3), (4, 100)],
    "just before the end": [(4, 100), (8, 3)],
    "for an hour or five": [(8, 100), (1, 5), (8, 100)],
    "seldom for a day": [(1, 100), (8, 3), (1, 100)],
    "through all": [(8, 30), (4, 30), (2, 30), (1, 30), (2, 30), (8, 30)],
    "in the middle of an interval": [(8, 30), (3, 1), (1, 50), (7, 1), (8, 30)],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_interval_is_no_hole(name):
    assert missing(hours_of(*CHANGES[name])) == []


@pytest.mark.parametrize("stretches", [[(8, 100), (1, 120)], [(1, 120), (8, 100)], [(8, 60), (4, 60)]])
def test_a_settlement_that_is_missing_is_found_wherever_the_interval_is_known(stretches):
    hours = hours_of(*stretches)
    change = stretches[0][1]
    for row in range(3, len(hours) - 3):
        if abs(row - change) > 2:
            assert missing(np.delete(hours, row)) == [hours[row]], row
    assert missing(np.delete(hours, [20, 21, 80, 85])) == hours[[20, 21, 80, 85]].tolist()


def test_a_missing_settlement_where_two_intervals_meet_is_found_when_no_complete_schedule_has_such_a_step():
    hours = hours_of((8, 100), (1, 120))
    assert missing(np.delete(hours, 100)) == [800]  # 9 hours between an interval of 8 and one of 1


def funding(tmp_path, hours):
    columns = {"ts": START_NS + np.asarray(hours) * HOUR_NS, "rate": np.linspace(1e-4, 2e-4, len(hours))}
    planted.write(tmp_path / "funding/binance/BTCUSDT.parquet", columns)
    return Catalog(tmp_path)


@pytest.mark.parametrize("stretches", [[(8, 36), (1, 240)], [(1, 240), (8, 36)], [(4, 90), (8, 9), (1, 100)]])
def test_every_window_of_a_complete_dataset_is_complete(tmp_path, stretches):
    hours = hours_of(*stretches)
    catalog = funding(tmp_path, hours)
    for start in range(0, int(hours[-1]) - 72, 31):
        for length in (5, 24, 72):
            window = START_NS + start * HOUR_NS, START_NS + (start + length) * HOUR_NS + 1
            loaded = catalog.funding("binance", "BTCUSDT", *window)
            assert loaded is not None
            assert loaded.report.faults == (), (start, length)
            assert len(loaded.ts_ns) == ((hours >= start) & (hours <= start + length)).sum()


def test_a_window_that_lacks_a_settlement_says_so_and_one_beside_it_does_not(tmp_path):
    hours = hours_of((8, 36), (1, 240))
    catalog = funding(tmp_path, np.delete(hours, [33, 100]))  # hours 264 and 352
    for start, length, count in ((240, 72, 1), (350, 10, 1), (288, 48, 0), (257, 6, 0), (257, 7, 1)):
        window = START_NS + start * HOUR_NS, START_NS + (start + length) * HOUR_NS + 1
        accepted = catalog.funding("binance", "BTCUSDT", *window, frozenset({"holes"}))
        assert accepted is not None
        assert sum(fault.count for fault in accepted.report.faults_of("holes")) == count, (start, length)
    with pytest.raises(UnfitDataError, match="holes: missing: 1 of 11 steps"):
        catalog.funding("binance", "BTCUSDT", START_NS + 350 * HOUR_NS, START_NS + 361 * HOUR_NS)


def test_carry_reads_a_window_over_a_change_of_the_interval(tmp_path):
    catalog = funding(tmp_path, hours_of((8, 36), (1, 240)))
    loaded = catalog.series_around("funding/binance/BTCUSDT", START_NS + 250 * HOUR_NS, START_NS + 300 * HOUR_NS)
    assert loaded.report.faults == ()
