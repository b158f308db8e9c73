"""Times as other tools write them: to the nanosecond, or refused with what to write."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tightloop.adapters.data._shared import moments
from tightloop.model.errors import InputError

START_NS = 1_704_067_200_000_000_000  # 2024-01-01
HOUR_NS = 3_600 * 10**9


def read(values, kind=None):
    column = values if isinstance(values, pa.Array) else pa.array(values, kind)

    def refuse(row, wrong, remedy):
        return InputError.one("file", None if row is None else row + 1, "ts", wrong, remedy)

    found, _how, has_zone = moments(column, refuse)
    return found.tolist(), has_zone


READ = {
    "nine digits": (["2024-01-01T00:00:00.123456100Z", "2024-01-01T00:00:00.123456999Z"], [123_456_100, 123_456_999]),
    "one digit and a comma": (["2024-01-01 00:00:00,5"], [500_000_000]),
    "zeros beyond the ninth digit": (["2024-01-01T00:00:00.1234567890000Z"], [123_456_789]),
    "a zone behind the digits": (["2024-01-01T02:00:00.000000001+02:00"], [1]),
    "seconds": ([1_704_067_200], [0]),
    "ms as text with a fraction": (["1704067200000.000001"], [1]),
    "s as text with a fraction": (["1704067200.123456789"], [123_456_789]),
    "mixed units": ([1_704_067_200_000, 1_704_067_200_000_001], [0, 1_000]),
    "decimals": ([Decimal("1704067200.000000007")], [7]),
    "float seconds with six digits": ([1_704_067_200.123456], [123_456_000]),
    "float ms": ([1_704_067_200_000.0, 1_704_067_200_000.25], [0, 250_000]),
    "float ns of whole ms": ([1.7040672e18], [0]),
    "a calendar date": ([20_240_101], [0]),
    "a calendar hour": ([2_024_010_108], [8 * HOUR_NS]),
    "calendar minutes as text": (["202401010000", "202401010800"], [0, 8 * HOUR_NS]),
    "calendar minutes as floats": ([202_401_010_800.0], [8 * HOUR_NS]),
    "calendar seconds": ([20_240_101_080_000], [8 * HOUR_NS]),
    "calendar ms": ([20_240_101_080_000_123], [8 * HOUR_NS + 123_000_000]),
    "calendar us, longer than int64": (["20240101080000123456"], [8 * HOUR_NS + 123_456_000]),
    "dates": ([dt.date(2024, 1, 1)], [0]),
    "time stamps": ([dt.datetime(2024, 1, 1, 8)], [8 * HOUR_NS]),  # noqa: DTZ001  # a column without a zone
    "unsigned": (pa.array([START_NS], pa.uint64()), [0]),
    "date64": (pa.array([dt.date(2024, 1, 1)], pa.date64()), [0]),
    "stamps in s of a zone": (pa.array([START_NS // 10**9], pa.timestamp("s", "Europe/Berlin")), [0]),
    "stamps in ns": (pa.array([START_NS + 1], pa.timestamp("ns")), [1]),
    "a dictionary": (pa.array(["2024-01-01"]).dictionary_encode(), [0]),
}


@pytest.mark.parametrize("name", READ)
def test_a_time_is_read_to_the_nanosecond(name):
    values, after_ns = READ[name]
    assert [time - START_NS for time in read(values)[0]] == after_ns


REFUSED = {
    "ten digits": (["2024-01-01T00:00:00.1234567891Z"], 1, "more than nine decimals"),
    "more than ns": (["1704067200000.0000001"], 1, "is finer than nanoseconds"),
    "an exponent": (["1.70407E+12"], 1, "exponent"),
    "a float that lost digits": ([1_704_067_200.5, 1_704_067_200.1234567], 2, "loses the last digits"),
    "single precision": (pa.array([1.7e9], pa.float32()), None, "float"),
    "a wrong calendar date": ([20_240_101, 20_241_301], 2, "does not read as a calendar date"),
    "a calendar date among counts": ([1_704_067_200, 1_704_067_201, 2_024_030_514], 3, "reads as a calendar date"),
    "a null": ([1_704_067_200, None], 2, "has no time"),
    "nothing but nulls": ([None, None], 1, "has no time"),
    "a year too early": (["1989-12-31"], 1, "1990 to 2100"),
    "a year too late": (["2101-01-01"], 1, "1990 to 2100"),
    "a small number": ([45_292], 1, "1990 to 2100"),
    "below 0": ([-1_704_067_200], 1, "1990 to 2100"),
    "an early stamp": (pa.array([0], pa.timestamp("s")), 1, "1990 to 2100"),
    "a late stamp": (pa.array([10**10], pa.timestamp("s")), 1, "1990 to 2100"),
    "a time of day": (["08:00:00"], 1, "without its date"),
    "a time of day of Arrow": ([dt.time(8)], None, "which is not a time"),
    "a length of time": ([dt.timedelta(1)], None, "which is not a time"),
    "flags": ([True], None, "which is not a time"),
    "bytes": ([b"2024"], None, "which is not a time"),
    "a word after numbers": (["1704067200", "x"], 2, "not a time like the numbers"),
    "a date after numbers": (["1704067200", "2024-01-01"], 2, "not a time like the numbers"),
    "a number after dates": (["2024-01-01", "1704067200"], 2, "is not a time"),
    "an empty text": (["2024-01-01", ""], 2, "is not a time"),
    "not a number": ([float("nan")], 1, "is not a time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_time_is_refused_with_its_row_and_what_to_write(name):
    values, line, wrong = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        read(values)
    problem = refusal.value.problems[0]
    assert (problem.line, wrong in problem.message) == (line, True), problem.message
    assert problem.remedy


def test_a_count_since_1970_and_a_zone_are_told_from_dates_without_one():
    assert read([1_704_067_200])[1]
    assert read(["2024-01-01T00:00:00Z"])[1]
    assert not read(["2024-01-01"])[1]
    assert not read(["2024-01-01", "2024-01-01T00:00:00Z"])[1]
    assert not read([20_240_101])[1]


@given(st.integers(631_152_000 * 10**9, 1_990_000_000 * 10**9))
def test_every_nanosecond_reads_back_from_text_and_numbers(time_ns):
    whole, rest = divmod(time_ns, 10**9)
    text = f"{dt.datetime.fromtimestamp(whole, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    assert read([text])[0] == [time_ns]
    assert read([f"{whole}.{rest:09d}"])[0] == [time_ns]
    assert read([time_ns])[0] == [time_ns]
    for scale in (10**3, 10**6, 10**9):
        assert read([time_ns // scale])[0] == [time_ns // scale * scale]
