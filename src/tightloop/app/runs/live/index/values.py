"""The door at which screens read the latest values of a session: ``run/<session>.vals`` in the home folder.

A Unix socket; lines of JSON, written by the process that keeps the session's rows, so that the session itself does
nothing for screens. Who connects gets all values, then those that have changed, at each look of that process, and at
least a line each QUIET_S, which is a proof of life:

    {"ts_ns": "..", "seq": 812, "values": [[key, value, ts_ns, cadence_ms], ..]}

Values are decimals as text, times as text; null is not known. Keys: ``runtime/session/read_model/live_values.py``. A
key that is gone (a position was closed) is told once with null and null. Who does not read is cut off.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tightloop.runtime.session.read_model.live_values import LiveValue

QUIET_S = 1.0
SCREENS_MAX = 32
UNREAD_BYTES_MAX = 1 << 20


class ValuesDoor:
    """Where values are read; on Windows nowhere."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError."""
        self._path, self._screens = path, list[_Screen]()
        self._last: dict[str, LiveValue] = {}
        self._told_s = 0.0
        self._door: socket.socket | None = None
        if not hasattr(socket, "AF_UNIX"):
            return
        path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(os.fspath(path))
        path.chmod(0o600)
        self._inode = path.stat().st_ino
        self._door.listen(SCREENS_MAX)
        self._door.setblocking(False)

    def tell(self, seq: int, now: Callable[[], Mapping[str, LiveValue]]) -> None:
        """Tell all that listen what has changed; ``now`` is called only if there are any."""
        new = self._entered()
        if not self._screens and not new:
            self._last = {}
            return
        values = dict(now())
        gone = [[key, None, None, self._last[key].cadence_ms] for key in self._last if key not in values]
        changed = [_entry(key, value) for key, value in values.items() if self._last.get(key) != value] + gone
        self._last = values
        is_due = time.monotonic() - self._told_s >= QUIET_S
        if (changed or is_due) and self._screens:
            self._told_s = time.monotonic()
            line = _line(seq, changed)
            self._screens = [screen for screen in self._screens if screen.takes(line)]
        if new:
            line = _line(seq, [_entry(key, value) for key, value in values.items()])
            self._screens += [screen for screen in new if screen.takes(line)]

    def _entered(self) -> "list[_Screen]":
        found: list[_Screen] = []
        while self._door is not None and len(self._screens) + len(found) < SCREENS_MAX:
            try:
                link, _ = self._door.accept()
            except BlockingIOError:
                break
            found.append(_Screen(link))
        return found

    def close(self) -> None:
        """Close it, and cut off all that listen."""
        for screen in self._screens:
            screen.close()
        if self._door is not None:
            self._door.close()
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == self._inode:  # not that of a later process
                    self._path.unlink()


class _Screen:
    """One that listens, with what it has not read yet."""

    def __init__(self, link: socket.socket) -> None:
        self._link, self._unread = link, b""
        link.setblocking(False)

    def takes(self, line: bytes) -> bool:
        """Send a line; return False once it is gone, or has read too little."""
        self._unread += line
        try:
            while self._unread:
                self._unread = self._unread[self._link.send(self._unread) :]
        except BlockingIOError:
            if len(self._unread) <= UNREAD_BYTES_MAX:
                return True
        except OSError:
            pass
        else:
            return True
        self.close()
        return False

    def close(self) -> None:
        """Cut it off."""
        with contextlib.suppress(OSError):
            self._link.close()


def _entry(key: str, value: LiveValue) -> list[Any]:
    return [key, value.value, None if value.ts_ns is None else str(value.ts_ns), value.cadence_ms]


def _line(seq: int, values: list[list[Any]]) -> bytes:
    return json.dumps({"ts_ns": str(time.time_ns()), "seq": seq, "values": values}).encode() + b"\n"
