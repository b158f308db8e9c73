"""A window with more ticks than there is room for does not end a session: it is unknown until it begins anew."""

import pytest
from tests.parity import runs

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core import limits
from tightloop.core.domain.enums import RowKind
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.session.driver.session import Repetition, Session, state_hash
from tightloop.runtime.session.journal import Journal, events
from tightloop.runtime.session.market.intake import Intake

WINDOW_S = 30
FAST = 6_000  # prints, each 10 ms: more in a window than a tape begins with
SLOW = 200  # prints, each 500 ms
FILE = """
name: windows
family: signal
direction: LONG
instruments: ["test:A0USDT-perp"]
feed: [trades]
variants: {{mean: {{type: TWPA, t1: {window}}}}}
sections:
  S1: {{all: [{{mean: "> 0"}}]}}
  Z1: {{immediate: true, size: {{type: fixed, value: 100}}}}
"""


class World:
    """A clock that is set, and prints at its times."""

    def __init__(self):
        self.now_ns = runs.START_NS

    def clock(self):
        return self.now_ns

    def prints(self, session, count, apart_ns, first_id):
        """Tell prints and return the time of each signal."""
        fired = []
        for number in range(count):
            self.now_ns += apart_ns
            before = session.recent.counts[RowKind.SECTION]
            session.intake.put_print(0, 100.0 + number % 7, 1.0, first_id + number, 0, self.now_ns)
            session.take_batch()
            if session.recent.counts[RowKind.SECTION] > before:
                fired.append(self.now_ns)
        return fired


def plan_of(_=None):
    strategy = signal_read.loads(FILE.format(window=WINDOW_S))
    return make_plan([strategy], runs.rules_for([strategy]))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(limits, "TAPE_ROWS_MAX", 1_024)


def test_a_full_window_is_unknown_and_known_again_when_its_ticks_have_room(small, tmp_path):
    world, plan = World(), plan_of()
    journal = Journal.create(LocalDisk(tmp_path), "journal", "one", 1)
    session = Session(plan, journal, Intake(world.clock), world.clock)
    assert world.prints(session, FAST, 10_000_000, 1) == [], "the window is never whole"
    assert session.driver.forgotten == {0}
    calm_ns = world.now_ns
    fired = world.prints(session, SLOW, 500_000_000, FAST + 1)
    assert len(fired) == 1
    assert calm_ns < fired[0] <= calm_ns + (WINDOW_S + 1) * 1_000_000_000
    found = session.finish()
    journal.close()
    repetition = Repetition(plan_of())
    repetition.run(events(LocalDisk(tmp_path), "journal"))
    assert state_hash(repetition.plan) == found
    assert repetition.driver.forgotten == {0}
