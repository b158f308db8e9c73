"""Loading from a catalog: windows, times, part files, what an accepted fault does, and names that are not there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, MINUTE_NS, START_NS
from tightloop.adapters.data.catalog import Catalog
from tightloop.core.domain.types import BAR
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import InstrumentId

BTC = InstrumentId("binance", "BTCUSDT", "perp")
PATH = "bars/binance/BTCUSDT-perp-1m.parquet"


def stored(root, columns=None, path=PATH, **how):
    planted.write(root / path, planted.bars() if columns is None else columns, **how)
    return Catalog(root)


def test_bars_come_as_records_of_the_core_with_the_close_one_timeframe_after_the_open(tmp_path):
    columns = planted.bars()
    bars, report = stored(tmp_path).bars(BTC, "1m")
    assert bars.dtype == BAR
    assert report.faults == ()
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(bars[name], columns[name])
    np.testing.assert_array_equal(bars["open_ns"], columns["ts"])
    np.testing.assert_array_equal(bars["close_ns"], columns["ts"] + MINUTE_NS)


def test_a_window_holds_the_bars_whose_open_lies_in_it_and_its_end_is_open(tmp_path):
    catalog = stored(tmp_path)
    bars, report = catalog.bars(BTC, "1m", START_NS + 10 * MINUTE_NS, START_NS + 20 * MINUTE_NS)
    assert (len(bars), report.rows) == (10, 10)
    assert bars["open_ns"][0] == START_NS + 10 * MINUTE_NS
    between, _ = catalog.bars(BTC, "1m", START_NS + 1, START_NS + MINUTE_NS + 1)
    assert list(between["open_ns"]) == [START_NS + MINUTE_NS]


def test_a_window_without_rows_is_refused_with_the_span_there_is(tmp_path):
    with pytest.raises(InputError, match=r"no rows from 2025-.* run from 2024-01-01T00:00:00Z to 2024-01-02T09:19:00Z"):
        stored(tmp_path).bars(BTC, "1m", START_NS + 366 * 24 * HOUR_NS)


def test_the_gate_judges_the_rows_of_the_window_alone(tmp_path):
    columns = planted.without(planted.bars(), *range(200, 600))
    catalog = stored(tmp_path, columns)
    with pytest.raises(UnfitDataError, match="holes: missing: 400 of 2000 steps"):
        catalog.bars(BTC, "1m")
    assert catalog.bars(BTC, "1m", START_NS + 600 * MINUTE_NS).report.faults == ()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "+05:30", None])
def test_stamps_of_any_unit_and_zone_are_the_same_instants(tmp_path, unit, zone):
    bars, report = stored(tmp_path, unit=unit, zone=zone).bars(BTC, "1m")
    np.testing.assert_array_equal(bars["open_ns"], planted.bars()["ts"])
    assert [fault.kind for fault in report.faults] == ([] if zone else ["timezone"])


def test_a_folder_of_part_files_is_one_dataset(tmp_path):
    columns = planted.bars()
    folder = PATH.removesuffix(".parquet")
    for part, rows in enumerate((slice(0, 700), slice(700, 701), slice(701, 2_000))):
        stored(tmp_path, {name: column[rows] for name, column in columns.items()}, f"{folder}/part-{part}.parquet")
    bars, report = Catalog(tmp_path).bars(BTC, "1m", START_NS + 650 * MINUTE_NS, START_NS + 750 * MINUTE_NS)
    np.testing.assert_array_equal(bars["close"], columns["close"][650:750])
    assert report.path == folder


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path):
    stored(tmp_path)
    stored(tmp_path, path=PATH.replace(".parquet", "/part-0.parquet"))
    with pytest.raises(InputError, match="are the same dataset; keep the file or the folder"):
        Catalog(tmp_path).bars(BTC, "1m")


def test_part_files_come_in_the_order_of_their_numbers(tmp_path):
    columns = planted.bars(120)
    for part in range(12):
        rows = slice(part * 10, part * 10 + 10)
        stored(tmp_path, {name: column[rows] for name, column in columns.items()}, f"{PATH}/part-{part}.parquet")
    bars, report = Catalog(tmp_path).bars(BTC, "1m")
    assert report.faults == ()
    np.testing.assert_array_equal(bars["close"], columns["close"])


def test_of_rows_that_are_there_again_the_first_is_used(tmp_path):
    columns = planted.repeat(planted.bars(), 5, 900)
    bars, report = stored(tmp_path, columns).bars(BTC, "1m")
    np.testing.assert_array_equal(bars["close"], planted.bars()["close"])
    assert report.rows == 2_002


def test_of_accepted_conflicts_the_first_is_used(tmp_path):
    columns = planted.repeat(planted.bars(), 5)
    columns["close"][6] += 0.001
    catalog = stored(tmp_path, columns)
    with pytest.raises(UnfitDataError, match="--accept conflicting_duplicates"):
        catalog.bars(BTC, "1m")
    bars, _ = catalog.bars(BTC, "1m", accepted=frozenset({"conflicting_duplicates"}))
    np.testing.assert_array_equal(bars["close"], planted.bars()["close"])


def test_accepted_disorder_is_sorted_and_windows_of_it_are_whole(tmp_path):
    columns = planted.bars()
    order = np.random.default_rng(1).permutation(2_000)
    catalog = stored(tmp_path, {name: column[order] for name, column in columns.items()})
    bars, _ = catalog.bars(BTC, "1m", START_NS + 100 * MINUTE_NS, None, frozenset({"disorder"}))
    np.testing.assert_array_equal(bars["close"], columns["close"][100:])


def test_accepted_rows_without_a_price_are_left_out(tmp_path):
    columns = planted.bars()
    columns["close"][7] = np.nan
    bars, _ = stored(tmp_path, columns).bars(BTC, "1m", accepted=frozenset({"non_positive"}))
    assert len(bars) == 1_999
    assert np.isfinite(bars["close"]).all()


def test_whole_numbers_and_single_precision_are_numbers_too(tmp_path):
    columns = {**planted.bars(), "volume": np.arange(1, 2_001)}
    columns["open"] = columns["close"] = np.full(2_000, 100.5, np.float32) + np.arange(2_000, dtype=np.float32) % 3
    columns["high"], columns["low"] = np.full(2_000, 104), np.full(2_000, 99)
    bars, _ = stored(tmp_path, columns).bars(BTC, "1m")
    assert (bars["volume"][-1], bars["open"][1], bars["high"][0]) == (2_000.0, 101.5, 104.0)


def test_a_missing_timeframe_names_those_there_are(tmp_path):
    stored(tmp_path)
    stored(tmp_path, planted.bars(timeframe="1h"), "bars/binance/BTCUSDT-perp-1h.parquet")
    with pytest.raises(InputError, match=r"no bars of 5m for binance:BTCUSDT-perp; use 1m, 1h, or make them with"):
        Catalog(tmp_path).bars(BTC, "5m")
    assert Catalog(tmp_path).timeframes(BTC) == ("1m", "1h")


def test_a_missing_timeframe_is_answered_with_the_command_that_makes_it_where_one_can(tmp_path):
    stored(tmp_path, planted.bars(timeframe="1h"), "bars/binance/BTCUSDT-perp-1h.parquet")
    with pytest.raises(InputError) as refused:
        Catalog(tmp_path).bars(BTC, "4h")
    command = f"`tightloop data resample bars/binance/BTCUSDT-perp-1h 4h --data {tmp_path}`"
    assert str(refused.value).endswith(f"use 1h, or make them with {command}")
    with pytest.raises(InputError, match=r"no bars of 5m for binance:BTCUSDT-perp; use 1h$"):
        Catalog(tmp_path).bars(BTC, "5m")


def test_a_missing_instrument_names_the_nearest_first(tmp_path):
    for path in ("bars/okx/SOLUSDT-perp-1m.parquet", "bars/binance/BTCUSDC-perp-1m.parquet"):
        stored(tmp_path, path=path)
    with pytest.raises(InputError, match=r"there are binance:BTCUSDC-perp \(1m\), okx:SOLUSDT-perp \(1m\)"):
        Catalog(tmp_path).bars(BTC, "1m")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such folder; give the folder of a catalog with --data"):
        Catalog(tmp_path / "nowhere").datasets()


def test_funding_is_rounded_to_the_second_and_unknown_symbols_have_none(tmp_path):
    columns = planted.series({"rate": np.linspace(-1e-4, 3e-4, 30)}, 8 * HOUR_NS)
    columns["ts"][3] += 2_000_000
    planted.write(tmp_path / "funding/binance/BTCUSDT.parquet", columns)
    catalog = Catalog(tmp_path)
    ts_ns, rate, report = catalog.funding("binance", "BTCUSDT")
    np.testing.assert_array_equal(ts_ns, START_NS + np.arange(30) * 8 * HOUR_NS)
    np.testing.assert_array_equal(rate, columns["rate"])
    assert [fault.kind for fault in report.faults] == ["late_stamps"]
    assert len(catalog.funding("binance", "BTCUSDT", START_NS + 8 * HOUR_NS, START_NS + 24 * HOUR_NS).ts_ns) == 2
    assert catalog.funding("binance", "ETHUSDT") is None


def test_a_window_between_two_settlements_has_none_and_one_outside_the_data_is_refused(tmp_path):
    columns = planted.series({"rate": np.linspace(-1e-4, 3e-4, 30)}, 8 * HOUR_NS)
    planted.write(tmp_path / "funding/binance/BTCUSDT.parquet", columns)
    catalog = Catalog(tmp_path)
    between = catalog.funding("binance", "BTCUSDT", START_NS + HOUR_NS, START_NS + 2 * HOUR_NS)
    assert between is not None
    assert (len(between.ts_ns), len(between.rate)) == (0, 0)
    with pytest.raises(InputError, match="the data run from"):
        catalog.funding("binance", "BTCUSDT", START_NS + 1_000 * HOUR_NS)


def test_rewards_are_a_table_with_the_values_as_stored(tmp_path):
    rows = {"top_up_date": np.array(["2024-10-18", "2024-10-28"]), "amount": np.array([500_000, 41_000])}
    planted.write(tmp_path / "rewards/topups.parquet", rows)
    table = Catalog(tmp_path).table("rewards/topups")
    assert table.columns == {"top_up_date": ("2024-10-18", "2024-10-28"), "amount": (500_000, 41_000)}
    assert table.report.verdict.word == "fit"


def test_a_series_is_found_by_its_path_and_a_wrong_path_names_the_nearest(tmp_path):
    columns = planted.series({"gwei": np.full(30, 5.0)})
    planted.write(tmp_path / "gas/ethereum.parquet", columns)
    np.testing.assert_array_equal(Catalog(tmp_path).series("gas/ethereum").columns["gwei"], columns["gwei"])
    with pytest.raises(InputError, match=r"gas/etherium: there is no such dataset; there are gas/ethereum"):
        Catalog(tmp_path).series("gas/etherium")


def test_ticks_come_by_the_time_they_were_received(tmp_path):
    columns = planted.trades()
    planted.write(tmp_path / "trades/binance/BTCUSDT-perp/2024-01-01.parquet", columns)
    catalog = Catalog(tmp_path)
    middle = int(columns["ts_init_ns"][500])
    ticks = catalog.ticks("trades", BTC, middle)
    np.testing.assert_array_equal(ticks.columns["price"], columns["price"][500:])
    np.testing.assert_array_equal(ticks.columns["trade_id"], columns["trade_id"][500:])
    assert catalog.ticks("quotes", BTC) is None


def test_rules_come_from_the_file_or_are_defaults_that_are_named(tmp_path):
    (tmp_path / "instruments.yaml").write_text("binance:BTCUSDT-perp: {price_increment: 0.1, taker_bps: 4}\n")
    catalog = Catalog(tmp_path)
    rules = catalog.rules(BTC)
    assert (rules.price_increment, rules.taker_bps, rules.lot_size, rules.settle_asset) == (0.1, 4.0, 0.0, "USDT")
    assert "price_increment" not in rules.defaults_used
    assert "lot_size" in rules.defaults_used
    assert catalog.rules(InstrumentId("oanda", "EURUSD", "spot")).calendar == "forex"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux' /proc")
def test_a_year_of_minutes_loads_in_less_than_three_times_its_own_size(tmp_path):
    stored(tmp_path, planted.bars(525_600))
    script = """
import sys
from tightloop.adapters.data.catalog import Catalog
from tightloop.model.instruments import InstrumentId

def peak_kb():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

catalog, btc, before = Catalog(sys.argv[1]), InstrumentId("binance", "BTCUSDT", "perp"), peak_kb()
assert len(catalog.bars(btc, "1m").bars) == 525_600
print(peak_kb() - before)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) * 1024 < 3 * 525_600 * BAR.itemsize


def test_rows_around_a_window_begin_at_or_before_it_and_end_at_or_after_it(tmp_path):
    catalog = stored(tmp_path)
    half = MINUTE_NS // 2
    between, _ = catalog.bars_around(BTC, "1m", START_NS + 10 * MINUTE_NS + half, START_NS + 12 * MINUTE_NS + half)
    assert ((between["open_ns"] - START_NS) // MINUTE_NS).tolist() == [10, 11, 12, 13]
    on_rows, _ = catalog.bars_around(BTC, "1m", START_NS + 10 * MINUTE_NS, START_NS + 12 * MINUTE_NS)
    assert ((on_rows["open_ns"] - START_NS) // MINUTE_NS).tolist() == [10, 11, 12]
    with pytest.raises(InputError, match=r"from 2024-01-01T00:00:00Z to .*; start at 2024-01-01T00:00:00Z or later"):
        catalog.bars_around(BTC, "1m", START_NS - 1, START_NS + MINUTE_NS)


def test_a_hole_that_a_window_lies_in_counts_whole_unless_the_dataset_has_few(tmp_path):
    many = stored(tmp_path / "many", planted.without(planted.bars(), *range(200, 600)))
    with pytest.raises(UnfitDataError, match="holes: missing: 400 of 402 steps"):
        many.bars_around(BTC, "1m", START_NS + 300 * MINUTE_NS, START_NS + 310 * MINUTE_NS)
    few = stored(tmp_path / "few", planted.without(planted.bars(), *range(200, 240)))
    loaded = few.bars_around(BTC, "1m", START_NS + 210 * MINUTE_NS, START_NS + 220 * MINUTE_NS)
    assert len(loaded.bars) == 2
    assert (loaded.report.verdict.word, loaded.report.faults[0].count) == ("usable", 40)
    assert "few compared with the whole dataset" in loaded.report.faults[0].detail


def test_two_rows_on_either_side_of_a_hole_are_judged_by_the_step_of_their_series(tmp_path):
    columns = planted.series({"rate": planted.index(400, 8 * HOUR_NS)}, 8 * HOUR_NS)
    path = "funding/binance/BTCUSDT"
    catalog = stored(tmp_path, planted.without(columns, *range(100, 103)), f"{path}.parquet")
    start_ns = START_NS + 101 * 8 * HOUR_NS
    loaded = catalog.series_around(path, start_ns, start_ns + HOUR_NS)
    assert len(loaded.ts_ns) == 2
    assert [(fault.kind, fault.count) for fault in loaded.report.faults] == [("holes", 3)]


def test_stamps_are_given_as_they_are_where_that_is_asked_for(tmp_path):
    columns = planted.series({"rate": np.array([3.0, 1.0, 2.0])}, 8 * HOUR_NS)
    columns["ts"] = columns["ts"] + 16_000_000
    catalog = stored(
        tmp_path, {name: own[[1, 2, 0]] for name, own in columns.items()}, "funding/binance/BTCUSDT.parquet"
    )
    times, found = catalog.as_stamped("funding/binance/BTCUSDT")
    np.testing.assert_array_equal(times, columns["ts"])
    assert found["rate"].tolist() == [3.0, 1.0, 2.0]
    assert catalog.span("funding/binance/BTCUSDT") == (START_NS, START_NS + 16 * HOUR_NS, 8 * HOUR_NS)
    assert (catalog.has("funding/binance/BTCUSDT"), catalog.has("funding/binance/ETHUSDT")) == (True, False)
