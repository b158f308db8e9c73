"""What must not go wrong with money at a venue, played by the twin against sessions as a user runs them."""

import shutil
import signal
import struct
import time

import pytest
from tests.app.runs.live.pushed import (
    DOWN,
    NEAR_STOP,
    UP,
    Pushed,
    entered,
    has_stop,
    is_flat,
    least_held,
    push,
    release,
    without_reports,
    written,
)
from tests.app.runs.live.trading import Twin

from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import outside
from tightloop.model.times import iso

HOLD = ("max_hold_min: 10, loss_cooldown_min: 0.03", "max_hold_min: 0.08")
HOLD_NS = 4_800_000_000
STEPPED_CLOCK = """
import mmap, struct, time

offset, read_ns = mmap.mmap(open({path!r}, "r+b").fileno(), 8), time.time_ns
time.time_ns = lambda: read_ns() + struct.unpack_from("q", offset)[0]
time.time = lambda: time.time_ns() * 1e-9
"""
"""Gives a process a wall clock that a test can set: by the ns in a file."""


@pytest.fixture(scope="module")
def twin():
    found = Twin("1")
    yield found
    found.close()


@pytest.fixture(scope="module")
def fast():
    """A twin whose clock runs ten times as fast: what takes seconds of the venue's time takes less of ours."""
    found = Twin("10")
    yield found
    found.close()


@pytest.fixture
def start(tmp_path, twin):
    """Start a session of the strategy with replacements; it ends without positions with the test."""
    begun = []

    def begin(*changes, home=None, at=twin):
        begun.append(Pushed(home or tmp_path / "h", at, written(tmp_path, *changes)))
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
def _calm(twin, fast):
    yield
    calm(twin)
    calm(fast)


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
    assert [row["type"] for row in truth["orders"] if row["side"] == "SELL" and row["state"] == "FILLED"][
        -1
    ] == "MARKET"
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
    release(twin)
    without_reports(twin, session)
    twin.ask("fault", {"kind": "half_open", "match": "POST /fapi/v1/order", "count": 1})
    twin.ask("fault", {"kind": "http_5xx", "match": "GET order", "count": 3})
    twin.ask("fault", {"kind": "http_5xx", "match": "positionRisk", "for_s": 8})  # a comparison would tell of its fill
    push(twin, DOWN)
    session.wait(is_flat, 25.0)
    assert twin.ask("hits")["half_open"] == 1
    exits = [
        ask["signed_ns"] for ask in session.asks() if ask["lane"] == "EXIT" and "POST /fapi/v1/order" in ask["call"]
    ]
    assert len(exits) >= 2
    assert exits[1] - exits[0] <= 4 * 10**9
    truth, _ = session.agreed()
    assert truth["positions"] == []
    assert least_held(truth) == 0.0
    assert not has_stop(truth)
    assert session.stop("--flatten") == 0


def test_a_kill_closes_an_entry_that_was_unknown_and_then_fills(twin, start):
    session = start()
    session.ready()
    without_reports(twin, session)
    twin.ask("fault", {"kind": "ack_lost", "match": "POST /fapi/v1/order", "count": 1})
    twin.ask("fault", {"kind": "http_5xx", "match": "GET order", "count": 4})
    push(twin, UP)
    session.wait(lambda shown: shown["unknown"])
    outside.kill(session.home, "all")
    shown = session.view()
    assert (len(shown["unknown"]), shown["positions"]) == (1, [])
    assert twin.truth()["positions"]
    session.wait(lambda shown: shown["fills"] and is_flat(shown), 20.0)
    truth, shown = session.agreed(30.0)
    assert truth["positions"] == []
    assert not has_stop(truth)
    assert shown["instances"][0]["killed"]
    assert least_held(truth) == 0.0
    session.kill()


def test_a_cancel_of_an_unknown_entry_does_not_free_its_symbol(twin, start):
    session = start(("order: {type: market}", "order: {type: limit, offset_bps: -500, ttl_s: 1}"))
    session.ready()
    twin.ask("fault", {"kind": "request_lost", "match": "POST /fapi/v1/order", "count": 1})
    push(twin, UP)
    session.wait(lambda shown: shown["unknown"])
    ends = time.monotonic() + 5.0  # its time is over after 1 s; that it never arrived is proven after 6 s
    while time.monotonic() < ends:
        assert len(session.view()["unknown"]) == 1
        time.sleep(0.1)
    assert [ask["client_id"] for ask in session.asks() if ask["lane"] == "CANCEL"] != []
    entries = [ask["client_id"] for ask in session.asks() if ask["lane"] == "ENTRY"]
    assert len(entries) == 1
    session.wait(lambda shown: not shown["unknown"])
    session.wait(lambda shown: len([ask for ask in session.asks() if ask["lane"] == "ENTRY"]) > 1)
    assert session.stop("--flatten") == 0
    assert entries[0] not in [row["client_id"] for row in twin.truth()["orders"]]


def test_a_wall_clock_that_is_set_fires_no_timer_early_and_stops_none(twin, start, tmp_path, monkeypatch):
    offset = tmp_path / "offset"
    offset.write_bytes(bytes(8))
    (tmp_path / "sitecustomize.py").write_text(STEPPED_CLOCK.format(path=str(offset)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    session = start(HOLD)
    session.ready()
    for hours in (1, -1):
        entered(twin, session)
        release(twin)
        offset.write_bytes(struct.pack("q", hours * 3_600_000_000_000))
        session.wait(is_flat)
        bought, sold = twin.truth()["fills"][-2:]
        assert (bought["side"], sold["side"]) == ("BUY", "SELL")
        assert sold["ts_ns"] - bought["ts_ns"] > HOLD_NS - 200_000_000
    assert session.view()["is_ready"]
    assert not session.has_said("late")
    assert session.stop("--flatten") == 0


def test_a_process_that_was_stopped_acts_on_nothing_old_and_forgets_no_timer(twin, start):
    session = start(HOLD)
    session.ready()
    entered(twin, session)
    session.process.send_signal(signal.SIGSTOP)
    time.sleep(7.0)
    session.process.send_signal(signal.SIGCONT)
    session.wait(lambda shown: len(shown["fills"]) > 2)
    bought, sold, again = twin.truth()["fills"][-3:]
    assert [row["side"] for row in (bought, sold, again)] == ["BUY", "SELL", "BUY"]
    assert sold["ts_ns"] - bought["ts_ns"] > HOLD_NS - 200_000_000
    home = Home(session.home)
    lines = (home.folder(home.session_names()[-1]) / "logs" / "session.log").read_text().splitlines()
    woke = next(at for at, line in enumerate(lines) if " late: " in line)
    ready = next(line for line in lines[woke:] if "ready: the account agrees" in line)
    assert iso(again["ts_ns"]) > ready.split()[0]
    assert session.stop("--flatten") == 0


def test_two_engines_of_one_home_see_each_other_and_take_no_entries(fast, start, tmp_path):
    first = start(at=fast)
    first.ready()
    copied = tmp_path / "c"
    shutil.copytree(first.home, copied, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    second = start(home=copied, at=fast)
    second.ready()
    assert second.view()["id"] == first.view()["id"]
    push(fast, UP, 600)
    both, word = (first, second), "another engine"
    for one, other in ((first, second), (second, first)):  # who has not bought was told in time that the other has
        one.wait(lambda shown, one=one: shown["positions"] or one.has_said(word))
        if one.view()["positions"]:
            other.wait_said(word)
    told = [one for one in both if one.has_said(word)]
    assert told
    for one in told:
        one.wait(lambda shown: not shown["is_ready"] or shown["state"] == "PAUSED")
    push(fast, DOWN, 600)
    for one in both:
        one.wait(is_flat)

    def entries():
        return [sum(ask["lane"] == "ENTRY" for ask in one.asks()) for one in told]

    before = entries()
    push(fast, UP, 600)
    time.sleep(3.0)
    assert entries() == before
    for one in both:
        assert one.stop("--flatten") == 0
    truth = fast.truth()
    assert truth["positions"] == []
    assert not has_stop(truth)


def test_a_filled_entry_of_a_lost_tail_is_closed_and_its_stop_goes(fast, start, tmp_path):
    session = start(at=fast)
    session.ready()
    before = tmp_path / "before"
    shutil.copytree(session.home, before, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    entered(fast, session)
    session.kill()
    shutil.rmtree(session.home / "sessions")
    shutil.copytree(before / "sessions", session.home / "sessions")
    assert has_stop(fast.truth())
    release(fast)
    session, begun_ns = start(at=fast), session.begun_ns
    session.begun_ns = begun_ns
    session.wait_said("lost_tail", 40.0)
    session.wait(lambda shown: shown["is_ready"] and is_flat(shown), 40.0)
    truth, _ = session.agreed()
    assert truth["positions"] == []
    assert not has_stop(truth)
    assert least_held(truth) == 0.0
    assert session.stop("--flatten") == 0
