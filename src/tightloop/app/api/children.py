"""Processes of sessions that a supervisor starts: the commands of the command line, in process groups of their own.

What was started here is kept in ``run/up.json``, so that the next supervisor adopts it and ends it in order.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home, write_whole
from tightloop.app.api import starts
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.engine_link import NotThere, exchanged
from tightloop.app.api.settings import GatewaySettings
from tightloop.app.api.shapes.sessions import SessionStart
from tightloop.app.api.strategies.files import StrategyFiles
from tightloop.model.errors import TightloopError
from tightloop.model.files import alone

ADOPTED_FILE = "up.json"
HELD, AT_RISK = 3, 5
END_S, SHOW_S, LOOK_S, CLEAR_S = 60.0, 2.0, 0.05, 3_600.0
WORDS_MAX = 4_000
COMMAND = (sys.executable, "-c", "from tightloop.app.cli.start import main; main()")


@dataclass(frozen=True, slots=True)
class Starting:
    """A session that was asked for and is not there yet."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Engines:
    """Those of one home. ``say``: tells people."""

    def __init__(self, home: Home, settings: GatewaySettings, say: Callable[[str], None]) -> None:
        self._home, self._settings, self._say = home, settings, say
        self._strategies = StrategyFiles(home.root)
        self._starting: list[Starting] = []
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._ours: dict[str, int] = {}
        self._clears_s = 0.0

    # What runs already

    def adopt(self) -> list[str]:
        """Take over the sessions that an earlier supervisor has started and that still run; return their ids."""
        file = self._home.root / "run" / ADOPTED_FILE
        kept: Any = {}
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(file.read_text())
        rows = kept.items() if isinstance(kept, dict) else ()
        self._ours = {name: pid for name, pid in rows if isinstance(pid, int) and self._pid(name) == pid}
        self._keep()
        return sorted(self._ours)

    def _pid(self, session: str) -> int | None:
        """Return the process that runs a session; None if there is none."""
        try:
            holder = self._home.holder(self._home.read_session(session)["lease"])
            return int(holder["pid"]) if holder is not None and holder["session"] == session else None
        except (OSError, KeyError, ValueError, TypeError, TightloopError):
            return None

    def _keep(self) -> None:
        write_whole(self._home.root / "run" / ADOPTED_FILE, json.dumps(self._ours))

    # What is asked for

    def advance(self) -> None:
        """Start what is asked for, and answer what has started or was refused."""
        if time.monotonic() > self._clears_s:
            self._clears_s = time.monotonic() + CLEAR_S
            starts.clear_old(self._home.root, self._ours)
        for name, start in starts.waiting(self._home.root).items():
            if any(one.name == name for one in self._starting):
                continue  # asked for again while it starts: there is one answer
            try:
                self._starting.append(self._begun(name, start))
            except (OSError, ValueError, TightloopError, HttpProblem) as error:
                starts.answered(self._home.root, name, {"error": str(error)})
        for one in list(self._starting):
            answer = self._answer(one)
            if answer is not None:
                self._starting.remove(one)
                starts.answered(self._home.root, one.name, answer)
        for session, process in list(self._children.items()):
            if process.poll() is not None:
                self._say(f"{session} ended with {process.returncode}")
                del self._children[session]
                self._forget(session)

    def _begun(self, name: str, start: starts.Start) -> Starting:
        """Start the command for a request, which is checked again: the gateway's word is not enough.

        Raises OSError, ValueError, TightloopError, HttpProblem.
        """
        _check(start)
        if start.mode == "live" and not self._settings.is_live_enabled:
            raise HttpProblem("live_not_enabled", "`tightloop up --enable-live` allows live sessions")
        if start.venue not in self._settings.venues:
            raise HttpProblem("invalid", f"{start.venue!r} is none of the venues of this platform")
        folder = starts.folder_of(self._home.root) / name
        folder.mkdir(mode=0o700, exist_ok=True)
        files = []
        for strategy, number in start.strategies:
            file = folder / f"{strategy}@{number}.yaml"
            text = self._strategies.version(strategy, number).text
            alone.check(text, file.name)
            file.write_text(text, encoding="utf-8")
            files.append(file)
        log = folder / "start.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*COMMAND, *self._arguments(start), *map(str, files)], stdin=subprocess.DEVNULL, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._say(f"{start.who} starts {', '.join(file.stem for file in files)} ({start.mode} on {start.venue})")
        return Starting(name, process, log)

    def _arguments(self, start: starts.Start) -> list[str]:
        url = self._settings.venues[start.venue]
        said = [start.mode, "--home", str(self._home.root), "--venue", start.venue, "--on-exit", start.on_exit]
        said += ["--url", url] if url is not None else []
        for instrument in start.instruments:
            said += ["--instrument", instrument]
        said += ["--account", start.account] if start.account is not None else []
        if start.mode == "live":
            said += ["--login", start.login, "--enable-live", f"--confirm={start.confirm or ''}"]
            said += [f"--override-paper={start.override_paper}"] if start.override_paper else []
        return [*said, "--"]

    def _answer(self, one: Starting) -> Mapping[str, Any] | None:
        """Return what came of a start; None while that is not known."""
        code = one.process.poll()
        if code is not None:
            words = ""
            with contextlib.suppress(OSError):
                words = one.log.read_text(errors="replace")[-WORDS_MAX:].strip()
            last = words.splitlines()[0] if words else ""
            if code == HELD:
                return {"session": last, "note": "it runs already"}
            return {"error": words or f"it ended with {code}", "exit_code": code}
        session = self._session_of(one.process.pid)
        if session is None or not self._home.socket(session).exists():
            return None
        self._children[session] = one.process
        self._ours[session] = one.process.pid
        self._keep()
        return {"session": session}

    def _session_of(self, pid: int) -> str | None:
        """Return the session that a process runs: the one of its lease, if the lease is held."""
        for file in (self._home.root / "leases").glob("*.json"):
            with contextlib.suppress(OSError, KeyError, ValueError, TypeError):
                row = self._home.lease_row(file.stem)
                is_of_it = row["pid"] == pid and row["session"] and row["epoch"] > 0
                if is_of_it and self._home.holder(file.stem) == row:
                    return str(row["session"])
        return None

    def _forget(self, session: str) -> None:
        if self._ours.pop(session, None) is not None:
            self._keep()

    # Ending

    def end(self) -> int:
        """End the sessions that were started here, positions kept; return the exit code: 5 if one has a position."""
        children = {one.process.pid: one.process for one in self._starting}
        children |= {process.pid: process for process in self._children.values()}
        running = {session: pid for session, pid in self._ours.items() if self._pid(session) == pid}
        code = AT_RISK if any(self._has_position(session) for session in running) else 0
        for pid in {*children, *running.values()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        ends = time.monotonic() + END_S
        while time.monotonic() < ends:
            waits = [process for process in children.values() if process.poll() is None]
            if not waits and not any(self._pid(session) == pid for session, pid in running.items()):
                break
            time.sleep(LOOK_S)
        else:
            self._say("a session has not ended; it goes on, and the next `tightloop up` adopts it")
            return code
        self._ours = {}
        self._keep()
        return AT_RISK if any(process.returncode == AT_RISK for process in children.values()) else code

    def _has_position(self, session: str) -> bool:
        async def asked() -> Mapping[str, Any]:
            async with asyncio.timeout(SHOW_S):
                return await exchanged(self._home.socket(session), {"what": "show"})

        try:
            return bool(asyncio.run(asked())["positions"])
        except (NotThere, TimeoutError, OSError, ValueError, KeyError, TypeError):
            return True  # what is not known counts as risk


def _check(start: starts.Start) -> None:
    """Check a request as the gateway does; strategies are checked when they are read. Raises ValueError."""
    said = dataclasses.asdict(start)
    said["strategies"] = [f"{name}@{number}" for name, number in start.strategies]
    if not str(said.pop("who")).isprintable():
        raise ValueError("the name of a user is printable")
    SessionStart.model_validate(said)
