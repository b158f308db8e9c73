"""A twin on loopback: sockets, the clock and tasks around a venue that knows none of them.

The exchange is played on by a task every few ms, to a time that is the machine's when the server starts and runs
``speed`` times as fast; with ``speed`` None only ``POST /_twin/until`` moves it. Frames go out after each step and soon
after each answer, so an answer usually comes before the reports of what it did, as at the venue. Faults of the
network are played here: the connection is closed before or after the request was executed, or stays silent.
"""

import asyncio
import errno
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from tightloop.app.sandbox import control
from tightloop.app.sandbox.dialect import Dialect, Frame
from tightloop.model.errors import InputError
from tightloop.model.times import SECOND_NS

HOST = "127.0.0.1"
STEP_S = 0.01
REPORTS_AFTER_S = 0.002
QUEUED_MAX = 65_536
"""Frames that may wait for a socket that reads slowly; at one more it is closed."""
SLOW_REPLY_S = 3.0
PING_S, PONG_MAX_S, SOCKET_MAX_S = 180.0, 600.0, 86_400.0
TRADING_PATHS = ("/order", "/algoOrder")


@dataclass(eq=False, slots=True)
class Line:
    """An open socket and the texts that wait for it."""

    socket: web.WebSocketResponse
    feed: Hashable
    transport: asyncio.Transport | None
    opened_s: float
    pong_s: float
    texts: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUED_MAX))


class Sandbox:
    """A venue served on loopback. ``speed`` None: driven by the client.

    ``is_resumed``: its time is what it would be had the venue been served since its market began.
    """

    def __init__(self, venue: Dialect, speed: float | None, *, is_resumed: bool = False) -> None:
        self.venue, self.speed, self._is_resumed = venue, speed, is_resumed
        self.streams = venue.sockets()
        self._lines: list[Line] = []
        self._base_ns, self._origin_ns = time.time_ns(), time.monotonic_ns()
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    def now_ns(self) -> int:
        """Return the venue's time."""
        if self.speed is None:
            return self.venue.exchange.now_ns
        return self._base_ns + int((time.monotonic_ns() - self._origin_ns) * self.speed)

    async def start(self, port: int) -> int:
        """Serve on a port (0: a free one) and return it. Raises InputError if it is taken."""
        application = web.Application(client_max_size=2**20)
        application.router.add_get("/_twin/{name:.*}", self._look)
        application.router.add_post("/_twin/{name:.*}", self._act)
        application.router.add_route("*", "/{tail:.*}", self._any)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, HOST, port, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be used"
            raise InputError.one("--port", None, "", f"{port} {why}", "choose another, 0 for any free one") from error
        self._runner = runner
        self._base_ns, self._origin_ns = time.time_ns(), time.monotonic_ns()
        if self.speed is not None:
            if self._is_resumed:
                began_ns = self.venue.exchange.now_ns
                self._base_ns = began_ns + int((self._base_ns - began_ns) * self.speed)
            self._tasks.append(asyncio.create_task(self._run()))
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close sockets and port."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in list(self._lines):
            await line.socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _run(self) -> None:
        while True:
            self.venue.exchange.advance(self.now_ns())
            self._send()
            await asyncio.sleep(STEP_S)

    def _send(self) -> None:
        """Queue the frames of what happened for their sockets."""
        frames = self.streams.frames()
        if self._lines and self.venue.strikes("ws_drop") is not None:
            for line in list(self._lines):
                self._drop(line)
            return
        self._queue(frames)

    def _queue(self, frames: list[Frame]) -> None:
        lines = {line.feed: line for line in self._lines}
        for frame in frames:
            if frame.feed not in lines:
                continue
            line = lines[frame.feed]
            try:
                line.texts.put_nowait(frame.text)
            except asyncio.QueueFull:
                self._drop(line)

    def _drop(self, line: Line) -> None:
        """Cut a socket without a goodbye."""
        self.streams.close(line.feed)
        if line.transport is not None:
            line.transport.abort()

    # Requests ---------------------------------------------------------------------------------------------------------

    async def _any(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of the venue, or open a socket."""
        if "upgrade" in ",".join(request.headers.getall("Connection", [])).lower():
            return await self._open_line(request)
        call = f"{request.method} {request.path}"
        is_trading = request.method != "GET" and request.path.endswith(TRADING_PATHS)
        body = await request.read()
        venue = self.venue
        if venue.strikes("request_lost", call=call, is_usual=is_trading):
            return _cut(request)
        is_lost = venue.strikes("ack_lost", call=call, is_usual=is_trading) is not None
        resets = venue.strikes("reset", call=call, is_usual=is_trading)
        if resets is not None and venue.faults.hits["reset"] % 2:
            return _cut(request)
        answer = venue.respond(
            request.method, request.path, request.query_string, dict(request.headers), body, self.now_ns()
        )
        if venue.strikes("fill_before_ack", call=call, is_usual=is_trading):
            self._send()
            await asyncio.sleep(STEP_S)
        else:
            asyncio.get_running_loop().call_later(REPORTS_AFTER_S, self._send)
        if is_lost or resets is not None:
            return _cut(request)
        if venue.strikes("half_open", call=call, is_usual=is_trading):
            await asyncio.Event().wait()
        slow = venue.strikes("slow_reply", call=call, is_usual=is_trading)
        if slow is not None:
            await asyncio.sleep(SLOW_REPLY_S if slow.value is None else slow.value)
        return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)

    async def _open_line(self, request: web.Request) -> web.StreamResponse:
        """Serve a socket until it closes."""
        feed = self.streams.open(request.path, request.query_string)
        if feed is None:
            raise web.HTTPNotFound
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        now_s = time.monotonic()
        line = Line(socket, feed, request.transport, now_s, now_s)
        self._lines.append(line)
        tasks = [asyncio.create_task(_write(line)), asyncio.create_task(_keep(line))]
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    line.texts.put_nowait(self.streams.receive(feed, message.data))
                elif message.type == WSMsgType.PONG:
                    line.pong_s = time.monotonic()
                elif message.type == WSMsgType.PING and self.venue.strikes("pong_lost") is None:
                    await socket.pong(message.data)
        finally:
            for task in tasks:
                task.cancel()
            self._lines.remove(line)
            self.streams.close(feed)
        return socket

    # The truth --------------------------------------------------------------------------------------------------------

    async def _look(self, request: web.Request) -> web.Response:
        """Answer GET /_twin/truth, hits, requests and book/SYMBOL."""
        if self.speed is not None:
            self.venue.exchange.advance(self.now_ns())
        name, _, rest = request.match_info["name"].partition("/")
        looks: dict[str, Callable[[], object]] = {
            "truth": lambda: control.truth(self.venue),
            "hits": lambda: control.hits(self.venue),
            "requests": lambda: control.requests(self.venue),
            "book": lambda: control.book(self.venue, rest),
        }
        if name not in looks:
            raise web.HTTPNotFound
        return _told(looks[name])

    async def _act(self, request: web.Request) -> web.Response:
        """Answer POST /_twin/fault, position, deposit, account and until."""
        name, text = request.match_info["name"], await request.text()
        if name == "until":
            return await self._until(text)
        if name not in control.POSTS:
            raise web.HTTPNotFound
        if self.speed is not None:
            self.venue.exchange.advance(self.now_ns())
        answer = _told(lambda: control.POSTS[name](self.venue, control.parsed(text)))
        self._send()
        return answer

    async def _until(self, text: str) -> web.Response:
        """Play up to a time, as the driver of a twin without a clock."""
        if self.speed is not None:
            return web.json_response({"error": "this twin has a clock; start it with --speed max"}, status=409)
        try:
            body = control.parsed(text)
            until_ns = int(control.need_number(body, "ts_ns"))
        except InputError as error:
            return web.json_response({"error": str(error)}, status=400)
        while self.venue.exchange.now_ns < until_ns:
            self.venue.exchange.advance(min(until_ns, self.venue.exchange.now_ns + SECOND_NS))
            self._send()
            await asyncio.sleep(0)
        return web.json_response({"now_ns": self.venue.exchange.now_ns})


def _cut(request: web.Request) -> web.Response:
    """Close the connection of a request without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _write(line: Line) -> None:
    """Send the texts of a socket as they come."""
    while True:
        text = await line.texts.get()
        try:
            await line.socket.send_str(text)
        except ConnectionError:
            return


async def _keep(line: Line) -> None:
    """Watch a socket: ping it every three minutes; close it without a pong for ten, and after a day."""
    while True:
        await asyncio.sleep(PING_S)
        now_s = time.monotonic()
        if now_s - line.pong_s > PONG_MAX_S or now_s - line.opened_s > SOCKET_MAX_S:
            await line.socket.close(code=WSCloseCode.GOING_AWAY)
            return
        await line.socket.ping()


def _told(look: Callable[[], object]) -> web.Response:
    try:
        return web.json_response(look())
    except InputError as error:
        return web.json_response({"error": str(error)}, status=400)
