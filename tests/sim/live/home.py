"""The home folder of a simulated machine: what its user's files are, and a disk for each session's folder.

Small files of the home are written whole and synced by the product, so here they are simply there. A session's folder
has a disk of its own, which loses what a disk may lose.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.adapters.stores.home import EVERYTHING, LAST, Home, Lease
from tightloop.model.errors import InputError

ROOT = Path("/simulated")


@dataclass(frozen=True, slots=True)
class SimulatedLease(Lease):
    """A held lease."""

    home: "SimulatedHome"

    def write(self, session, epoch):
        self.home.holders[self.name] = {"session": session, "pid": 1, "epoch": epoch}

    def close(self):
        self.home.holders.pop(self.name, None)


class SimulatedHome(Home):
    """A home folder in memory. ``make_disk``: makes the disk of a new session."""

    def __init__(self, make_disk=SimulatedDisk):
        super().__init__(ROOT)
        self._make_disk = make_disk
        self.about, self.texts, self.disks, self.logs, self.holders = {}, {}, {}, {}, {}
        self.scopes = []

    def make(self):
        pass

    def take(self, name):
        if name in self.holders:
            return self.holders[name]
        self.holders[name] = {"session": "", "pid": 1, "epoch": 0}
        return SimulatedLease(name, ROOT / name, None, self)

    def holder(self, name):
        return self.holders.get(name)

    def kills(self):
        return list(self.scopes)

    def engage(self, scope):
        self.scopes = list(dict.fromkeys([*self.scopes, scope]))

    def release(self, scope):
        self.scopes = [] if scope == EVERYTHING else [one for one in self.scopes if one != scope]

    def make_session(self, about, texts):
        session = f"{about['mode']}-{len(self.about) + 1:010x}"
        self.disks[session], self.logs[session] = self._make_disk(), []
        self.texts[session] = dict(texts)
        self.write_session(session, {**about, "id": session})
        return session

    def write_session(self, session, about):
        self.about[session] = json.dumps(about)

    def write_log(self, session, line):
        self.logs[session].append(line)

    def read_session(self, session):
        if session == LAST and self.about:
            return self.sessions()[-1]
        if session not in self.about:
            raise InputError.one("command line", None, "ID", f"there is no session {session!r}", "name one")
        return json.loads(self.about[session])

    def session_names(self):
        return sorted(self.about)

    def disk_of(self, folder):
        return self.disks[folder.name]

    def copied(self):
        """Return a copy of the folder, as somebody makes who moves to another machine."""
        found = SimulatedHome(self._make_disk)
        found.about, found.texts, found.scopes = dict(self.about), dict(self.texts), list(self.scopes)
        found.logs = {session: [] for session in self.logs}
        found.disks = {session: disk.copied() for session, disk in self.disks.items()}
        return found

    def die(self):
        """Let go of what a process that has died held."""
        self.holders.clear()
