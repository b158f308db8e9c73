"""The values that move of what a session said: each is as old as what it comes of."""

from tightloop.app.api.streams.hub import live_values

SAID_NS, RECEIVED_NS = 9_000, 4_000


def found(mark, *gains):
    view = {
        "equity": 101.5, "wallet": 100.0, "gains": gains,
        "marks": [{"instrument": "a:B", "mark": mark, "received_ns": RECEIVED_NS}],
    }  # fmt: skip
    return {one.key: (one.value, one.ts_ns) for one in live_values(view, SAID_NS)}


def test_a_mark_is_as_old_as_when_it_was_received_and_what_is_not_held_has_no_gain():
    assert found(2.5) == {
        "equity": ("101.5", "9000"),
        "wallet": ("100", "9000"),
        "open_pnl": ("1.5", "9000"),
        "mark:a:B": ("2.5", "4000"),
    }


def test_the_gain_of_what_is_held_is_as_old_as_its_mark():
    gain = {"instance": 1, "received_ns": RECEIVED_NS, "unrealized": -0.25}
    gain |= {"unrealized_pct": None, "liquidation_distance_pct": 41.25}
    values = found(2.5, gain)
    assert values["pnl:1"] == ("-0.25", "4000")
    assert values["pnl_pct:1"] == (None, "4000")
    assert values["liquidation:1"] == ("41.25", "4000")


def test_a_mark_that_is_not_known_is_null():
    assert found(None)["mark:a:B"] == (None, "4000")
