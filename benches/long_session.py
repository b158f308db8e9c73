"""A long session at full speed: memory as it goes on, bytes of its journal, and how long a restart takes to repeat it.

Run: PYTHONPATH=src python benches/long_session.py [--facts 2000000] [--no-repeat]
     PYTHONPATH=src python benches/long_session.py --sockets [--minutes 60] [--prints 1000]

Without sockets bytes of a venue's frames (trades and quotes of three coins in turn) go through dialect, feed, intake,
step, simulated venue and journal. A day of 1,000 facts a second is 86.4 million; the first line says which part of it
is played. The session is taken to READY by what recovery does: the journal is read, its facts are stepped again, rows
and hashes compared.

With sockets a live session of the product, in a process of its own, follows the twin of ``tick_to_wire.py`` (prints at
the rate of --prints, orders at its four levels a second), and its memory and that of the twin are read from outside.

Growth is that of memory of its own, a line through the samples after the first quarter; pages of the journal, which
the system may take back, count for the ceiling. The exit code is 1 above GROWTH_MAX an hour (of 1,000 facts a second,
where there is no clock) or above CEILING_MB. Runs shorter than VERDICT_HOURS get no verdict on growth.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tick_to_wire
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
HOUR_FACTS = 3_600_000
BLOCK = 100
CHECKPOINTS = 20
SAMPLE_S = 15.0
GROWTH_MAX, CEILING_MB, VERDICT_HOURS = 0.01, 600.0, 0.5
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


def memory_mb(pid: int | str = "self") -> tuple[float, float]:
    """Return what a process holds of its own and all that is resident, MB, mapped pages of its journal too; Linux."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    said = dict(line.split(":", 1) for line in lines)
    own, resident = (float(said[name].split()[0]) * 1_024 / 1e6 for name in ("RssAnon", "VmRSS"))
    return own, resident


Sample = tuple[float, float, float]
"""Hours since the beginning, MB of its own, MB resident."""


def judged(name: str, samples: Sequence[Sample]) -> bool:
    """Print what memory did, and return whether it kept to its limits."""
    hours, own, resident = np.array(samples).T
    settled = hours >= hours[-1] / 4.0
    growth = float("nan")
    if settled.sum() > 2:
        growth = np.polyfit(hours[settled], own[settled], 1)[0] / own[settled][0]
    is_long = hours[-1] >= VERDICT_HOURS
    grows = is_long and not growth < GROWTH_MAX
    verdict = f"{growth:+.2%} an hour after warm-up, {'too much' if grows else 'within the limit'}"
    print(f"{name}: {verdict if is_long else 'too short for a verdict on growth'}; at most {resident.max():.1f} MB")
    return bool(not grows and resident.max() <= CEILING_MB)


def played(folder: Path, count: int) -> tuple[str, bool]:
    """Play facts and print memory on the way; return the state_hash, and whether memory kept to its limits."""
    clock, dialect, plan = Clock(), BinanceUsdm(), plan_of()
    journal = Journal.create(LocalDisk(folder), "journal", "bench", 1)
    intake = Intake(clock.now_ns)
    session = Session(plan, journal, intake, clock.now_ns)
    symbols = {f"PUMP{name}USDT": at for at, name in enumerate("ABC")}
    feed = MarketFeed(dialect, None, clock.now_ns, intake, symbols)  # type: ignore[arg-type]  # nothing is asked
    begun_s, cpu_s = time.monotonic(), time.process_time()
    print("| facts | MB of its own | resident MB | CPU us a fact |\n|--:|--:|--:|--:|")
    step = max(BLOCK, count // CHECKPOINTS // BLOCK * BLOCK)
    samples: list[Sample] = []
    for first in range(0, count, BLOCK):
        for number in range(first, first + BLOCK):
            feed.take(dialect.decode_frame(frame(number)))
        while session.take_batch():
            pass
        journal.sync_behind()
        if (first + BLOCK) % step == 0:
            now_s = time.process_time()
            own, resident = memory_mb()
            samples.append(((first + BLOCK) / HOUR_FACTS, own, resident))
            print(
                f"| {first + BLOCK:,} | {own:.1f} | {resident:.1f} | {(now_s - cpu_s) / step * 1e6:.1f} |", flush=True
            )
            cpu_s = now_s
    found = session.finish()
    written = journal.written
    journal.close()
    print(f"\n{time.monotonic() - begun_s:.0f} s; {written / count:.1f} bytes of journal a fact, rows and all")
    return found, judged("memory", samples)


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


def followed(minutes: float, prints: int) -> bool:
    """Run a live session on a twin in another process; print memory, and return whether it kept to its limits."""
    command = [sys.executable, tick_to_wire.__file__, "--serve", "--prints", str(prints)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as twin,
    ):
        assert twin.stdin is not None
        assert twin.stdout is not None
        url = f"http://127.0.0.1:{int(twin.stdout.readline())}"
        session = subprocess.Popen(
            tick_to_wire.session_command(url, Path(folder), minutes * 60.0), env=tick_to_wire.keys(),
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        samples: dict[str, list[Sample]] = {"session": [], "twin": []}
        begun_s = time.monotonic()
        print("| minutes | MB of the session's own | MB of the twin's own |\n|--:|--:|--:|")
        try:
            while True:
                try:
                    session.wait(min(SAMPLE_S, minutes * 60.0 / CHECKPOINTS))
                    break
                except subprocess.TimeoutExpired:
                    hours = (time.monotonic() - begun_s) / 3_600.0
                    for name, pid in (("session", session.pid), ("twin", twin.pid)):
                        samples[name].append((hours, *memory_mb(pid)))
                    print(
                        f"| {hours * 60:.1f} | {samples['session'][-1][1]:.1f} | {samples['twin'][-1][1]:.1f} |",
                        flush=True,
                    )
        finally:
            session.kill()
            twin.stdin.close()
        if session.returncode not in (0, 5):
            assert session.stderr is not None
            sys.exit(f"the session ended with exit code {session.returncode}\n{session.stderr.read()[-2_000:]}")
        size = sum(path.stat().st_blocks * 512 for path in Path(folder).glob("home/sessions/*/journal/*.tlj"))
    print(f"\n{size / 1e6:.0f} MB of journal")
    return judged("session", samples["session"]) & judged("twin", samples["twin"])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--facts", type=int, default=2_000_000)
    parser.add_argument("--no-repeat", action="store_true", help="leave recovery out")
    parser.add_argument("--sockets", action="store_true")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--prints", type=int, default=1_000)
    options = parser.parse_args()
    count = options.facts
    what = f"{options.minutes:g} minutes over sockets, {options.prints:,} prints a second"
    if not options.sockets:
        what = f"{STRATEGY.name} on 3 coins, {count:,} facts, {count / DAY_FACTS:.1%} of a day"
    print(f"{Path(__file__).name}: {what}")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}\n")
    is_well = True
    if options.sockets:
        is_well = followed(options.minutes, options.prints)
    else:
        with tempfile.TemporaryDirectory() as folder:
            written, is_well = played(Path(folder), count)
            if not options.no_repeat:
                again = repeated(Path(folder), count)
                is_well &= written == again
                same = "the same again" if written == again else f"ANOTHER ONE AGAIN, {again}"
                print(f"state_hash {written}: {same}")
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
