"""What the command starts: a twin whose market goes on after a restart."""

import pytest

from tightloop.app.sandbox import start
from tightloop.model.errors import InputError
from tightloop.model.times import SECOND_NS, iso

NOW_NS = 1_790_000_000 * SECOND_NS + 123_456_789
PLAYED_NS = 300 * SECOND_NS


def wanted(**changed):
    options = {
        "venue": "binance-usdm", "port": 0, "sample": "thin", "catalog": None, "begin": None, "speed": 1.0, "seed": 5,
        "faults": None, "key": "k", "secret": "s", "wallet": 1_000.0, "length": None,
    }  # fmt: skip
    return start.Wanted(**{**options, **changed})


def trades(venue):
    return {symbol: list(board.prints) for symbol, board in venue.exchange.boards.items()}


def test_a_twin_that_is_started_again_goes_on_with_its_market():
    first = start.build(wanted(), NOW_NS)
    began = iso(first.exchange.market.start_ns)
    first.exchange.advance(NOW_NS + PLAYED_NS)
    second = start.build(wanted(began=began), NOW_NS + PLAYED_NS // 2)
    second.exchange.advance(NOW_NS + PLAYED_NS)
    assert trades(second) == trades(first)
    another = start.build(wanted(), NOW_NS + PLAYED_NS // 2)
    another.exchange.advance(NOW_NS + PLAYED_NS)
    assert trades(another) != trades(first), "the market of one that began later is another"


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"began": "yesterday"}, "write the time"),
        ({"began": iso(NOW_NS - NOW_NS % SECOND_NS + 10 * SECOND_NS)}, "write the time"),
        ({"began": iso(NOW_NS - NOW_NS % SECOND_NS - 3 * 86_400 * SECOND_NS)}, "write the time"),
        ({"began": iso(NOW_NS - NOW_NS % SECOND_NS), "speed": None}, "leave it out"),
    ],
)
def test_a_beginning_that_cannot_be_gone_on_with_is_refused(changed, remedy):
    with pytest.raises(InputError) as refused:
        start.build(wanted(**changed), NOW_NS)
    assert remedy in refused.value.problems[0].remedy
