"""What only a replica of the session knows: equity, bars, values of variants, nearest moments, margins, timers.

Theory of operation. The facts of the journal are stepped again as a repetition does, in whole batches: on bars up to
each closed bar, on ticks up to each second, and to the end of the records of each batch of rows. In between State is
not read, so a record costs what its step costs. Where to look follows from the records alone: equal journals give
equal rows, whenever and in whatever pieces they are read.

    a closed bar that is decided on    values, nearest moments, equity, and what changed of margins and timers
    on ticks, each second              the same, but equity; a minute that is over has its bars and its equity
    rows with transitions or fills     watches begin and end; equity; margins and timers
    any other record                   nothing

A repetition whose rows or hashes are not those of the journal is over: a CRITICAL risk event says so, and none of these
tables has more rows.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tightloop.core.domain.enums import EventKind, Phase, RowKind
from tightloop.core.domain.types import EVENT, Record, Rows
from tightloop.core.limits import MINUTE_NS, SECOND_NS
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.plan import Plan
from tightloop.ports.read_model import TableRow
from tightloop.runtime.session.driver.session import NotRepeated, Repetition
from tightloop.runtime.session.journal import JournalRecord, RecordKind
from tightloop.runtime.session.read_model.candles import MinuteBars, ToldBars
from tightloop.runtime.session.read_model.closest import ClosestMoments, conditions_after
from tightloop.runtime.session.read_model.rows import PlanNames, real
from tightloop.runtime.session.read_model.state_rows import StateRows

PENDING_MAX = 2_048
_FIELDS = EVENT.fields
assert _FIELDS is not None, "an event has named fields"
_KIND, _INSTRUMENT, _INIT = (int(_FIELDS[name][1]) // 8 for name in ("kind", "instrument", "ts_init_ns"))
_PRICE, _QTY = int(_FIELDS["price"][1]), int(_FIELDS["qty"][1])
_FLOAT = struct.Struct("<d")
_BAR_CLOSED, _TRADE = int(EventKind.BAR_CLOSED), int(EventKind.TRADE)
_MOVES = (int(RowKind.TRANSITION), int(RowKind.FILL))


class Replica:
    """Steps a session again. ``state_rows``: where its rows of positions, instances and instruments are kept.

    ``from_seq``: the first record that is stepped; of those before only transitions matter.
    """

    def __init__(
        self, repetition: Repetition, names: PlanNames, state_rows: StateRows, begun_ns: int, from_seq: int = 0
    ) -> None:
        self.repetition, self._names, self._state_rows = repetition, names, state_rows
        self._from_seq = from_seq
        plan = repetition.plan
        self.closest = ClosestMoments(plan, begun_ns)
        self.values = ValueRows(plan)
        self.instances = range(int(plan.states[0]["instance_count"]))
        self.period_ns = 0 if plan.timeframe is None else TIMEFRAMES[plan.timeframe]
        """Of the bars that are decided on; 0: on ticks."""
        self._told = None if plan.timeframe is None else ToldBars(names.instruments, plan.timeframe, self.period_ns)
        self._made = None if plan.timeframe is not None else MinuteBars(names.instruments)
        self._pending: list[tuple[JournalRecord, bytes]] = []
        self._look_ns = 0
        """On ticks: before which fact to look next; 0: none came yet."""
        self.is_over = False
        self._failure: NotRepeated | None = None

    @property
    def plan(self) -> Plan:
        """The plan, as far as it was stepped."""
        return self.repetition.plan

    def take(self, record: JournalRecord, event: bytes, rows: Rows | None) -> Iterator[TableRow]:
        """Take a record with its event or its rows; yield what is known only now. Raises StepFailed."""
        if self.is_over:
            return
        if record.seq < self._from_seq:
            if rows is not None:
                for row in rows[rows["kind"] == int(RowKind.TRANSITION)]:
                    for _ in self.closest.moved(row, self._names.signal(row), record.seq):
                        pass  # of nearest moments before the first record nothing is known
            return
        try:
            yield from self._taken(record, event, rows)
        except NotRepeated as error:
            self.is_over = True
            self._pending.clear()
            yield TableRow("risk_events", {
                "seq": record.seq, "n": 0 if rows is None else len(rows), "ts": self.repetition.last_ns or None,
                "signal_id": None, "severity": "CRITICAL", "type": "NOT_REPEATED", "scope": "session",
                "instance": None, "instrument": None, "message": f"the session cannot be repeated: {error}",
                "details": "{}",
            })  # fmt: skip

    def _taken(self, record: JournalRecord, event: bytes, rows: Rows | None) -> Iterator[TableRow]:
        if record.kind == RecordKind.FACT:
            words = memoryview(event).cast("q")
            if self._made is not None:
                if words[_INIT] >= self._look_ns:
                    yield from self._second(words[_INIT], record.seq)
                if words[_KIND] == _TRADE:
                    (price,), (qty,) = _FLOAT.unpack_from(event, _PRICE), _FLOAT.unpack_from(event, _QTY)
                    self._made.take(words[_INSTRUMENT], price, qty, words[_INIT])
            elif words[_KIND] == _BAR_CLOSED:
                yield from self._closed(record, event)
                return
        self._pending.append((record, event))
        if rows is not None:
            yield from self._changed(rows, record.seq)
        elif len(self._pending) >= PENDING_MAX or record.kind == RecordKind.TICKED:
            self.run()

    def resume(self, kept: dict[str, list[dict[str, Any]]]) -> None:
        """Begin at a State that was restored; ``kept`` as ``SessionRecords.resume`` has it."""
        nearest, looked_ns = [row for row in kept["closest"] if row["seq"] < self._from_seq], self.repetition.last_ns
        self.values.resume(kept["value_rows"])
        if self._made is not None:
            self._made.skip()
            self._look_ns = (self.repetition.last_ns // SECOND_NS + 1) * SECOND_NS
        if self._told is not None:
            bars = self.plan.states[0]["instruments"]["bar"][: len(self._names.instruments)]
            self._told.resume([int(bar["close_ns"]) for bar in bars])
            looked_ns = max(int(bar["close_ns"]) for bar in bars)
        self.closest.resume(nearest, looked_ns)

    def run(self) -> None:
        """Step what came since the last time. Raises NotRepeated, StepFailed."""
        pending, self._pending = self._pending, []
        if self._failure is not None:
            raise self._failure
        if not pending:
            return
        self.repetition.run(pending)
        if self.repetition.account is not None:
            self.repetition.account.commands.clear()

    def is_stepped(self) -> bool:
        """Step what came, and return whether State is that of now. Raises StepFailed."""
        if self.is_over or self._failure is not None:
            return False
        try:
            self.run()
        except NotRepeated as error:
            self._failure = error  # told of with the record at which it is found without anybody looking
            return False
        return True

    def _second(self, now_ns: int, seq: int) -> Iterator[TableRow]:
        """Yield what there is to say at the end of a second in which something came."""
        is_first = self._look_ns == 0
        over_ns, self._look_ns = self._look_ns, (now_ns // SECOND_NS + 1) * SECOND_NS
        if is_first:
            return
        self.run()
        yield from self._look(over_ns, now_ns, seq, is_sparse=True)
        assert self._made is not None
        if now_ns // MINUTE_NS != (over_ns - 1) // MINUTE_NS:
            yield from self._made.close(seq)
            yield self._equity(over_ns, seq)

    def _closed(self, record: JournalRecord, event: bytes) -> Iterator[TableRow]:
        """Yield the bar that a BAR_CLOSED tells of, and what it led to."""
        fact: Record = np.frombuffer(event, EVENT)[0]
        assert self._told is not None
        yield from self._told.take(fact, record.seq)
        self._pending.append((record, event))
        phase = int(fact["phase"])
        close_ns = int(fact["ts_event_ns"]) + self._told.period_ns
        if phase == Phase.RECORD:
            self.run()
            yield from self.values.rows(close_ns, record.seq, int(fact["instrument"]))
        elif phase & Phase.DECIDE_ON_CLOSE:
            self.run()
            yield from self._look(close_ns, close_ns, record.seq, is_sparse=False)
            yield self._equity(int(self.plan.states[0]["ts_ns"]), record.seq)

    def _look(self, ts_ns: int, now_ns: int, seq: int, *, is_sparse: bool) -> Iterator[TableRow]:
        """Yield values, which are of ``ts_ns``, nearest moments, and what else has changed."""
        self.measure()
        self.closest.look()
        yield from self.values.rows(ts_ns, seq, is_sparse=is_sparse)
        yield from self.closest.due(now_ns, seq)
        yield from self._state_rows.changes(self.plan, seq)

    def measure(self) -> None:
        """Compute the indicators that were not read since their ticks came."""
        plan = self.plan
        if plan.states[0]["is_on_demand"] and self._made is not None:
            replay_ticks.measure_put_off(plan.states, plan.arena, plan.table)

    def _changed(self, rows: Rows, seq: int) -> Iterator[TableRow]:
        """Yield what rows of the log change: watches, equity, margins and timers."""
        kinds = rows["kind"]
        for n in np.flatnonzero((kinds == int(RowKind.SECTION)) | (kinds == int(RowKind.TRANSITION))):
            row = rows[int(n)]
            if int(row["kind"]) == RowKind.SECTION:
                self.closest.fired(row, conditions_after(rows, int(n)))
            else:
                yield from self.closest.moved(row, self._names.signal(row), seq)
        if not np.isin(kinds, _MOVES).any():
            return
        self.run()
        yield from self._state_rows.changes(self.plan, seq)
        if (kinds == int(RowKind.FILL)).any():
            yield self._equity(int(self.plan.states[0]["ts_ns"]), seq)

    def _equity(self, ts_ns: int, seq: int) -> TableRow:
        state = self.plan.states[0]
        equity = float(state["equity"])
        peak = max(float(state["equity_peak"]), equity)
        return TableRow("equity", {
            "seq": seq, "ts": ts_ns, "equity": real(equity), "cash": real(equity - float(state["unrealized"])),
            "drawdown_pct": real(100.0 * (peak - equity) / peak) if peak > 0.0 else None,
        })  # fmt: skip


class ValueRows:
    """Rows of what the variants of all instances have."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        state = plan.states[0]
        owners: list[tuple[int, str]] = []
        cells: list[int] = []
        instruments: list[int] = []
        for instance, row in enumerate(state["instances"][: int(state["instance_count"])]):
            base, names = int(row["value_base"]), plan.strategies[int(row["strategy"])].variants
            for place, name in enumerate(names):
                owners.append((instance, name))
                cells.append(int(state["value_slots"][base + place]))
                instruments.append(int(row["instrument"]))
        self.owners, self._cells = owners, np.array(cells, np.int64)
        self._instruments = np.array(instruments, np.int64)
        self._last = np.full(len(owners), math.nan)

    def resume(self, rows: list[dict[str, Any]]) -> None:
        """Restore what was told last."""
        for row in rows:
            if (owner := (row["instance"], row["key"])) in self.owners:
                self._last[self.owners.index(owner)] = math.nan if row["value"] is None else row["value"]

    def now(self) -> Any:
        """Return the values as they are, in the order of ``owners``; NaN where they are not known."""
        return self._plan.arena[self._cells]

    def rows(self, ts_ns: int, seq: int, instrument: int = -1, *, is_sparse: bool = False) -> Iterator[TableRow]:
        """Yield the values of instances on an instrument (-1: of all); ``is_sparse``: those that have changed."""
        values = self.now()
        is_told = np.ones(len(values), np.bool_) if instrument < 0 else self._instruments == instrument
        if is_sparse:
            is_told &= (values != self._last) & ~(np.isnan(values) & np.isnan(self._last))
            self._last = values
        for at in np.flatnonzero(is_told):
            instance, name = self.owners[at]
            yield TableRow(
                "value_rows", {"seq": seq, "instance": instance, "key": name, "ts": ts_ns, "value": real(values[at])}
            )
