"""Live sessions on the sandbox, as a user runs them, held against the twin's truth."""

import json
import subprocess

import pytest
from tests.app.runs.live.trading import (
    QUICK,
    TIGHTLOOP,
    Live,
    Twin,
    always_in,
    differences,
    keys,
    live_command,
    settled,
    show,
)

from tightloop.app import runs
from tightloop.app.runs.live.outside import asked
from tightloop.model.errors import TightloopError


@pytest.fixture
def twin():
    found = Twin("1")
    yield found
    found.close()


@pytest.fixture
def fast():
    found = Twin("10")
    yield found
    found.close()


@pytest.fixture
def start(tmp_path):
    """Start sessions that end with the test."""
    begun = []

    def begin(twin, *options, file=QUICK):
        begun.append(Live(tmp_path, twin.url, *options, file=file))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()


def traded(shown):
    return shown["state"] == "RUNNING" and shown["seq"] > 300 and shown["equity"] != 10_000.0


def test_a_session_that_trades_is_killed_and_goes_on_shows_what_is_true(fast, tmp_path, start):
    first = start(fast)
    before = first.until(traded)
    first.kill()
    second = start(fast)
    after = second.until(lambda shown: traded(shown) and shown["seq"] > before["seq"] + 300)
    second.until(lambda _: len(show(tmp_path)["fills"]) >= 4)
    assert after["id"] == before["id"]
    code = second.stop("--keep")
    truth, shown = fast.truth(), show(tmp_path)
    assert differences(truth, shown) == []
    assert len(shown["fills"]) >= 4
    assert code == (5 if shown["positions"] else 0)
    assert shown["epoch"] == 2
    assert "twin-secret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode(
        "latin-1"
    )
    found = subprocess.run(
        [*TIGHTLOOP, "replay", shown["id"], "--home", str(tmp_path), "--json"], capture_output=True, check=True
    )
    assert json.loads(found.stdout)["state_hash"] == shown["state_hash"]


def lose_an_acknowledgement(twin, look_ups):
    """Lose the answer to the next entry; reports would tell of it, so they stay away, and so do the first look-ups."""
    twin.ask("fault", {"kind": "ws_silent", "match": "private", "for_s": 300})
    twin.ask("fault", {"kind": "http_5xx", "match": "GET order", "count": look_ups})
    twin.ask("fault", {"kind": "ack_lost", "match": "POST /fapi/v1/order", "count": 1})


def test_a_lost_acknowledgement_is_one_order_that_was_unknown(fast, tmp_path, start):
    lose_an_acknowledgement(fast, 3)
    session = start(fast)
    session.until(lambda _: session.seen_unknown)
    (client_id,) = session.seen_unknown
    session.until(lambda shown: not shown["unknown"])
    session.stop("--flatten")
    truth, shown = fast.truth(), show(tmp_path)
    assert differences(truth, shown) == []
    assert [row["client_id"] for row in truth["orders"]].count(client_id) == 1
    assert client_id in [row["client_id"] for row in shown["fills"]]
    assert shown["unknown"] == []


def test_an_entry_that_fills_after_the_kill_switch_was_engaged_is_closed(fast, tmp_path, start):
    lose_an_acknowledgement(fast, 4)
    session = start(fast)
    session.until(lambda _: session.seen_unknown)
    kill = [*TIGHTLOOP, "session", "kill", "--home", str(tmp_path)]
    subprocess.run(kill, check=True, capture_output=True)
    truth, shown = settled(fast, tmp_path)
    assert (truth["positions"], shown["positions"], shown["orders"]) == ([], [], [])
    session.kill()
    again = start(fast)
    again.until(lambda shown: shown["state"] == "RUNNING")
    assert [row["killed"] for row in show(tmp_path)["instances"]] == [True, True]
    assert again.stop("--flatten") == 0
    assert differences(fast.truth(), show(tmp_path)) == []


def test_money_and_positions_of_others_are_outside(fast, tmp_path, start):
    session = start(fast)
    session.until(traded)
    fast.ask("deposit", {"amount": 500.0})
    fast.ask("position", {"symbol": "PUMPAUSDT", "qty": 50})
    session.until(lambda shown: shown["outside"] != 0.0)
    assert session.shown["outside"] == pytest.approx(500.0, abs=0.1)
    assert abs(session.shown["equity"] - 10_000.0) < 100.0
    assert {row["symbol"] for row in show(tmp_path)["foreign"]} == {"PUMPAUSDT"}
    fast.ask("fault", {"kind": "rate_429", "count": 2})
    fast.ask("fault", {"kind": "ws_drop", "count": 1})
    before = session.shown["seq"]
    session.until(lambda shown: shown["seq"] > before + 300 and shown["state"] == "RUNNING")
    assert session.stop("--flatten") == 0
    truth, shown = fast.truth(), show(tmp_path)
    assert set(fast.ask("hits")) >= {"rate_429", "ws_drop"}
    found = differences(truth, shown)  # where others trade is seen at the venue alone
    assert [one for one in found if not one.startswith("position PUMPA")] == []


def refused(monkeypatch, twin, home, text="", **changed):
    """Start a session in this process that is to be refused; return why."""
    for name, value in keys().items():
        if name.startswith("TIGHTLOOP_"):
            monkeypatch.setenv(name, value)
    file = home / "refused.yaml"
    file.write_text(text or QUICK.read_text())
    options = {
        "venue": "binance-usdm", "url": twin.url, "home": home / "home", "instruments": (), "account": None,
        "for_s": 1.0, "login": "main", "override": "a test", **changed,
    }  # fmt: skip
    with pytest.raises(TightloopError) as error:
        runs.live.live.live((file,), runs.live.live.LiveOptions(**options), lambda _: None, lambda _: None)
    assert twin.orders_asked() == []
    return error.value.exit_code, str(error.value)


@pytest.fixture(scope="module")
def account():
    found = Twin("1")
    yield found
    found.close()


WRONG_MODES = [
    ("hedge_mode", "one-way"), ("multi_assets", "single-asset"), ("fee_burn", "fees in another asset"),
    ("can_withdraw", "withdrawn"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "why"), WRONG_MODES)
def test_an_account_that_is_set_up_otherwise_is_refused_with_the_remedy(monkeypatch, account, tmp_path, mode, why):
    account.ask("account", {mode: True})
    code, text = refused(monkeypatch, account, tmp_path)
    account.ask("account", {mode: False})
    assert code == 4
    assert why in text


def test_a_symbol_with_a_position_in_cross_margin_is_left_as_it_is(monkeypatch, account, tmp_path):
    account.ask("account", {"cross": ["BTCUSDT"]})
    account.ask("position", {"symbol": "BTCUSDT", "qty": 0.01})
    code, text = refused(monkeypatch, account, tmp_path, QUICK.read_text().replace("10_000", "1_000"))
    account.ask("position", {"symbol": "BTCUSDT", "qty": -0.01})
    assert code == 4
    assert "BTCUSDT has cross margin" in text


WRONG_FILES = [
    (("direction: LONG", "direction: LONG"), ("fixed, value: 500}", "fixed, value: 500}\n    leverage: 1.5"), "whole"),
    (("capital: 10_000", "capital: 10_001_000"), ("", ""), "more than the account has free"),
    (("family: signal", "family: carry"), ("", ""), "not atomic"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "why"), WRONG_FILES)
def test_files_that_cannot_be_traded_are_refused(monkeypatch, account, tmp_path, one, other, why):
    code, text = refused(monkeypatch, account, tmp_path, QUICK.read_text().replace(*one).replace(*other))
    assert code == 2
    assert why in text


def test_strategies_that_did_not_run_on_paper_are_refused(monkeypatch, account, tmp_path):
    code, text = refused(monkeypatch, account, tmp_path, override=None)
    assert code == 2
    assert "ran 0 of 7 days on paper" in text
    assert "--override-paper" in text


def test_a_login_without_a_key_and_a_key_that_is_wrong_are_named(monkeypatch, account, tmp_path):
    code, text = refused(monkeypatch, account, tmp_path, login="second")
    assert code == 2
    assert "TIGHTLOOP_BINANCE_USDM_SECOND_KEY" in text
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_SECOND_KEY", "twin")
    monkeypatch.setenv("TIGHTLOOP_BINANCE_USDM_SECOND_SECRET", "very-secret")
    code, text = refused(monkeypatch, account, tmp_path, login="second")
    assert code == 4
    assert "very-secret" not in text


@pytest.mark.parametrize(
    ("left_out", "why"), [(["--enable-live"], "--enable-live"), (["--confirm", "TRADE main"], "TRADE main")]
)
def test_what_starts_trading_has_to_be_said(account, tmp_path, left_out, why):
    command = live_command(tmp_path, account.url)
    at = command.index(left_out[0])
    del command[at : at + len(left_out)]
    run = subprocess.run(command, capture_output=True, text=True, env=keys(), stdin=subprocess.DEVNULL, check=False)
    assert run.returncode == 2
    assert why in run.stderr
    assert account.orders_asked() == []


def test_an_account_has_one_session(twin, tmp_path, start):
    session = start(twin)
    running = session.until(lambda shown: shown["state"] == "RUNNING")
    other = subprocess.run(live_command(tmp_path, twin.url), capture_output=True, text=True, env=keys(), check=False)
    assert other.returncode == 3
    assert running["id"] in other.stdout
    assert session.stop("--flatten") == 0


def until_said(session, text, within_s=60.0):
    """Return the messages that have a text, once there is one."""
    session.until(lambda _: any(text in line for line in session.said), within_s)
    return [line for line in session.said if text in line]


def test_others_close_liquidate_and_deleverage_and_the_books_follow(fast, tmp_path, start):
    session = start(fast)
    session.until(traded)
    for kind, urgency, origin in (
        ("liquidated", "critical", "LIQUIDATION"), ("adl", "critical", "ADL"), ("closed_by_hand", "warning", "MANUAL"),
    ):  # fmt: skip
        fast.ask("fault", {"kind": kind, "count": 1})
        assert f"{urgency}: " in until_said(session, f" {origin}: ", 90.0)[0]
    found = " ".join(session.said)
    assert "that no income explains" not in found
    session.stop("--flatten")
    left = differences(fast.truth(), show(tmp_path))  # one trade may be booked in two parts: money and positions count
    assert [one for one in left if not one.startswith("fills: ")] == []


def test_increments_that_the_venue_changes_are_those_of_the_next_orders(fast, tmp_path, start):
    session = start(fast)
    session.until(traded)
    fast.ask("fault", {"kind": "increments_changed", "symbol": "BTCUSDT", "value": 50})
    (said,) = until_said(session, "rules BTCUSDT")
    assert "price_increment 0.1 is 5.0" in said
    before = {row["order_id"] for row in fast.truth()["orders"]}

    def priced():
        rows = [row for row in fast.truth()["orders"] if row["symbol"] == "BTCUSDT" and row["order_id"] not in before]
        return [row["price"] for row in rows if row["price"]], [row["stop_price"] for row in rows if row["stop_price"]]

    session.until(lambda _: all(priced()))
    assert [price for found in priced() for price in found if price % 5.0] == []
    session.stop("--flatten")
    assert differences(fast.truth(), show(tmp_path)) == []


def test_a_symbol_that_is_delisted_takes_no_more_entries(fast, tmp_path, start):
    # An entry is wanted at all times; so what keeps it from being made again is that the symbol is leaving.
    wants = tmp_path / "wants.yaml"
    wants.write_text(always_in(), "utf-8")
    session = start(fast, file=wants)
    session.until(lambda shown: {row["symbol"] for row in shown["positions"]} == {"BTCUSDT", "ETHUSDT"})

    def entries():
        found = [one["params"] for one in fast.orders_asked()]
        return [one for one in found if one["symbol"] == "BTCUSDT" and one.get("reduceOnly") != "true"]

    # That the venue has closed the position says it: no entry has to be tried and refused.
    asked(tmp_path, "last", {"what": "pause"})
    before = entries()
    fast.ask("fault", {"kind": "delisted", "symbol": "BTCUSDT"})
    (said,) = until_said(session, "rules BTCUSDT")
    assert "delisted (SETTLING): no entries" in said
    session.until(lambda shown: {row["symbol"] for row in shown["positions"]} == {"ETHUSDT"})
    asked(tmp_path, "last", {"what": "resume"})

    def denied():
        found = asked(tmp_path, "last", {"what": "show"})["refused"]
        return {(row["symbol"], row["reason"]): row["count"] for row in found}

    session.until(lambda _: denied().get(("BTCUSDT", "delisted"), 0) >= 2)
    assert entries() == before
    session.stop("--flatten")
    assert differences(fast.truth(), show(tmp_path)) == []
