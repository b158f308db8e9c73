"""What a fact costs in a session: intake, journal, step, look at the log; CPU time, with the machine and its load.

Run: PYTHONPATH=src python benches/live_loop.py [FACTS]. Facts are prints and quotes of three coins in turn; the journal
is written to a folder of the system's temporary files.
"""

import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.app.runs.strategies import load_strategies
from tightloop.model.instruments import InstrumentId, InstrumentRules
from tightloop.model.signal.plan import make_plan
from tightloop.model.signal.portfolio import rules_of
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal
from tightloop.runtime.session.market.intake import Intake

STRATEGY = Path(__file__).resolve().parents[1] / "strategies" / "ticks" / "flash_pump_long.yaml"
STEP_NS = 1_000_000
START_NS = 1_767_225_600_000_000_000
WARM_FACTS = 20_000


class Clock:
    """A clock that goes on by a step at each look."""

    def __init__(self) -> None:
        self.now = START_NS

    def now_ns(self) -> int:
        """Return the time."""
        self.now += STEP_NS
        return self.now


def feed(intake: Intake, first: int, count: int) -> None:
    """Put facts into the intake, received 1 ms late: two quotes and a print of each of three coins in turn."""
    for number in range(first, first + count):
        at = number % 3
        price = 1.0 + 0.0001 * ((number * 7919) % 97)
        if number % 9 < 3:
            intake.put_print(at, price, 10.0, number // 9 + 1, number & 1, intake.last_ns)
        else:
            intake.put_quote(at, price, 50.0, price + 0.0002, 40.0, intake.last_ns)


def measure(batch: int, count: int) -> float:
    """Return CPU microseconds per fact at ``batch`` facts a batch."""
    strategies = load_strategies([STRATEGY], instruments=[f"lab:PUMP{name}USDT-perp" for name in "ABC"])
    rules = {name: InstrumentRules(name, 0.0001, 1.0, settle_asset="USDT") for name in rules_of(strategies)}
    assert all(isinstance(name, InstrumentId) for name in rules)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(LocalDisk(folder), "journal", "bench", 1)
        session = Session(make_plan(strategies, rules), journal, Intake(clock.now_ns), clock.now_ns)
        begun = 0.0
        for first in range(0, WARM_FACTS + count, batch):
            if first >= WARM_FACTS and not begun:
                begun, done = time.process_time(), first
            feed(session.intake, first, batch)
            while session.take_batch():
                pass
        took = time.process_time() - begun
        journal.close()
    return took / (WARM_FACTS + count - done) * 1e6


def main() -> None:
    """Print a line for each size of batch."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    print(f"{Path(__file__).name}: {STRATEGY.name} on 3 coins, {count} facts")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    for batch in (1, 10, 100):
        print(f"  {batch:4} facts a batch: {measure(batch, count):5.2f} us CPU a fact")


if __name__ == "__main__":
    main()
