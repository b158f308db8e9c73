"""Frames and arrays as bars: whatever stands in them is read as it is meant, or refused with column and row."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import tightloop
from tightloop.adapters.data.frames import bars_of
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

X = InstrumentId("t", "XUSDT", "perp")
COUNT = 6
NS = [1_704_067_200_000_000_000 + 60_000_000_000 * k for k in range(COUNT)]
PRICES = {name: [10.0] * COUNT for name in ("open", "high", "low", "close", "volume")}
MOMENTS = [dt.datetime(2024, 1, 1, 0, k) for k in range(COUNT)]  # noqa: DTZ001  # a column without a zone
TEXTS = [f"2024-01-01T00:0{k}:00Z" for k in range(COUNT)]

TIMES = {
    "text": TEXTS,
    "text in categories": pl.Series(TEXTS, dtype=pl.Categorical),
    "int ns": NS,
    "int ms": [time // 10**6 for time in NS],
    "float s": [time / 1e9 for time in NS],
    "128 bits": pl.Series(NS).cast(pl.Int128),
    "datetime": MOMENTS,
    "objects": pl.Series(MOMENTS, dtype=pl.Object),
    "of a zone": pl.Series(NS).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Europe/Berlin"),
    "calendar minutes": [202_401_010_000 + k for k in range(COUNT)],
}


@pytest.mark.parametrize("name", TIMES)
def test_times_of_any_type_are_read(name):
    bars, _report = bars_of(pl.DataFrame({"ts": TIMES[name], **PRICES}), X, "1m")
    assert bars["open_ns"].tolist() == NS


REFUSED = {
    "a missing time": ({"ts": [*NS[:3], None, *NS[4:]]}, "ts", "row 4 has no time"),
    "text that is no time": ({"ts": [*TEXTS[:5], "x"]}, "ts", r"'x' \(row 6\) is not a time"),
    "a time of day": ({"ts": [dt.time(1)] * COUNT}, "ts", "is of type time64"),
    "row numbers": ({"ts": list(range(COUNT))}, "ts", r"0 \(row 1\) is not in the years"),
    "nulls": ({"ts": [None] * COUNT}, "ts", "row 1 has no time"),
    "a float that lost digits": ({"ts": [1704067200.1234567] * COUNT}, "ts", r"\(row 1\) is a float"),
    "a missing price": ({"close": [10.0] * 5 + [None]}, "close", "row 6 has no number"),
    "a NaN": ({"low": [10.0] * 5 + [float("nan")]}, "low", "row 6 has no number"),
    "a word for a price": ({"close": ["10"] * 5 + ["abc"]}, "close", r"'abc' \(row 6\) is not a number"),
    "flags for a volume": ({"volume": [True] * COUNT}, "volume", "is of type bool"),
    "objects of several kinds": ({"open": pl.Series([1.0, None, {}, 1.0, 1.0, 1.0], dtype=pl.Object)}, "open", "row 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_read_is_refused_with_column_and_row(name):
    columns, field, wrong = REFUSED[name]
    with pytest.raises(InputError, match=wrong) as refusal:
        bars_of(pl.DataFrame({"ts": NS, **PRICES, **columns}), X, "1m")
    problem = refusal.value.problems[0]
    assert (problem.file, problem.field) == ("frame/t:XUSDT-perp", field)
    assert problem.remedy


FORMS = {
    "a table": pa.table({"ts": NS, **PRICES}),
    "lists": {"ts": NS, **PRICES},
    "arrays": {"ts": np.array(NS, "datetime64[ns]"), **{name: np.array(own) for name, own in PRICES.items()}},
    "minutes": {"ts": np.array(NS, "datetime64[ns]").astype("datetime64[m]"), **PRICES},
    "records": np.array([(time, 10, 10, 10, 10, 10) for time in NS], [("ts", "i8"), *((n, "f8") for n in PRICES)]),
    "decimals and text": {"ts": NS, **PRICES, "close": [Decimal(10)] * COUNT, "open": ["10.0"] * COUNT},
}


@pytest.mark.parametrize("name", FORMS)
def test_tables_mappings_and_records_are_frames_too(name):
    bars, _report = bars_of(FORMS[name], X, "1m")
    assert bars["open_ns"].tolist() == NS
    assert bars["close"].tolist() == [10.0] * COUNT


NO_FRAMES = {
    "nothing": None,
    "a number": 5,
    "a text": "x",
    "a list": [1, 2],
    "lazy": pl.LazyFrame({"ts": NS, **PRICES}),
    "empty": pl.DataFrame({"ts": [], **{name: [] for name in PRICES}}),
    "no column close": pl.DataFrame({"ts": NS, "open": [1.0] * COUNT}),
    "two of one name": pl.DataFrame({"ts": NS, **PRICES, "Close": [1.0] * COUNT}),
    "lengths": {"ts": NS[:3], **PRICES},
    "a number for a column": {"ts": NS, **PRICES, "close": 1.0},
    "two dimensions": {"ts": np.ones((COUNT, 2)), **PRICES},
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_what_is_no_frame_is_refused(name):
    with pytest.raises(InputError) as refusal:
        bars_of(NO_FRAMES[name], X, "1m")
    assert refusal.value.problems[0].remedy


def test_a_missing_price_can_be_left_out_when_that_is_accepted():
    frame = pl.DataFrame({"ts": NS, **PRICES, "close": [10.0] * 5 + [None]})
    bars, report = bars_of(frame, X, "1m", frozenset({"non_positive"}))
    assert (len(bars), [fault.kind for fault in report.faults]) == (5, ["non_positive"])


def test_frames_of_pandas_keep_their_time_in_the_index_or_in_a_column():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: its frames are optional")
    index = pandas.to_datetime(NS)
    for frame in (
        pandas.DataFrame(PRICES, index=index.tz_localize("UTC").tz_convert("Asia/Tokyo")),
        pandas.DataFrame({"ts": pandas.Series(list(index), dtype=object), **PRICES}),
    ):
        assert bars_of(frame, X, "1m")[0]["open_ns"].tolist() == NS
    for frame in (pandas.DataFrame(PRICES), pandas.DataFrame({"ts": [*index[:5], pandas.NaT], **PRICES})):
        with pytest.raises(InputError, match="ts: "):
            bars_of(frame, X, "1m")


def test_data_that_are_neither_a_folder_nor_a_mapping_are_refused():
    with pytest.raises(InputError, match="data: is of type DataFrame"):
        tightloop.backtest("strategies/ema_cross.yaml", data=pl.DataFrame({"ts": NS, **PRICES}))
