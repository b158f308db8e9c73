"""What carry strategies are fed with from real rows: the series give the reference figures by plain arithmetic."""

import json
import math

import numpy as np
import pytest

from app.carry_strategies import (
    BINANCE_PERP,
    BYBIT_PERP,
    BYBIT_SPOT,
    OKX_PERP,
    lend,
    loop,
    ns,
    perp,
    real,
    spot,
    stake,
    strategy,
)
from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.model.carry.strategy import Costs, Gas, Legacy
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import InstrumentId

pytestmark = pytest.mark.real_data

UNISWAP = InstrumentId("uniswap_v3", "WETHUSDT", "spot")


def fed(own, start, end, accepted=frozenset()):
    window = {"start_ns": ns(start) if start else None, "end_ns": ns(end) if end else None}
    return load_carry_feed(own, real("data"), **window, accepted=accepted)


def ends(feed, kind, name):
    column = feed.values[:, feed.column(kind, name)]
    return column[0], column[-1]


def growth(feed, kind, name):
    first, last = ends(feed, kind, name)
    return last / first


def windows():
    figures = json.loads(real("reference/yield.json").read_text())
    return [(*window.split(".."), expected) for window, expected in figures.items()]


def close(found, expected, scale=1.0):
    assert abs(found - expected) <= 1e-9 * max(abs(expected), scale), (found, expected)


def test_indices_of_a_window_give_the_reference_ratios_of_lending():
    for start, end, expected in windows():
        feed = fed(strategy(lend("USDT"), lend("WETH")), start, end)
        close(growth(feed, "liquidity_index", "aave_v3/USDT"), expected["usdt_supply"]["ratio"])
        close(growth(feed, "liquidity_index", "aave_v3/WETH"), expected["weth_supply"]["ratio"])


@pytest.mark.parametrize("venue", ["binance", "bybit"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_opens_and_settlements_of_a_window_give_the_reference_funding_and_basis(venue, symbol):
    coin = InstrumentId("bybit" if symbol == "ETHUSDT" else venue, symbol, "spot")
    own = InstrumentId(venue, symbol, "perp")
    for start, end, expected in windows():
        figures = expected[f"basis_{venue}_{symbol}"]
        feed = fed(strategy(spot(coin), perp(own)), start, end)
        settled = feed.settlements[str(own)]
        spot0, spot1 = ends(feed, "price", str(coin))
        perp0, perp1 = ends(feed, "mark", str(own))
        assert len(settled.ts_ns) == figures["settlements"]
        assert (spot0, perp0) == (figures["spot0"], figures["perp0"])
        close(math.fsum(settled.rate), figures["rate_sum"])
        close(math.fsum(settled.rate * settled.mark), figures["funding_per_coin"], spot0)
        close((spot1 - spot0) - (perp1 - perp0), figures["basis_per_coin"], spot0)


@pytest.mark.parametrize("lst", ["weETH", "wstETH"])
def test_rates_and_indices_of_a_window_give_the_reference_growth_of_stakes_and_loops(lst):
    checked = 0
    for start, end, expected in windows():
        if f"stake_{lst}" not in expected:
            continue
        feed = fed(strategy(stake(lst), loop(lst)), start, end)
        rate = growth(feed, "rate", lst)
        close(rate, expected[f"stake_{lst}"]["growth"])
        close(100 / ends(feed, "rate", lst)[0], expected[f"stake_{lst}"]["units_per_100eth"], 100)
        for name, figures in expected.items():
            if name.startswith(f"loop_{lst}_"):
                leverage = 1 / (1 - float(name.rpartition("_")[2]))
                collateral = leverage * growth(feed, "liquidity_index", f"aave_v3/{lst}") * rate
                debt = (leverage - 1) * growth(feed, "borrow_index", "aave_v3/WETH")
                close(collateral - debt, figures["equity_ratio"])
                checked += 1
    assert checked == 8


def test_every_hour_of_a_series_lies_on_the_line_between_its_rows_and_on_them_at_midnight():
    feed = fed(strategy(lend("USDT")), "2024-06-01", "2024-08-01")
    index = feed.values[:, feed.column("liquidity_index", "aave_v3/USDT")]
    hours = np.arange(24)
    for day in range(61):
        first, last = index[24 * day], index[24 * day + 24]
        np.testing.assert_allclose(index[24 * day : 24 * day + 24], first + (last - first) * hours / 24, rtol=1e-15)
    assert {key.kind for key in feed.interpolated} == {"liquidity_index", "borrow_index"}
    assert 100_000 / index[0] == pytest.approx(93_449.173127293, abs=1e-9)


def test_an_instant_outside_of_the_rows_is_refused_with_file_span_and_remedy():
    with pytest.raises(
        InputError,
        match=r"aave_v3/USDT.parquet: ts: .* from 2024-01-01T00:00:00Z to 2025-06-30T00:00:00Z.*end at 2025-06-30",
    ) as refused:
        fed(strategy(lend("USDT")), "2025-06-01", "2025-06-30T01:00")
    assert "start at" not in str(refused.value)
    with pytest.raises(InputError, match=r"weETH-rate.*start at 2024-05-12T01:00:00Z or later"):
        fed(strategy(stake()), "2024-05-12", "2024-06-01")
    with pytest.raises(InputError, match=r"bars/bybit/ETHUSDT-perp-1h.*end at 2025-06-30T23:00:00Z or earlier"):
        fed(strategy(perp(BYBIT_PERP)), "2025-06-30", "2025-07-01")


def test_without_a_window_the_run_spans_what_every_dataset_covers_and_says_so():
    feed = fed(strategy(spot(), loop(), perp(BYBIT_PERP), costs=Costs(gas=Gas())), None, None)
    assert (feed.instants[0], feed.instants[-1]) == (ns("2024-05-12T01:00"), ns("2025-06-30"))
    assert "no --from: the run begins where staking/weETH-rate does, at 2024-05-12T01:00:00Z" in feed.warnings
    assert any(line.startswith("no --to: the run ends where lending/aave_v3/") for line in feed.warnings)


def test_over_the_holes_of_binance_the_last_open_stays_in_force_and_the_bars_are_counted():
    feed = fed(strategy(perp(BINANCE_PERP)), "2024-01-01", "2025-06-30")
    mark = feed.values[:, feed.column("mark", str(BINANCE_PERP))]
    hole = feed.instants.searchsorted(ns("2024-02-10"))
    assert set(mark[hole : hole + 24]) == {mark[hole]}
    assert mark[hole + 24] != mark[hole]
    assert any("last open stays in force: 299 of binance:ETHUSDT-perp" in line for line in feed.warnings)
    with pytest.raises(
        InputError, match=r"299 instants have no bar, the first at 2024-02-10T01:00:00Z; write marks.holes"
    ):
        fed(strategy(perp(BINANCE_PERP), holes="refuse"), "2024-01-01", "2025-06-30")


def test_a_run_that_begins_and_ends_inside_a_hole_has_the_open_before_it():
    whole = fed(strategy(perp(BINANCE_PERP)), "2024-02-09", "2024-02-12")
    within = fed(strategy(perp(BINANCE_PERP)), "2024-02-10T05:00", "2024-02-10T17:00")
    assert set(within.values[:, 0]) == {whole.values[24, 0]}
    assert any("few compared with the whole dataset" in line for line in within.warnings)
    assert within.settlements[str(BINANCE_PERP)].mark.tolist() == [whole.values[24, 0]] * 2


def test_okx_is_refused_before_its_rows_and_in_its_holes():
    with pytest.raises(InputError, match="start at 2024-08-01T00:00:00Z or later"):
        fed(strategy(perp(OKX_PERP)), "2024-05-12", "2024-06-30")
    for start, end in (("2024-08-05", "2024-09-02"), ("2024-09-05", "2024-09-10"), ("2024-09-29", "2024-11-01")):
        with pytest.raises(UnfitDataError, match=r"ETHUSDT-perp-1h.parquet: holes: .*--accept holes"):
            fed(strategy(perp(OKX_PERP)), start, end)
    accepted = fed(strategy(perp(OKX_PERP)), "2024-08-05", "2024-08-31T16:00", frozenset({"holes"}))
    assert any("last open stays in force: 1 of okx:ETHUSDT-perp" in line for line in accepted.warnings)


def test_a_named_proxy_stands_in_for_okx_and_never_its_first_row():
    own = strategy(perp(OKX_PERP), proxies={OKX_PERP: BINANCE_PERP})
    feed = fed(own, "2024-05-12", "2024-06-30")
    mark = feed.values[0, feed.column("mark", str(OKX_PERP))]
    assert 17_000 / mark == pytest.approx(5.839376, abs=1e-6)
    assert 17_000 / mark != pytest.approx(5.257770, abs=1e-3)
    assert "the prices of binance:ETHUSDT-perp are used for okx:ETHUSDT-perp" in feed.warnings
    assert not any("funding of okx" in line for line in feed.warnings)


def test_conflicting_funding_is_refused_accepted_or_replaced_by_the_proxy():
    own = strategy(perp(OKX_PERP))
    with pytest.raises(UnfitDataError, match="conflicting_duplicates"):
        fed(own, "2025-05-10", "2025-06-01")
    taken = fed(own, "2025-05-10", "2025-06-01", frozenset({"conflicting_duplicates", "holes"}))
    replaced = fed(strategy(perp(OKX_PERP), proxies={OKX_PERP: BYBIT_PERP}), "2025-05-10", "2025-06-01")
    theirs = fed(strategy(perp(BYBIT_PERP)), "2025-05-10", "2025-06-01").settlements[str(BYBIT_PERP)]
    np.testing.assert_array_equal(replaced.settlements[str(OKX_PERP)].rate, theirs.rate)
    assert (len(theirs.rate), len(taken.settlements[str(OKX_PERP)].rate)) == (66, 60)  # six were never published
    assert "the funding of okx:ETHUSDT-perp is unfit: that of bybit:ETHUSDT-perp is used instead" in replaced.warnings


def test_the_published_run_is_fed_with_its_first_rows_and_its_stale_funding():
    legacy = Legacy(is_on=True, stale_funding=True)
    own = strategy(loop(exit="queue"), perp(BINANCE_PERP, BYBIT_PERP), usd=UNISWAP, legacy=legacy)
    feed = fed(own, "2024-05-12", "2024-06-30")
    assert ends(feed, "price", str(UNISWAP)) == pytest.approx((2915.60004703292, 3380.31606560576), rel=1e-14)
    assert ends(feed, "rate", "weETH") == (1.0381626525752412, 1.041780427684688)
    assert growth(feed, "borrow_index", "aave_v3/WETH") == pytest.approx(1.003335012644308, rel=1e-14)
    equity = 50_000 * (1 - 0.0007) - 1.217554579641
    coll = (equity + 0.9094005 / (1 - 0.9094005) * equity) / 2915.60004703292 / 1.0381626525752412
    value = coll * growth(feed, "liquidity_index", "aave_v3/weETH") * 1.041780427684688 * 3380.31606560576
    assert value == pytest.approx(641_965.749737857, rel=1e-11)
    stale, clean = feed.settlements[str(BINANCE_PERP)], feed.settlements[str(BYBIT_PERP)]
    assert len(stale.ts_ns) == len(clean.ts_ns) == 147
    assert math.fsum(stale.rate) == pytest.approx(0.01436105, abs=1e-12)
    assert math.fsum(clean.rate) == pytest.approx(0.01224602, abs=1e-12)
    rounded = fed(strategy(perp(BINANCE_PERP)), "2024-05-12", "2024-06-30").settlements[str(BINANCE_PERP)]
    assert math.fsum(rounded.rate) == pytest.approx(0.01465385, abs=1e-12)
    assert any("of 147 settlements of binance:ETHUSDT-perp pay an older rate" in line for line in feed.warnings)


def test_the_first_row_stands_for_no_instant_more_than_an_hour_before_it():
    own = strategy(stake(exit="queue"), legacy=Legacy(is_on=True))
    assert fed(own, "2024-05-12", "2024-06-30").values[0, 0] == 1.0381626525752412
    with pytest.raises(InputError, match="start at 2024-05-12T01:00:00Z or later"):
        fed(own, "2024-05-11T23:00", "2024-06-30")


def test_eigen_of_a_week_is_paid_at_its_end_at_the_market():
    feed = fed(strategy(stake(rewards=("eigen",)), usd=BYBIT_SPOT), "2024-10-01", "2025-06-30")
    week = next(own for own in feed.payouts["stake weETH"] if own.from_ns == ns("2024-10-06"))
    assert (week.ts_ns, week.to_ns, week.token) == (ns("2024-10-13"), ns("2024-10-13"), "EIGEN")
    assert week.per_unit == pytest.approx(358_681 / (1_531_605 + 474_149), rel=1e-15)
    eth = feed.values[feed.instants.searchsorted(week.ts_ns), feed.column("price", str(BYBIT_SPOT))]
    assert week.price_eth == 0.0015049189200865  # the close of the hour from 23:00 on 2024-10-12
    assert week.price_usd == pytest.approx(0.0015049189200865 * eth, rel=1e-15)
    assert len(feed.payouts["stake weETH"]) == 39


def test_the_top_ups_of_ethfi_are_worth_what_the_market_paid():
    own = fed(strategy(stake(rewards=("ethfi",)), usd=BYBIT_SPOT), "2024-10-01", "2025-06-30").payouts["stake weETH"]
    assert math.fsum(top_up.per_unit for top_up in own) == pytest.approx(1.014, abs=1e-12)
    assert math.fsum(top_up.per_unit * top_up.price_eth for top_up in own) == pytest.approx(0.000674588, abs=5e-10)


def test_a_loop_hedged_on_a_perp_reads_what_it_needs_and_the_gate_of_each():
    own = strategy(spot(), loop(), perp(BYBIT_PERP), usd=BYBIT_SPOT, costs=Costs(gas=Gas()))
    feed = fed(own, "2024-05-13", "2025-06-30")
    assert len(feed.instants) == 413 * 24 + 1
    market = feed.values[:, feed.column("market_rate", "weETH")]
    assert np.isnan(market[:4]).all()
    assert np.isfinite(market[4:]).all()
    assert any("the rate of weETH on the market" in line and "4 of 9913" in line for line in feed.warnings)
    known = np.delete(feed.values, feed.column("market_rate", "weETH"), axis=1)
    assert np.isfinite(known).all()
    assert {report.path for report in feed.reports} == {
        "bars/bybit/ETHUSDT-spot-1h.parquet", "bars/bybit/ETHUSDT-perp-1h.parquet", "funding/bybit/ETHUSDT.parquet",
        "gas/ethereum.parquet", "lending/aave_v3/WETH.parquet", "lending/aave_v3/weETH.parquet",
        "staking/weETH-market.parquet", "staking/weETH-rate.parquet",
    }  # fmt: skip
