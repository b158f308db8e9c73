"""Answers of sessions to what they were asked, as a person reads them."""

from pathlib import Path

from tightloop.app.cli.show import asked
from tightloop.app.text.commands import HOME

NOBODY = {"scope": "all", "told": [], "open": [], "failed": []}


def test_the_kill_switch_says_whom_it_reached_and_how_it_is_lifted():
    first, second = asked.killed(NOBODY, HOME)
    assert "`tightloop session rearm --by NAME` lifts it" in first
    assert second == "no session runs here"
    told = [{"id": "live-1", "outcome": "done"}, {"id": "live-2", "error": "does not answer in 10 s"}]
    lines = asked.killed({**NOBODY, "told": told}, Path("my home"))
    assert "--home 'my home'" in lines[0]
    assert lines[1:] == ["  live-1: knows it", "  live-2: does not answer in 10 s"]


def test_positions_that_nobody_closes_stand_there_with_what_to_do():
    kept = {"id": "live-1", "state": "STOPPED", "symbol": "BTCUSDT", "qty": -0.008, "entry": 60_000.0}
    page = "\n".join(asked.killed({**NOBODY, "open": [kept], "failed": [{"id": "live-2", "error": "damaged"}]}, HOME))
    assert "BTCUSDT" in page
    assert "close them at the venue" in page
    assert "live-2: damaged" in page


def test_a_request_is_answered_in_words():
    assert asked.done("pause", "live-1", {"outcome": "done"}) == [
        "live-1: takes no entries; exits, stops and funding go on"
    ]
    stopped = asked.done("stop", "live-1", {"outcome": "done", "note": "it had no process"})
    assert stopped == ["live-1: ends now", "  it had no process"]
    assert asked.rearmed({"scope": "all", "by": "anna", "told": []})[0] == "the kill switch is lifted (all) by anna"
