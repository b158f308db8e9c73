"""Times as people write them are exact, or none."""

import pytest

from tightloop.app.text.window import time_of
from tightloop.model.errors import InputError
from tightloop.model.times import counted_ns, iso_ns

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
