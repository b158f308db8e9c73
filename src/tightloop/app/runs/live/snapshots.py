"""Snapshots of a running session: when they are written, and what they are made of."""

import asyncio
from collections.abc import Callable

from tightloop import __version__
from tightloop.app.runs.live.files import SNAPSHOTS
from tightloop.app.runs.live.machine import Machine
from tightloop.model.errors import StrategyError
from tightloop.ports.disk import Disk
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal.snapshots import Snapshot, save
from tightloop.runtime.session.journal.writer import Journal

EVERY_S, EVERY_FACTS, LOOK_S = 300.0, 300_000, 1.0


class SnapshotWriter:
    """Writes snapshots of the session that ``session`` returns. ``saved``: the side of a real venue, as bytes."""

    def __init__(
        self, machine: Machine, disk: Disk, name: str, journal: Journal, session: Callable[[], Session],
        saved: Callable[[], bytes | None], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._machine, self._disk, self._name, self._journal = machine, disk, name, journal
        self._session, self._saved, self._say = session, saved, say

    async def follow(self) -> None:
        """Write a snapshot after so much time or so many facts."""
        clock = self._machine.clock
        facts, begun_ns = self._session().fact_count, clock.monotonic_ns()
        while True:
            await asyncio.sleep(LOOK_S)
            passed_s = (clock.monotonic_ns() - begun_ns) * 1e-9
            if self._session().fact_count - facts < EVERY_FACTS and passed_s < EVERY_S:
                continue
            facts, begun_ns = self._session().fact_count, clock.monotonic_ns()
            snapshot = self._made()
            if snapshot is not None:
                await self._machine.aside(save, self._disk, SNAPSHOTS, snapshot)

    def write(self) -> None:
        """Write a snapshot now, or say why not."""
        try:
            snapshot = self._made()
            if snapshot is not None:
                save(self._disk, SNAPSHOTS, snapshot)
        except OSError as error:
            self._say(f"no snapshot was written: {error}")

    def _made(self) -> Snapshot | None:
        """Return the session as a snapshot; None if its strategies in Python do not say what they keep."""
        saved = self._saved()
        self._journal.sync()  # a snapshot must not know more than the journal
        try:
            return snapshots.snapshot_of(self._session(), self._name, self._journal.seq, __version__, saved)
        except StrategyError as error:
            self._say(f"no snapshot was written: {error}")
            return None
