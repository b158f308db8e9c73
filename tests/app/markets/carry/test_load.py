"""What a carry run is fed with, on planted rows: nothing of later, nothing made up, everything said."""

import itertools

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, START_NS
from app.carry_strategies import BYBIT_PERP, BYBIT_SPOT, lend, loop, perp, spot, stake, strategy
from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.app.markets.carry.rows import as_of, at, interpolate
from tightloop.model.carry.strategy import Costs, Gas, Signal
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.runtime.feeds.carry import SeriesKey

DAY_NS = 24 * HOUR_NS
SPOT_PATH, PERP_PATH = (f"bars/bybit/ETHUSDT-{market}-1h" for market in ("spot", "perp"))
BASELINE = Signal("baseline", None, 0.7, 2.0, 2.0)


def rows_of_everything(hours=240):
    """Clean rows of each kind of dataset, by path, ending at the same hour."""
    days = hours // 24 + 1
    indices = {
        "liquidity_index": planted.index(days, DAY_NS, 0.05), "liquidity_rate": np.linspace(0.04, 0.06, days),
        "borrow_index": planted.index(days, DAY_NS, 0.08), "borrow_rate": np.linspace(0.07, 0.09, days),
        "total_supplied": np.linspace(1e6, 2e6, days), "total_borrowed": np.linspace(5e5, 9e5, days),
        "price_usd": np.full(days, 1.0),
    }  # fmt: skip
    rate = 1.03 * planted.index(hours + 1, HOUR_NS, 0.03)
    market = {"protocol_rate": rate, "market_rate": rate * 0.999, "market_rate_median_24h": rate * 0.9991}
    return {
        SPOT_PATH: planted.bars(hours + 1, "1h"),
        PERP_PATH: planted.bars(hours + 1, "1h", seed=8),
        "funding/bybit/ETHUSDT": planted.series({"rate": np.linspace(1e-4, 2e-4, hours // 8 + 1)}, 8 * HOUR_NS),
        **{f"lending/aave_v3/{asset}": planted.series(indices, DAY_NS) for asset in ("USDT", "WETH", "weETH")},
        "staking/weETH-rate": planted.series({"rate_eth": rate}),
        "staking/weETH-market": planted.series(market),
        "gas/ethereum": planted.series({"gwei": np.linspace(3, 9, hours + 1)}),
    }


def catalog(root, rows):
    for path, columns in rows.items():
        planted.write(root / f"{path}.parquet", columns)
    return root


def everything(**how):
    signalled = perp(BYBIT_PERP, name="breakout", signal=BASELINE)
    return strategy(
        spot(), loop(), stake(), lend(borrow="WETH"), signalled, usd=BYBIT_SPOT, costs=Costs(gas=Gas()), **how
    )


def column(feed, kind, name):
    return feed.values[:, feed.column(kind, name)]


def changed(columns, row, factor):
    """The same columns with every number of one row another."""
    found = {name: values.copy() for name, values in columns.items()}
    for name, values in found.items():
        if name != "ts":
            values[row] *= factor
    return found


def test_both_ends_of_the_window_are_instants_and_each_has_every_series(tmp_path):
    feed = load_carry_feed(everything(), catalog(tmp_path, rows_of_everything()))
    np.testing.assert_array_equal(feed.instants, START_NS + np.arange(241) * HOUR_NS)
    kinds = [
        SeriesKey("price", "bybit:ETHUSDT-spot"), SeriesKey("mark", "bybit:ETHUSDT-perp"),
        SeriesKey("high", "bybit:ETHUSDT-perp"), SeriesKey("low", "bybit:ETHUSDT-perp"),
        *(
            SeriesKey(kind, f"aave_v3/{asset}")
            for asset in ("weETH", "WETH", "USDT")
            for kind in (
                "liquidity_index", "borrow_index", "supplied", "borrowed", "liquidity_rate", "borrow_rate",
            )
        ),
        SeriesKey("rate", "weETH"), SeriesKey("market_rate", "weETH"), SeriesKey("gas", "ethereum"),
    ]  # fmt: skip
    assert list(feed.series) == kinds
    assert feed.values.shape == (241, len(kinds))
    assert np.isfinite(feed.values[1:]).all()
    assert [kind.kind for kind, value in zip(feed.series, feed.values[0], strict=True) if np.isnan(value)] == [
        "high", "low",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(rows_of_everything()))
def test_a_spike_in_a_later_row_changes_nothing_before_it_but_what_is_said_to_be_interpolated(tmp_path, path):
    rows = rows_of_everything()
    accepted = frozenset({"units", "impossible_growth", "impossible_ohlc", "holes"})
    before = load_carry_feed(everything(), catalog(tmp_path / "a", rows), accepted=accepted)
    row = len(rows[path]["ts"]) // 2
    rows[path] = changed(rows[path], row, 1.5)
    after = load_carry_feed(everything(), catalog(tmp_path / "b", rows), accepted=accepted)
    spike_ns = int(rows[path]["ts"][row])
    earlier = before.instants < spike_ns
    own = np.array([key not in before.interpolated for key in before.series])
    np.testing.assert_array_equal(before.values[earlier][:, own], after.values[earlier][:, own])
    for name, settled in before.settlements.items():
        inside = settled.ts_ns < spike_ns
        np.testing.assert_array_equal(settled.rate[inside], after.settlements[name].rate[inside])
        np.testing.assert_array_equal(settled.mark[inside], after.settlements[name].mark[inside])
    for name, said in before.predictions.items():
        assert [own for own in said if own.ts_ns < spike_ns] == [
            own for own in after.predictions[name] if own.ts_ns < spike_ns
        ]
    assert before.data_hash != after.data_hash, "the spike was read"


@pytest.mark.parametrize("path", [SPOT_PATH, PERP_PATH])
def test_of_the_bar_that_begins_at_an_instant_nothing_but_the_open_is_known(tmp_path, path):
    rows = rows_of_everything()
    before = load_carry_feed(everything(), catalog(tmp_path / "a", rows))
    rows[path] = {**changed(rows[path], 120, 1.01), "open": rows[path]["open"]}
    after = load_carry_feed(everything(), catalog(tmp_path / "b", rows), accepted=frozenset({"impossible_ohlc"}))
    np.testing.assert_array_equal(before.values[:121], after.values[:121])
    known = [
        tuple(own for own in feed.predictions["breakout"] if own.ts_ns <= START_NS + 120 * HOUR_NS)
        for feed in (before, after)
    ]
    assert known[0] == known[1]


def test_what_is_interpolated_knows_no_more_than_the_next_row(tmp_path):
    rows = rows_of_everything()
    before = load_carry_feed(everything(), catalog(tmp_path / "a", rows))
    assert {(key.kind, key.name) for key in before.interpolated} == {
        *itertools.product(("liquidity_index", "borrow_index"), ("aave_v3/weETH", "aave_v3/WETH", "aave_v3/USDT")),
        ("rate", "weETH"),
    }
    rows["lending/aave_v3/WETH"] = changed(rows["lending/aave_v3/WETH"], 5, 1.0001)
    after = load_carry_feed(everything(), catalog(tmp_path / "b", rows))
    moved = column(before, "borrow_index", "aave_v3/WETH") != column(after, "borrow_index", "aave_v3/WETH")
    assert np.flatnonzero(moved).tolist() == list(range(4 * 24 + 1, 6 * 24))


def test_the_bar_that_ended_at_an_instant_gives_high_and_low_and_the_one_that_begins_the_price(tmp_path):
    rows = rows_of_everything()
    feed = load_carry_feed(everything(), catalog(tmp_path, rows), start_ns=START_NS + 10 * HOUR_NS)
    bars = rows[PERP_PATH]
    assert column(feed, "mark", "bybit:ETHUSDT-perp")[0] == bars["open"][10]
    assert column(feed, "high", "bybit:ETHUSDT-perp")[0] == bars["high"][9]
    assert column(feed, "low", "bybit:ETHUSDT-perp")[0] == bars["low"][9]


def test_a_settlement_of_the_first_instant_is_not_received_and_that_of_the_last_is(tmp_path):
    root = catalog(tmp_path, rows_of_everything())
    own = strategy(perp(BYBIT_PERP))
    feed = load_carry_feed(own, root, start_ns=START_NS + 8 * HOUR_NS, end_ns=START_NS + 24 * HOUR_NS)
    settled = feed.settlements["bybit:ETHUSDT-perp"]
    assert ((settled.ts_ns - START_NS) // HOUR_NS).tolist() == [16, 24]
    np.testing.assert_array_equal(settled.mark, column(feed, "mark", "bybit:ETHUSDT-perp")[[8, 16]])


def test_stamps_of_funding_that_are_late_by_milliseconds_settle_at_their_hour(tmp_path):
    rows = rows_of_everything()
    rows["funding/bybit/ETHUSDT"]["ts"] = rows["funding/bybit/ETHUSDT"]["ts"] + 16_000_000
    feed = load_carry_feed(strategy(perp(BYBIT_PERP)), catalog(tmp_path, rows))
    assert (feed.settlements["bybit:ETHUSDT-perp"].ts_ns % (8 * HOUR_NS) == 0).all()
    assert any(line.startswith("late_stamps") for line in feed.warnings)


def test_funding_is_complete_until_just_before_the_next_settlement_and_not_longer(tmp_path):
    rows = rows_of_everything()
    rows["funding/bybit/ETHUSDT"] = {name: own[1:-1] for name, own in rows["funding/bybit/ETHUSDT"].items()}
    root, own = catalog(tmp_path, rows), strategy(perp(BYBIT_PERP))
    feed = load_carry_feed(own, root)
    assert (feed.instants[0], feed.instants[-1]) == (START_NS, START_NS + 239 * HOUR_NS)
    assert len(feed.settlements["bybit:ETHUSDT-perp"].ts_ns) == 29
    with pytest.raises(
        InputError, match=r"funding/bybit/ETHUSDT.parquet: ts: the rows run from .* end at 2024-01-10T16"
    ):
        load_carry_feed(own, root, end_ns=START_NS + 240 * HOUR_NS)


def test_a_perp_without_funding_is_refused(tmp_path):
    rows = rows_of_everything()
    del rows["funding/bybit/ETHUSDT"]
    with pytest.raises(InputError, match="funding/bybit/ETHUSDT: there is no such dataset"):
        load_carry_feed(strategy(perp(BYBIT_PERP)), catalog(tmp_path, rows))


def test_over_a_hole_the_open_before_it_stays_and_high_and_low_are_unknown(tmp_path):
    rows = rows_of_everything()
    opens = rows[PERP_PATH]["open"]
    rows[PERP_PATH] = planted.without(rows[PERP_PATH], 100, 101, 102)
    feed = load_carry_feed(everything(), catalog(tmp_path, rows))
    assert column(feed, "mark", "bybit:ETHUSDT-perp")[99:104].tolist() == [opens[99]] * 4 + [opens[103]]
    assert np.isnan(column(feed, "high", "bybit:ETHUSDT-perp")).nonzero()[0].tolist() == [0, 101, 102, 103]
    assert any("the last open stays in force: 3 of bybit:ETHUSDT-perp" in line for line in feed.warnings)
    with pytest.raises(InputError, match="3 instants have no bar, the first at 2024-01-05T04:00:00Z"):
        load_carry_feed(everything(holes="refuse"), tmp_path)


def test_a_hole_in_a_daily_index_is_crossed_by_the_line_or_refused(tmp_path):
    rows = rows_of_everything(960)
    straight = rows["lending/aave_v3/USDT"]["liquidity_index"].copy()
    rows["lending/aave_v3/USDT"] = planted.without(rows["lending/aave_v3/USDT"], 20)
    root = catalog(tmp_path, rows)
    feed = load_carry_feed(strategy(lend()), root)
    np.testing.assert_allclose(column(feed, "liquidity_index", "aave_v3/USDT")[::24], straight, rtol=1e-15)
    with pytest.raises(InputError, match=r"USDT: missing: 1 of 41 steps.*marks.holes"):
        load_carry_feed(strategy(lend(), holes="refuse"), root)


def test_a_window_off_the_grid_takes_the_instants_inside_and_says_so(tmp_path):
    root = catalog(tmp_path, rows_of_everything())
    half = HOUR_NS // 2
    feed = load_carry_feed(strategy(spot()), root, start_ns=START_NS + half, end_ns=START_NS + 5 * HOUR_NS + half)
    assert ((feed.instants - START_NS) // HOUR_NS).tolist() == [1, 2, 3, 4, 5]
    assert "--from is not a multiple of 1h: the run uses 2024-01-01T01:00:00Z" in feed.warnings
    with pytest.raises(InputError, match="no instant of 1h lies between"):
        load_carry_feed(strategy(spot()), root, start_ns=START_NS + 1, end_ns=START_NS + half)


def test_a_placeholder_is_refused_until_it_is_accepted(tmp_path):
    rows = rows_of_everything(24)
    flat = np.round(np.arange(25) * 0.01 + 2.5, 2)
    rows[SPOT_PATH] = {
        **dict.fromkeys(("open", "high", "low", "close"), flat), "ts": rows[SPOT_PATH]["ts"],
        "volume": np.zeros(25),
    }  # fmt: skip
    root = catalog(tmp_path, rows)
    with pytest.raises(UnfitDataError, match=r"straight_line.*--accept straight_line"):
        load_carry_feed(strategy(spot()), root)
    assert len(load_carry_feed(strategy(spot()), root, accepted=frozenset({"straight_line"})).instants) == 25


def test_without_a_market_for_an_lst_its_rate_there_is_unknown_and_that_is_said(tmp_path):
    rows = rows_of_everything()
    del rows["staking/weETH-market"]
    feed = load_carry_feed(strategy(stake()), catalog(tmp_path, rows))
    assert np.isnan(column(feed, "market_rate", "weETH")).all()
    assert "no staking/weETH-market in the data: weETH cannot be sold on the market" in feed.warnings
    queued = load_carry_feed(strategy(stake(exit="queue")), tmp_path)
    assert [key.kind for key in queued.series] == ["rate"]


def test_the_same_rows_have_the_same_hash_and_another_window_has_another(tmp_path):
    root = catalog(tmp_path, rows_of_everything())
    whole = load_carry_feed(everything(), root).data_hash
    assert load_carry_feed(everything(), root).data_hash == whole
    assert load_carry_feed(everything(), root, end_ns=START_NS + 100 * HOUR_NS).data_hash != whole


def test_an_unknown_reward_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="no reward king for weETH; there are eigen, ethfi"):
        load_carry_feed(strategy(stake(rewards=("king",))), catalog(tmp_path, rows_of_everything()))


def test_a_payout_without_a_market_price_is_reported_and_not_valued(tmp_path):
    rows = rows_of_everything()
    rows["rewards/etherfi-eigen-weekly"] = {
        "staking_period_start": ["2023-12-28", "2024-01-01", "2024-01-05"],
        "staking_period_end": ["2023-12-31", "2024-01-04", "2024-01-08"],
        "eigen_earned": [50, 100, 300], "eth_restaked": [800, 800, 900], "eth_not_restaked": [200, 200, 100],
    }  # fmt: skip
    rows["bars/uniswap_v3/EIGENWETH-spot-1h"] = planted.bars(60, "1h", START_NS + 5 * DAY_NS)
    feed = load_carry_feed(strategy(stake(rewards=("eigen",)), usd=BYBIT_SPOT), catalog(tmp_path, rows))
    first, second = feed.payouts["stake weETH"]
    assert (first.ts_ns, first.per_unit) == (START_NS + 4 * DAY_NS, 0.1)
    assert np.isnan([first.price_eth, first.price_usd]).all()
    assert (second.ts_ns, second.per_unit) == (START_NS + 8 * DAY_NS, 0.3)
    assert "2 of 2 payouts of EIGEN have no market price: reported, not valued" in feed.warnings


def test_a_lookup_takes_the_row_at_or_before_the_row_at_or_the_line_between():
    times, values = np.array([10, 20, 40]), np.array([1.0, 2.0, 4.0])
    instants = np.array([10, 15, 20, 39, 40])
    assert as_of(times, values, instants).tolist() == [1, 1, 2, 2, 4]
    assert np.isnan(as_of(times, values, np.array([9]))).all()
    np.testing.assert_array_equal(at(times, values, np.array([5, 10, 15, 40, 41])), [np.nan, 1, np.nan, 4, np.nan])
    assert interpolate(times, values, instants) == pytest.approx([1, 1.5, 2, 3.9, 4])
    with pytest.raises(AssertionError):
        interpolate(times, values, np.array([10, 41]))
