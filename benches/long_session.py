"""A long session at full speed: memory as it goes on, bytes of its journal, and how long a restart takes to repeat it.

Run: PYTHONPATH=src python benches/long_session.py [FACTS]. Bytes of a venue's frames (trades and quotes of three coins
in turn) go through dialect, feed, intake, step, simulated venue and journal; the sockets are left out. A day of 1,000
facts a second is 86.4 million: FACTS (2 million) is the scale, and the first line says which part of a day it is. The
session is taken to READY by what recovery does: the journal is read, its facts are stepped again, rows and hashes
compared.
"""

import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from live_loop import STRATEGY, Clock

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.runs.strategies import load_strategies
from tightloop.model.instruments import InstrumentRules
from tightloop.model.signal.plan import Plan, make_plan
from tightloop.model.signal.portfolio import rules_of
from tightloop.runtime.session.driver.session import Repetition, Session, state_hash
from tightloop.runtime.session.journal import Journal, events
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.market.intake import Intake

DAY_FACTS = 86_400_000
BLOCK = 100
CHECKPOINTS = 10
STARTED_MS = 1_767_225_600_000


def plan_of() -> Plan:
    """Lay out the plan: one strategy on three coins."""
    strategies = load_strategies([STRATEGY], instruments=[f"lab:PUMP{name}USDT-perp" for name in "ABC"])
    rules = {name: InstrumentRules(name, 0.0001, 1.0, settle_asset="USDT") for name in rules_of(strategies)}
    return make_plan(strategies, rules)


def frame(number: int) -> bytes:
    """Return the bytes of a frame: a trade to two quotes."""
    symbol, price = "ABC"[number % 3], 1.0 + 0.0001 * ((number * 7919) % 97)
    name, at_ms = f"PUMP{symbol}USDT", STARTED_MS + number
    if number % 9 < 3:
        text = (
            f'{{"e":"trade","E":{at_ms},"T":{at_ms},"s":"{name}","t":{number // 9 + 1},"p":"{price:.4f}","q":"10",'
            f'"X":"MARKET","m":{"true" if number & 1 else "false"}}}'
        )
    else:
        text = (
            f'{{"e":"bookTicker","u":{number},"E":{at_ms},"T":{at_ms},"s":"{name}","b":"{price:.4f}","B":"50",'
            f'"a":"{price + 0.0002:.4f}","A":"40"}}'
        )
    return text.encode()


def resident_mb() -> float:
    """Return the resident memory of this process, MB; Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def played(folder: Path, count: int) -> str:
    """Play facts and print memory on the way; return the state_hash."""
    clock, dialect, plan = Clock(), BinanceUsdm(), plan_of()
    journal = Journal.create(LocalDisk(folder), "journal", "bench", 1)
    intake = Intake(clock.now_ns)
    session = Session(plan, journal, intake, clock.now_ns)
    symbols = {f"PUMP{name}USDT": at for at, name in enumerate("ABC")}
    feed = MarketFeed(dialect, None, clock.now_ns, intake, symbols)  # type: ignore[arg-type]  # nothing is asked
    begun_s, cpu_s = time.monotonic(), time.process_time()
    print("| facts | resident MB | CPU us a fact |\n|--:|--:|--:|")
    step = max(BLOCK, count // CHECKPOINTS // BLOCK * BLOCK)
    for first in range(0, count, BLOCK):
        for number in range(first, first + BLOCK):
            feed.take(dialect.decode_frame(frame(number)))
        while session.take_batch():
            pass
        journal.sync_behind()
        if (first + BLOCK) % step == 0:
            now_s = time.process_time()
            print(f"| {first + BLOCK:,} | {resident_mb():.1f} | {(now_s - cpu_s) / step * 1e6:.1f} |", flush=True)
            cpu_s = now_s
    found = session.finish()
    journal.close()
    size = sum(path.stat().st_size for path in (folder / "journal").glob("*.tlj"))
    print(f"\n{time.monotonic() - begun_s:.0f} s; at most {size / count:.1f} bytes of segments a fact, rows and all")
    return found


def repeated(folder: Path, count: int) -> str:
    """Repeat the journal, print how long it took, and return the state_hash."""
    plan = plan_of()
    begun_s, cpu_s = time.monotonic(), time.process_time()
    repetition = Repetition(plan)
    repetition.run(events(LocalDisk(folder), "journal"))
    wall_s, used_s = time.monotonic() - begun_s, time.process_time() - cpu_s
    million = count / 1e6
    print(f"recovery: {used_s / million:.2f} s CPU, {wall_s / million:.2f} s by the clock a million facts (target 4)")
    repetition.driver.close()
    return state_hash(plan)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    print(f"{Path(__file__).name}: {STRATEGY.name} on 3 coins, {count:,} facts, {count / DAY_FACTS:.1%} of a day")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory() as folder:
        written = played(Path(folder), count)
        again = repeated(Path(folder), count)
    print(f"state_hash {written}: {'the same again' if written == again else f'ANOTHER ONE AGAIN, {again}'}")
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
