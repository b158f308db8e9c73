"""Sessions of a home folder from outside: one that runs is asked by its socket, another is read from its files."""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home
from tightloop.app.runs import live
from tightloop.app.runs.live import control, desks, files
from tightloop.app.runs.live.watching.kills import check_scope
from tightloop.app.runs.live.watching.pacing import Pace
from tightloop.app.runs.live.watching.trades import line_of
from tightloop.core.domain.types import Record
from tightloop.model.errors import InputError, TightloopError
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session.account.recovery import AccountRepetition
from tightloop.runtime.session.account.view import account_view
from tightloop.runtime.session.driver.session import state_hash
from tightloop.runtime.session.driver.states import SessionState
from tightloop.runtime.session.driver.view import View, view

KEPT = (
    "what it holds stays at the venue with its stops and targets, which are not linked there: when one fills or you "
    "close the position, cancel the others; its log names them"
)
AT_RISK = 5
"""Exit code: something is left with a position."""


def listed(root: Path) -> list[dict[str, Any]]:
    """Return what every session is and does; a state without a process is KILLED, a pid of 0 is none.

    ``since_ns``: when it came to its state; of one that was killed, to the last that it knew of. None: not said.
    """
    home, rows = Home(root), []
    for about in home.sessions():
        holder = _holder(home, about)
        is_over = about["state"] == SessionState.STOPPED
        rows.append(
            {
                "id": about["id"],
                "mode": about["mode"],
                "state": about["state"] if is_over or holder is not None else "KILLED",
                "since_ns": _since_ns(about),
                "venue": about["venue"],
                "pid": 0 if holder is None else int(holder["pid"]),
                "strategies": ", ".join(_names(about)),
            }
        )
    return rows


def _names(about: Mapping[str, Any]) -> list[str]:
    """Return the names of a session's strategies; those of their files for one that began before these were kept."""
    return list(about["names"] if "names" in about else about["strategies"])


def _facts_of(about: Mapping[str, Any]) -> View:
    """Return what a session is, whatever it does: for people, and for the units of its numbers."""
    shown = {name: about[name] for name in ("id", "mode", "venue", "url", "made_ns", "rules")}
    return shown | {
        "strategies": _names(about),
        "since_ns": _since_ns(about),
        "reason": about["reason"] if "reason" in about else None,  # noqa: SIM401 - keys that may be absent are few
    }


def _since_ns(about: Mapping[str, Any]) -> int | None:
    """Return since when a session is in its state; None for one that began before this was kept."""
    return int(about["since_ns"]) if "since_ns" in about else None


def _holder(home: Home, about: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the row of the process that runs a session; None if there is none."""
    row = home.holder(about["lease"])
    return row if row is not None and row["session"] == about["id"] else None


def shown(root: Path, session: str) -> View:
    """Return the view of a session: of a running one as it is now, else as its journal has it."""
    home = Home(root)
    about = home.read_session(session)
    if _holder(home, about) is not None:
        found = control.ask(home.socket(about["id"]), {"what": "show"})
        if found is not None:
            return _facts_of(about) | found
    repetition = files.repeat(home, about)
    state = about["state"] if about["state"] == SessionState.STOPPED else "KILLED"
    seen = view(repetition.plan, repetition.recent)
    if isinstance(repetition.account, AccountRepetition) and repetition.account.has_begun:
        seen = account_view(repetition.plan, repetition.recent, repetition.account.fold, [])
    return _facts_of(about) | seen | {
        "state": state, "facts": repetition.fact_count, "epoch": repetition.epoch,
        "lease": {"pid": 0, "epoch": repetition.epoch},
    }  # fmt: skip


def asked(root: Path, session: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a session; one without a process can be stopped. Raises InputError if it does not run, or refuses."""
    home = Home(root)
    about = home.read_session(session)
    is_kept = about["mode"] == desks.KIND and request["what"] == "stop" and bool(request["keep"])
    before = (control.ask(home.socket(about["id"]), {"what": control.SHOW}) if is_kept else None) or {"positions": []}
    found = control.ask(home.socket(about["id"]), request)
    if found is None and request["what"] == "stop" and about["state"] != SessionState.STOPPED:
        if _holder(home, about) is None:
            if about["mode"] == desks.KIND and not request["keep"]:
                remedy = (
                    "start it again with the same command and --on-exit flatten, or close its positions at the venue"
                )
                message = f"{about['id']} has no process that could close anything"
                raise InputError.one("command line", None, "--flatten", message, remedy)
            kept = shown(root, about["id"])["positions"] if about["mode"] == desks.KIND else []
            home.write_session(about["id"], {**about, "state": str(SessionState.STOPPED), "kept": kept})
            return {"outcome": "done", "note": "it had no process; what it held stays as its journal has it"}
    if found is None:
        remedy = "`tightloop session list` shows those that run"
        raise InputError.one("command line", None, "ID", f"{about['id']} does not run, it is {about['state']}", remedy)
    if "error" in found:
        raise InputError.one("command line", None, "", str(found["error"]), "`tightloop session --help` shows how")
    if before["positions"]:
        return {**found, "note": KEPT}
    return found


def kill(root: Path, scope: str) -> dict[str, Any]:
    """Engage the kill switch for all sessions of a home, and for later ones; return what was told and what is open.

    Those that run are told first, and nothing that is wrong with one keeps it from the others: "failed" says what was.
    "open": positions that no process closes: of sessions whose process is gone, and those that stopped ones have kept.
    """
    check_scope(scope)
    home = Home(root)
    home.make()
    home.engage(scope)
    told: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    still_open: list[dict[str, Any]] = []
    dead = [name for name in home.session_names() if not _is_told(home, name, {"what": "kill", "scope": scope}, told)]
    for name in dead:
        try:
            if home.read_session(name)["state"] != SessionState.STOPPED:
                still_open += [{"id": name, "state": "KILLED", **row} for row in shown(root, name)["positions"]]
        except (TightloopError, OSError, ValueError, KeyError) as error:
            failed.append({"id": name, "error": str(error)})
    return {"scope": scope, "told": told, "open": still_open + _kept(home), "failed": failed}


def _kept(home: Home) -> list[dict[str, Any]]:
    """Return the positions that the last session of each account has kept at the venue when it was stopped."""
    last: dict[str, dict[str, Any]] = {}
    for name in home.session_names():
        with contextlib.suppress(InputError, KeyError):
            about = home.read_session(name)
            before = last.setdefault(about["lease"], about)
            if int(about["made_ns"]) > int(before["made_ns"]):
                last[about["lease"]] = about
    return [
        {"id": about["id"], "state": about["state"], **row}
        for about in last.values()
        if about["mode"] == desks.KIND and about["state"] == SessionState.STOPPED and "kept" in about
        for row in about["kept"]
    ]


def _is_told(home: Home, name: str, request: Mapping[str, Any], told: list[dict[str, Any]]) -> bool:
    """Tell a session something; return False if no process runs it. What it said is appended to ``told``."""
    try:
        about = home.read_session(name)
        if about["state"] == SessionState.STOPPED or _holder(home, about) is None:
            return False
        said = control.ask(home.socket(name), request) or {"error": "it does not listen; it follows kill.json alone"}
    except (InputError, KeyError):
        return False
    except (TightloopError, OSError) as error:
        said = {"error": str(error)}
    told.append({"id": name, **said})
    return True


def rearm(root: Path, scope: str, by: str) -> dict[str, Any]:
    """Release the kill switch of a scope ("all": every one)."""
    check_scope(scope)
    home = Home(root)
    home.make()
    home.release(scope)
    told: list[dict[str, Any]] = []
    for name in home.session_names():
        _is_told(home, name, {"what": "rearm", "scope": scope, "who": by}, told)
    return {"scope": scope, "by": by, "told": told}


def replayed(
    root: Path, session: str, speed: float = math.inf, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Step the journal of a session again; raises NotRepeated at the first difference.

    ``speed``: at how many times its own pace; ``say`` is told its fills and ended trades as they come.
    """
    begun = time.perf_counter()
    home = Home(root)
    about = home.read_session(session)

    def held(plan: Plan) -> files.Held:
        def show(row: Record) -> None:
            line = line_of(row, plan.instruments)
            if line is not None:
                say(line)

        return iter if math.isinf(speed) else Pace(speed, show).held

    repetition = files.repeat(home, about, held)
    return {
        "session": about["id"],
        "state_hash": state_hash(repetition.plan),
        "facts": repetition.fact_count,
        "seq": int(repetition.plan.states[0]["seq"]),
        "took_s": round(time.perf_counter() - begun, 3),
    }


def export(root: Path, session: str, out: Path) -> dict[str, Any]:
    """Write what a session received as a catalog."""
    home = Home(root)
    about = home.read_session(session)
    return live.export.write_catalog(home, about, out)
