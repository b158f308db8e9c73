"""One client of the WebSocket: what waits for it. One that does not read delays no other."""

import asyncio
from collections import deque
from collections.abc import Callable

import orjson
from pydantic import BaseModel

from tightloop.app.api.settings import GatewayLimits
from tightloop.app.api.streams.messages import ByeMessage, GapMessage, ValuesMessage

FLUSH_S = 0.025


def encoded(message: BaseModel) -> bytes:
    """Return a message as it is sent."""
    return orjson.dumps(message.model_dump(mode="python"))


class Connection:
    """What waits for a client. ``clock_s``: a clock that never goes back."""

    def __init__(self, login: str, limits: GatewayLimits, clock_s: Callable[[], float]) -> None:
        self.login, self._limits, self._clock_s = login, limits, clock_s
        self.streams: set[str] = set()
        self.behind: set[str] = set()
        """Streams of which it was given less than there was: a snapshot is due."""
        self.is_over = False
        self._waiting: deque[tuple[str, bytes, int]] = deque()
        self._row_count = self._bytes = 0
        self._values: dict[str, ValuesMessage] = {}
        self._gaps: deque[float] = deque()
        self._asked: deque[float] = deque()
        self._wake, self._was_read = asyncio.Event(), asyncio.Event()

    def put(self, message: bytes) -> None:
        """Send a message as soon as it reads."""
        if not self.is_over:
            self._append("", message, 0)

    async def room(self) -> None:
        """Wait until at most half of what may wait does: who asks for much is given it as fast as it reads."""
        while self._bytes > self._limits.waiting_bytes_max // 2 and not self.is_over:
            self._was_read.clear()
            await self._was_read.wait()

    def put_rows(self, stream: str, message: bytes, count: int) -> None:
        """Send rows of a stream; of a client that has too many unread they are left out, and it is told."""
        if self.is_over or stream in self.behind:
            return
        if self._row_count + count > self._limits.rows_unread_max:
            self._leave_out(stream, count)
            return
        self._row_count += count
        self._append(stream, message, count)

    def _append(self, stream: str, message: bytes, count: int) -> None:
        if self._bytes + len(message) > self._limits.waiting_bytes_max and self._waiting:
            self.end(ByeMessage(reason="slow", retry_ms=5_000))
            return
        self._bytes += len(message)
        self._waiting.append((stream, message, count))
        self._wake.set()

    def _leave_out(self, stream: str, count: int) -> None:
        missed = count + sum(rows for name, _, rows in self._waiting if name == stream)
        self._row_count -= missed - count
        self._waiting = deque(one for one in self._waiting if one[0] != stream)
        self._bytes = sum(len(one[1]) for one in self._waiting)
        self._was_read.set()
        self.behind.add(stream)
        now_s = self._clock_s()
        self._gaps.append(now_s)
        while self._gaps[0] < now_s - 60.0:
            self._gaps.popleft()
        if len(self._gaps) > self._limits.gaps_per_minute_max:
            self.end(ByeMessage(reason="slow", retry_ms=5_000))
        else:
            self.put(encoded(GapMessage(stream=stream, missed=missed)))

    def put_values(self, values: ValuesMessage) -> None:
        """Replace the values of a stream that wait."""
        self._values[values.stream] = values
        self._wake.set()

    def may_ask(self) -> bool:
        """Return whether a client has not asked too often in the last minute."""
        now_s = self._clock_s()
        self._asked.append(now_s)
        while self._asked[0] < now_s - 60.0:
            self._asked.popleft()
        return len(self._asked) <= self._limits.messages_per_minute

    def end(self, bye: ByeMessage) -> None:
        """Say good-bye after what is being sent, in place of what waits."""
        if self.is_over:
            return
        self.is_over = True
        last = encoded(bye)
        self._waiting = deque([("", last, 0)])
        self._bytes = len(last)
        self._was_read.set()
        self._values = {}
        self._wake.set()

    def forget(self, stream: str) -> None:
        """Send nothing more of a stream."""
        self.streams.discard(stream)
        self.behind.discard(stream)
        self._values.pop(stream, None)

    async def next(self) -> bytes | None:
        """Wait for the next message; None: there is none any more."""
        while True:
            if self._waiting:
                _, message, count = self._waiting.popleft()
                self._row_count -= count
                self._bytes -= len(message)
                self._was_read.set()
                return message
            if self._values:
                return encoded(self._values.pop(next(iter(self._values))))
            if self.is_over:
                return None
            self._wake.clear()
            await self._wake.wait()
            if not self._waiting and self._values:
                await asyncio.sleep(FLUSH_S)  # what comes meanwhile replaces what waits
