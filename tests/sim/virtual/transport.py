"""The Transport port over a simulated network: the server is a function, packets travel for a while, faults strike.

What each class does:

    request_lost   the request never arrives; the caller waits in vain
    ack_lost       the request is executed; its answer never arrives
    slow_reply     request or answer travels for up to three times the caller's timeout: it may be executed after the
                   caller has given up
    reset          the connection breaks before the request arrives, or after it was executed
    half_open      the connection is dead and neither side knows: all on it is lost until a call times out; a socket
                   stays silent both ways for good
    partial_frame  an answer is cut: no whole answer; a frame is cut, arrives so, and the socket closes
    dns, tls_handshake   a new connection cannot be made: nothing was sent
    ws_drop        a socket closes
    ws_silent      a socket brings nothing for a while but answers to frames of ours
    pong_lost      the answer to a frame of ours is lost
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from urllib.parse import urlsplit

from sim.virtual.faults import OF_CALLS, OF_CONNECTIONS, OF_REPLIES, OF_SOCKETS
from sim.virtual.world import REPORTS_AFTER_S, World
from tightloop.ports.transport import HttpAnswer, HttpCall, NoAnswer, NotSent, SocketClosed

CONNECT_MAX_S = 5.0
WAITING_MAX = 65_536


class SimulatedTransport:
    """The port of one life. When that has died, nothing of it reaches the world, and nothing reaches it."""

    def __init__(self, world: World, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self.world, self._is_stopped = world, is_stopped
        self._is_broken_off = False
        self.connected: dict[str, bool] = {}  # by host; False: half open
        self._sockets: list[SimulatedSocket] = []
        self._number = 0
        self.on_send: Callable[[HttpCall], None] = lambda _: None
        """Called with each call that leaves, whatever befalls it."""
        self.on_answer: Callable[[HttpCall, HttpAnswer], None] = lambda _call, _answer: None
        """Called with each answer that arrives, before the caller has it."""

    @property
    def is_dead(self) -> bool:
        """Whether the process has died, though a handler of it may still run."""
        return self._is_broken_off or self._is_stopped()

    def die(self) -> None:
        """Break off all that is open: the system closes the sockets of a dead process."""
        self._is_broken_off = True
        for socket in self._sockets:
            socket.sever("the process has died")

    async def call(self, call: HttpCall, timeout_s: float) -> HttpAnswer:
        """Send a call and return its answer. Raises NotSent or NoAnswer."""
        self._number += 1
        number, host, begun_s = self._number, urlsplit(call.url).netloc, self.world.now_s
        await self._connect(host, timeout_s)
        left_s = timeout_s - (self.world.now_s - begun_s)
        if left_s <= 0:
            raise NotSent("no connection in time")
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        self._send(call, number, host, timeout_s, answered)
        try:
            async with asyncio.timeout(left_s):
                return await answered
        except TimeoutError:
            self.connected.pop(host, None)  # whoever times out makes a new connection
            self.world.note(f"call {number} timed out")
            raise NoAnswer(f"no answer within {timeout_s:g} s") from None

    async def _connect(self, host: str, timeout_s: float) -> None:
        if host in self.connected:
            return
        struck = self.world.faults.first(OF_CONNECTIONS)
        if struck:
            self.world.note(f"{struck} {host}")
            await asyncio.sleep(min(self.world.faults.amount(struck, 0.0, CONNECT_MAX_S), timeout_s))
            raise NotSent(struck)
        await asyncio.sleep(min(2 * self.world.faults.latency_s(), timeout_s))
        self.connected.setdefault(host, True)

    def _send(
        self, call: HttpCall, number: int, host: str, timeout_s: float, answered: asyncio.Future[HttpAnswer]
    ) -> None:
        """Put a call on its way, with what befalls it."""
        if self.is_dead:
            return
        world, faults = self.world, self.world.faults
        there_s, back_s = faults.latency_s(), faults.latency_s()
        struck = faults.first(OF_CALLS)
        world.note(f"call {number} {call.method} {call.url} {struck}", call.body)
        self.on_send(call)
        if struck == "half_open":
            self.connected[host] = False
        if struck == "request_lost" or not self.connected.get(host, True):
            return
        if struck == "slow_reply":
            late_s = faults.amount(struck, 0.1, 3.0) * timeout_s
            if faults.amount(struck, 0.0, 1.0) < 0.5:
                there_s += late_s
            else:
                back_s += late_s
        if struck == "reset" and faults.amount(struck, 0.0, 1.0) < 0.5:
            world.after(there_s, partial(self._break, host, answered, "the connection was reset"))
            return
        end: Callable[[HttpAnswer], None] = partial(self._answer, number, call, answered)
        if struck == "ack_lost":
            end = _lose
        elif struck == "reset":
            end = partial(self._break_after, host, answered, "the connection was reset")
        elif struck == "partial_frame":
            end = partial(self._break_after, host, answered, "the answer was cut")
        world.after(there_s, partial(self._arrive, call, number, back_s, end))

    def _arrive(self, call: HttpCall, number: int, back_s: float, end: Callable[[HttpAnswer], None]) -> None:
        """Let the server execute a call; the process that sent it may have died since."""
        parts = urlsplit(call.url)
        now_ns = self.world.machine.true_ns()
        answer = self.world.server.respond(call.method, parts.path, parts.query, call.headers, call.body, now_ns)
        self.world.note(f"executed {number} {answer.status}", answer.body)
        self.world.after(back_s + self.world.late_answer_s(call.method, parts.path), partial(end, answer))
        self.world.after(REPORTS_AFTER_S, self.world.look)

    def _answer(self, number: int, call: HttpCall, answered: asyncio.Future[HttpAnswer], answer: HttpAnswer) -> None:
        if not self.is_dead and not answered.done():
            self.world.note(f"answered {number} {answer.status}")
            self.on_answer(call, answer)
            answered.set_result(answer)

    def _break(self, host: str, answered: asyncio.Future[HttpAnswer], why: str) -> None:
        if not self.is_dead and not answered.done():
            self.connected.pop(host, None)
            self.world.note(why)
            answered.set_exception(NoAnswer(why))

    def _break_after(self, host: str, answered: asyncio.Future[HttpAnswer], why: str, _: HttpAnswer) -> None:
        self._break(host, answered, why)

    async def open_socket(self, url: str) -> "SimulatedSocket":
        """Open a web socket. Raises SocketClosed when it cannot be opened."""
        parts = urlsplit(url)
        faults = self.world.faults
        struck = faults.first(OF_CONNECTIONS)
        if struck:
            self.world.note(f"{struck} of a socket")
            await asyncio.sleep(faults.amount(struck, 0.0, CONNECT_MAX_S))
            raise SocketClosed(struck)
        await asyncio.sleep(3 * faults.latency_s())
        line = None if self.is_dead else self.world.server.open(parts.path, parts.query, self.world.machine.true_ns())
        if line is None:
            raise SocketClosed(f"{parts.path} was refused")
        self._number += 1
        self.world.note(f"socket {self._number} {parts.path}")
        self._sockets = [socket for socket in self._sockets if socket.closed is None]
        socket = SimulatedSocket(self, line, self._number)
        self._sockets.append(socket)
        return socket


def _lose(_: HttpAnswer) -> None:
    """Lose an answer."""


class SimulatedSocket:
    """A web socket. Frames keep their order; each way is as slow as its slowest packet so far in flight."""

    def __init__(self, transport: SimulatedTransport, line: Hashable, number: int) -> None:
        self.closed: str | None = None
        world = transport.world
        self._transport, self._world, self._line, self._number = transport, world, line, number
        self._frames: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._is_half_open = self._is_cut_next = False
        self._silent_until_s = self._there_s = self._back_s = 0.0
        world.listen(line, self._come)
        world.after(1.0, self._each_second)

    async def send(self, text: str) -> None:
        """Send a frame. Raises SocketClosed."""
        if self.closed is not None:
            raise SocketClosed(self.closed)
        if self._is_half_open or self._transport.is_dead:
            return
        self._there_s = max(self._there_s, self._world.now_s + self._world.faults.latency_s())
        self._world.after(self._there_s - self._world.now_s, partial(self._arrive, text))

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed when there is none and will be none."""
        assert self._waiting is None, "one reader"
        while not self._frames:
            if self.closed is not None:
                raise SocketClosed(self.closed)
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._frames.popleft()

    async def close(self) -> None:
        """Close the connection; harmless when it is gone."""
        self.sever("closed by us")

    def sever(self, why: str) -> None:
        """Close on both sides; the server notes it a moment later."""
        if self.closed is None:
            self.closed = why
            self._world.note(f"socket {self._number} ends: {why}")
            self._world.after(0.0, partial(self._world.hang_up, self._line))
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _arrive(self, text: str) -> None:
        """Give a frame of ours to the server, and its answer to us."""
        if self.closed is not None:
            return
        reply = self._world.server.receive(self._line, text, self._world.machine.true_ns())
        if reply is not None:
            struck = self._world.faults.first(OF_REPLIES)
            self._world.note(f"socket {self._number} reply {struck}", reply.encode())
            if not struck:
                self._bring(reply)

    def _come(self, text: str) -> None:
        """Take a frame that the server sends by itself."""
        if self._world.now_s >= self._silent_until_s:
            self._bring(text)

    def _bring(self, text: str) -> None:
        if self.closed is None and not self._is_half_open:
            self._back_s = max(self._back_s, self._world.now_s + self._world.faults.latency_s())
            self._world.after(self._back_s - self._world.now_s, partial(self._put, text.encode()))

    def _put(self, frame: bytes) -> None:
        if self.closed is not None:
            return
        is_cut, self._is_cut_next = self._is_cut_next, False
        self._frames.append(frame[: len(frame) // 2] if is_cut else frame)
        self._world.note(f"socket {self._number} frame{' cut' if is_cut else ''}", frame)
        self._wake()
        if is_cut:
            self.sever("broken off within a frame")
        elif len(self._frames) > WAITING_MAX:
            self.sever("the client reads too slowly")

    def _each_second(self) -> None:
        if self.closed is not None:
            return
        struck = self._world.faults.first(OF_SOCKETS)
        if struck:
            self._world.note(f"socket {self._number} {struck}")
        if struck == "ws_drop":
            self.sever("the connection was lost")
            return
        if struck == "half_open":
            self._is_half_open = True
        elif struck == "partial_frame":
            self._is_cut_next = True
        elif struck == "ws_silent":
            self._silent_until_s = self._world.now_s + self._world.faults.amount(struck, 1.0, 120.0)
        self._world.after(1.0, self._each_second)
