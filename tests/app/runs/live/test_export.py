"""A faultless session on the sandbox, exported and backtested: the same decisions, orders and fills, one by one."""

import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from tests.app.runs.live.trading import TIGHTLOOP, Twin

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.live import files, outside
from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as tick_driver
from tightloop.runtime.results.recorder import KEPT, Recorder
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal, RecordKind, events, records
from tightloop.runtime.session.market.intake import Intake

ROOT = Path(__file__).resolve().parents[4]
BOOKED = Path(__file__).parent / "booked.yaml"
FIRST = ROOT / "strategies" / "live" / "first_paper.yaml"
EXAMPLES = [*sorted((ROOT / "strategies" / "ticks").glob("*.yaml")), FIRST, BOOKED]
LENGTH = "50s"
PUMPED = ("binance:PUMPAUSDT-perp", "binance:PUMPBUSDT-perp")
MAJORS = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp")
TRADES = {"booked", "ofi_scalp", "python_quoting", "first_paper"}
"""Those that trade within LENGTH; the others look for what takes minutes, and decide nothing."""


FAULTS = (int(EventKind.SESSION_CONTROL), int(EventKind.FEED_STATE))


def instruments_of(path):
    return PUMPED if "lab:" in path.read_text() else MAJORS


def named(path):
    return [word for name in instruments_of(path) for word in ("--instrument", name)]


def begun(path, url, home):
    """A session of a file in a process of its own."""
    where = ["--venue", "binance-usdm", "--url", url, "--home", str(home), "--for", LENGTH, *named(path)]
    return subprocess.Popen(
        [*TIGHTLOOP, "paper", str(path), *where], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """A home for each file, in which a session of it ran and was stopped; all of them heard the same sandbox."""
    twin, running = Twin("10"), {}
    try:
        homes = {path.stem: tmp_path_factory.mktemp(path.stem) for path in EXAMPLES}
        running |= {path.stem: begun(path, twin.url, homes[path.stem]) for path in EXAMPLES}
        for name, process in running.items():
            said, _ = process.communicate(timeout=240)
            assert process.returncode in (0, 5), (name, said)
        return homes
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
        twin.close()


def recorded(home):
    """The facts of a home's session, and the rows that they caused."""
    (folder,) = (home / "sessions").iterdir()
    facts, rows = bytearray(), bytearray()
    for record, event in events(LocalDisk(folder), "journal"):
        if record.kind == RecordKind.FACT:
            facts += event
        elif record.kind == RecordKind.ROWS:
            rows += zlib.decompress(record.payload)
    return np.frombuffer(bytes(facts), EVENT), np.frombuffer(bytes(rows), LOG_ROW)


def columns_of(rows):
    """Rows of the log as the tables of a run are made of them."""
    log = core_log.new_log(len(rows) + core_log.FIRST)
    log[core_log.FIRST :] = rows
    log[core_log.HEADER]["slot"] = len(log)
    recorder = Recorder()
    recorder.take_log(log)
    return listed(recorder, int(rows["ts_ns"].max()) if len(rows) else 0)


def listed(recorder, until_ns):
    found = {}
    for kind in KEPT:
        columns = recorder.columns(kind)
        keep = columns["ts_ns"] <= until_ns if "ts_ns" in columns else slice(None)
        found[kind] = {name: column[keep].tolist() for name, column in columns.items()}
    found.pop(RowKind.CONDITION)  # has no time; it is of a SECTION, which is compared
    return found


def first_difference(ours, theirs):
    """The first cell in which two tables of rows differ; None when they are equal. NaN is equal to NaN."""
    for kind, columns in ours.items():
        for name, cells in columns.items():
            others = theirs[kind][name]
            unequal = [at for at, two in enumerate(zip(cells, others, strict=False)) if repr(two[0]) != repr(two[1])]
            if unequal or len(cells) != len(others):
                at = unequal[0] if unequal else min(len(cells), len(others))
                return kind.name, name, at, cells[at : at + 3], others[at : at + 3], len(cells), len(others)
    return None


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_a_backtest_of_an_exported_session_decides_orders_and_fills_the_same(path, sessions, tmp_path):
    home = sessions[path.stem]
    facts, rows = recorded(home)
    # A machine that is too slow loses its feed; what came before that is compared.
    ended = np.flatnonzero(np.isin(facts["kind"], FAULTS))[0]
    is_whole = not (facts["kind"] == int(EventKind.FEED_STATE)).any()
    heard = facts[:ended][facts["kind"][:ended] >= int(EventKind.TRADE)]
    last_ns = int(heard["ts_init_ns"][-1])
    rows = rows[rows["ts_ns"] <= last_ns]
    counts = outside.export(home, "last", tmp_path / "catalog")
    assert counts["trades"] > 100

    strategies = runs_strategies.load_strategies([path], instruments=instruments_of(path))
    market = load_tick_market(strategies, tmp_path / "catalog")
    plan, recorder = make_plan(strategies, market.rules), Recorder()
    tick_driver.run(plan, market.feed(plan), recorder)
    assert first_difference(listed(recorder, last_ns), columns_of(rows)) is None
    assert path.stem not in TRADES or not is_whole or len(recorder.columns(RowKind.FILL)["ts_ns"]) > 2

    run = runs_backtest.backtest(
        path, data=tmp_path / "catalog", instruments=instruments_of(path), accept=[] if is_whole else ["holes"]
    )
    fills = [row for row in run.fills.to_dicts() if row["ts"] <= last_ns]
    shown = outside.shown(home, "last")["fills"]
    assert [(row["qty"], row["price"], row["fee"]) for row in fills] == [
        (row["qty"], row["price"], row["fee"]) for row in shown[: len(fills)]
    ]


def test_the_same_receipt_gives_the_same_journal(path, sessions, tmp_path):
    home = sessions[path.stem]
    facts, _ = recorded(home)
    facts = facts[facts["kind"] != 0]
    written = []
    for name in ("one", "other"):
        about = Home(home).read_session("last")
        plan = files.plan_of(files.strategies_of(Home(home), about), about)
        journal = Journal.create(LocalDisk(tmp_path / name), "journal", "same", 1)
        clock = [0]
        session = Session(plan, journal, Intake(lambda clock=clock: clock[0]), lambda clock=clock: clock[0])
        for at in range(0, len(facts), 50):
            for fact in facts[at : at + 50]:
                clock[0] = int(fact["ts_init_ns"])
                session.intake.put_event(np.array([fact]))
            session.take_batch()
        session.finish()
        journal.close()
        # The files as they are may end in a segment that is prepared in the background.
        written.append([(one.kind, one.payload) for one in records(LocalDisk(tmp_path / name), "journal")])
    assert written[0] == written[1]
    assert len(written[0]) > 1_000
