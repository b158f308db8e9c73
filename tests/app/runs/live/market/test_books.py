"""Order books of a session as facts: numbers of their own, and a number left out where a book is not known any more."""

import asyncio

import pytest

from tightloop.app.runs.live.market.books import FollowedBooks
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import BookRow
from tightloop.core.limits import PRICE_MAX
from tightloop.ports.market_data import BookChange, ReadBook
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.market.intake import Intake

BTC = "BTCUSDT"


def change(first, last, previous, *, bids=((99.0, 1.0),), asks=((101.0, 2.0),), is_snapshot=False):
    return BookChange(BTC, bids, asks, first, last, previous, is_snapshot, 5)


class World:
    """A venue that answers with ``snapshots``, and the facts that came of it."""

    def __init__(self, *snapshots, numbers=None, prices=None):
        self.snapshots, self.asked, self.now_ns = list(snapshots), [], 1_000
        self.intake = Intake(self.clock)
        self.books = FollowedBooks(self.intake, {BTC: 0}, self.ask, numbers or {}, prices or {})

    def clock(self):
        return self.now_ns

    async def ask(self, request):
        self.asked.append(request)
        found = self.snapshots.pop(0)
        if isinstance(found, Exception):
            raise found
        return [found]

    def facts(self):
        rows, _, first, count = self.intake.batch()
        found = [dict(zip(rows.dtype.names, row, strict=True)) for row in rows[first : first + count].tolist()]
        self.intake.drop()
        return [(row["order_id"], row["price"], row["qty"], row["reason"]) for row in found]

    async def follow(self):
        task = asyncio.ensure_future(self.books.follow())
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
        task.cancel()


FIRST, LAST, BID, WHOLE = BookRow.IS_FIRST, BookRow.IS_LAST, BookRow.IS_BID, BookRow.IS_SNAPSHOT


def known():
    world = World(change(1, 10, -1, is_snapshot=True))
    world.books.take(change(8, 10, 7))
    asyncio.run(world.follow())
    assert world.facts() == [(1, 99.0, 1.0, BID | FIRST | WHOLE), (1, 101.0, 2.0, LAST | WHOLE)]
    return world


def test_a_snapshot_is_asked_for_once_changes_arrive():
    world = World(change(1, 10, -1, is_snapshot=True))
    asyncio.run(world.follow())
    assert world.asked == []
    world.books.take(change(8, 10, 7))
    asyncio.run(world.follow())
    assert world.asked == [ReadBook(BTC, 500)]


def test_the_levels_of_an_update_have_one_stamp_and_the_last_decides():
    world = known()
    world.books.take(change(11, 12, 10))
    rows, _, first, _ = world.intake.batch()
    one, other = rows[first], rows[first + 1]
    assert one["kind"] == other["kind"] == int(EventKind.BOOK_LEVEL)
    assert one["ts_init_ns"] == other["ts_init_ns"]
    assert (one["phase"], other["phase"] > 0, one["ts_event_ns"]) == (0, True, 5)
    assert world.facts() == [(2, 99.0, 1.0, BID | FIRST), (2, 101.0, 2.0, LAST)]


def test_a_missing_change_leaves_a_number_out_and_asks_again():
    world = known()
    world.books.take(change(15, 16, 14))
    assert world.facts() == [(3, 99.0, 0.0, BID | FIRST | LAST)]
    world.snapshots.append(change(1, 20, -1, is_snapshot=True))
    asyncio.run(world.follow())
    assert [number for number, *_ in world.facts()] == [4, 4]
    assert world.books.gap_count == 1


def test_a_lost_socket_voids_the_book_at_once():
    world = known()
    world.books.lost()
    assert world.facts() == [(3, 99.0, 0.0, BID | FIRST | LAST)]


def test_a_new_process_voids_what_the_last_one_knew():
    world = World(numbers={BTC: 40}, prices={BTC: 100.0})
    world.books.lost()
    assert world.facts() == [(42, 100.0, 0.0, BID | FIRST | LAST)]
    fresh = World(numbers={BTC: 0}, prices={BTC: 0.0})
    fresh.books.lost()
    assert fresh.facts() == []


def test_what_no_book_can_have_is_no_fact_and_voids_the_book():
    world = known()
    world.books.take(change(11, 12, 10, bids=((PRICE_MAX * 2, 1.0),)))
    assert world.facts() == [(3, 99.0, 0.0, BID | FIRST | LAST)]
    assert world.books.malformed_count == 1


def test_a_question_without_an_answer_is_asked_again():
    world = World(NoAnswer("lost"), change(1, 10, -1, is_snapshot=True))
    world.books.take(change(8, 10, 7))
    with pytest.raises(NoAnswer):
        asyncio.run(world.follow())
    world.books.take(change(11, 12, 10))
    asyncio.run(world.follow())
    assert [number for number, *_ in world.facts()] == [1, 1, 2, 2]
