"""Calls of the image from Python: types are checked both ways, results and exceptions come back, nothing is kept."""

import gc
import sys
import threading

import numpy as np
import pytest

from tightloop.core import compiled
from tightloop.core.domain.types import BAR, EVENT, STATE
from tightloop.core.market import history, tapes
from tightloop.core.native import call, image
from tightloop.core.replay import bars, columns
from tightloop.core.state import check_invariants

IS_FULL, REMEMBER, TIMER = tapes.is_full, history.remember, bars.timer_after


def entry_of(function):
    entry = None if compiled.DISABLE_JIT else image.entry(function.name, function.signature, nogil=False)
    if entry is None:
        pytest.skip("the image does not have this function for the current sources")
    return entry


@pytest.fixture(params=["entry", "method"])
def way(request):
    """Either way into a function: the closely looking entry, or the method that most calls take."""

    def into(function):
        entry = entry_of(function)
        if request.param == "entry":
            return entry
        assert entry.method is not None, "builds of Python with the global lock have methods"
        return entry.method

    return into


@pytest.fixture(scope="module")
def states():
    return np.zeros(1, STATE)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda states: (states, 0, 0),
        lambda states: (states,),
        lambda states: (),
        lambda states: (np.zeros(1, BAR), 0),
        lambda states: (states.reshape(1, 1), 0),
        lambda states: (np.zeros(4, STATE)[::2], 0),
        lambda states: (None, 0),
        lambda states: (states[0], 0),
        lambda states: (states.tolist(), 0),
        lambda states: (states, 0.5),
        lambda states: (states, None),
        lambda states: (states, "0"),
        lambda states: (states, 2**63),
        lambda states: (states, -(2**63) - 1),
    ],
)
def test_an_argument_of_another_kind_is_refused_before_anything_runs(way, states, wrong):
    with pytest.raises(TypeError):
        way(IS_FULL)(*wrong(states))


def test_an_array_that_cannot_be_written_is_refused(way, states):
    past = np.zeros(8, BAR)
    past.setflags(write=False)
    with pytest.raises(TypeError, match="read-only"):
        way(REMEMBER)(states, past, 0)


def test_a_refusal_is_short_and_names_what_was_expected(way, states):
    with pytest.raises(TypeError) as raised:
        way(IS_FULL)(np.zeros(1, EVENT), 0)
    assert len(str(raised.value)) < 300
    assert ", ...) with 1 dimensions, got an array of " in str(raised.value)


def test_an_equal_dtype_that_is_another_object_is_taken(way):
    bars_dtype = np.dtype(BAR.descr)
    assert bars_dtype == BAR
    assert bars_dtype is not BAR
    assert way(REMEMBER)(np.zeros(1, STATE), np.zeros(100_000, bars_dtype), 0) is None


def test_a_record_is_passed_by_its_place(states):
    record = entry_of(check_invariants)
    assert record(states[0]) is None
    assert record.method is None
    with pytest.raises(TypeError, match="expected a record"):
        record(np.zeros(1, BAR)[0])


def test_numbers_of_numpy_and_booleans_are_numbers(way, states):
    full = way(IS_FULL)
    assert full(states, np.int64(0)) is full(states, 0)
    assert full(states, False) is full(states, 0)
    assert isinstance(full(states, 0), bool)


def rows_to_sort(counts=0, section_count=0):
    """Arguments of ``sort_rows`` over a log without rows."""
    words, empty = np.zeros((0, 1), np.int64), [np.zeros(0, np.int64) for _ in range(3)]
    given = (words, 0, 0, words.copy(), empty[0], np.zeros(3, np.int64), empty[1], np.zeros(counts, np.int64), empty[2])
    return (*given, 5, section_count)


@pytest.mark.parametrize("number", [-1, -2, 0, 2**63 - 1, -(2**63)])
def test_any_number_goes_in_and_comes_out_as_it_is(way, number):
    """-1 is also the number by which C says that it failed."""
    assert way(columns.sort_rows)(*rows_to_sort(section_count=number)) == number


@pytest.mark.parametrize(
    ("name", "value"), [("shape", (1, 1)), ("dtype", np.dtype(np.uint8)), ("flags.writeable", False)]
)
def test_an_array_that_was_taken_and_then_changed_is_looked_at_again(name, value):
    full, array = entry_of(IS_FULL), np.zeros(1, STATE)
    full(array, 0)
    owner, _, attribute = name.rpartition(".")
    setattr(getattr(array, owner) if owner else array, attribute, value)
    with pytest.raises(TypeError):
        full(array, 0)


def test_an_array_is_forgotten_when_it_is_freed():
    full = entry_of(IS_FULL)
    known = full._memories[0]
    before = len(known)
    array = np.zeros(1, STATE)
    full(array, 0)
    assert len(known) == before + 1
    del array
    gc.collect()
    assert len(known) == before


def test_no_reference_is_kept_and_none_is_lost(way, states):
    """A reference too few frees an array that is in use, one too many keeps it for ever."""
    timer, event, timers = way(TIMER), np.zeros(1, EVENT), np.zeros(1, EVENT)
    remember, past = way(REMEMBER), np.zeros(100_000, BAR)
    counted = (states, event, timers, past, None, True, False, TypeError)
    timer(states, event, timers), remember(states, past, 0)
    before = [sys.getrefcount(each) for each in counted]
    for _ in range(1_000):
        timer(states, event, timers)
        remember(states, past, 0)
    after = [sys.getrefcount(each) for each in counted]
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 20


def test_a_failed_assertion_comes_back_from_both_ways_alike():
    entry = entry_of(columns.sort_rows)
    told = []
    for function in (entry, entry.method):
        with pytest.raises(AssertionError, match="a count for every kind") as raised:
            function(*rows_to_sort(counts=1))
        last = raised.traceback[-1]
        told.append((last.name, str(last.path).rpartition("src/")[2], last.lineno))
    assert told[0] == told[1]
    assert told[0][:2] == ("sort_rows", "tightloop/core/replay/columns.py")


def test_many_threads_call_at_once_and_each_gets_its_answer(way):
    full = way(IS_FULL)
    wrong = []

    def ask(array, expected):
        wrong.extend(1 for _ in range(2_000) if full(array, 0) is not expected)

    arrays = [np.zeros(1, STATE) for _ in range(4)]
    for number, array in enumerate(arrays):
        array[0]["tapes"][0]["capacity"] = 4 * (number % 2)  # with room for none the next row needs some
    answers = [full(array, 0) for array in arrays]
    assert set(answers) == {True, False}
    threads = [threading.Thread(target=ask, args=pair) for pair in zip(arrays, answers, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_every_kind_has_words():
    for function in compiled.functions().values():
        assert all(call.words_of(kind) for kind in function.signature.arguments)
