"""What a session says of itself: marks and open P&L of what it holds."""

import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, begun, plan_of, pumped, run

from tightloop.runtime.session.driver.view import view

STEP = 37


def test_open_gains_add_up_to_what_equity_is_above_the_wallet_and_marks_have_their_times(tmp_path):
    market = pumped(tmp_path / "ticks")
    facts = facts_of(market[0], plan_of(market))
    world = Told(facts)
    session, journal = begun(market, tmp_path / "home", world)
    held = 0
    while world.at < len(facts):
        run(session, world, STEP)
        said = view(session.plan, session.recent)
        gains = [gain["unrealized"] for gain in said["gains"]]
        assert sum(gains) == pytest.approx(said["equity"] - said["wallet"], abs=1e-6)
        assert len(gains) == len(said["positions"])
        assert all(mark["received_ns"] <= said["now_ns"] for mark in said["marks"])
        marks = {mark["instrument"]: mark["mark"] for mark in said["marks"]}
        for gain in said["gains"]:
            held += 1
            name = said["instances"][gain["instance"]]["instrument"]
            (position,) = [one for one in said["positions"] if one["symbol"] in name]
            side = 1.0 if position["qty"] > 0.0 else -1.0
            moved_pct = 100.0 * side * (marks[name] / position["entry"] - 1.0)
            assert gain["unrealized_pct"] == pytest.approx(moved_pct, abs=1e-9)
    journal.close()
    assert held > 3
