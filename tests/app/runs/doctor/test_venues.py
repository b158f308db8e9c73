"""What `tightloop doctor` says of a venue and of a key, asked of the twin of an exchange."""

import pytest
from tests.app.runs.live.trading import Twin

from tightloop.app.runs.doctor import venues
from tightloop.model.errors import InputError

VENUE = "binance-usdm"


@pytest.fixture(scope="module")
def twin():
    twin = Twin("1")
    yield twin
    twin.close()


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_KEY", "twin")
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_SECRET", "twin-secret")


def key_of(twin):
    (_, found) = venues.look(VENUE, twin.url, "main")
    return found


def test_the_clock_is_compared_without_a_key(twin, monkeypatch):
    monkeypatch.delenv("TIGHTLOOP_BINANCE_USDM_KEY")
    (clock,) = venues.look(VENUE, twin.url, None)
    assert clock.verdict == "ok"
    assert abs(clock.figures["offset_s"]) < 1.0


def test_a_key_that_may_trade_alone_is_well_and_each_fault_is_told_with_what_to_do(twin):
    assert key_of(twin).verdict == "ok"
    for fault, words in (("can_withdraw", "make a key that may read and trade"), ("hedge_mode", "one-way mode")):
        twin.ask("account", {fault: True})
        found = key_of(twin)
        assert found.verdict == "problem"
        assert words in found.remedy
        twin.ask("account", {fault: False})
    assert twin.orders_asked() == []


def test_a_wrong_secret_is_a_problem_and_not_said(twin, monkeypatch):
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_SECRET", "another-secret")
    found = key_of(twin)
    assert found.verdict == "problem"
    assert "another-secret" not in str(found)
    assert found.remedy == "the secret is not that of the key, copy both again"


def test_a_key_that_the_venue_does_not_know_is_told_with_where_to_look(twin, monkeypatch):
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_KEY", "another")
    found = key_of(twin)
    assert (found.verdict, "-2015" in found.text) == ("problem", True)
    assert "bound to this machine's address" in found.remedy


def test_a_venue_that_is_not_there_is_a_problem(monkeypatch):
    monkeypatch.setattr(venues, "VENUE_WAIT_S", 0.0)
    (found,) = venues.look(VENUE, "http://127.0.0.1:1", None)
    assert found.verdict == "problem"


@pytest.mark.parametrize(("offset_s", "verdict"), [(0.2, "ok"), (-1.5, "warning"), (6.0, "problem")])
def test_a_clock_that_is_wrong_is_told(offset_s, verdict):
    assert venues.clock(int(offset_s * 1e9), 1.0, "there").verdict == verdict


def test_a_clock_of_another_speed_is_a_sandbox_and_jitter_is_not():
    assert "10.0 times as fast" in venues.clock(10**12, 10.0, "there").text
    assert "ms ahead" in venues.clock(10**6, 1.04, "there").text


def test_names_and_keys_that_are_not_there_are_refused(monkeypatch):
    with pytest.raises(InputError, match="is not a venue"):
        list(venues.look("nowhere", None, None))
    with pytest.raises(InputError, match="TIGHTLOOP_BINANCE_USDM_B_KEY"):
        list(venues.look(VENUE, None, "b"))
