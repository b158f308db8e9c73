"""The rows of one session in ``index.db``: written as its journal grows, or all at once.

The journal is read from its beginning each time, because what its rows are made of is not kept; rows that were written
by an earlier process are left as they are. The mark in the file says up to which record that is, with a checksum of it:
a journal that has lost this record (its tail was cut) is another one, and the rows of the session are written anew.

Where market facts have gone from the journal, the replica begins at the base that stands for them, and what it had told
before comes from ``kept/``: written when facts go, each hour, and at the end.
"""

import contextlib
import json
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tightloop.adapters import stores
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index import SessionIndex
from tightloop.app.runs.live import desks, files
from tightloop.app.runs.live.settings import read_settings
from tightloop.core.domain.types import Rows
from tightloop.model.errors import TightloopError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.times import DAY_NS, MINUTE_NS, SECOND_NS
from tightloop.ports.read_model import Mark, ReadModelMoved, RecordRows, TableRow, Value
from tightloop.runtime.session.driver.session import StepFailed
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.journal import JournalFollower, JournalRecord, RecordKind
from tightloop.runtime.session.journal.layout import segment_name
from tightloop.runtime.session.read_model.live_values import LiveValue, LiveValues
from tightloop.runtime.session.read_model.records import SessionRecords

RECORDS_MAX = 2_000
KEPT_WHOLE = ("equity", "closest")
KEPT = (*KEPT_WHOLE, "positions", "instances", "instruments", "value_rows")
KEPT_EVERY_S, PRUNED_EVERY_NS = 3_600.0, 3_600 * SECOND_NS
_FILE_SAYS = ("mode", "venue", "url", "instruments", "seed", "strategies")


class Deskless:
    """The side of a real venue for who steps its facts and needs no desk: the facts say what came of it."""

    now_ns = 0

    def __init__(self) -> None:
        self.commands: list[Rows] = []

    def take(self, record: JournalRecord, event: bytes) -> None:
        """Ignore it."""

    def load(self, saved: bytes) -> None:
        """Ignore it."""


class KeptSession:
    """Keeps the rows of one session."""

    def __init__(self, home: Home, session: str, *, is_running: bool) -> None:
        """Open the read model of a home. ``is_running``: has a process. Raises InputError, OSError."""
        self._home, self._session, self.is_running = home, session, is_running
        self._shown: dict[str, Value] = {}
        self._poisoned: set[int] = set()
        self._is_repeated = True
        self._keep_ns = round(read_settings(home).keep_market_days * DAY_NS)
        self._pruned_ns, self._kept_s = 0, time.monotonic()
        self._reduced: dict[str, Any] | None = None
        self._is_at_end = False
        self._index = SessionIndex(home.root)
        self._begin()

    def close(self) -> None:
        """Close files, and say what is kept of a session that was read to its end."""
        if self._is_at_end and not self.is_running:  # of a part of the journal, less would be kept than is there
            with contextlib.suppress(OSError):
                self._keep()
                self._prune(0)
        self._follower.close()
        self._index.close()

    def _begin(self) -> None:
        """Read the journal from its beginning; rows up to the mark are there already."""
        about = self._home.read_session(self._session)
        plan = files.plan_of(files.strategies_of(self._home, about), about)
        begin = (lambda epoch: desks.begin(plan, about, epoch)) if about["mode"] == desks.KIND else None
        self._plan = plan
        self._disk = LocalDisk(self._home.folder(self._session))
        self._follower = JournalFollower(self._disk, files.JOURNAL)
        repetition, self._from_seq = None, 0
        if self._is_repeated:
            side = Deskless() if about["mode"] == desks.KIND else None
            repetition, self._from_seq = files.begun(plan, self._disk, self._session, self._poisoned, side)
        self._is_resumed = self._from_seq == 0
        made_ns = int(about["made_ns"])
        self._records = SessionRecords(plan, self._session, made_ns, begin, repetition, self._from_seq)
        replica = self._records.replica
        self.live = None
        if replica is not None and self.is_running:
            self.live = LiveValues(replica, [str(instrument) for instrument in plan.instruments])
        self._there = self._mark = self._index.mark(self._session)
        self._last: Mark | None = None

    def _begin_anew(self) -> None:
        """Write all rows of the session again."""
        self._follower.close()
        self._index.forget(self._session)
        self._shown = {}
        self._begin()

    def advance(self) -> bool:
        """Write the rows of the records that have come; return whether there may be more. Raises OSError.

        Raises ReadModelMoved if another process has begun to keep the session.
        """
        records = self._follower.read(RECORDS_MAX)
        self._is_at_end = not records and self._there is None
        if not records and self._there is not None:
            self._begin_anew()  # the journal has lost what rows were made of
            return True
        batch = []
        if self.live is not None:
            self.live.note([event for record, event in records if record.kind == RecordKind.FACT])
        for record, event in records:
            try:
                rows = self._taken(record, event)
            except StepFailed as error:
                self._leave_out(error)
                return True
            self._last = Mark(record.seq, zlib.crc32(record.payload))
            if self._there is None:
                batch.append(RecordRows(record.seq, rows))
            elif record.seq >= self._there.seq:
                is_gone = record.seq > self._there.seq and record.seq <= self._from_seq  # with market facts
                if self._last != self._there and not is_gone:
                    self._begin_anew()
                    return True
                self._there = None
                if is_gone:
                    batch.append(RecordRows(record.seq, rows))
        if self._there is None and self._last is not None:
            self._write([one for one in batch if one.rows])
            if not records:
                self._settle()
        return bool(records)

    def _taken(self, record: JournalRecord, event: bytes) -> list[TableRow]:
        """Return the rows of a record; of the first that is stepped after a base, with those that were kept."""
        found: list[TableRow] = []
        if not self._is_resumed and record.seq >= self._from_seq:
            self._is_resumed = True
            kept = stores.kept.read(self._home.folder(self._session), KEPT)
            found += self._records.resume(kept)
            for table in KEPT_WHOLE:
                found += [TableRow(table, row) for row in kept[table] if row["seq"] < self._from_seq]
        if record.kind == RecordKind.SNAPSHOT:
            self._reduced = json.loads(record.payload)
        return found + self._records.take(record, event)

    def _leave_out(self, error: StepFailed) -> None:
        """Read again without the fact at which the step failed; without a replica, if it failed at none."""
        self._is_repeated = error.seq >= 0 and error.seq not in self._poisoned
        self._poisoned.add(error.seq)
        self._follower.close()
        self._begin()

    def _settle(self) -> None:
        """Keep what the journal cannot tell any more, and remove what is too old; called when nothing waits."""
        reduced, self._reduced = self._reduced, None
        if reduced is not None and "last_ns" in reduced:
            seq, last_ns = int(reduced["seq"]), int(reduced["last_ns"])
            self._keep(seq)
            period_ns = MINUTE_NS if self._plan.timeframe is None else TIMEFRAMES[self._plan.timeframe]
            self._index.cut(self._session, seq, last_ns // period_ns * period_ns + period_ns * bool(self._plan.feed))
        if time.monotonic() - self._kept_s > KEPT_EVERY_S:
            self._keep()
        self._prune(PRUNED_EVERY_NS)

    def _keep(self, reduced_seq: int = 0) -> None:
        """Write what a rebuild would not find, if the journal has begun a second segment; ``reduced_seq``: of a base.

        Values are written as they stood there: a rebuild goes on from them.
        """
        self._kept_s = time.monotonic()
        if not reduced_seq and self._disk.names(files.JOURNAL) in ([], [segment_name(1)]):
            return
        rows = {table: self._index.rows(table, self._session) for table in KEPT if table != "value_rows"}
        rows["positions"] = [row for row in rows["positions"] if row["closed_ts"] is None]
        if reduced_seq:
            rows["value_rows"] = self._index.newest_values(self._session, reduced_seq)
        stores.kept.write(self._home.folder(self._session), rows)

    def _prune(self, every_ns: int) -> None:
        """Remove bars and values that are older than market facts are kept."""
        now_ns = self._records.last_ns or 0
        if now_ns - self._pruned_ns >= every_ns:
            self._pruned_ns = now_ns
            self._index.prune(self._session, now_ns - self._keep_ns)

    def values(self) -> Mapping[str, LiveValue]:
        """Return the latest values, once all that has come was stepped; none while they are not known."""
        replica = self._records.replica
        if replica is None or self.live is None or not self._is_resumed:
            return {}
        try:
            return self.live.now() if replica.is_stepped() else {}
        except StepFailed as error:
            self._leave_out(error)
            return {}

    @property
    def seq(self) -> int:
        """The last record that was read; -1: none."""
        return -1 if self._last is None else self._last.seq

    def _write(self, batch: list[RecordRows]) -> None:
        assert self._last is not None, "rows are of records"
        session = self._session_row(self._last.seq)
        if session.values != self._shown:
            batch = [*batch, RecordRows(self._last.seq, [session])]
        if not batch and self._last == self._mark:
            return
        try:
            self._index.write(self._session, batch, self._mark, self._last)
        except ReadModelMoved:
            self._move()
            return
        self._mark, self._shown = self._last, dict(session.values)

    def _move(self) -> None:
        """Follow in the file that is there now. Raises ReadModelMoved if it has rows of the session already."""
        self.close()
        self._index = SessionIndex(self._home.root)
        if self._index.mark(self._session) is not None:
            raise ReadModelMoved(f"another process keeps {self._session}")
        self._begin_anew()

    def _session_row(self, seq: int) -> TableRow:
        """Return what the session's file and its lease say, and how far the journal was read."""
        about = self._home.read_session(self._session)
        runner = self._home.lease_row(about["lease"])
        is_its = self.is_running and runner["session"] == self._session
        is_over = about["state"] == SessionState.STOPPED
        since_ns = int(about["since_ns"]) if "since_ns" in about else None
        return TableRow("sessions", {
            "seq": seq, "mode": about["mode"], "venue": about["venue"], "asset": self._plan.settle_asset,
            "account": _said(about, "account_name"), "state": about["state"], "state_since_ts": since_ns,
            "reason": _said(about, "reason"), "started_ts": int(about["made_ns"]),
            "ended_ts": since_ns if is_over else None, "start_key": about["key"],
            "start": json.dumps({name: about[name] for name in _FILE_SAYS}), "capital": self._plan.capital,
            "config_hash": ",".join(about["config_hash"]), "engine_version": about["engine_version"],
            "pid": int(runner["pid"]) if is_its else None, "boot_id": str(runner["boot_id"]) if is_its else None,
            "epoch": self._records.epoch, "ts": self._records.last_ns,
        })  # fmt: skip


def _said(about: dict[str, Any], name: str) -> str | None:
    """Return what the session's file says of something that not every session has."""
    return str(about[name]) if name in about and about[name] is not None else None


def catch_up(home: Home, session: str) -> None:
    """Write the rows of a session that does not run, as far as they are missing. Raises OSError, InputError."""
    kept = KeptSession(home, session, is_running=False)
    try:
        while kept.advance():
            pass
    finally:
        kept.close()


def catch_up_all(root: Path) -> dict[str, str]:
    """Write what is missing of the sessions of a home that do not run; return what is wrong, by session."""
    home, failed = Home(root), {}
    for session in home.session_names():
        try:
            row = home.holder(home.read_session(session)["lease"])
            if row is None or row["session"] != session:  # one that runs has a process that keeps it
                catch_up(home, session)
        except (TightloopError, ReadModelMoved, OSError) as error:
            failed[session] = str(error)
    return failed
