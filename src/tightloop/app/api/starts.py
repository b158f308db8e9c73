"""Starts that the gateway asks the supervisor for: files in ``requests/`` of the home, renamed into place.

    requests/<key>.json         what is to be started
    requests/<key>.answer.json  the session that runs, or why none does

A repeat of a key finds the answer of the first. Files of more than a day ago are removed.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.stores.home import Home, write_whole
from tightloop.app.api.answers.problems import HttpProblem

FOLDER = "requests"
ANSWER = ".answer.json"
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


async def asked(home: Home, name: str, start: Start) -> Mapping[str, Any]:
    """Ask the supervisor for a start and return its answer. Raises HttpProblem."""
    folder = folder_of(home.root)
    answer = folder / f"{name}{ANSWER}"
    if not answer.exists():
        if await asyncio.to_thread(home.holder, SUPERVISOR) is None:
            raise HttpProblem("no_supervisor", "`tightloop up` has ended; start it again")
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
        except (OSError, ValueError, TypeError, KeyError):
            pass  # whoever wrote it gets no answer
        file.unlink(missing_ok=True)
    return found


def answered(root: Path, name: str, answer: Mapping[str, Any]) -> None:
    """Write the answer of a request."""
    write_whole(folder_of(root) / f"{name}{ANSWER}", json.dumps(answer))


def clear_old(root: Path) -> None:
    """Remove answers of more than KEEP_S ago."""
    for file in folder_of(root).glob(f"*{ANSWER}"):
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > KEEP_S:
                file.unlink()
