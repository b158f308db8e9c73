"""What `session list` and `session show` print: numbers and times as people read them, and why not."""

import time
from pathlib import Path

from tightloop.app.cli.show import sessions
from tightloop.app.text.numbers import MINUS, MISSING

NOW_NS = 1_795_939_480_787_734_451
RULES = {"price_increment": 0.1, "lot_size": 0.001, "contract_size": 1.0, "settle_asset": "USDT"}
FILL = {
    "trade_id": "1", "order_id": "4-1", "client_id": "4-1", "symbol": "BTCUSDT", "side": "BUY",
    "qty": 0.008000000000000002, "price": 60_289.00000000001, "fee": 0.24115600000000003, "is_maker": False,
    "ts_ns": NOW_NS,
}  # fmt: skip
POSITION = {
    "symbol": "BTCUSDT", "qty": -0.008, "entry": 60_289.04, "mark": 60_189.04, "unrealized": 0.8,
    "unrealized_pct": 0.1658, "liquidation_price": 90_000.04, "liquidation_distance_pct": 49.53, "cushion_pct": None,
}  # fmt: skip
VIEW = {
    "id": "paper-1", "mode": "paper", "venue": "binance-usdm", "url": None, "made_ns": NOW_NS, "strategies": ["fader"],
    "rules": {"binance:BTCUSDT-perp": RULES}, "since_ns": NOW_NS, "reason": None, "state": "RUNNING", "epoch": 2,
    "lease": {"pid": 7, "epoch": 2}, "equity": 9_995.6699999, "wallet": 10_095.67, "outside": 100.0, "orders": [],
    "fills": [FILL], "positions": [POSITION], "funding": [],
    "instances": [{"strategy": 0, "name": "fader", "instrument": "binance:BTCUSDT-perp", "state": "POSITION_ACTIVE",
                   "killed": False}],
    "foreign": [], "corrections": [], "unknown": ["tlabc"], "refused": [], "warnings": [], "facts": 1_614, "seq": 1_626,
    "state_hash": "d28f875817db25c3", "feed_age_s": 0.2, "waiting": 0, "sockets": {"market": "open", "mark": "backoff"},
}  # fmt: skip
DENIED = {
    "name": "fader", "symbol": "BTCUSDT", "state": "DENIED", "reason": "max_position", "count": 53,
    "first_ts_ns": NOW_NS, "ts_ns": NOW_NS, "order_id": "9-2", "side": "BUY", "qty": 0.082, "price": None,
    "reduce_only": False,
}  # fmt: skip


def text(**changed):
    return "\n".join(sessions.shown({**VIEW, **changed}))


def test_prices_and_quantities_have_the_decimals_of_the_instrument_and_times_are_utc():
    page = text()
    assert "BUY   0.008  60,289.0" in page
    assert "2026-11-29 08:04:40.787" in page
    assert f"{MINUS}0.008  60,289.0" in page
    assert "equity 9,995.67 USDT, wallet 10,095.67 USDT, of it not ours 100.00 USDT" in page
    assert "RUNNING since 2026-11-29 08:04:40 UTC" in page
    assert "00000000" not in page


def test_a_position_has_its_mark_its_result_and_how_far_it_is_from_liquidation():
    assert "60,189.0  +0.80   +0.17%  90,000.0     49.53%" in text()
    unknown = {**POSITION, "mark": None, "unrealized": None, "unrealized_pct": None, "liquidation_price": None,
               "liquidation_distance_pct": None}  # fmt: skip
    assert text(positions=[unknown]).count(MISSING) >= 5


def test_a_home_without_sessions_is_named(tmp_path):
    (line,) = sessions.listed([], tmp_path)
    assert f"no sessions in {tmp_path}" in line
    (line,) = sessions.listed([], tmp_path / "none")
    assert f"there is no folder {tmp_path / 'none'}" in line


def test_what_is_not_known_and_which_socket_is_gone_is_said():
    page = text()
    assert "tlabc" in page
    assert "last received 0.20s ago, 0 facts wait; mark backoff" in page
    assert "nothing received yet" in text(feed_age_s=None)


def test_why_not_is_said_with_how_often_what_it_means_and_what_to_do():
    page = text(refused=[DENIED])
    assert "53 times entry denied, BTCUSDT of fader: max_position, last 2026-11-29 08:04:40 UTC" in page
    assert "BUY 0.082, order 9-2" in page
    assert "above this percent of equity; it is max_position_pct of the account" in page
    suppressed = {**DENIED, "state": "SUPPRESSED", "reason": "slots_full", "order_id": None, "qty": None, "count": 1}
    assert "signal suppressed, BTCUSDT of fader: slots_full" in text(refused=[suppressed])


def test_why_a_session_is_not_running_is_said():
    assert "because: the disk takes no more" in text(state="ERROR", reason="the disk takes no more of the journal")
    assert "because" not in text(reason="an earlier one")


def test_more_fills_than_fit_are_counted():
    page = text(fills=[FILL] * 25)
    assert "15 before; --json has them" in page
    assert page.count("60,289.0") == 11  # ten fills and the position


def test_a_list_has_ages_and_names_and_no_process_is_no_number():
    row = {"id": "paper-1", "state": "KILLED", "since_ns": time.time_ns() - 61 * 10**9, "venue": "binance-usdm",
           "pid": 0, "strategies": "fader"}  # fmt: skip
    head, line = sessions.listed([row], Path())
    assert head.split() == ["id", "state", "since", "venue", "process", "strategies"]
    assert line.split() == ["paper-1", "KILLED", "1m", "1s", "ago", "binance-usdm", MISSING, "fader"]
    assert "starts a session" in sessions.listed([], Path())[0]
