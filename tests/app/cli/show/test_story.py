"""What `session why` prints: trades with what led to them, and what did not come to be."""

from tightloop.app.cli.show import story
from tightloop.app.text.numbers import MINUS

T = 1_795_939_480_000_000_000
SECOND = 1_000_000_000
TRADE = {
    "signal_id": "sig_1", "instrument": "binance:BTCUSDT-perp", "side": "LONG", "entry_qty": 0.008,
    "entry_price": 60_289.0,
    "exit_price": 60_282.6, "opened_ts": T, "closed_ts": T + 2 * SECOND, "exit_reason": "ZE1", "realized": -0.0512,
    "fees": 0.48, "funding": 0.0, "stop": None, "target": None,
}  # fmt: skip


def condition(section, value, threshold, **more):
    return {
        "signal_id": "sig_1", "section": section, "variant": "fast", "operator": ">", "value": value,
        "threshold": threshold, "threshold_high": None, "threshold_variant": "slow", "verdict": "TRUE", **more,
    }  # fmt: skip


def told(**changed):
    tables = {
        "sessions": [{"session_id": "paper-1", "state": "STOPPED", "ts": T + 30 * SECOND, "started_ts": T,
                      "asset": "USDT"}],
        "instruments": [{"instrument": "binance:BTCUSDT-perp", "price_increment": 0.1,
                         "lot_size": 0.001, "multiplier": 1.0}],
        "positions": [TRADE], "conditions": [condition("S1", 2503.774, 2503.771), condition("ZE1", 3.0, 4.0)],
        "denials": [], "signals": [], "risk_events": [], "controls": [],
    }  # fmt: skip
    return "\n".join(story.lines({**tables, **changed}, 3))


def test_a_trade_has_the_conditions_that_began_and_ended_it_and_its_result():
    page = told()
    assert "paper-1, stopped, 30s of the market: 1 trade, " in page
    assert f"result {MINUS}0.53 USDT, fees 0.48 in it" in page
    assert "2026-11-29 08:04:40  bought 0.008 BTCUSDT at 60,289.0" in page
    assert "because S1: fast 2503.774 > slow 2503.771" in page, "so many digits that they differ"
    assert f"ended after 2s at 60,282.6: ZE1; result {MINUS}0.53\n    because ZE1: fast 3 > slow 4" in page


def test_a_stop_is_told_in_words_and_an_open_trade_by_what_protects_it():
    assert "ended after 2s at 60,282.6: the stop was reached;" in told(
        positions=[{**TRADE, "exit_reason": "stop_loss"}]
    )
    opened = {**TRADE, "closed_ts": None, "exit_reason": None, "side": "SHORT", "stop": 60_500.0}
    page = told(positions=[opened])
    assert "sold 0.008 BTCUSDT" in page
    assert "open, stop 60,500.0" in page
    assert "0 trades, 1 open" in page


def test_what_did_not_come_to_be_is_counted_with_its_reason():
    denial = {"instrument": "binance:BTCUSDT-perp", "reason": "max_position"}
    signal = {"instrument": "binance:BTCUSDT-perp", "reason": "cooldown", "event": "suppressed"}
    page = told(denials=[denial] * 3, signals=[signal, {**signal, "event": "fired"}])
    assert "3 entries denied, BTCUSDT: max_position (the position would be above this percent of equity" in page
    assert "1 signal suppressed, BTCUSDT: cooldown" in page


def test_warnings_and_what_was_asked_are_told_and_many_trades_are_counted():
    event = {"severity": "CRITICAL", "message": "liquidated"}
    control = {"command": "pause", "who": "ann", "outcome": "done"}
    page = told(risk_events=[event, event], controls=[control], positions=[TRADE] * 5)
    assert "critical: liquidated, 2 times" in page
    assert "pause by ann: done" in page
    assert "2 trades before these" in page


def test_a_session_that_has_just_begun_is_told_so():
    assert "just begun" in told(sessions=[])
