"""Figures of positions and answers, from rows of the read model."""

import pytest

from tightloop.runtime import views

S = 1_000_000_000
POSITION = {
    "session_id": "paper-1", "trade_id": 3, "instance": 0, "strategy": "fader", "instrument": "binance:WIFUSDT-perp",
    "side": "SHORT", "qty": -368.324, "entry_price": 1.086, "exit_price": None, "margin": 40.0,
    "liquidation_price": 1.1838, "stop": 1.118, "target": None, "realized": 0.0, "fees": 0.2, "funding": None,
    "opened_ts": 5, "closed_ts": None, "status": "open", "seq": 9,
}  # fmt: skip
SESSION = {"ended_ts": None, "pid": 7, "state": "RUNNING", "asset": "USDT"}
FRESH = views.age_of(0, 0)


def test_a_short_earns_what_the_mark_has_fallen():
    found = views.position(POSITION, 1.045)
    assert found.unrealized == pytest.approx(15.101284)
    assert found.unrealized_pct == pytest.approx(100 * 0.041 / 1.086)
    assert found.stop_distance_pct == pytest.approx(100 * 0.073 / 1.045)
    assert found.stop_result == pytest.approx(-368.324 * 0.032)
    assert found.liquidation_distance_pct == pytest.approx(100 * 0.1388 / 1.045)
    assert found.result is None  # funding is not known, so what is left of it is not either
    known = views.position({**POSITION, "funding": 0.1}, 1.045)
    assert known.result == pytest.approx(15.101284 - 0.2 + 0.1)


def test_without_a_mark_nothing_that_follows_from_it_is_known():
    found = views.position(POSITION, None)
    for name in ("mark", "notional", "unrealized", "unrealized_pct", "result", "stop_distance_pct", "cushion_pct"):
        assert getattr(found, name) is None, name
    assert found.stop == 1.118


def test_a_position_that_is_over_has_what_it_came_to():
    over = {**POSITION, "closed_ts": 8, "qty": 0.0, "exit_price": 1.05, "realized": 13.2, "funding": 0.0}
    found = views.position(over, 2.0)
    assert found.mark == 1.05
    assert found.unrealized == 0.0
    assert found.result == pytest.approx(13.0)


@pytest.mark.parametrize(("qty", "entry", "liquidation"), [(1.0, 1_000.0, 910.0), (-1.0, 1_000.0, 1_085.0)])
def test_the_cushion_is_what_maintenance_leaves_and_nothing_at_liquidation(qty, entry, liquidation):
    margin = 100.0
    assert views.cushion_pct(qty, entry, liquidation, margin, liquidation) == pytest.approx(0.0, abs=1e-9)
    rate = (margin + qty * (liquidation - entry)) / liquidation
    wanted = 100.0 * (margin - rate * entry) / margin
    assert views.cushion_pct(qty, entry, entry, margin, liquidation) == pytest.approx(wanted)
    assert views.cushion_pct(qty, entry, entry, None, liquidation) is None
    assert views.cushion_pct(qty, entry, entry, margin, None) is None
    assert views.cushion_pct(qty, entry, entry - qty * 200.0, margin, liquidation) == 0.0  # nothing is left of it


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-8, "0.00000001"), (1e15, "1000000000000000"), (0.1 + 0.2, "0.30000000000000004"), (0.0, "0"), (-0.0, "0"),
        (100.0, "100"), (float("nan"), None), (float("inf"), None), (None, None), ("1.230", "1.230"), (-2.5, "-2.5"),
    ],
)  # fmt: skip
def test_a_number_is_the_shortest_decimal_without_an_exponent(value, text):
    assert views.decimal_text(value) == text
    if text is not None and value is not None:
        assert float(text) == float(value)


@pytest.mark.parametrize(
    ("age_s", "cadence_ms", "level"),
    [
        (0, 1_000, "fresh"), (2, 1_000, "fresh"), (2.5, 1_000, "late"), (3.1, 1_000, "stale"), (61, 60_000, "fresh"),
        (150, 60_000, "late"), (181, 60_000, "stale"), (1.5, 100, "late"), (0.9, 100, "fresh"), (-5, 1_000, "fresh"),
    ],
)  # fmt: skip
def test_a_number_is_judged_by_how_often_it_is_to_be_expected(age_s, cadence_ms, level):
    age = views.age_of(100 * S, 100 * S + round(age_s * S), cadence_ms)
    assert age.level == level
    assert age.late_ms <= age.stale_ms
    assert views.age_of(None, 100 * S, cadence_ms).level == "unknown"


def line(positions=(), instances=(), session=SESSION, nearest=None):
    (found,) = views.answers(session, [views.position(row, 1.045) for row in positions], instances, nearest, FRESH)
    return found


def test_the_line_answers_whether_there_is_a_position():
    held = line([POSITION], [{"state": "POSITION_ACTIVE", "instrument": "binance:WIFUSDT-perp"}])
    assert held.code == "position"
    assert held.text == "SHORT 368.324 WIFUSDT +15.10 USDT (+3.78 %), stop 1.118, liquidation 13 % away"
    assert held.parts["qty"] == "368.324"
    (unknown,) = views.answers(SESSION, [views.position(POSITION, None)], [], None, FRESH)
    assert "its result is not known" in unknown.text
    assert line([{**POSITION, "stop": None}]).text.count("no stop") == 1


def test_the_line_of_a_session_without_a_position_says_what_it_does():
    watched = {"state": "MONITORING", "instrument": "binance:WIFUSDT-perp"}
    assert line(instances=[watched, watched]).text == "No position, 2 watched"
    assert line(instances=[{**watched, "state": "ENTRY_PENDING"}]).code == "entering"
    assert line(instances=[{**watched, "state": "EXIT_PENDING"}]).code == "exiting"
    assert line(instances=[{**watched, "state": "EXITED"}]).code == "cooling"
    assert line(session={**SESSION, "pid": None}).code == "unknown"
    assert line(session={**SESSION, "ended_ts": 4, "state": "STOPPED"}).text == "No position, stopped"
    near = {"instance": 0, "section": "S1", "place": 0, "distance": 0.45, "threshold": 3.0}
    far = {"instance": 1, "section": "S1", "place": 0, "distance": 0.2, "threshold": 0.5}
    met = {"instance": 1, "section": "S1", "place": 1, "distance": 0.0, "threshold": 0.5}
    nearest = views.nearest_of([far, near, met], {0: "binance:WIFUSDT-perp", 1: "binance:ETHUSDT-perp"})
    assert line(instances=[watched], nearest=nearest).text.endswith("nearest: WIFUSDT S1, 0.45 missing")
    assert views.nearest_of([met], {1: "x"}) is None


def test_conditions_have_what_is_compared_now_and_the_nearest_so_far():
    plan = {"sections": {"S1": [
        {"place": 0, "text": "pump >= 3", "unit": "%", "threshold": 3.0},
        {"place": 1, "text": "fast > slow", "unit": "price", "threshold": None},
    ]}}  # fmt: skip
    nearest = [{"place": 0, "distance": 0.4, "at_ts": 7, "others_met": 1, "others": 1}]
    first, second = views.conditions(plan, "S1", nearest, {1: {"value": 2.0, "threshold": 1.5, "distance": 0.0}})
    assert (first.threshold, first.nearest, first.nearest_ts, first.value) == (3.0, 0.4, 7, None)
    assert (second.threshold, second.distance, second.nearest) == (1.5, 0.0, None)
    assert views.conditions(plan, "E1", nearest) == []
