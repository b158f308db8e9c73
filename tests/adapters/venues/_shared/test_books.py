"""Snapshot and changes of a book: the venue's rule, gaps, repeats, and that a gap is never passed over."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tightloop.adapters.venues._shared.books import Applied, BookSequence, BookState
from tightloop.ports.market_data import BookChange


def change(first, last, previous=-1, is_snapshot=False):
    return BookChange("BTCUSDT", ((1.0, float(last)),), (), first, last, previous, is_snapshot, 0)


def snapshot(last):
    return change(last, last, is_snapshot=True)


def known(last=100):
    book = BookSequence()
    book.asked()
    assert book.take(snapshot(last)) == Applied((snapshot(last),), False)
    return book


def test_changes_that_the_snapshot_contains_are_dropped():
    book = BookSequence()
    early = [change(91, 95, 90), change(96, 100, 95), change(99, 105, 98), change(106, 110, 105)]
    assert all(book.take(one).changes == () for one in early)
    assert book.take(snapshot(100)).changes == (snapshot(100), early[2], early[3])
    assert (book.state, book.last_id) == (BookState.KNOWN, 110)


def test_a_snapshot_older_than_what_waits_is_asked_for_again():
    book = BookSequence()
    book.take(change(105, 110, 104))
    book.asked()
    assert book.take(snapshot(100)).changes == ()
    assert book.state is BookState.WANTED
    book.asked()
    assert len(book.take(snapshot(107)).changes) == 2


def test_a_missing_change_is_a_gap_and_a_repeat_is_none():
    book = known()
    assert book.take(change(101, 105, 100)).changes
    assert book.take(change(101, 105, 100)) == Applied((), False)
    assert book.take(change(111, 115, 110)) == Applied((), True)
    assert book.state is BookState.WANTED
    assert book.take(change(116, 120, 115)) == Applied((), False)
    assert len(book.take(snapshot(113)).changes) == 3


def test_where_no_predecessor_is_named_versions_count_on():
    book = known()
    assert book.take(change(101, 101)).changes
    assert book.take(change(103, 103)).is_gap


@given(
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=40), lost=st.sets(st.integers(0, 39)),
    at=st.integers(0, 39), is_named=st.booleans(),
)  # fmt: skip
def test_whatever_is_lost_what_is_applied_has_no_hole(sizes, lost, at, is_named):
    changes, last = [], 0
    for size in sizes:
        changes.append(change(last + 1, last + size, last if is_named else -1))
        last += size
    book, applied = BookSequence(), []
    for index, one in enumerate(changes):
        if index == at % len(changes):
            book.asked()
            applied.append(book.take(snapshot(one.last_id)))
        if index not in lost:
            applied.append(book.take(one))
    previous = None
    for step in applied:
        previous = None if step.is_gap else previous
        for one in step.changes:
            if one.is_snapshot:
                previous = one.last_id
                continue
            assert previous is not None
            assert one.first_id <= previous + 1 <= one.last_id + 1
            previous = one.last_id


def test_a_change_of_another_depth_does_not_alter_the_records():
    one = change(101, 105, 100)
    assert known().take(one).changes == (replace(one),)


def test_the_first_change_after_a_snapshot_may_begin_inside_it():
    book = known()
    assert book.take(change(99, 105, 98)).changes
    assert book.take(change(104, 106, 103)) == Applied((), True), "only the first one"


def test_numbers_that_jump_are_whole_if_the_change_names_its_predecessor():
    book = known()
    assert book.take(change(108, 110, 100)).changes
