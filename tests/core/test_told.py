"""A feed that falls silent is told to who holds a position, when it does and not when it ends."""

import pytest
from tests.core.driven import Driven, submitted
from tests.core.lying_world import SECOND_NS, close, position, sent, warnings
from tests.parity import runs

from tightloop.core.domain.enums import EventKind, FeedState, Role, WarningCode


def watching(action):
    """A position whose strategy watches for 30 s of silence."""
    e1 = {"all": [{"close": "< 0"}], "on_stale": {"after_s": 30, "do": action}}
    own = Driven(runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}, e1=e1))
    (entry,) = submitted(close(own))
    own.fill(entry, float(own.order(entry)["qty"]), 100.0)
    return own


def silent(own, seconds, what=FeedState.SILENT):
    last_ns = own.now_ns
    own.now_ns += int(seconds * SECOND_NS)
    rows = own.send(EventKind.FEED_STATE, instrument=0, reason=int(what), ts_event_ns=last_ns)
    own.now_ns = last_ns if what == FeedState.UP else own.now_ns
    return rows


@pytest.mark.parametrize("what", [FeedState.SILENT, FeedState.DOWN])
def test_a_silence_that_is_long_enough_closes_the_position_at_once(what):
    own = watching("exit")
    rows = silent(own, 30, what)
    assert WarningCode.FEED_SILENT in warnings(rows)
    assert sent(rows)["role"].tolist() == [Role.E1]


def test_a_shorter_silence_does_nothing_and_a_longer_one_is_told_once():
    own = watching("exit")
    assert len(silent(own, 29)) == 0
    assert len(sent(silent(own, 31))) == 1
    assert len(silent(own, 45)) == 0


def test_who_only_wants_to_be_told_is_told():
    own = watching("alert")
    rows = silent(own, 40)
    assert warnings(rows) == [WarningCode.FEED_SILENT]
    assert len(sent(rows)) == 0
    assert position(own) > 0.0


def test_after_the_feed_is_back_the_next_silence_counts_anew():
    own = watching("alert")
    silent(own, 40)
    own.send(EventKind.FEED_STATE, instrument=0, reason=int(FeedState.UP), ts_event_ns=own.now_ns)
    assert warnings(silent(own, 40)) == [WarningCode.FEED_SILENT]


def test_a_feed_that_is_down_takes_the_marks_of_the_venue_with_it():
    own = watching("alert")
    own.send(EventKind.MARK_REPORTED, instrument=0, price=101.0)
    silent(own, 1, FeedState.DOWN)
    own.bar(0, 100.0, 108.0, 99.0, 107.0)
    assert own.state["instruments"][0]["mark"] == 107.0
