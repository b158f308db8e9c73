"""A home folder: who may look into it, the kill switch, which sessions run, and whether their journals are sound."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import FOLDERS, Home
from tightloop.app.runs.doctor.findings import Diagnosis, ok, problem, warning
from tightloop.app.runs.live import files
from tightloop.model.errors import InputError
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.journal.scan import FaultKind, JournalScan, segment_numbers

JOURNALS_MAX = 50
"""Journals that are looked at, the newest first; `journal check` reads all of one."""


def look(root: Path) -> Iterator[Diagnosis]:
    """Look at a home folder and its sessions."""
    home = Home(root)
    if not home.root.is_dir():
        yield ok("home", f"{home.root} is not there yet; the first session makes it")
        return
    yield from permissions(home.root)
    yield kill_switch(home)
    sessions = []
    for name in home.session_names():
        try:
            sessions.append(home.read_session(name))
        except InputError as error:
            yield problem(f"session {name}", str(error), "restore session.json, or move its folder away")
    sessions.sort(key=lambda about: int(about["made_ns"]), reverse=True)
    running = [about for about in sessions if _is_running(home, about)]
    yield from leases(sessions, running)
    yield from journals(home, sessions[:JOURNALS_MAX], running)
    if len(sessions) > JOURNALS_MAX:
        yield ok("journals", f"{len(sessions) - JOURNALS_MAX} older ones were not looked at")


def _is_running(home: Home, about: Mapping[str, Any]) -> bool:
    row = home.holder(about["lease"])
    return row is not None and row["session"] == about["id"]


def permissions(root: Path) -> Iterator[Diagnosis]:
    """Judge who may read and change what is in a home."""
    if sys.platform == "win32":
        return
    faults = []
    for name in ("", *FOLDERS):
        folder = root / name
        if not folder.is_dir():
            continue
        found = folder.stat()
        if found.st_uid != os.geteuid():
            faults.append((folder, "belongs to another user", "name a folder of yours with --home"))
        elif wrong := stat.S_IMODE(found.st_mode) & (0o077 if name else 0o022):
            may = "change" if wrong & 0o022 else "read"
            faults.append((folder, f"others may {may} what is in it", f"chmod 700 {folder}"))
    for folder, text, remedy in faults:
        yield problem("permissions", f"{folder}: {text}", remedy)
    if not faults:
        yield ok("permissions", f"{root} is closed to others")


def kill_switch(home: Home) -> Diagnosis:
    """Judge whether the kill switch lets sessions take entries."""
    try:
        scopes = home.kills()
    except InputError as error:
        (fault,) = error.problems
        return problem("kill switch", f"counts as engaged: {fault}", "`tightloop session rearm --by NAME`")
    if scopes:
        remedy = "`tightloop session rearm --by NAME` lifts it"
        return warning("kill switch", f"is engaged: {', '.join(scopes)}; no entries are taken", remedy)
    return ok("kill switch", "is not engaged")


def leases(sessions: list[dict[str, Any]], running: list[dict[str, Any]]) -> Iterator[Diagnosis]:
    """Say which sessions run, and which were killed, so that no process looks after their positions."""
    for about in sessions:
        name = f"session {about['id']}"
        if about in running:
            if about["state"] == SessionState.ERROR:
                remedy = f"`tightloop session show {about['id']}` says why"
                yield problem(name, "runs and takes no entries", remedy)
            else:
                yield ok(name, f"runs, {about['state'].lower()}")
        elif about["state"] != SessionState.STOPPED:
            remedy = f"start it again with the same command, or `tightloop session stop {about['id']}`"
            yield warning(name, "its process is gone and it was not stopped", remedy)
    if not sessions:
        yield ok("sessions", "none yet")


def journals(home: Home, sessions: list[dict[str, Any]], running: list[dict[str, Any]]) -> Iterator[Diagnosis]:
    """Look at the last segment of each journal; one that is being written may end in half a record."""
    sound = 0
    for about in sessions:
        fault = _fault(home, about, is_running=about in running)
        if fault is None:
            sound += 1
        else:
            yield fault
    if sound:
        yield ok("journals", f"the last part of {sound} {'is' if sound == 1 else 'are'} sound")


def _fault(home: Home, about: Mapping[str, Any], *, is_running: bool) -> Diagnosis | None:
    session = str(about["id"])
    name = f"journal of {session}"
    disk = LocalDisk(home.folder(session))
    numbers = segment_numbers(disk, files.JOURNAL)
    if not numbers:
        return None if is_running else warning(name, "there is none", "the session ended before it began")
    scan = JournalScan(disk, files.JOURNAL, numbers[-1])
    for _ in scan:
        pass
    fault = scan.fault
    if fault is None or (is_running and fault.kind is FaultKind.TAIL):
        return None
    text = f"{fault.file} at byte {fault.offset}: {fault.text}"
    if fault.kind is FaultKind.TAIL:
        remedy = f"its next start moves the end away, as `tightloop journal cut {session}` does"
        return warning(name, text, remedy)
    return problem(name, text, "restore the file from a copy, or begin another session")
