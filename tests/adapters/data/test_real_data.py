"""The published rows that lie beside the repository: their known faults are found, and nothing else is refused."""

import os
from pathlib import Path

import numpy as np
import pytest

from adapters.data.planted import counts
from tightloop.adapters.data._shared import Verdict
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import calendars, check, select
from tightloop.model.errors import UnfitDataError
from tightloop.model.instruments import InstrumentId

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"

pytestmark = pytest.mark.real_data

KNOWN = {
    "bars/binance/ADABTC-spot-5m": {"holes": 40},
    "bars/binance/BTCUSDT-perp-1h": {"holes": 13 * 23},
    "bars/binance/BTCUSDT-spot-1h": {"holes": 13 * 23},
    "bars/binance/ETHUSDT-perp-1h": {"holes": 13 * 23, "outliers": 1},
    "bars/binance/EIGENUSDT-spot-1h": {"straight_line": 24},
    "bars/binance/TRXBTC-spot-5m": {"holes": 6},
    "bars/binance/XLMBTC-spot-5m": {"outliers": 1},
    "bars/bybit/BTCUSDT-perp-1h": {"exact_duplicates": 13},
    "bars/bybit/BTCUSDT-spot-1h": {"exact_duplicates": 13},
    "bars/bybit/ETHUSDT-perp-1h": {"exact_duplicates": 13, "outliers": 1},
    "bars/bybit/ETHUSDT-spot-1h": {"exact_duplicates": 13, "outliers": 1},
    "bars/coinbase/BTCUSD-spot-1h": {"holes": 6, "outliers": 4},
    "bars/coinbase/ETHUSD-spot-1h": {"holes": 6, "outliers": 2},
    "bars/curve/weETHWETH-spot-1h": {"straight_line": 24},
    "bars/oanda/EURUSD-spot-15m": {"holes": 29},
    "bars/oanda/EURUSD-spot-1h": {"holes": 4},
    "bars/okx/ETHUSDT-perp-1h": {"holes": 2 * 720, "outliers": 1},
    "bars/uniswap_v3/ETHFIWETH-spot-1h": {"outliers": 2},
    "benchmark/ethena-susde": {"holes": 1},
    "funding/binance/ETHUSDT-raw-stamps": {"late_stamps": 339},
    "funding/okx/BTCUSDT": {"conflicting_duplicates": 210, "holes": 132},
    "funding/okx/ETHUSDT": {"conflicting_duplicates": 210, "holes": 132},
    "quotes/binance/BTCUSDT-perp": {"future_stamps": 66_089},
    "quotes/binance/ETHUSDT-perp": {"future_stamps": 53_992},
    "staking/wstETH-yield": {"disorder": 8_692, "holes": 871, "impossible_growth": 4_113},
    "trades/binance/BTCUSDT-perp": {"future_stamps": 21_313},
    "trades/binance/BTCUSDT-spot": {"future_stamps": 9_757},
    "trades/binance/ETHUSDT-perp": {"future_stamps": 14_076},
}
UNFIT = {
    "bars/binance/EIGENUSDT-spot-1h",
    "bars/curve/weETHWETH-spot-1h",
    "bars/okx/ETHUSDT-perp-1h",
    "funding/okx/BTCUSDT",
    "funding/okx/ETHUSDT",
    "staking/wstETH-yield",
}


@pytest.fixture(scope="module")
def reports():
    if not DATA.is_dir():
        reason = f"{DATA} is not there"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and a run of CI must not pass without it")
        pytest.skip(reason)
    found = check(select(DATA), calendars(DATA))
    return {report.path.removesuffix(".parquet"): report for report in found}


def test_every_fault_known_in_the_published_rows_is_found_with_its_count(reports):
    assert {path: counts(report) for path, report in reports.items() if report.faults} == KNOWN


def test_the_placeholders_the_torn_and_the_wrong_are_unfit_and_nothing_else_is(reports):
    assert {path for path, report in reports.items() if report.verdict is Verdict.UNFIT} == UNFIT


def test_the_clocks_of_the_recorded_ticks_differ_by_more_than_a_second(reports):
    detail = reports["trades/binance/BTCUSDT-perp"].faults[0].detail
    assert "1.272 s behind" in detail


def test_rows_that_are_there_again_are_used_once_and_the_price_is_continuous(reports):
    bars, report = Catalog(DATA).bars(InstrumentId("bybit", "ETHUSDT", "perp"), "1h")
    assert (report.rows, len(bars)) == (13_141, 13_128)
    assert (bars["open_ns"][1:] - bars["open_ns"][:-1] == 3_600 * 10**9).all()


def test_the_late_funding_stamps_fall_on_their_hours_once_rounded(reports):
    late = Catalog(DATA).funding("binance", "ETHUSDT-raw-stamps")
    clean = Catalog(DATA).funding("binance", "ETHUSDT")
    assert late is not None
    assert clean is not None
    assert (late.ts_ns == clean.ts_ns).all()


def test_the_torn_month_of_okx_is_refused_and_a_whole_one_runs(reports):
    catalog = Catalog(DATA)
    okx = InstrumentId("okx", "ETHUSDT", "perp")
    with pytest.raises(UnfitDataError, match="--accept holes"):
        catalog.bars(okx, "1h")
    whole = catalog.bars(okx, "1h", 1_730_419_200 * 10**9, 1_733_011_200 * 10**9)  # November 2024
    assert (len(whole.bars), whole.report.verdict) == (720, Verdict.FIT)


def gaps(times):
    """The last stamp before each hole, the first after it, and the hours that are missing."""
    hour = 3_600 * 10**9
    torn = np.flatnonzero(np.diff(times) > hour)
    text = np.datetime_as_string(times.astype("datetime64[ns]"), unit="h")
    return [(text[row], text[row + 1], int(times[row + 1] - times[row]) // hour - 1) for row in torn]


@pytest.mark.parametrize(("symbol", "market"), [("BTCUSDT", "perp"), ("BTCUSDT", "spot"), ("ETHUSDT", "perp")])
def test_each_hole_of_binance_lasts_23_bars_and_bybit_has_none_there(reports, symbol, market):
    binance, _ = Catalog(DATA).bars(InstrumentId("binance", symbol, market), "1h")
    assert gaps(binance["open_ns"]) == [
        ("2024-02-10T00", "2024-02-11T00", 23), ("2024-03-22T00", "2024-03-23T00", 23),
        ("2024-05-01T23", "2024-05-02T23", 23), ("2024-06-11T23", "2024-06-12T23", 23),
        ("2024-07-22T23", "2024-07-23T23", 23), ("2024-09-01T23", "2024-09-02T23", 23),
        ("2024-10-12T23", "2024-10-13T23", 23), ("2024-11-23T00", "2024-11-24T00", 23),
        ("2025-01-03T00", "2025-01-04T00", 23), ("2025-02-13T00", "2025-02-14T00", 23),
        ("2025-03-26T00", "2025-03-27T00", 23), ("2025-05-05T23", "2025-05-06T23", 23),
        ("2025-06-15T23", "2025-06-16T23", 23),
    ]  # fmt: skip
    bybit, _ = Catalog(DATA).bars(InstrumentId("bybit", symbol, market), "1h")
    assert gaps(bybit["open_ns"]) == []


def test_the_holes_of_okx_are_two_of_thirty_days(reports):
    okx, _ = Catalog(DATA).bars(InstrumentId("okx", "ETHUSDT", "perp"), "1h", accepted=frozenset({"holes"}))
    assert gaps(okx["open_ns"]) == [("2024-08-31T15", "2024-09-30T16", 720), ("2025-03-31T15", "2025-04-30T16", 720)]


def test_every_repeated_stamp_of_okx_funding_conflicts(reports):
    for symbol in ("BTCUSDT", "ETHUSDT"):
        times, columns = Catalog(DATA).as_stamped(f"funding/okx/{symbol}")
        again = np.flatnonzero(np.diff(times) == 0)
        assert len(again) == 210
        assert (columns["rate"][again] != columns["rate"][again + 1]).all()


def test_a_rate_that_falls_by_rounding_alone_is_no_fault(reports):
    rate = Catalog(DATA).series("staking/weETH-rate").columns["rate_eth"]
    falls = np.diff(rate)[np.diff(rate) < 0]
    assert (len(falls), falls.min() > -1e-13) == (24, True)
    assert reports["staking/weETH-rate"].verdict is Verdict.FIT


def test_indices_of_lending_come_once_a_day_and_never_fall(reports):
    for asset in ("USDT", "WETH", "weETH", "wstETH"):
        rows = Catalog(DATA).series(f"lending/aave_v3/{asset}")
        assert set(np.diff(rows.ts_ns).tolist()) == {86_400 * 10**9}
        assert all((np.diff(rows.columns[name]) >= 0).all() for name in ("liquidity_index", "borrow_index"))
