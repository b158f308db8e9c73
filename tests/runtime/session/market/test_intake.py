"""The queue of facts: stamps that increase, an order that is kept, and what gives way when the session is late."""

import numpy as np
import pytest

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.market.intake import BATCH_MAX, CONFLATED_ABOVE, Intake


def drained(intake):
    rows = []
    while len(intake):
        facts, _, first, count = intake.batch()
        rows += [facts[k].copy() for k in range(first, first + count)]
        intake.drop()
    return rows


def test_stamps_increase_whatever_the_clock_does():
    times = iter([100, 100, 50, 200])
    intake = Intake(lambda: next(times))
    for at in range(4):
        intake.put_print(0, 1.0, 1.0, at, 0, 0)
    assert [int(row["ts_init_ns"]) for row in drained(intake)] == [100, 101, 102, 200]


def test_facts_come_out_as_they_went_in():
    intake = Intake(lambda: 5)
    intake.put_print(1, 2.0, 3.0, 4, 1, 6)
    intake.put_quote(2, 1.0, 10.0, 1.1, 20.0, 7)
    trade, quote = drained(intake)
    assert (trade["kind"], trade["instrument"], trade["order_id"], trade["is_maker"]) == (EventKind.TRADE, 1, 4, 1)
    assert (trade["price"], trade["qty"], trade["ts_event_ns"]) == (2.0, 3.0, 6)
    assert (quote["price"], quote["qty"], quote["rate"], quote["amount"]) == (1.0, 10.0, 1.1, 20.0)


def test_a_place_that_held_another_event_is_clean_again():
    intake = Intake(lambda: 5, capacity=1)
    event = np.zeros(1, EVENT)
    event["kind"], event["leverage"], event["take_profit"] = int(EventKind.ORDER_REQUESTED), 3.0, 9.0
    intake.put_event(event)
    assert drained(intake)[0]["leverage"] == 3.0
    intake.put_print(0, 1.0, 1.0, 1, 0, 0)
    (row,) = drained(intake)
    assert row["leverage"] == row["take_profit"] == 0.0


def test_quotes_give_way_when_the_session_is_late_and_prints_never():
    intake = Intake(lambda: 5)
    count = CONFLATED_ABOVE + 500
    for number in range(count):
        intake.put_print(0, 1.0, 1.0, number + 1, 0, 0)
        intake.put_quote(0, float(number + 1), 1.0, float(number + 2), 1.0, 0)
    rows = drained(intake)
    prints = [int(row["order_id"]) for row in rows if row["kind"] == EventKind.TRADE]
    quotes = [float(row["price"]) for row in rows if row["kind"] == EventKind.QUOTE]
    assert prints == list(range(1, count + 1))
    assert quotes[-1] == count
    assert len(quotes) == count - intake.conflated_count
    assert 0 < intake.conflated_count < count
    stamps = [int(row["ts_init_ns"]) for row in rows]
    assert stamps == sorted(stamps)


def test_a_full_queue_refuses_and_loses_nothing():
    intake = Intake(lambda: 5, capacity=8)
    for number in range(8):
        intake.put_print(0, 1.0, 1.0, number, 0, 0)
    assert intake.is_full
    with pytest.raises(OverflowError):
        intake.put_print(0, 1.0, 1.0, 8, 0, 0)
    assert len(drained(intake)) == 8


def test_a_full_queue_is_relieved_before_it_refuses():
    intake, taken = Intake(lambda: 5, capacity=8), []
    intake.relieve = lambda: taken.extend(drained(intake))
    for number in range(20):
        intake.put_print(0, 1.0, 1.0, number, 0, 0)
    assert [int(row["order_id"]) for row in taken + drained(intake)] == list(range(20))
    assert intake.full_count == 2


def test_batches_go_around_the_end_of_the_ring():
    intake, taken = Intake(lambda: 5, capacity=300), []
    for number in range(1_000):
        intake.put_print(0, 1.0, 1.0, number, 0, 0)
        if len(intake) > 290 - BATCH_MAX // 4:
            taken += drained(intake)
    taken += drained(intake)
    assert [int(row["order_id"]) for row in taken] == list(range(1_000))
