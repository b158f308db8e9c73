"""A client that does not read: it is told what it missed, sent away if it goes on, and keeps nothing for ever."""

import asyncio
import json

import pytest

from tightloop.app.api.settings import GatewayLimits
from tightloop.app.api.streams.connection import Connection
from tightloop.app.api.streams.messages import ByeMessage, ValueEntry, ValuesMessage

LIMITS = GatewayLimits(rows_unread_max=10, gaps_per_minute_max=3, messages_per_minute=5, waiting_bytes_max=1_000)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def connection(clock):
    return Connection("login", LIMITS, clock)


def read(connection, count):
    async def all_of_them():
        return [await asyncio.wait_for(connection.next(), 5.0) for _ in range(count)]

    return [json.loads(one) if one is not None else None for one in asyncio.run(all_of_them())]


def rows(stream, number):
    return json.dumps({"type": "delta", "stream": stream, "number": number}).encode()


def values(number, stream="values/a"):
    entry = ValueEntry(key="equity", value=str(number), ts_ns="1", cadence_ms=1_000)
    return ValuesMessage(stream=stream, entries=[entry])


def test_rows_come_in_order_and_all_of_them_while_they_are_read(connection):
    for number in range(50):
        connection.put_rows("orders", rows("orders", number), 2)
        assert read(connection, 1)[0]["number"] == number


def test_rows_that_are_not_read_are_left_out_with_a_gap_that_counts_them(connection):
    for number in range(6):
        connection.put_rows("orders", rows("orders", number), 2)
    connection.put_rows("orders", rows("orders", 6), 2)
    assert connection.behind == {"orders"}
    assert read(connection, 1) == [{"type": "gap", "stream": "orders", "missed": 12}]
    connection.put_rows("fills", rows("fills", 0), 10)
    assert read(connection, 1)[0]["stream"] == "fills", "the count begins anew"


def test_another_stream_is_not_behind_with_it(connection):
    connection.put_rows("fills", rows("fills", 0), 5)
    connection.put_rows("orders", rows("orders", 0), 6)
    assert [one["type"] for one in read(connection, 2)] == ["delta", "gap"]


def test_a_client_that_stays_slow_is_sent_away_and_one_that_was_once_is_not(connection, clock):
    for number in range(4):
        connection.put_rows("orders", b"{}", 11)
        connection.behind.clear()
        clock.now_s += 30.0
        assert not connection.is_over, number
    for _ in range(3):
        connection.put_rows("orders", b"{}", 11)
        connection.behind.clear()
    assert connection.is_over
    last = read(connection, 2)
    assert last[0]["type"] == "bye"
    assert last[0]["reason"] == "slow"
    assert last[1] is None
    connection.put(b"{}")
    connection.put_rows("orders", b"{}", 1)
    assert read(connection, 1) == [None], "nothing comes after it"


def test_of_values_the_last_one_wins(connection):
    for number in range(1_000):
        connection.put_values(values(number))
    connection.put_values(values(7, "values/b"))
    found = read(connection, 2)
    assert [one["entries"][0]["value"] for one in found] == ["999", "7"]


def test_what_is_exact_goes_before_values(connection):
    connection.put_values(values(1))
    connection.put_rows("orders", rows("orders", 1), 1)
    assert [one["type"] for one in read(connection, 2)] == ["delta", "values"]


def test_a_stream_that_was_left_sends_no_values(connection):
    connection.streams.add("values/a")
    connection.put_values(values(1))
    connection.forget("values/a")
    connection.end(ByeMessage(reason="closing", retry_ms=1))
    assert [one and one["type"] for one in read(connection, 2)] == ["bye", None]


def test_questions_are_counted_by_the_minute(connection, clock):
    assert [connection.may_ask() for _ in range(6)] == [True] * 5 + [False]
    clock.now_s += 61.0
    assert connection.may_ask()


def test_a_client_for_which_too_many_bytes_wait_is_sent_away(connection):
    for _ in range(50):
        connection.put(b'"' + b"a" * 498 + b'"')
        connection.put(b'"' + b"a" * 498 + b'"')
        read(connection, 2)
    assert not connection.is_over, "what was read waits no more"
    for _ in range(3):
        connection.put(b'"' + b"a" * 498 + b'"')
    last = read(connection, 2)
    assert (last[0]["reason"], last[1]) == ("slow", None)


def test_one_message_may_be_longer_than_all_that_may_wait(connection):
    connection.put(b'"' + b"a" * 5_000 + b'"')
    assert len(read(connection, 1)[0]) == 5_000
    assert not connection.is_over


def test_who_asks_for_much_is_given_it_as_fast_as_it_reads(connection):
    async def given():
        for number in range(20):
            await connection.room()
            connection.put(b'"' + b"a" * 298 + b'"')
            seen.append(number)

    async def both():
        giving = asyncio.ensure_future(given())
        await asyncio.sleep(0.1)
        assert seen == [0, 1], "the rest waits"
        for _ in range(20):
            await asyncio.wait_for(connection.next(), 5.0)
        await giving

    seen = []
    asyncio.run(both())
    assert not connection.is_over
