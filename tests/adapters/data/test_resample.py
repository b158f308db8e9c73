"""Longer bars out of shorter ones: what they keep, for any bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.data import planted
from adapters.data.planted import HOUR_NS, MINUTE_NS, START_NS, report_of
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import only
from tightloop.adapters.data.resample import aggregate, resample
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

ROW = st.tuples(*[st.integers(1, 10**6)] * 4, st.integers(0, 10**6))


@st.composite
def some_bars(draw):
    """Bars with whole prices on minutes that may skip."""
    gaps = draw(st.lists(st.integers(1, 200), min_size=1, max_size=80))
    rows = draw(st.lists(ROW, min_size=len(gaps), max_size=len(gaps)))
    times = START_NS + np.cumsum(gaps) * MINUTE_NS
    prices = np.array([row[:4] for row in rows], np.float64)
    return times, {
        "open": prices[:, 0], "close": prices[:, 1], "high": prices.max(axis=1), "low": prices.min(axis=1),
        "volume": np.array([row[4] for row in rows], np.float64),
    }  # fmt: skip


@given(some_bars(), st.sampled_from([5 * MINUTE_NS, 15 * MINUTE_NS, HOUR_NS, 24 * HOUR_NS]))
def test_volume_is_conserved_and_extremes_are_those_of_the_bars_inside(bars, step_ns):
    times, prices = bars
    opens, made, counted = aggregate(times, prices, step_ns)
    assert made["volume"].sum() == prices["volume"].sum()
    assert counted.sum() == len(times)
    assert (opens % step_ns == 0).all()
    assert (np.diff(opens) > 0).all()
    for place, open_ns in enumerate(opens):
        inside = np.flatnonzero((times >= open_ns) & (times < open_ns + step_ns))
        assert len(inside) == counted[place]
        assert made["open"][place] == prices["open"][inside[0]]
        assert made["close"][place] == prices["close"][inside[-1]]
        assert made["high"][place] == prices["high"][inside].max()
        assert made["low"][place] == prices["low"][inside].min()


@given(some_bars())
def test_hours_out_of_quarters_are_the_hours_out_of_minutes(bars):
    times, prices = bars
    direct = aggregate(times, prices, HOUR_NS)
    quarters, made, _ = aggregate(times, prices, 15 * MINUTE_NS)
    twice = aggregate(quarters, made, HOUR_NS)
    np.testing.assert_array_equal(direct[0], twice[0])
    for name in made:
        np.testing.assert_array_equal(direct[1][name], twice[1][name])


def written(root, columns, path="bars/binance/BTCUSDT-perp-1m.parquet"):
    planted.write(root / path, columns)
    return only(root, path)


def test_partial_first_and_last_bars_are_kept_and_said(tmp_path):
    dataset = written(tmp_path, planted.bars(150, start_ns=START_NS + 20 * MINUTE_NS))
    done = resample(tmp_path, dataset, "1h")
    assert (done.path, done.bars_read, done.bars_made) == ("bars/binance/BTCUSDT-perp-1h.parquet", 150, 3)
    assert done.notes == (
        "the first bar, 2024-01-01T00:00:00Z, is partial: its data begin at 2024-01-01T00:20:00Z",
        "the last bar, 2024-01-01T02:00:00Z, is partial: its data end at 2024-01-01T02:50:00Z",
    )
    bars, report = Catalog(tmp_path).bars(InstrumentId("binance", "BTCUSDT", "perp"), "1h")
    assert (len(bars), report.faults) == (3, ())
    assert bars["volume"].sum() == pytest.approx(planted.bars(150)["volume"].sum())


def test_a_dataset_that_is_there_is_not_written_over_unless_asked(tmp_path):
    dataset = written(tmp_path, planted.bars(150))
    resample(tmp_path, dataset, "5m")
    with pytest.raises(InputError, match="already exists; keep it, or overwrite it with --replace"):
        resample(tmp_path, dataset, "5m")
    assert resample(tmp_path, dataset, "5m", replace=True).bars_made == 30


@pytest.mark.parametrize(
    ("timeframe", "message"),
    [
        ("1m", "bars of 1m cannot be resampled to 1m; use one of 5m, 15m, 1h, 4h, 1d"),
        ("1s", "bars of 1m cannot be resampled to 1s"),
        ("7m", "'7m' is not a timeframe; use one of 1s, 1m"),
    ],
)
def test_a_timeframe_that_is_no_multiple_is_refused(tmp_path, timeframe, message):
    with pytest.raises(InputError, match=message):
        resample(tmp_path, written(tmp_path, planted.bars(50)), timeframe)


def test_bars_out_of_order_or_in_conflict_are_refused_and_repeated_ones_count_once(tmp_path):
    columns = planted.bars(60)
    swapped = {name: column[np.r_[1, 0, 2:60]] for name, column in columns.items()}
    with pytest.raises(InputError, match="a row at 2024-01-01T00:00:00Z is earlier than the one before it"):
        resample(tmp_path / "a", written(tmp_path / "a", swapped), "1h")
    torn = planted.repeat(columns, 5)
    torn["close"][6] += 1
    with pytest.raises(InputError, match="the bar of 2024-01-01T00:05:00Z is repeated with different values"):
        resample(tmp_path / "b", written(tmp_path / "b", torn), "1h")
    resample(tmp_path / "c", written(tmp_path / "c", planted.repeat(columns, 5)), "1h")
    bars, _ = Catalog(tmp_path / "c").bars(InstrumentId("binance", "BTCUSDT", "perp"), "1h")
    assert bars["volume"][0] == pytest.approx(columns["volume"].sum())


def test_what_is_no_dataset_of_bars_is_refused(tmp_path):
    dataset = written(tmp_path, planted.series({"gwei": np.full(30, 5.0)}), "gas/ethereum.parquet")
    with pytest.raises(InputError, match="is not a dataset of bars"):
        resample(tmp_path, dataset, "1h")
    assert report_of(tmp_path).faults == ()


def test_bars_off_their_grid_or_that_longer_ones_would_cut_are_refused(tmp_path):
    for shift_ns, row, wrong in (
        (-1_000_000, 5, "off_grid: "),
        (1_800_000_000_000, slice(None), "the bars begin 1800 s"),
    ):
        columns = planted.bars(100, "1h")
        columns["ts"][row] += shift_ns
        planted.write(tmp_path / "bars/binance/BTCUSDT-perp-1h.parquet", columns)
        with pytest.raises(InputError, match=wrong):
            resample(tmp_path, only(tmp_path, "binance:BTCUSDT-perp"), "4h")
