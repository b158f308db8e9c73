"""What must not go wrong with money at a venue, played by the twin against sessions as a user runs them."""

import time

import pytest
from tests.app.runs.live.pushed import (
    DOWN,
    NEAR_STOP,
    Pushed,
    entered,
    has_stop,
    least_held,
    is_flat,
    release,
    push,
    written,
)
from tests.app.runs.live.trading import Twin

from tightloop.app.runs.live import outside


@pytest.fixture(scope="module")
def twin():
    found = Twin("1")
    yield found
    found.close()


@pytest.fixture
def start(tmp_path, twin):
    """Start a session of the strategy with replacements; it ends without positions with the test."""
    begun = []

    def begin(*changes, home=None):
        begun.append(Pushed(home or tmp_path / "h", twin, written(tmp_path, *changes)))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.kill()


def calm(twin):
    """Let no push and no position be left for the next test."""
    release(twin)
    for row in twin.truth()["positions"]:
        twin.ask("position", {"symbol": row["symbol"], "qty": -row["qty"]})


@pytest.fixture(autouse=True)
def _calm(twin):
    yield
    calm(twin)


def test_a_stop_is_ours_under_any_name_and_an_exit_at_market_where_it_is_refused(twin, start):
    session = start(*NEAR_STOP)
    flat = session.ready()
    twin.ask("deposit", {"amount": 500.0})
    after = session.wait(lambda shown: abs(shown["outside"] - flat["outside"] - 500.0) < 1e-6)
    assert after["equity"] == flat["equity"]
    for _ in range(4):  # the twin names the order of a trigger in two ways, and tells of it in two orders
        entered(twin, session)
        release(twin)
        session.wait(is_flat)
    truth, shown = session.agreed()
    sold = {row["trade_id"]: row["client_id"] for row in truth["fills"] if row["side"] == "SELL"}
    assert {name[:2] for name in sold.values()} == {"tl", "au"}
    assert {int(row["trade_id"]): row["client_id"] for row in shown["fills"] if row["side"] == "SELL"} == sold
    assert (shown["foreign"], shown["is_ready"]) == ([], True)
    assert {row["kind"] for row in shown["corrections"]} == {"TRANSFER"}
    twin.ask("fault", {"kind": "stop_refused_at_trigger", "count": 1})
    entered(twin, session)
    release(twin)
    session.wait(is_flat)
    truth, shown = session.agreed()
    assert twin.ask("hits")["stop_refused_at_trigger"] == 1
    assert [row["type"] for row in truth["orders"] if row["side"] == "SELL" and row["state"] == "FILLED"][-1] == "MARKET"
    assert not has_stop(truth)
    assert session.stop("--flatten") == 0


def test_a_feed_that_is_silent_closes_a_position_during_the_silence(twin, start):
    session = start(("  E1: {all:", "  E1: {on_stale: {after_s: 3, do: exit}, all:"))
    session.ready()
    entered(twin, session)
    twin.ask("fault", {"kind": "feed_silent", "symbol": "BTCUSDT", "for_s": 20})
    silent = session.wait(lambda shown: shown["feed_age_s"] > 1.0)
    assert silent["positions"]
    shown = session.wait(is_flat, 10.0)
    assert shown["feed_age_s"] > 2.5
    assert not has_stop(twin.truth())
    assert session.stop("--flatten") == 0
    closing = twin.truth()["fills"][-1]
    assert (closing["side"], closing["client_id"][:2]) == ("SELL", "tl")


def test_an_exit_that_is_not_answered_is_tried_again_within_4_s_and_never_passes_flat(twin, start):
    session = start()
    session.ready()
    entered(twin, session)
    twin.ask("fault", {"kind": "http_5xx", "match": "listenKey", "for_s": 12})  # no report tells of it
    twin.ask("fault", {"kind": "ws_drop", "count": 1})
    session.wait(lambda shown: shown["sockets"]["reports"] != "open" and shown["sockets"]["public-0"] == "open")
    twin.ask("fault", {"kind": "half_open", "match": "POST /fapi/v1/order", "count": 1})
    twin.ask("fault", {"kind": "http_5xx", "match": "GET order", "count": 3})
    push(twin, DOWN)
    session.wait(is_flat, 15.0)
    assert twin.ask("hits")["half_open"] == 1
    exits = [ask["signed_ns"] for ask in session.asks() if ask["lane"] == "EXIT" and "POST /fapi/v1/order" in ask["call"]]
    assert len(exits) >= 2
    assert exits[1] - exits[0] <= 4 * 10**9
    truth, _ = session.agreed()
    assert truth["positions"] == []
    assert least_held(truth) == 0.0
    assert not has_stop(truth)
    assert session.stop("--flatten") == 0
    print("\n".join(session.said), [(a["lane"], a["signed_ns"]/1e9, a["call"][:70]) for a in session.asks()])
