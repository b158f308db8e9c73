"""The rows of one session in ``index.db``: written as its journal grows, or all at once.

The journal is read from its beginning each time, because what its rows are made of is not kept; rows that were written
by an earlier process are left as they are. The mark in the file says up to which record that is, with a checksum of it:
a journal that has lost this record (its tail was cut) is another one, and the rows of the session are written anew.
"""

import json
import zlib
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index import SessionIndex
from tightloop.app.runs.live import desks, files
from tightloop.model.errors import TightloopError
from tightloop.ports.read_model import Mark, ReadModelMoved, RecordRows, TableRow, Value
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.journal import JournalFollower
from tightloop.runtime.session.read_model.records import SessionRecords

RECORDS_MAX = 2_000
_FILE_SAYS = ("mode", "venue", "url", "instruments", "seed", "strategies")


class KeptSession:
    """Keeps the rows of one session."""

    def __init__(self, home: Home, session: str, *, is_running: bool) -> None:
        """Open the read model of a home. ``is_running``: has a process. Raises InputError, OSError."""
        self._home, self._session, self.is_running = home, session, is_running
        self._shown: dict[str, Value] = {}
        self._index = SessionIndex(home.root)
        self._begin()

    def close(self) -> None:
        """Close files."""
        self._follower.close()
        self._index.close()

    def _begin(self) -> None:
        """Read the journal from its beginning; rows up to the mark are there already."""
        about = self._home.read_session(self._session)
        plan = files.plan_of(files.strategies_of(self._home, about), about)
        begin = (lambda epoch: desks.begin(plan, about, epoch)) if about["mode"] == desks.KIND else None
        self._plan = plan
        self._records = SessionRecords(plan, self._session, int(about["made_ns"]), begin)
        self._follower = JournalFollower(LocalDisk(self._home.folder(self._session)), files.JOURNAL)
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
        if not records and self._there is not None:
            self._begin_anew()  # the journal has lost what rows were made of
            return True
        batch = []
        for record, event in records:
            rows = self._records.take(record, event)
            self._last = Mark(record.seq, zlib.crc32(record.payload))
            if self._there is None:
                batch.append(RecordRows(record.seq, rows))
            elif record.seq == self._there.seq:
                if self._last != self._there:
                    self._begin_anew()
                    return True
                self._there = None
        if self._there is None and self._last is not None:
            self._write([one for one in batch if one.rows])
        return bool(records)

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
