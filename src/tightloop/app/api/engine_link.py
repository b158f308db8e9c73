"""The gateway's only way to sessions: their files, what they say by their sockets, and what they are asked.

A state is never written here: a session decides, and what it has not answered is not known.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import SESSION_FILE, Home
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.model.errors import InputError

ANSWER_S, SHOW_S, LOOK_S = 2.0, 2.0, 0.5
SILENT_NS = 3 * 10**9
LINE_BYTES_MAX = 1 << 24
STOPPED, KILLED = "STOPPED", "KILLED"
TOLD = frozenset({"id", "mode", "state", "venue", "url", "lease", "made_ns", "rules", "strategies", "config_hash"})
"""What every session says of itself; what does not is none."""
SHOWN = frozenset({"seq", "equity", "wallet", "feed_age_s", "positions", "orders", "instances"})
"""What a view has that is read without a look."""
About = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LastView:
    """What a session said last, and when."""

    view: Mapping[str, Any]
    said_ns: int


class NotThere(Exception):
    """No process listens at a session's socket."""


async def exchanged(socket: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to a session and return its answer. Raises NotThere, OSError, ValueError."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_BYTES_MAX)
    except (FileNotFoundError, ConnectionError) as error:
        raise NotThere(str(error)) from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        found = json.loads(await reader.readline())
    finally:
        writer.close()
    if not isinstance(found, dict):
        raise ValueError("an answer is an object")
    return found


class EngineLink:
    """Knows the sessions of a home. ``now_ns``: the time."""

    def __init__(self, home: Home, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.home, self._now_ns = home, now_ns
        self._abouts: dict[str, tuple[int, About]] = {}
        self._last_views: dict[str, LastView] = {}
        self._is_held: dict[str, bool] = {}
        self._asking: set[str] = set()
        self._looks: set[asyncio.Task[None]] = set()

    # What there is

    def abouts(self) -> list[About]:
        """Read what every session is, the newest first; a file that is none is left out."""
        found: dict[str, tuple[int, About]] = {}
        for file in (self.home.root / "sessions").glob(f"*/{SESSION_FILE}"):
            name = file.parent.name
            with contextlib.suppress(OSError, InputError, RecursionError):
                stamp = file.stat().st_mtime_ns
                known = self._abouts.get(name)
                row = known if known and known[0] == stamp else (stamp, self.home.read_session(name))
                if isinstance(row[1], dict) and row[1].keys() >= TOLD:
                    found[name] = row
        self._abouts = found
        return sorted((about for _, about in found.values()), key=lambda about: -int(about["made_ns"]))

    def about(self, session: str) -> About:
        """Return what a session is. Raises HttpProblem."""
        for about in self.abouts():
            if about["id"] == session:
                return about
        raise HttpProblem("not_found", f"there is no session {session[:60]!r}")

    def last_view(self, session: str) -> LastView | None:
        """Return what a session said last; None if it said nothing to this gateway."""
        return self._last_views.get(session)

    def is_answering(self, session: str) -> bool:
        """Return whether a session said something in the last SILENT_NS."""
        last_view = self._last_views.get(session)
        return last_view is not None and self._now_ns() - last_view.said_ns < SILENT_NS

    def state(self, about: About) -> str:
        """Return the state of a session: KILLED for one whose process is gone."""
        state, session = str(about["state"]), str(about["id"])
        if state == STOPPED or self.is_answering(session) or self._is_held.get(session, True):
            return state
        return KILLED

    def pid(self, about: About) -> int | None:
        """Return the process of a session; None if there is none."""
        row = self.home.lease_row(about["lease"])
        is_its = row["session"] == about["id"] and self.state(about) not in (STOPPED, KILLED)
        return int(row["pid"]) if is_its else None

    # What they say

    async def follow(self) -> None:
        """Ask every session that is not over what it says, again and again."""
        while True:
            running = [about for about in self.abouts() if about["state"] != STOPPED]
            for about in running:
                if about["id"] not in self._asking:
                    task = asyncio.get_running_loop().create_task(self._look(about))
                    self._looks.add(task)
                    task.add_done_callback(self._looks.discard)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask every session that is not over once."""
        await asyncio.gather(*(self._look(about) for about in self.abouts() if about["state"] != STOPPED))

    async def _look(self, about: About) -> None:
        session = str(about["id"])
        self._asking.add(session)
        try:
            async with asyncio.timeout(SHOW_S):
                view = await exchanged(self.home.socket(session), {"what": "show"})
            if not view.keys() >= SHOWN:
                raise ValueError("this is no view of a session")
            self._last_views[session] = LastView(view, self._now_ns())
            self._is_held[session] = True
        except (NotThere, TimeoutError, OSError, ValueError):
            holder = await asyncio.to_thread(self.home.holder, about["lease"])
            self._is_held[session] = holder is not None and holder["session"] == session
        finally:
            self._asking.discard(session)

    # What they are asked

    async def ask(self, session: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a session for something. Raises HttpProblem: it does not run, it refuses, or its outcome is not known."""
        about = self.about(session)
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await exchanged(self.home.socket(session), request)
        except NotThere:
            raise HttpProblem("conflict", f"{session} does not run, it is {self.state(about)}") from None
        except (TimeoutError, OSError, ValueError):
            detail = f"{session} did not answer in {ANSWER_S:g} s; ask again with the same Idempotency-Key"
            raise HttpProblem("outcome_unknown", detail) from None
        if "error" in found:
            raise HttpProblem("refused", str(found["error"]))
        return found
