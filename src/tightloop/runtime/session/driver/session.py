"""One session: facts come in, are stepped, and stand in the journal before anything that follows from them leaves.

Theory of operation. ``take_batch`` takes at most 256 waiting facts: the compiled step and the simulated venue work on
them, then the facts and all rows that they caused are appended to the journal in one write. In silence ``advance``
does the same for what is due by now; it is journaled as a fact of kind 0, "time passed to here", and only if rows came
of it: whatever else was due happens again, at the same times, before the next fact.

Recovery and ``replay`` are one function, ``Repetition``: the facts of the journal in their order, through the same
code; rows are compared with those in the journal, byte for byte, and the rolling hash at each TICKED record. A
difference means that this program is not the one that wrote the journal, or a bug; either way nothing may go on.

An assertion that fails in the step leaves State half changed. The batch is journaled with a POISON record that names
the fact, and State is made again by a repetition without it: no fact that failed is stepped twice.

What may surprise: how facts were cut into batches does not matter, so a repetition cuts them anew.
"""

import json
import struct
import zlib
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import numpy as np

from tightloop.core import state as core_state
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import EVENT, LOG_ROW, Rows
from tightloop.core.replay import live as replay_live
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.errors import TightloopError
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session.driver.facts import fact_driver
from tightloop.runtime.session.driver.recent import RecentRows, rows_in
from tightloop.runtime.session.journal.batches import FactWriter
from tightloop.runtime.session.journal.layout import JournalRecord, RecordKind
from tightloop.runtime.session.journal.writer import Journal
from tightloop.runtime.session.market.bars import MadeBars
from tightloop.runtime.session.market.intake import BATCH_MAX, Batch, Intake, batch_of

TICKED_EVERY = 1_024
COMMANDS = (int(RowKind.SUBMIT), int(RowKind.CANCEL), int(RowKind.AMEND))
_SIZE = EVENT.itemsize
_TICKED = struct.Struct("<QQ")
_FIELDS = EVENT.fields
assert _FIELDS is not None, "an event has named fields"
assert _FIELDS["kind"][1] == 0, "an event begins with its kind"
_KIND_AND_STAMP = struct.Struct(f"<q{int(_FIELDS['ts_init_ns'][1]) - 8}xq")
"""Of the bytes of an event: a field of numpy's costs as much as all else that a fact of a journal does."""
NOTHING_KIND = 0
"""Kind of a fact that says only that time passed: it is not stepped."""


class OtherSide(Protocol):
    """The side of a real venue in a repetition. ``commands``: what the step has commanded since the beginning."""

    commands: list[Rows]

    @property
    def now_ns(self) -> int:
        """The time of its last input; 0: it had none."""

    def take(self, record: JournalRecord, event: bytes) -> None:
        """Take a record of the journal (with the bytes of its event, if it is a fact), before it is stepped."""

    def load(self, saved: bytes) -> None:
        """Restore what a snapshot has of it."""


class NotRepeated(TightloopError):
    """The facts of a journal, stepped again, give other rows or hashes than the journal has."""

    exit_code = 1


class StepFailed(TightloopError):
    """An assertion failed in the step, at the fact of record ``seq`` (-1: at none, so that none can be left out)."""

    exit_code = 1

    def __init__(self, seq: int, text: str) -> None:
        super().__init__(f"the step failed at record {seq}: {text}" if seq >= 0 else f"the step failed: {text}")
        self.seq = seq


def state_hash(plan: Plan) -> str:
    """Return the hash of all that was done so far: of events, commands and postings, and of the whole State."""
    if plan.states[0]["is_on_demand"]:
        replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)
    return core_state.state_hash(plan.states, plan.arena)


class Session:
    """The core of a session on a simulated venue. ``bars``: where bars are made, if strategies run on them."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        intake: Intake,
        now_ns: Callable[[], int],
        bars: MadeBars | None = None,
        begun: "Repetition | None" = None,
        *,
        has_venue: bool = True,
        on_rows: Callable[[int, Rows], None] = lambda _seq, _rows: None,
    ) -> None:
        """Begin anew, or go on from what a repetition of the journal has come to. ``has_venue``: a simulated one.

        ``on_rows`` is told rows of the log once they are in the journal, with the seq of their record.
        """
        self.on_rows = on_rows
        self.plan, self.intake, self.bars, self.journal, self._now_ns = plan, intake, bars, journal, now_ns
        self._written: list[Rows] = []
        self._facts = FactWriter(journal)
        if begun is None:
            self.recent, self.fact_count = RecentRows(), 0
            self.driver = fact_driver(plan, self._keep, has_venue=has_venue)
        else:
            self.recent, self.driver, self.fact_count = begun.recent, begun.driver, begun.fact_count
            self.driver.on_rows = self._keep
            intake.last_ns = max(intake.last_ns, begun.last_ns)
            if len(begun.rows_left):
                seq = journal.append(RecordKind.ROWS, _packed(begun.rows_left), is_reserved=True)
                on_rows(seq, begun.rows_left)
        self._ticked_at = self.fact_count
        self._has_venue, self._commands = has_venue, list[Rows]()
        intake.relieve = self.take_batch

    def _keep(self, log: Rows) -> None:
        self._written.append(rows_in(log))

    def take_batch(self) -> int:
        """Take the waiting facts, at most 256, and journal them with their rows; return how many."""
        intake = self.intake
        rows, _, first, count = batch = intake.batch()
        if count:
            try:
                self.driver.take(rows, first, count)
            except AssertionError as error:
                intake.drop()
                raise self._poisoned(batch, str(error)) from error
            self._append(batch)
        intake.drop()
        return count

    def _poisoned(self, batch: Batch, text: str) -> StepFailed:
        """Write a batch in which the step failed, and which fact it was; State is not to be used any more.

        The rows of the batch are made again by a repetition that leaves the fact out.
        """
        place = int(self.driver.control[replay_live.IN_FACT]) - 1
        _, whole, first, count = batch
        size = EVENT.itemsize
        self._written.clear()
        entries = ((whole[at : at + size], b"") for at in range(first * size, (first + count) * size, size))
        following = self._facts.append(entries, is_reserved=True)
        seq = following - count + place - first if place >= 0 else -1
        self.journal.append(RecordKind.POISON, json.dumps({"seq": seq, "text": text}).encode(), is_reserved=True)
        return StepFailed(seq, text)

    def take_warm_up(self, facts: Rows) -> None:
        """Take facts of the past, before the first one of the intake."""
        for first in range(0, len(facts), BATCH_MAX):
            piece = facts[first : first + BATCH_MAX]
            self.driver.take(piece)
            self._append(batch_of(piece))

    def due_ns(self) -> int:
        """Return when something is due without a fact; far away if nothing is."""
        due_ns = self.driver.due_ns()
        return due_ns if self.bars is None else min(due_ns, self.bars.due_ns)

    def advance(self) -> None:
        """Close the bars that are over, and run what is due by now, if no fact waits."""
        now_ns = self._now_ns()
        if self.bars is not None and self.bars.due_ns <= now_ns:
            closed, opened = self.bars.close()
            for event in (*closed, *opened):
                self.intake.put_event(event)
        if len(self.intake):
            return
        until_ns = max(now_ns, self.intake.last_ns) + 1
        if self.due_ns() >= until_ns:
            return
        self._pass_time(until_ns)

    def _pass_time(self, until_ns: int) -> None:
        """Run what is due before ``until_ns``; later facts have later stamps."""
        self.intake.last_ns = until_ns - 1
        self.driver.advance_to(until_ns)
        if self._written:
            self._append(batch_of(_time_passed(until_ns)))

    def finish(self) -> str:
        """Take what waits, run what is due by now, and journal where the session ended; return its state_hash."""
        while len(self.intake):
            self.take_batch()
        until_ns = max(self._now_ns(), self.intake.last_ns) + 1
        self.driver.advance_to(until_ns)
        self._append(batch_of(_time_passed(until_ns)))
        found = state_hash(self.plan)
        self.journal.append(RecordKind.TICKED, self._ticked(), is_reserved=True)
        return found

    def commands(self) -> list[Rows]:
        """Return the commands that stand in the journal and wait for a venue, one row each, and forget them."""
        found, self._commands = self._commands, []
        return found

    def _ticked(self) -> bytes:
        state = self.plan.states[0]
        return _TICKED.pack(int(state["seq"]), int(state["hash"]))

    def _append(self, batch: Batch) -> None:
        """Append facts with the rows they caused, and the hash now and then."""
        _, whole, first, count = batch
        # What was stepped has to be in the journal, so it may use the reserve; who watches ends entries then.
        if count == 1 and not self._written:
            self._facts.append_one(whole[first * _SIZE : (first + 1) * _SIZE], is_reserved=True)
        else:
            self._append_many(whole, first, count)
        self.fact_count += count
        if self.fact_count - self._ticked_at >= TICKED_EVERY:
            self._ticked_at = self.fact_count
            self.journal.append(RecordKind.TICKED, self._ticked(), is_reserved=True)

    def _append_many(self, whole: memoryview, first: int, count: int) -> None:
        entries: list[tuple[memoryview, bytes]] = [
            (whole[at : at + _SIZE], b"") for at in range(first * _SIZE, (first + count) * _SIZE, _SIZE)
        ]
        rows = None
        if self._written:
            rows = self._written[0] if len(self._written) == 1 else np.concatenate(self._written)
            self._written.clear()
            self.recent.take(rows)
            entries[-1] = (entries[-1][0], _packed(rows))
            if not self._has_venue:
                self._commands += commands_in(rows)
        following = self._facts.append(entries, is_reserved=True)
        if rows is not None:
            self.on_rows(following - 1, rows)


def commands_in(rows: Rows) -> list[Rows]:
    """Return the commands among rows of the log, one row each."""
    return [rows[place : place + 1] for place in np.flatnonzero(np.isin(rows["kind"], COMMANDS))]


def _packed(rows: Rows) -> bytes:
    return zlib.compress(rows.tobytes(), 1)


def _time_passed(until_ns: int) -> Rows:
    fact = np.zeros(1, EVENT)
    fact["kind"], fact["ts_event_ns"], fact["ts_init_ns"] = NOTHING_KIND, until_ns, until_ns
    return fact


class Repetition:
    """Facts of a journal, stepped again on a fresh plan; ``rows_left`` are rows that the journal does not have yet."""

    def __init__(
        self,
        plan: Plan,
        recent: RecentRows | None = None,
        poisoned: Collection[int] = frozenset(),
        account: OtherSide | None = None,
    ) -> None:
        """Begin anew. ``poisoned``: seqs of facts at which the step failed; they are left out.

        ``account``: the side of a real venue, which is made again beside State; None: the venue is simulated.
        """
        self.poisoned, self.account = poisoned, account
        self.plan, self.recent = plan, recent or RecentRows()
        self.driver = fact_driver(plan, self._keep, has_venue=account is None)
        self._facts = np.zeros(BATCH_MAX, EVENT)
        self._bytes = self._facts.view(np.uint8).data
        self._seqs = [-1] * BATCH_MAX
        self._count = 0
        self._made = bytearray()
        self.fact_count = self.last_ns = self.epoch = 0

    def _keep(self, log: Rows) -> None:
        rows = rows_in(log)
        self.recent.take(rows)
        self._made += rows.tobytes()
        if self.account is not None:
            self.account.commands += commands_in(rows)

    @property
    def stamp_ns(self) -> int:
        """The last time in the journal."""
        return self.last_ns if self.account is None else max(self.last_ns, self.account.now_ns)

    @property
    def rows_left(self) -> Rows:
        """Rows that were made and that the journal does not have: it ended between a fact and its rows."""
        return np.frombuffer(bytes(self._made), LOG_ROW)

    def run(self, records: Iterable[tuple[JournalRecord, bytes]]) -> None:
        """Step the facts among the records (each with its event's bytes); raises NotRepeated at the first difference.

        Raises StepFailed at a fact whose POISON record was not written: the process died between the two.

        The records may begin anywhere, if what they go on from was restored.
        """
        for record, event in records:
            if self.account is not None:
                self.account.take(record, event)
            if event:
                if record.seq not in self.poisoned:
                    self._take(record.seq, event)
            elif record.kind == RecordKind.ROWS:
                self._flush()
                self._compare(record)
            elif record.kind == RecordKind.TICKED:
                self._flush()
                self._compare_hash(record)
            elif record.kind == RecordKind.EPOCH:
                self.epoch = int(json.loads(record.payload)["epoch"])
        self._flush()

    def _take(self, seq: int, event: bytes) -> None:
        count = self._count
        self._bytes[count * _SIZE : (count + 1) * _SIZE] = event
        kind, until_ns = _KIND_AND_STAMP.unpack_from(event)
        self.last_ns = max(self.last_ns, until_ns)
        self.fact_count += 1
        if kind == NOTHING_KIND:
            self._flush()
            self.driver.advance_to(until_ns)
            return
        self._seqs[count] = seq
        self._count = count + 1
        if count + 1 == BATCH_MAX:
            self._flush()

    def _flush(self) -> None:
        if self._count:
            try:
                self.driver.take(self._facts, 0, self._count)
            except AssertionError as error:
                place = int(self.driver.control[replay_live.IN_FACT]) - 1
                raise StepFailed(self._seqs[place] if place >= 0 else -1, str(error)) from error
            self._count = 0

    def _compare(self, record: JournalRecord) -> None:
        written = zlib.decompress(record.payload)
        made = bytes(self._made[: len(written)])
        if made == written:
            del self._made[: len(written)]
            return
        size = LOG_ROW.itemsize
        place = next(
            (k for k in range(len(written) // size) if made[k * size :][:size] != written[k * size :][:size]), 0
        )
        was, again = (_row_in_words(rows[place * size :][:size]) for rows in (written, made))
        raise NotRepeated(f"{_where(record)}: the journal has {was}; its facts give {again}")

    def _compare_hash(self, record: JournalRecord) -> None:
        seq, found = _TICKED.unpack(record.payload)
        state = self.plan.states[0]
        if (seq, found) != (int(state["seq"]), int(state["hash"])):
            raise NotRepeated(
                f"{_where(record)}: the journal has hash {found:016x} after {seq} events, and its facts give "
                f"{int(state['hash']):016x} after {int(state['seq'])}"
            )


def _where(record: JournalRecord) -> str:
    return f"record {record.seq} ({record.file} at byte {record.offset})"


def _row_in_words(row: bytes) -> str:
    if len(row) < LOG_ROW.itemsize:
        return "no row"
    found = np.frombuffer(row, LOG_ROW)[0]
    values = ((name, found[name].item()) for name in LOG_ROW.names or ())
    return ", ".join(f"{name} {value}" for name, value in values if value == value and value != 0)
