"""One round: a live session on a sandbox of its own is killed at moments that a seed draws, and must lose nothing.

    1  the session starts and trades; `kill -9` comes after a drawn time, or just after a drawn request for an order
    2  in some rounds another process begins to recover it, and is killed as well
    3  a last process recovers it; from the last kill until it says that it is ready is the time measured
    4  once it agrees with `/_twin/truth` it is stopped, which closes its positions, and both are compared again; then
       its journal is checked and stepped again

With ``cut_tail`` power is lost with the process: of what the journal does not know to be on the disk, a drawn part is
overwritten with zeros before the next process begins.
"""

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.app.runs.live.trading import Live, Twin, differences

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.runs.live import files, outside
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.journal import check, damage
from tightloop.runtime.session.journal.layout import HEADER_BYTES
from tightloop.runtime.session.journal.scan import JournalScan

STRATEGIES = tuple(Path(__file__).parent / name for name in ("busy.yaml", "resting.yaml"))
READY = "ready: the account agrees"
READY_MAX_S, AGREE_MAX_S, KEEPERS_MAX_S = 40.0, 10.0, 15.0
RECOVERIES_KILLED, ORDERS_MAX_S = 0.3, 3.0
BUSY_LOAD = 1.5
"""Processes that wait for a CPU, each; a round and the next one's twin have about one."""


@dataclass(slots=True)
class Round:
    """What became of a round. ``wrong``: what differs; ``ready_s``: from the last kill to READY, NaN: it was not."""

    seed: int
    ready_s: float = float("nan")
    took_s: float = 0.0
    kills: int = 0
    orders: int = 0
    fills: int = 0
    wrong: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def play(seed, twin, *, durability="process", cut_tail=False, keep=None):
    """Play a round on a fresh twin. ``keep``: a folder to which the home of a round that went wrong is moved."""
    draw, found, begun_s = random.Random(f"crash {seed}"), Round(seed), time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="tlc"))
    lives = []

    def start():
        lives.append(Live(home, twin.url, "--durability", durability, file=STRATEGIES))
        return lives[-1]

    try:
        _trade(twin, start(), draw)
        killed_s = _kill(lives[-1], found, home, draw if cut_tail else None)
        if draw.random() < RECOVERIES_KILLED:
            recovering = start()
            _run_for(recovering, draw.uniform(0.5, 2.0))
            killed_s = _kill(recovering, found, home, draw if cut_tail else None)
        last = start()
        ready_s = last.said_at(READY, READY_MAX_S)
        found.ready_s = ready_s - killed_s
        _run_for(last, draw.uniform(0.0, 0.3))
        outside.asked(home, "last", {"what": "pause"})  # what is there goes on
        found.wrong += _agreeing(twin, home, AGREE_MAX_S)
        outside.asked(home, "last", {"what": "stop", "keep": False})
        code = last.end()
        truth, shown = twin.truth(), outside.shown(home, "last")
        found.wrong += [f"at the end: {one}" for one in differences(truth, shown)]
        found.wrong += _judge(truth, shown, home, code, cut_tail=cut_tail)
        found.orders, found.fills = len(truth["orders"]), len(truth["fills"])
    except Exception as error:  # whatever it is, it is one round that went wrong
        found.wrong.append(f"{type(error).__name__}: {str(error)[:2_000]}")
    finally:
        for one in lives:
            one.kill()
        found.said = [line for number, one in enumerate(lives, 1) for line in (f"life {number}:", *one.said)]
        if keep is not None and found.wrong:
            for socket in home.glob("run/*.sock"):
                socket.unlink()
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(home, keep)
        _await_keepers(home)
        try:
            shutil.rmtree(home)
        except OSError as error:
            found.wrong.append(f"the home is left: {error}")
        found.took_s = time.monotonic() - begun_s
    return found


def _await_keepers(home):
    """Wait for the processes that keep the read model of killed sessions: they would write into a removed home."""
    ends_s = time.monotonic() + KEEPERS_MAX_S
    while keepers := _running_in(home):
        if time.monotonic() > ends_s:
            for pid in keepers:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        time.sleep(0.02)


def _running_in(home):
    """Return the processes whose command line names a home; Linux."""
    found, name = [], str(home).encode()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if name in place.read_bytes():
                found.append(int(place.parent.name))
    return found


def _trade(twin, session, draw):
    """Let a session trade until its moment has come."""
    session.said_at(READY, READY_MAX_S)
    if draw.random() < 0.5:
        _run_for(session, draw.uniform(0.0, 1.5))
        return
    wanted, ends_s = draw.randint(1, 6), time.monotonic() + ORDERS_MAX_S
    while len(twin.orders_asked()) < wanted and time.monotonic() < ends_s:
        time.sleep(0.003)
    time.sleep(draw.uniform(0.0, 0.03))


def _run_for(session, span_s):
    ends_s = time.monotonic() + span_s
    while time.monotonic() < ends_s:
        assert session.process.poll() is None, session.said
        time.sleep(0.01)


def _kill(session, found, home, draw):
    """Kill a session, and cut its journal if ``draw`` says where; return when."""
    session.kill()
    killed_s = time.monotonic()
    found.kills += 1
    if draw is not None:
        for about in Home(home).sessions():
            _cut(home / "sessions" / about["id"], draw)
    return killed_s


def _cut(folder, draw):
    """Overwrite with zeros a drawn part of what the last segment does not say to be synced."""
    scan = JournalScan(LocalDisk(folder), files.JOURNAL)
    for _ in scan:
        pass
    if not scan.file:
        return
    path = folder / files.JOURNAL / scan.file
    raw = path.read_bytes()
    synced = max(HEADER_BYTES, damage.claims(raw) or 0)
    if synced < scan.offset:
        at = draw.randint(synced, scan.offset)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes(len(raw) - at))


def _agreeing(twin, home, within_s):
    """Return what differs between truth and view after as long as they may take to agree; nothing if they do."""
    ends_s = time.monotonic() + within_s
    while True:
        wrong = differences(twin.truth(), outside.shown(home, "last"))
        if not wrong or time.monotonic() > ends_s:
            return wrong
        time.sleep(0.1)


def _judge(truth, shown, home, code, *, cut_tail):
    """Return what else is wrong after the end: something is left, doubled, corrected, or not repeated."""
    wrong = [f"left at the end: {row}" for row in (*truth["positions"], *shown["positions"])]
    wrong += [] if code == 0 else [f"it ended with exit code {code}"]
    wrong += [f"foreign: {row}" for row in shown["foreign"]]
    wrong += [f"corrected: {row}" for row in shown["corrections"] if row["kind"] not in ("FEE", "TRANSFER")]
    if not cut_tail:  # ids of a tail that was lost are used again
        counts = Counter(
            ids.decode(row["client_id"]).order_id
            for row in truth["orders"]
            if row["cum_qty"] > 0.0 and not row["reduce_only"] and row["client_id"].startswith(ids.PREFIX)
        )
        wrong += [f"order {number} was executed {count} times" for number, count in counts.items() if count > 1]
    about = Home(home).read_session("last")
    found = check(LocalDisk(home / "sessions" / about["id"]), files.JOURNAL)
    wrong += [f"journal: {found.fault}"] if found.fault is not None else []
    again = outside.replayed(home, about["id"])
    if again["state_hash"] != about["state_hash"]:
        wrong.append(f"replay gives {again['state_hash']}, the session had {about['state_hash']}")
    return wrong


def fresh_twin(seed, *, is_fast=True):
    """Return a sandbox for a round. ``is_fast``: some run at ten times the speed, so that much happens.

    There a request may be under way for half a second only, so none does on a machine that is busy with other things.
    """
    is_busy = os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)
    return Twin(
        "1" if is_busy or not is_fast else str(random.Random(f"twin {seed}").choice((1, 1, 10))), "--seed", str(seed)
    )
