"""Times as people write them are exact, or none."""

import pytest

from tightloop.app.text.window import time_of
from tightloop.model.errors import InputError
from tightloop.model.times import counted_ns, iso, iso_ns, text_ns

START_NS = 1_704_067_200_000_000_000


@pytest.mark.parametrize(
    ("text", "after_ns"),
    [
        ("2024-01-01", 0),
        ("2024-01-01T00:00:00.000000001Z", 1),
        ("2024-01-01 02:00:00,5+02:00", 500_000_000),
        ("20240101T000000.123456789", 123_456_789),
        ("2024-01-01T00:00:00.1234567890Z", 123_456_789),
        ("2024-01-01T01:00+01", 0),
    ],
)
def test_a_time_keeps_its_nanoseconds(text, after_ns):
    found = iso_ns(text)
    assert found is not None
    assert found - START_NS == after_ns


@pytest.mark.parametrize("text", ["", "x", "08:00", "2024-01-01T00:00:00.1234567891Z", "2024.01.01", "2024-13-01"])
def test_what_is_no_time_is_none(text):
    assert iso_ns(text) is None


def test_a_number_of_another_unit_or_of_a_calendar_is_no_count_of_nanoseconds():
    assert counted_ns(START_NS) == START_NS
    for value in (0, -1, 1_704_067_200, START_NS // 1_000, 202_401_010_800, 20_240_101_080_000_000):
        assert counted_ns(value) is None


@pytest.mark.parametrize("text", ["1704067200", "2024030514", "202401010800", "20240101080000", "-1704067200"])
def test_a_window_never_takes_other_digits_for_nanoseconds(text):
    with pytest.raises(InputError, match="--from"):
        time_of(text, "--from")
    assert time_of("20240101", "--from") == START_NS


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("2024-01-01", START_NS),
        (" 2024-01-01T00:00:00Z ", START_NS),
        (str(START_NS), START_NS),
        ("20240101", START_NS),
        ("1704067200", None),  # seconds
        ("--1704067200000000000", None),
        ("9" * 5_000, None),
        ("yesterday", None),
    ],
)
def test_a_text_is_a_time_or_a_count_of_nanoseconds(text, ts_ns):
    assert text_ns(text) == ts_ns


@pytest.mark.parametrize("text", ["--1704067200000000000", "9" * 5_000])
def test_a_window_refuses_digits_that_are_no_time(text):
    with pytest.raises(InputError, match="is not a time"):
        time_of(text, "--from")


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-01-01T00:00:00Z", START_NS),
        ("2024-01-01T00:00:00.5Z", START_NS + 500_000_000),
        ("2024-01-01T00:00:00.000000001Z", START_NS + 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1677-09-21T00:12:43.145224192Z", -(2**63)),
        ("300000000000000000000 ns", 3 * 10**20),
    ],
)
def test_every_time_is_written_exactly(text, ts_ns):
    assert iso(ts_ns) == text
