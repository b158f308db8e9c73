"""A web socket that is kept open: CONNECTING > LOGIN > SUBSCRIBING > OPEN > STALE > BACKOFF, and again, for ever.

Two tasks live as long as a connection. One reads, decodes and hands on. The other signs in, subscribes, then looks at
the clock: a probe goes out each PING_S, and any frame that arrives is a sign of life. None in PONG_S after a probe is
STALE, and a second probe is sent; none after that, and the connection is dropped. A connection that lives but brings no
market data for ``silence_s`` is dropped too, and before the venue would end it for its age, it is replaced.

A dropped connection waits 1, 2, 4 .. 30 s, longer by up to a tenth, before the next; only one that was open for
BACKOFF_MAX_S begins at 1 s again. Time is the clock's and the event loop's; chance comes from outside.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from tightloop.ports.clock import TimeSource
from tightloop.ports.execution import Failure, Report
from tightloop.ports.market_data import FrameAnswer, Market
from tightloop.ports.transport import NoAnswer, NotSent, Socket, SocketClosed, Transport
from tightloop.ports.venue import Credentials, SocketPlan, VenueDialect

PING_S = 15.0
PONG_S = 10.0
ANSWER_S = 10.0
BACKOFF_MAX_S = 30.0
AGE_MARGIN_S = 600.0
CRITICAL_ATTEMPTS = 10
_PROBES_FROM = 1_000_000  # ids of probes; those of subscriptions are below
_SECOND_NS = 1_000_000_000


class SocketState(Enum):
    """Where a socket is."""

    CONNECTING = "connecting"
    LOGIN = "login"
    SUBSCRIBING = "subscribing"
    OPEN = "open"
    STALE = "stale"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class SocketChange:
    """A change of state. ``attempts``: connections since one was open for long, the present one among them."""

    name: str
    state: SocketState
    reason: str
    attempts: int
    ts_ns: int


def backoff_words(change: SocketChange, name: str = "") -> str:
    """Return for people why a socket is gone; from CRITICAL_ATTEMPTS connections in vain on it is critical.

    ``name``: of one that has none yet.
    """
    text = f"{change.name or name}: {change.reason}"
    if change.attempts < CRITICAL_ATTEMPTS:
        return text
    return f"critical: {text}; {change.attempts} connections in vain, tried again for ever"


@dataclass(frozen=True, slots=True)
class SocketUse:
    """What a socket is for. ``plan`` is asked before each connection: a private one may need another key. When there is
    none to be had it raises SocketClosed.

    ``silence_s``: without market data for this long it is dropped; 0 where silence is usual. ``venue_now_ms``: the
    venue's time, for signing in. ``is_quiet``: asked before that, whether there was nothing to be told: then it stays.
    """

    plan: Callable[[], Awaitable[SocketPlan]]
    credentials: Credentials | None
    venue_now_ms: Callable[[], int]
    silence_s: float = 0.0
    is_quiet: Callable[[], Awaitable[bool]] | None = None


class SupervisedSocket:
    """One socket of a venue, supervised. ``take`` gets what each frame said; ``told`` each change of state.

    ``on_frame`` gets the bytes of each frame before ``take`` gets what they say.
    """

    def __init__(
        self,
        use: SocketUse,
        dialect: VenueDialect,
        transport: Transport,
        clock: TimeSource,
        chance: Callable[[], float],
        take: Callable[[list[Report | Market] | Failure], None],
        told: Callable[[SocketChange], None],
    ) -> None:
        self._use, self._dialect, self._transport, self._clock = use, dialect, transport, clock
        self._chance, self._take, self._told = chance, take, told
        self.on_frame: Callable[[bytes], None] = lambda _frame: None
        self._name = ""
        self._attempts = 0
        self._market_ns = 0
        self._sign = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[FrameAnswer]] = {}

    async def run(self) -> NoReturn:
        """Keep the socket open until cancelled."""
        while True:
            self._attempts += 1
            opened_ns = self._clock.monotonic_ns()
            reason = await self._connection()
            if self._clock.monotonic_ns() - opened_ns >= BACKOFF_MAX_S * _SECOND_NS:
                self._attempts = 1
            self._tell(SocketState.BACKOFF, reason)
            wait_s = min(BACKOFF_MAX_S, 2.0 ** min(self._attempts - 1, 10))
            await asyncio.sleep(wait_s * (1.0 + 0.1 * self._chance()))

    async def _connection(self) -> str:
        """Open a connection, use it until it ends, and return why it did."""
        try:
            plan = await self._use.plan()
            self._name = plan.name
            self._tell(SocketState.CONNECTING, "")
            socket = await self._transport.open_socket(plan.url)
        except SocketClosed as closed:
            return str(closed)
        self._market_ns = self._clock.monotonic_ns()
        tasks = [asyncio.create_task(self._read(socket)), asyncio.create_task(self._watch(socket, plan))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return "; ".join(sorted(task.result() for task in done))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._waiting.clear()
            await socket.close()

    async def _read(self, socket: Socket) -> str:
        while True:
            try:
                frame = await socket.receive()
            except SocketClosed as closed:
                return str(closed)
            self._sign.set()
            self.on_frame(frame)
            records = self._dialect.decode_frame(frame)
            if isinstance(records, list):
                answers = [record for record in records if isinstance(record, FrameAnswer)]
                if len(answers) < len(records):
                    self._market_ns = self._clock.monotonic_ns()
                for answer in answers:
                    self._answered(answer)
            self._take(records)

    def _answered(self, answer: FrameAnswer) -> None:
        waiting = self._waiting.pop(answer.frame_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def _watch(self, socket: Socket, plan: SocketPlan) -> str:
        try:
            refused = await self._begin(socket, plan)
            return refused or await self._look_after(socket)
        except SocketClosed as closed:
            return str(closed)
        except TimeoutError:
            return f"no answer to a frame in {ANSWER_S:g} s"

    async def _begin(self, socket: Socket, plan: SocketPlan) -> str:
        """Sign in and subscribe; return why the venue refused, "" when it did not."""
        login = None
        if self._use.credentials is not None:
            login = self._dialect.login_frame(self._use.venue_now_ms(), self._use.credentials)
        for state, frames in (
            (SocketState.LOGIN, [login] if login else []),
            (SocketState.SUBSCRIBING, plan.subscriptions),
        ):
            if not frames:
                continue
            self._tell(state, "")
            expected = [self._expected(frame_id) for frame_id, _ in frames]
            for _, text in frames:
                await socket.send(text)
            async with asyncio.timeout(ANSWER_S):
                answers = [await answer for answer in expected]
            refusals = [answer.text or "refused" for answer in answers if not answer.is_accepted]
            if refusals:
                return f"{state.value}: {refusals[0]}"
        self._tell(SocketState.OPEN, "")
        return ""

    def _expected(self, frame_id: int) -> asyncio.Future[FrameAnswer]:
        future = asyncio.get_running_loop().create_future()
        self._waiting[frame_id] = future
        return future

    async def _look_after(self, socket: Socket) -> str:
        """Watch the connection with probes until it is to be dropped; return why."""
        opened_ns = self._clock.monotonic_ns()
        for probe_id in range(_PROBES_FROM, 2**53, 2):
            await asyncio.sleep(PING_S)
            if not await self._is_there(socket, probe_id):
                self._tell(SocketState.STALE, f"no sign of life in {PONG_S:g} s")
                if not await self._is_there(socket, probe_id + 1):
                    return "no sign of life after two probes"
                self._tell(SocketState.OPEN, "a sign of life")
            if await self._is_silent():
                return f"no market data in {self._use.silence_s:g} s"
            if self._silent_s(opened_ns) > self._dialect.capabilities.socket_age_max_s - AGE_MARGIN_S:
                return "replaced before its age ends it"
        raise AssertionError("no socket lives for so many probes")

    async def _is_silent(self) -> bool:
        """Return whether it has brought nothing for too long though there was something to bring."""
        use, since_ns = self._use, self._market_ns
        if not use.silence_s or self._silent_s(since_ns) <= use.silence_s:
            return False
        if use.is_quiet is None or not await self._is_said_quiet(use.is_quiet):
            return self._market_ns == since_ns
        self._market_ns = self._clock.monotonic_ns()  # asked again after as long a silence
        return False

    async def _is_said_quiet(self, is_quiet: Callable[[], Awaitable[bool]]) -> bool:
        """Ask whether there was nothing to be told; no answer says nothing good of the connection."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await is_quiet()
        except (OSError, NotSent, NoAnswer):
            return False

    async def _is_there(self, socket: Socket, probe_id: int) -> bool:
        """Send a probe; return whether any frame comes in the time for its answer."""
        self._sign.clear()
        await socket.send(self._dialect.probe_frame(probe_id))
        try:
            async with asyncio.timeout(PONG_S):
                await self._sign.wait()
        except TimeoutError:
            return False
        return True

    def _silent_s(self, since_ns: int) -> float:
        return (self._clock.monotonic_ns() - since_ns) / _SECOND_NS

    def _tell(self, state: SocketState, reason: str) -> None:
        self._told(SocketChange(self._name, state, reason, self._attempts, self._clock.now_ns()))
