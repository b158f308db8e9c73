"""``tightloop journal``: look at the journal of a session, and cut a broken end off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tightloop.adapters import stores
from tightloop.app import runs
from tightloop.app.cli import show
from tightloop.app.cli.console import errors_shown, warn
from tightloop.model.errors import InputError
from tightloop.runtime import session as sessions

if TYPE_CHECKING:
    from tightloop.adapters.stores.disk import LocalDisk
    from tightloop.runtime.session.journal import JournalVerdict

HOME = Path("~/.tightloop")


def _session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what names a session."""
    home = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=HOME,
        show_default=True,
        help="Folder of sessions, catalogs and settings.",
    )
    return click.argument("session_id", metavar="ID")(home(command))


@click.group()
def journal() -> None:
    """Look at the journal of a session: what it received and what it did."""


@journal.command()
@_session_options
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def check(session_id: str, home: Path, is_json: bool) -> None:
    """Look at every byte of a journal. Exits with 1 when it is damaged, and names file and byte."""
    with errors_shown():
        disk, folder = _place(home, session_id)
        session = folder.rpartition("/")[0]
        beside = sessions.journal.Beside(f"{session}/{runs.live.files.BASES}", f"{session}/{runs.live.files.SNAPSHOTS}")
        verdict = sessions.journal.check(disk, folder, beside)
        if is_json:
            click.echo(json.dumps(_plain(verdict)))
        else:
            _show(verdict, session_id if home == HOME else f"{session_id} --home {home}")
    raise SystemExit(0 if verdict.is_sound else 1)


@journal.command()
@_session_options
@click.option("--from", "from_seq", type=click.IntRange(0), default=0, metavar="SEQ", help="Begin at this record [0].")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only records of this kind; may be repeated.")
def dump(session_id: str, home: Path, from_seq: int, kinds: tuple[str, ...]) -> None:
    """Print the records, one JSON object a line. Exits with 1 where a damaged journal ends."""
    with errors_shown():
        wanted = _kinds(kinds)
        disk, folder = _place(home, session_id)
        for line in show.journal.lines(disk, folder, from_seq, wanted):
            click.echo(line)
        verdict = sessions.journal.check(disk, folder)
        if verdict.fault is not None:
            warn(f"{verdict.fault.file} at byte {verdict.fault.offset}: {verdict.fault.text}")
    raise SystemExit(0 if verdict.is_sound else 1)


@journal.command()
@_session_options
def cut(session_id: str, home: Path) -> None:
    """Move a broken end of a journal into files of its own.

    For a session that does not run; one that starts does it by itself. Exits with 1, and changes nothing, when valid
    records follow the damage.
    """
    with errors_shown():
        disk, folder = _place(home, session_id)
        try:
            found = sessions.journal.Journal.cut(disk, folder)
        except BlockingIOError:
            remedy = "stop it first; at its next start it cuts a broken end by itself"
            raise InputError.one("command line", None, "ID", f"{session_id} is running", remedy) from None
    if found is None:
        click.echo("nothing to cut: the journal is sound")
    else:
        moved = ", ".join(found.moved_to) or "nothing was left to move"
        click.echo(f"cut {found.file} at byte {found.offset}: {found.text}")
        click.echo(f"moved {found.byte_count} bytes: {moved}")


def _place(home: Path, session_id: str) -> tuple[LocalDisk, str]:
    """Return a home's disk and the folder of a session's journal, of ``last`` the newest. InputError: none is there."""
    home = home.expanduser()
    if session_id == stores.home.LAST:
        session_id = str(stores.home.Home(home).read_session(session_id)["id"])
    disk = stores.disk.LocalDisk(home)
    folder = f"sessions/{session_id}/journal"
    if Path(session_id).name != session_id or not any(name.endswith(".tlj") for name in disk.names(folder)):
        known = ", ".join(disk.names("sessions"))
        remedy = f"there are {known}" if known else f"{home} has no sessions; --home names another folder"
        raise InputError.one("command line", None, "ID", f"{session_id} has no journal in {home}", remedy)
    return disk, folder


def _kinds(names: tuple[str, ...]) -> frozenset[int]:
    """Parse ``--kind``; none: all kinds. InputError for one that is not there."""
    known = {kind.name: kind for kind in sessions.journal.RecordKind if kind.name != "CHAIN"}
    for name in names:
        if name.upper() not in known:
            remedy = f"write some of {', '.join(known)}"
            raise InputError.one("command line", None, "--kind", f"{name!r} is no kind of record", remedy)
    return frozenset(known[name.upper()] for name in names)


def _show(verdict: JournalVerdict, arguments: str) -> None:
    for earlier in verdict.cuts:
        moved = ", ".join(earlier.moved_to) or "nothing was left to move"
        click.echo(f"cut before: {earlier.file} at byte {earlier.offset}, {earlier.byte_count} bytes ({moved})")
    for place, text in verdict.damaged:
        click.echo(f"warning: {place}: {text}; it is not needed: another one or the journal gives the same")
    many = "" if verdict.segment_count == 1 else "s"
    reduced = f"{verdict.reduced_count} records without market facts and " if verdict.reduced_count else ""
    held = f"{reduced}{verdict.record_count} records in {verdict.segment_count} segment{many}, epoch {verdict.epoch}"
    fault = verdict.fault
    if fault is None:
        click.echo(f"{click.style('sound', fg='green')}  {verdict.session}: {held}")
        return
    click.echo(f"{click.style('damaged', fg='red', bold=True)}  {fault.file} at byte {fault.offset}: {fault.text}")
    click.echo(f"sound before it: {held}")
    if fault.kind.value == "tail":
        click.echo(f"nothing valid follows: `tightloop journal cut {arguments}` moves the end away, as a start does")
    else:
        click.echo("what follows was valid, so nothing is cut: restore the file from a copy, or begin another session")


def _plain(verdict: JournalVerdict) -> dict[str, Any]:
    """Return a verdict as ``--json`` prints it."""
    fault = verdict.fault
    return {
        "session": verdict.session,
        "is_sound": verdict.is_sound,
        "segments": verdict.segment_count,
        "records": verdict.record_count,
        "reduced": verdict.reduced_count,
        "epoch": verdict.epoch,
        "fault": None if fault is None
        else {"kind": fault.kind.value, "file": fault.file, "offset": fault.offset, "text": fault.text},
        "cuts": [earlier.plain() for earlier in verdict.cuts],
        "damaged_snapshots": [{"file": place, "text": text} for place, text in verdict.damaged],
    }  # fmt: skip
