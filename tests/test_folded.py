"""Folded cases: all are tried, those that fail are named, and fixtures and other parameters reach them."""

import pytest

from folded import folded


@pytest.fixture
def one():
    return 1


@pytest.mark.parametrize("more", [10, 20])
@folded(("a", "b"), [(1, 2), (3, 4)])
def test_fixtures_and_parameters_reach_every_case(a, b, one, more):
    assert b - a == one
    assert more in (10, 20)


def test_all_failures_are_raised_together_and_each_names_its_case():
    seen = []

    @folded("value", [1, "two", 3])
    def check(value):
        seen.append(value)
        assert value == 1, "not one"

    with pytest.raises(ExceptionGroup, match="2 of 3 cases failed") as group:
        check()
    assert seen == [1, "two", 3]
    assert [failure.__notes__ for failure in group.value.exceptions] == [
        ["the case: value='two'"],
        ["the case: value=3"],
    ]
    assert all("not one" in str(failure) for failure in group.value.exceptions)


def test_a_case_that_skips_skips_the_test():
    @folded("value", [1, 2])
    def check(value):
        pytest.skip("no data")

    with pytest.raises(pytest.skip.Exception):
        check()


def test_no_case_at_all_is_refused():
    with pytest.raises(AssertionError, match="there is no case of value"):
        folded("value", [])
