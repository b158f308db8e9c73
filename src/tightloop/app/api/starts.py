"""Starts that the gateway asks the supervisor for: files in ``requests/`` of the home, renamed into place.

    requests/<key>.json         what is to be started
    requests/<key>.body         digest of what the user has sent
    requests/<key>.answer.json  the session that runs, or why none does
    requests/<key>/             strategies and first words of the command

A repeat of a key finds the answer of the first; with another body it is refused. What was answered more than a day ago
is removed, unless the session still runs.
"""

import asyncio
import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home, write_whole
from tightloop.app.api.answers.problems import HttpProblem

FOLDER = "requests"
ANSWER, BODY = ".answer.json", ".body"
SUPERVISOR = "up"
"""The lease that a supervisor holds."""
WAIT_S, LOOK_S = 30.0, 0.05
KEEP_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What is to be started. ``strategies``: pairs of id and version."""

    mode: str
    strategies: tuple[tuple[str, int], ...]
    venue: str
    instruments: tuple[str, ...]
    account: str | None
    on_exit: str
    login: str
    confirm: str | None
    override_paper: str | None
    who: str


def request_name(who: str, key: str) -> str:
    """Return the name of a request's files."""
    return hashlib.sha256(f"{who} {key}".encode()).hexdigest()[:24]


def folder_of(root: Path) -> Path:
    """Return the folder of requests, made if need be."""
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


async def asked(home: Home, name: str, start: Start, said: str) -> Mapping[str, Any]:
    """Ask the supervisor for a start and return its answer. ``said``: what the user has sent. Raises HttpProblem."""
    folder = folder_of(home.root)
    answer, body = folder / f"{name}{ANSWER}", folder / f"{name}{BODY}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    with contextlib.suppress(FileNotFoundError):
        if body.read_text() != digest:
            raise HttpProblem("idempotency_conflict", "take another one for another request")
    if not answer.exists():
        if await asyncio.to_thread(home.holder, SUPERVISOR) is None:
            raise HttpProblem("no_supervisor", "`tightloop up` has ended; start it again")
        write_whole(body, digest)
        write_whole(folder / f"{name}.json", json.dumps(asdict(start)))
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(answer.read_text())
            return found
        await asyncio.sleep(LOOK_S)
    raise HttpProblem("outcome_unknown", "the session has not started yet; ask again with the same Idempotency-Key")


def waiting(root: Path) -> dict[str, Start]:
    """Take the requests that wait, by name. One that cannot be read is removed."""
    found = {}
    for file in sorted(folder_of(root).glob("*.json")):
        if file.name.endswith(ANSWER) or file.name.startswith("."):
            continue
        try:
            said = json.loads(file.read_text())
            pairs = tuple((str(name), int(number)) for name, number in said["strategies"])
            found[file.stem] = Start(**{**said, "strategies": pairs, "instruments": tuple(said["instruments"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            pass  # whoever wrote it gets no answer
        file.unlink(missing_ok=True)
    return found


def answered(root: Path, name: str, answer: Mapping[str, Any]) -> None:
    """Write the answer of a request."""
    write_whole(folder_of(root) / f"{name}{ANSWER}", json.dumps(answer))


def clear_old(root: Path, running: Container[str]) -> None:
    """Remove what was asked for more than KEEP_S ago, but for sessions that run: they write into their folder."""
    folder = folder_of(root)
    names = {file.name.partition(".")[0] for file in folder.iterdir() if not file.name.startswith(".")}
    for name in names:
        answer, body, inside = folder / f"{name}{ANSWER}", folder / f"{name}{BODY}", folder / name
        with contextlib.suppress(OSError, ValueError):
            last_s = max(file.stat().st_mtime for file in (answer, body, inside) if file.exists())
            if time.time() - last_s <= KEEP_S or _session(answer) in running:
                continue
            shutil.rmtree(inside, ignore_errors=True)
            answer.unlink(missing_ok=True)
            body.unlink(missing_ok=True)


def _session(answer: Path) -> str:
    """Return the session that an answer names, empty if none. Raises OSError, ValueError."""
    said = json.loads(answer.read_text()) if answer.exists() else {}
    return str(said["session"]) if isinstance(said, dict) and "session" in said else ""
