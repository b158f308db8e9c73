"""What all clients of the WebSocket follow: read once, written out once, sent to all who follow the same."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tightloop.adapters.stores.index_reader import Change, Found, IndexQuery
from tightloop.app.api.parts import Parts
from tightloop.app.api.routes.orders import OPEN
from tightloop.app.api.routes.sessions import row_of, status_of
from tightloop.app.api.routes.system import components_of
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.security.rules import STREAMS
from tightloop.app.api.shapes.numbers import decimal_text
from tightloop.app.api.shapes.rows import MODELS, given, row_id
from tightloop.app.api.streams.connection import FLUSH_S, Connection, encoded
from tightloop.app.api.streams.messages import (
    ByeMessage,
    DeltaMessage,
    RowChange,
    SnapshotMessage,
    StreamWanted,
    ValueEntry,
    ValuesMessage,
)
from tightloop.ports.read_model import SESSION, TABLES, Value

TABLE_OF = {"positions": "positions", "orders": "orders", "fills": "fills", "signals": "signals", "risk": "risk_events"}
ROWS, CHANGES_MAX, STATE_S, LOGIN_S = 100, 1_000, 0.5, 1.0
CADENCE_MS = 1_000
STILL: Mapping[str, Mapping[str, Value | tuple[Value, ...]]] = {
    "orders": {"state": OPEN},
    "positions": {"status": ("open", "foreign")},
}
"""Which rows are open, by table."""
OF_ONE = ("session", "status", "values")


def kind_of(stream: str) -> str:
    """Return the kind of a stream, by which rules name it."""
    return stream.partition("/")[0]


class Hub:
    """The streams of a gateway."""

    def __init__(self, parts: Parts, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._clock_s = parts, clock_s
        self._connections: set[Connection] = set()
        self._index: str | None = None
        self._seen = 0
        self._last: dict[str, int] = {}
        self._states: dict[str, bytes] = {}
        self._said_ns: dict[str, int] = {}

    # Clients

    def connect(self, login: str) -> Connection:
        """Add a client."""
        if not self._connections:
            self._catch_up()
        connection = Connection(login, self._parts.keeping.settings.limits, self._clock_s)
        self._connections.add(connection)
        return connection

    def count(self, login: str) -> int:
        """Return how many clients a login has."""
        return sum(connection.login == login for connection in self._connections)

    def leave(self, connection: Connection) -> None:
        """Remove a client."""
        self._connections.discard(connection)

    async def subscribe(self, connection: Connection, wanted: StreamWanted) -> None:
        """Give a client a stream: what it missed if that is known, else a snapshot."""
        self.advance()
        stream = wanted.stream
        connection.streams.add(stream)
        missed = None if wanted.after is None else self._missed(stream, wanted.after)
        if missed is not None:
            if missed.changes:
                connection.put_rows(stream, encoded(missed), len(missed.changes))
        elif kind_of(stream) == "values":
            self._put_values(stream, [connection], is_always=True)
        else:
            connection.put(encoded(await self._snapshot(stream)))

    def place(self) -> str | None:
        """Return how far the read model was read; None if there is none."""
        return None if self._index is None else f"{self._index}.{self._seen}"

    # What has changed

    async def follow(self) -> None:
        """Tell clients what has changed, again and again."""
        states_s = logins_s = 0.0
        while True:
            await asyncio.sleep(FLUSH_S)
            if not self._connections:
                continue
            self.advance()
            now_s = self._clock_s()
            if now_s - logins_s >= LOGIN_S:
                self._check_logins()
                logins_s = now_s
            if now_s - states_s >= STATE_S:
                await self.tell_states()
                states_s = now_s
            await self._mend()

    def advance(self) -> None:
        """Send the rows that were written since the last time."""
        if self._parts.reader.index_id() != self._index:
            self._catch_up()
            for connection in self._connections:
                connection.behind |= {name for name in connection.streams if kind_of(name) in (*TABLE_OF, "session")}
            return
        while changes := self._parts.reader.changes(self._seen, CHANGES_MAX):
            self._seen = changes[-1].c
            for stream, found in self._by_stream(changes).items():
                delta = self._delta(stream, found, self._last.get(stream, 0))
                self._last[stream] = self._seen
                self._send(stream, delta)

    def _catch_up(self) -> None:
        self._index, self._seen = self._parts.reader.index_id(), self._parts.reader.last_change()
        self._last = {}

    def _by_stream(self, changes: Iterable[Change]) -> dict[str, list[Change]]:
        followed = {stream for connection in self._connections for stream in connection.streams}
        found: dict[str, list[Change]] = {}
        for change in changes:
            for stream in followed:
                if _is_of(stream, change):
                    found.setdefault(stream, []).append(change)
        return found

    def _delta(self, stream: str, changes: Iterable[Change], after: int) -> DeltaMessage:
        rows = {(change.table, change.session, change.key): change for change in changes}
        return DeltaMessage(
            stream=stream, seq=f"{self._index}.{self._seen}", from_seq=f"{self._index}.{after}",
            changes=[self._row_change(change) for change in rows.values()],
        )  # fmt: skip

    def _row_change(self, change: Change) -> RowChange:
        keys = TABLES[change.table].keys
        where: dict[str, Value | tuple[Value, ...]] = {SESSION: change.session}
        where |= dict(zip(keys, json.loads(change.key), strict=True))
        found = self._parts.reader.rows(change.table, IndexQuery(where=where, order=(SESSION,), limit=1))
        key = row_id(change.table, {name: value for name, value in where.items() if not isinstance(value, tuple)})
        return RowChange(table=change.table, id=key, row=given(change.table, found[0]) if found else None)

    def _send(self, stream: str, delta: DeltaMessage) -> None:
        message = encoded(delta)
        for connection in self._connections:
            if stream in connection.streams:
                connection.put_rows(stream, message, len(delta.changes))

    def _missed(self, stream: str, after: str) -> DeltaMessage | None:
        """Return what a client missed of a stream; None if a snapshot is shorter, or it cannot be told."""
        index, _, seen = after.partition(".")
        if index != self._index or int(seen) > self._seen or kind_of(stream) not in (*TABLE_OF, "session"):
            return None
        changes = self._parts.reader.changes(int(seen), CHANGES_MAX)
        if len(changes) >= CHANGES_MAX:
            return None
        return self._delta(stream, [one for one in changes if _is_of(stream, one)], int(seen))

    # States, and the values that move

    async def tell_states(self) -> None:
        """Send the streams whose state as a whole has changed, and the values that sessions have said."""
        followed = {stream for connection in self._connections for stream in connection.streams}
        for stream in followed:
            if kind_of(stream) == "values":
                self._put_values(stream, self._followers(stream), is_always=False)
            elif kind_of(stream) in ("sessions", "system", "status"):
                found = encoded(await self._snapshot(stream))
                if self._states.get(stream) != found:
                    self._states[stream] = found
                    for connection in self._followers(stream):
                        connection.put(found)
        self._states = {stream: found for stream, found in self._states.items() if stream in followed}

    def _followers(self, stream: str) -> list[Connection]:
        return [connection for connection in self._connections if stream in connection.streams]

    def _put_values(self, stream: str, connections: Iterable[Connection], *, is_always: bool) -> None:
        last_view = self._parts.link.last_view(stream.partition("/")[2])
        if last_view is None or (not is_always and self._said_ns.get(stream) == last_view.said_ns):
            return
        self._said_ns[stream] = last_view.said_ns
        found = ValuesMessage(stream=stream, entries=live_values(last_view.view, last_view.said_ns))
        for connection in connections:
            connection.put_values(found)

    async def _snapshot(self, stream: str) -> SnapshotMessage:
        """Return the true last state of a stream; nothing is made up."""
        kind, _, session = stream.partition("/")
        if kind == "sessions":
            rows = [row_of(self._parts, about).model_dump() for about in self._parts.link.abouts()[:ROWS]]
            return SnapshotMessage(stream=stream, seq=None, state={"sessions": rows})
        if kind == "system":
            found = [one.model_dump(exclude={"age_s"}) for one in await components_of(self._parts)]
            return SnapshotMessage(stream=stream, seq=None, state={"components": found})
        if kind in OF_ONE:
            abouts = [about for about in self._parts.link.abouts() if about["id"] == session]
            if not abouts:
                return SnapshotMessage(stream=stream, seq=None, state=None, reason="there is no such session")
            if kind == "status":
                return SnapshotMessage(stream=stream, seq=None, state=status_of(self._parts, abouts[0]).model_dump())
        if self._index is None:
            return SnapshotMessage(stream=stream, seq=None, state=None, reason="no session has written anything yet")
        tables = _session_tables() if kind == "session" else (TABLE_OF[kind],)
        state = {table: [given(table, row) for row in self._newest(table, session)] for table in tables}
        return SnapshotMessage(stream=stream, seq=self.place(), state=state)

    def _newest(self, table: str, session: str) -> list[Found]:
        """Return the newest rows of a table, and all that are open."""
        of_one: dict[str, Value | tuple[Value, ...]] = {SESSION: session} if session else {}
        reader, order = self._parts.reader, ("seq", SESSION)
        found = reader.rows(table, IndexQuery(where=of_one, order=order, limit=ROWS))
        if table in STILL:
            open_ones = reader.rows(table, IndexQuery(where={**of_one, **STILL[table]}, order=order, limit=CHANGES_MAX))
            found += [row for row in open_ones if row not in found]
        return found

    # Clients that are behind, or may not be here any more

    async def _mend(self) -> None:
        for connection in list(self._connections):
            for stream in list(connection.behind):
                connection.behind.discard(stream)
                connection.put(encoded(await self._snapshot(stream)))

    def _check_logins(self) -> None:
        for connection in self._connections:
            caller = self._parts.keeping.logins.of_login(connection.login)
            role = UserRole.ANYBODY if caller is None else caller.role
            if caller is None or any(role < STREAMS[kind_of(stream)] for stream in connection.streams):
                connection.end(ByeMessage(reason="unauthorized", retry_ms=None))

    def close(self) -> None:
        """Tell clients that the gateway ends."""
        for connection in self._connections:
            connection.end(ByeMessage(reason="closing", retry_ms=1_000))


def _is_of(stream: str, change: Change) -> bool:
    kind, _, session = stream.partition("/")
    if kind == "session":
        return change.session == session and change.table in MODELS
    return kind in TABLE_OF and TABLE_OF[kind] == change.table


def _session_tables() -> tuple[str, ...]:
    return tuple(table for table in MODELS if table != "instruments")


def live_values(view: Mapping[str, Any], said_ns: int) -> list[ValueEntry]:
    """Return the values that move of what a session said. Open P&L: equity less the wallet; that of an instance is as
    old as its mark."""
    equity, wallet = view["equity"], view["wallet"]
    known = equity is not None and wallet is not None
    values = {"equity": equity, "wallet": wallet, "open_pnl": equity - wallet if known else None}
    found = [(key, value, said_ns) for key, value in values.items()]
    found += [(f"mark:{mark['instrument']}", mark["mark"], mark["received_ns"]) for mark in view["marks"]]
    for gain in view["gains"]:
        number, received_ns = gain["instance"], gain["received_ns"]
        found.append((f"pnl:{number}", gain["unrealized"], received_ns))
        found.append((f"pnl_pct:{number}", gain["unrealized_pct"], received_ns))
        found.append((f"liquidation:{number}", gain["liquidation_distance_pct"], received_ns))
    return [
        ValueEntry(key=key, value=decimal_text(value), ts_ns=str(ts_ns), cadence_ms=CADENCE_MS)
        for key, value, ts_ns in found
    ]
