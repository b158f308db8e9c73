"""The read model of one session as a fold over the records of its journal.

Equal records give equal rows, however they were cut into batches and whenever they were read: the rows of a session
that was followed while it ran are those of a rebuild. ROWS, OPERATOR, EPOCH and (real venues) ANSWER records lead to
rows by themselves; what only State knows comes from a replica, which steps the facts again (``replica.py``).
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tightloop.core.domain.enums import EventKind, InstanceState, RowKind, SessionControl
from tightloop.core.domain.types import EVENT, LOG_ROW, Record, Rows
from tightloop.model.signal.plan import Plan
from tightloop.ports.read_model import TableRow
from tightloop.runtime.session.account.fold import AccountFold
from tightloop.runtime.session.driver.session import Repetition
from tightloop.runtime.session.journal import JournalRecord, RecordKind
from tightloop.runtime.session.read_model.replica import Replica
from tightloop.runtime.session.read_model.rows import PlanNames, Values
from tightloop.runtime.session.read_model.state_rows import StateRows
from tightloop.runtime.session.read_model.telling import TellingRows, control
from tightloop.runtime.session.read_model.trading import TradingRows
from tightloop.runtime.session.read_model.venue_names import VenueNames

_EVENT_FIELDS = EVENT.fields
assert _EVENT_FIELDS is not None, "an event has named fields"
_TIME = struct.Struct("<q")
_TIME_AT = int(_EVENT_FIELDS["ts_init_ns"][1])
_KIND_AT = int(_EVENT_FIELDS["kind"][1])
_CONTROLS = (int(EventKind.KILL_SWITCH), int(EventKind.SESSION_CONTROL))
"""Their first byte is all of their kind: kinds are small numbers, least byte first."""
_EVERYTHING = (-1, -1)
_ORDERS = (RowKind.SUBMIT, RowKind.AMEND, RowKind.ORDER)


class SessionRecords:
    """Takes the records of a journal in their order. ``begin``: makes the desk of an epoch; None: no real venue.

    ``repetition``: steps the facts again, from record ``from_seq`` on; None: they are not.
    """

    def __init__(
        self,
        plan: Plan,
        session: str,
        made_ns: int,
        begin: Callable[[int], AccountFold] | None,
        repetition: Repetition | None = None,
        from_seq: int = 0,
    ) -> None:
        self._names = PlanNames(plan, session)
        self._trading = TradingRows(self._names)
        self._telling = TellingRows(self._names)
        self.state_rows = StateRows(self._names, self._trading, self._telling)
        self.replica = None
        if repetition is not None:
            self.replica = Replica(repetition, self._names, self.state_rows, made_ns, from_seq)
        self._venue = None if begin is None else VenueNames(begin, self._trading)
        self._made_ns = made_ns
        self._engaged: set[tuple[int, int]] = set()  # scopes of the kill switch: instrument and strategy, -1 for any
        self._is_flattened = False
        self.last_ns: int | None = None
        self.epoch = 0

    def resume(self, kept: dict[str, list[dict[str, Any]]]) -> list[TableRow]:
        """Begin the replica where its State was restored, before the first record that is stepped; return its rows.

        ``kept``: rows by table as they stood there or later; the newest of each variant in value_rows.
        """
        assert self.replica is not None, "there is a State to begin with"
        self.replica.resume(kept)
        return list(self.state_rows.resume(self.replica.plan, kept))

    def take(self, record: JournalRecord, event: bytes) -> list[TableRow]:
        """Return the rows of a record, in the order in which they replace each other. Raises StepFailed."""
        rows = None
        if record.kind == RecordKind.ROWS:
            rows = np.frombuffer(zlib.decompress(record.payload), LOG_ROW)
        found = self._told(record, event, rows)
        if self.replica is not None:
            found += self.replica.take(record, event, rows)
        return found

    def _told(self, record: JournalRecord, event: bytes, rows: Rows | None) -> list[TableRow]:
        """Return the rows that a record tells of by itself."""
        kind = record.kind
        if kind == RecordKind.FACT:
            (self.last_ns,) = _TIME.unpack_from(event, _TIME_AT)
            if event[_KIND_AT] in _CONTROLS:
                self._control(np.frombuffer(event, EVENT)[0])
            return []
        if rows is not None:
            return [made for n, row in enumerate(rows) for made in self._of(row, record.seq, n)]
        if kind == RecordKind.ANSWER and self._venue is not None:
            return self._venue.take(record)
        if kind == RecordKind.OPERATOR:
            return [control(json.loads(record.payload), record.seq, self.last_ns)]
        if kind == RecordKind.EPOCH:
            self.epoch = int(json.loads(record.payload)["epoch"])
            return self._begun(record.seq) if self.epoch == 1 else []
        return []

    def _control(self, event: Record) -> None:
        """Take what shuts entries for good: an end without positions, and the kill switch, which is another reason."""
        if event["kind"] == EventKind.KILL_SWITCH:
            scope = int(event["instrument"]), int(event["order_slot"])
            if event["order_id"]:
                self._engaged.add(scope)
            else:
                self._engaged = set() if scope == _EVERYTHING else self._engaged - {scope}
        elif event["reason"] == SessionControl.STOP_FLATTEN:
            self._is_flattened = True
        self._telling.is_ending = self._is_flattened and not self._engaged

    def _begun(self, seq: int) -> list[TableRow]:
        """Return what there is before anything has happened."""
        names, plan = self._names, self._names.plan
        found = []
        for name, rules in zip(names.instruments, plan.rules.values(), strict=True):
            leverage = max((tier.leverage_max for tier in rules.margin_tiers), default=None)
            instrument: Values = {
                "instrument": name, "venue_symbol": rules.instrument.symbol,
                "price_increment": rules.price_increment or None, "lot_size": rules.lot_size or None,
                "multiplier": rules.contract_size, "min_notional": rules.min_notional or None,
                "taker_rate": rules.taker_bps * 1e-4, "maker_rate": rules.maker_bps * 1e-4, "leverage_max": leverage,
                "status": None,
            }  # fmt: skip
            self.state_rows.instruments.append(instrument)
            found.append(TableRow("instruments", dict(instrument)))
        state = InstanceState.MONITORING.name
        count = len(names.strategies)
        return [*found, *(self._telling.instance(k, state, self._made_ns, seq, None) for k in range(count))]

    def _of(self, row: Record, seq: int, n: int) -> Iterator[TableRow]:
        """Yield the rows of a row of the log."""
        kind: Any = int(row["kind"])
        if kind in _ORDERS:
            yield from self._trading.order(row, seq, n)
        elif kind == RowKind.FILL:
            yield from self._filled(row, seq)
        elif kind == RowKind.TRADE:
            yield self._trading.trade(row, seq)
        elif kind == RowKind.FUNDING:
            yield from self._trading.funding(row, seq, n)
        elif kind == RowKind.SECTION:
            yield self._telling.section(row, seq, n)
        elif kind == RowKind.CONDITION:
            yield self._telling.condition(row)
        elif kind == RowKind.TRANSITION:
            yield from self._telling.transition(row, seq, n)
        elif kind == RowKind.WARNING:
            yield from self._telling.warning(row, seq, n)

    def _filled(self, row: Record, seq: int) -> Iterator[TableRow]:
        for made in self._trading.fill(row, seq):
            if made.table == "fills" and self._venue is not None:
                yield self._venue.named(int(row["order_id"]), made)
            else:
                yield made
