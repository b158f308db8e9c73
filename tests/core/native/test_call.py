"""Calls through one pointer: the types are checked, results and exceptions come back, freed arrays are forgotten."""

import gc
import threading

import numpy as np
import pytest

from tightloop.core import compiled
from tightloop.core.domain.types import BAR, STATE
from tightloop.core.market import history, tapes
from tightloop.core.native import call, image
from tightloop.core.replay import columns
from tightloop.core.state import check_invariants

IS_FULL, REMEMBER, SORT = tapes.is_full, history.remember, columns.sort_rows


def entry_of(function):
    entry = None if compiled.DISABLE_JIT else image.entry(function.name, function.signature, nogil=False)
    if entry is None:
        pytest.skip("the image does not have this function for the current sources")
    return entry


@pytest.fixture(scope="module")
def states():
    return np.zeros(1, STATE)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda states: (states, 0, 0),
        lambda states: (states,),
        lambda states: (np.zeros(1, BAR), 0),
        lambda states: (states.reshape(1, 1), 0),
        lambda states: (np.zeros(4, STATE)[::2], 0),
        lambda states: (None, 0),
        lambda states: (states[0], 0),
        lambda states: (states, 0.5),
        lambda states: (states, None),
        lambda states: (states, 2**63),
    ],
)
def test_an_argument_of_another_kind_is_refused_before_anything_runs(states, wrong):
    with pytest.raises(TypeError):
        entry_of(IS_FULL)(*wrong(states))


def test_an_array_that_cannot_be_written_is_refused(states):
    past = np.zeros(8, BAR)
    past.setflags(write=False)
    with pytest.raises(TypeError, match="read-only"):
        entry_of(REMEMBER)(states, past, 0)


def test_a_record_is_passed_by_its_place(states):
    record = entry_of(check_invariants)
    assert record(states[0]) is None
    with pytest.raises(TypeError, match="expected a record"):
        record(np.zeros(1, BAR)[0])


def test_numbers_of_numpy_are_numbers(states):
    states[0]["tapes"][1]["count"] = 1
    full = entry_of(IS_FULL)
    assert full(states, np.int64(0)) is full(states, 0)
    assert isinstance(full(states, 0), bool)


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


def test_many_threads_call_at_once_and_each_gets_its_answer():
    full = entry_of(IS_FULL)
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
