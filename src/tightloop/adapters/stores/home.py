"""The home folder: which sessions there are, and which process runs which of them.

    leases/<name>.lock    held by the process that runs a session, freed by the kernel when the process ends
    leases/<name>.json    who holds it: session, pid, boot id, epoch; meaningful only while the lock is held
    kill.json             scopes for which the kill switch is engaged
    run/<session>.sock    where a running session takes requests; .vals: where its latest values are read
    sessions/<id>/        session.json, strategies/, journal/, snapshots/, logs/

Folders are made with mode 0700, and closed to others if they were there: a journal tells what an account does. Who only
looks whether a lease is held takes its lock for a moment, so a lock counts as held when it is for LOOK_S.
"""

import json
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from tightloop.model.errors import InputError

FOLDERS = ("leases", "run", "sessions")
SOCKET_BYTES_MAX = 103
"""Bytes of a path that every system can make a socket of."""
ID_CHARACTERS = 16
SESSION_FILE = "session.json"
KILL_FILE = "kill.json"
LOG_FILE = "session.log"
EVERYTHING = "all"
"""Scope of the kill switch."""
LAST = "last"
"""In place of an id: the newest session."""
ROW_WAIT_S = 20.0
LOOK_S = 0.1
NOT_SAID: Mapping[str, Any] = MappingProxyType({"session": "", "pid": 0, "epoch": 0, "boot_id": ""})
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Lease:
    """A held lease; ``close`` gives it back."""

    name: str
    file: Path
    lock: FileLock

    def write(self, session: str, epoch: int) -> None:
        """Say who holds it."""
        boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        row = {"session": session, "pid": os.getpid(), "boot_id": boot_id, "epoch": epoch, "since_ns": time.time_ns()}
        write_whole(self.file, json.dumps(row))

    def close(self) -> None:
        """Give it back."""
        self.file.unlink(missing_ok=True)
        self.lock.release()


class Home:
    """A home folder, made when it is first used."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser()

    def make(self) -> None:
        """Make the folders; raises InputError if that is not possible, or if others could change what is in them."""
        try:
            for name in ("", *FOLDERS):
                (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
        except OSError as error:
            message = f"cannot be used as a home folder: {error.strerror}"
            raise InputError.one(str(self.root), None, "--home", message, "name a folder you may write to") from error
        count = len(os.fsencode(self.socket("x" * ID_CHARACTERS).absolute()))
        if count > SOCKET_BYTES_MAX:
            message = f"is too long: sockets in it would have paths of {count} bytes, {SOCKET_BYTES_MAX} are possible"
            raise InputError.one(str(self.root), None, "--home", message, "name a folder with a shorter path")

    def _close_to_others(self) -> None:
        """Take from others what they may do in folders that were there: to read in ours, to write in the home."""
        if sys.platform == "win32":
            return
        for name in ("", *FOLDERS):
            folder = self.root / name
            found = folder.stat()
            if found.st_uid != os.geteuid():
                message = "belongs to another user, who could change what sessions do"
                raise InputError.one(str(folder), None, "--home", message, "name a folder of yours")
            wrong = stat.S_IMODE(found.st_mode) & (0o077 if name else 0o022)
            if wrong:
                folder.chmod(stat.S_IMODE(found.st_mode) & ~wrong)

    def take(self, name: str) -> Lease | Mapping[str, Any]:
        """Take a lease, or return the row of its holder: session, pid, epoch."""
        lock = FileLock(self.root / "leases" / f"{name}.lock", thread_local=False)
        file = self.root / "leases" / f"{name}.json"
        try:
            lock.acquire(timeout=LOOK_S, poll_interval=0.01)
        except Timeout:
            return self._holder(file)
        file.unlink(missing_ok=True)  # of a holder that died
        return Lease(name, file, lock)

    def _holder(self, file: Path) -> Mapping[str, Any]:
        """Read the row of a lease that is held; its holder may not have written it yet."""
        ends = time.monotonic() + ROW_WAIT_S
        while time.monotonic() < ends:
            try:
                row: Mapping[str, Any] = json.loads(file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.02)
            else:
                return row
        return NOT_SAID

    def lease_row(self, name: str) -> Mapping[str, Any]:
        """Return what the last holder of a lease has written, whether it is held or not; NOT_SAID if there is none."""
        try:
            row: Mapping[str, Any] = json.loads((self.root / "leases" / f"{name}.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return NOT_SAID
        return row

    def holder(self, name: str) -> Mapping[str, Any] | None:
        """Return the row of a lease's holder; None if it is free."""
        file = self.root / "leases" / f"{name}.json"
        lock = FileLock(self.root / "leases" / f"{name}.lock", thread_local=False)
        try:
            lock.acquire(timeout=LOOK_S, poll_interval=0.01)
        except Timeout:
            return self._holder(file)
        lock.release()
        return None

    # The kill switch

    def kills(self) -> list[str]:
        """Read which scopes the kill switch is engaged for; raises InputError if that cannot be told."""
        file = self.root / KILL_FILE
        try:
            return [str(row["scope"]) for row in json.loads(file.read_text())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError):
            remedy = "`tightloop session rearm --by NAME` lifts the kill switch and writes the file anew"
            raise InputError.one(str(file), None, "", "does not say what is killed", remedy) from None

    def engage(self, scope: str) -> None:
        """Engage the kill switch for a scope; a file that cannot be read counts as one over everything."""
        with self._killing():
            try:
                before = self.kills()
            except InputError:
                before = [EVERYTHING]
            self._write_kills([*before, scope])

    def release(self, scope: str) -> None:
        """Release the kill switch for a scope, EVERYTHING: for all. Raises InputError as ``kills``."""
        with self._killing():
            self._write_kills([] if scope == EVERYTHING else [one for one in self.kills() if one != scope])

    @contextmanager
    def _killing(self) -> Iterator[None]:
        """Keep other processes from changing the file: none may write over what another has engaged."""
        with FileLock(self.root / f"{KILL_FILE}.lock", thread_local=False):
            yield

    def _write_kills(self, scopes: list[str]) -> None:
        rows = [{"scope": scope, "ts_ns": time.time_ns()} for scope in dict.fromkeys(scopes)]
        write_whole(self.root / KILL_FILE, json.dumps(rows))

    # Sessions

    def folder(self, session: str) -> Path:
        """Return the folder of a session."""
        return self.root / "sessions" / session

    def socket(self, session: str) -> Path:
        """Return the socket of a session."""
        return self.root / "run" / f"{session}.sock"

    def values_socket(self, session: str) -> Path:
        """Return the socket at which the latest values of a session are read."""
        return self.root / "run" / f"{session}.vals"

    def make_session(self, about: Mapping[str, Any], texts: Mapping[str, bytes]) -> str:
        """Make a session's folder with its strategies; return its id."""
        session = f"{about['mode']}-{secrets.token_hex(5)}"
        folder = self.folder(session)
        for name in ("strategies", "journal", "snapshots", "logs"):
            (folder / name).mkdir(mode=0o700, parents=True)
        for name, content in texts.items():
            target = folder / "strategies" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.write_session(session, {**about, "id": session})
        return session

    def write_session(self, session: str, about: Mapping[str, Any]) -> None:
        """Replace ``session.json``."""
        write_whole(self.folder(session) / SESSION_FILE, json.dumps(about, indent=1))

    def write_log(self, session: str, line: str) -> None:
        """Append a line to the log of a session."""
        with (self.folder(session) / "logs" / LOG_FILE).open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def read_session(self, session: str) -> dict[str, Any]:
        """Read ``session.json``, of ``last`` that of the newest; raises InputError if there is no such session."""
        if session == LAST and (found := self.sessions()):
            return found[-1]
        file = self.folder(session) / SESSION_FILE
        try:
            about: dict[str, Any] = json.loads(file.read_text())
        except FileNotFoundError:
            remedy = "`tightloop session list` shows those there are"
            raise InputError.one("command line", None, "ID", f"there is no session {session!r}", remedy) from None
        except ValueError:
            remedy = "restore it, or move its folder away"
            raise InputError.one(str(file), None, "", "is damaged: it does not say what runs", remedy) from None
        return about

    def session_names(self) -> list[str]:
        """Return the ids of all sessions, whatever is in their folders."""
        return sorted(path.parent.name for path in (self.root / "sessions").glob(f"*/{SESSION_FILE}"))

    def sessions(self) -> list[dict[str, Any]]:
        """Read ``session.json`` of all sessions, the oldest first."""
        found = (self.read_session(name) for name in self.session_names())
        return sorted(found, key=lambda about: int(about["made_ns"]))


def write_whole(file: Path, text: str) -> None:
    """Write a file under another name, synced, then renamed: a reader sees the old or the new, also without power."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with beside.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    if sys.platform != "win32":  # which does this by itself and opens no folders
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
