"""Snapshots of a running session: when they are written, what they are made of, and market facts that get old.

Each time a segment of the journal is begun, a base is written. Once a base is older than ``keep_market_days`` of
``settings.yaml``, the segments before it are reduced: their market facts go. Strategies in Python that do not say what
they keep have no snapshots, so nothing of their sessions is reduced.
"""

import asyncio
from collections.abc import Callable

from tightloop import __version__
from tightloop.app.runs.live.files import BASES, JOURNAL, SNAPSHOTS
from tightloop.app.runs.live.machine import Machine
from tightloop.model.errors import StrategyError
from tightloop.ports.disk import Disk
from tightloop.runtime.session.driver import snapshots
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal.layout import RecordKind
from tightloop.runtime.session.journal.reducing import base_record, old_segments, reduce_segments
from tightloop.runtime.session.journal.snapshots import Snapshot, names, save, unpack
from tightloop.runtime.session.journal.writer import Journal

EVERY_S, EVERY_FACTS, LOOK_S, REDUCE_S = 300.0, 300_000, 1.0, 3_600.0
BASES_MAX = 1_000_000
_DAY_NS = 86_400 * 10**9


class SnapshotWriter:
    """Writes snapshots of the session that ``session`` returns.

    ``saved``: the side of a real venue, as bytes; ``keep_days``: for how many days market facts are kept.
    """

    def __init__(
        self, machine: Machine, disk: Disk, name: str, journal: Journal, session: Callable[[], Session],
        saved: Callable[[], bytes | None], say: Callable[[str], None], keep_days: float,
    ) -> None:  # fmt: skip
        self._machine, self._disk, self._name, self._journal = machine, disk, name, journal
        self._session, self._saved, self._say = session, saved, say
        self._segment = 0
        self._keep_ns = round(keep_days * _DAY_NS)

    async def follow(self) -> None:
        """Write a snapshot after so much time or so many facts."""
        clock = self._machine.clock
        reduce_ns = clock.monotonic_ns()
        facts, begun_ns = self._session().fact_count, clock.monotonic_ns()
        while True:
            await asyncio.sleep(LOOK_S)
            if self._journal.segment != self._segment:
                await self._begin_segment()
            if clock.monotonic_ns() >= reduce_ns:
                reduce_ns = clock.monotonic_ns() + round(REDUCE_S * 1e9)
                await self._reduce()
            passed_s = (clock.monotonic_ns() - begun_ns) * 1e-9
            if self._session().fact_count - facts < EVERY_FACTS and passed_s < EVERY_S:
                continue
            facts, begun_ns = self._session().fact_count, clock.monotonic_ns()
            snapshot = self._made()
            if snapshot is not None:
                await self._machine.aside(save, self._disk, SNAPSHOTS, snapshot)

    async def _begin_segment(self) -> None:
        """Write a base near the beginning of a segment, the first one left out: nothing lies before it."""
        if self._journal.segment > 1:
            base = self._made()
            if base is not None:
                await self._machine.aside(save, self._disk, BASES, base, BASES_MAX)
        self._segment = self._journal.segment

    async def _reduce(self) -> None:
        """Reduce what lies before the newest base that is old enough."""
        disk, until_ns, chosen, seq = self._disk, self._machine.clock.now_ns() - self._keep_ns, "", 0
        for name in sorted(names(disk, BASES)):
            base = unpack(disk.read(f"{BASES}/{name}"))
            if snapshots.received_ns(base) > until_ns:
                break
            chosen, seq = name, base.seq
        old = old_segments(disk, JOURNAL, seq, self._journal.segment) if chosen else []
        if old:
            self._journal.append(RecordKind.SNAPSHOT, base_record(disk, BASES, chosen))
            self._journal.sync()
            await self._machine.aside(reduce_segments, disk, JOURNAL, old, BASES, chosen)

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
