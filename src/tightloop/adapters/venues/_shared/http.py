"""The transport of ``ports/transport.py`` over aiohttp.

Two pools of connections are kept open: one for the exit lane alone, so that an exit never waits behind a query, and one
for the rest. NotSent is raised for failures before the first byte was handed to the system, and for nothing else: a
kept connection that the venue had closed fails after that, and is NoAnswer, although the venue most likely saw nothing.

Errors carry no text of aiohttp's, which names URLs, and URLs carry signatures and keys.
"""

import asyncio
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from tightloop.adapters.venues._shared.urls import check_url
from tightloop.ports.transport import HttpAnswer, HttpCall, Lane, NoAnswer, NotSent, Socket, SocketClosed

ANSWER_BYTES_MAX = 64 * 1024 * 1024
FRAME_BYTES_MAX = 16 * 1024 * 1024
EXIT_CONNECTIONS_MAX = 4
CONNECTIONS_MAX = 16
KEPT_S = 75.0
_CONNECT_S = 10.0
_CLOSE_S = 1.0


class HttpTransport:
    """Calls and sockets of one process; made inside the running event loop, closed by ``close``."""

    def __init__(self) -> None:
        self._exits = _session(EXIT_CONNECTIONS_MAX)
        self._others = _session(CONNECTIONS_MAX)
        self._checked: set[str] = set()

    async def call(self, call: HttpCall, timeout_s: float) -> HttpAnswer:
        """Send a call and return its answer, of any status. Raises NotSent or NoAnswer."""
        self._check(call.url)
        session = self._exits if call.lane == Lane.EXIT else self._others
        way = SimpleNamespace(has_left=False)
        failure = ""
        try:
            async with session.request(
                call.method, URL(call.url, encoded=True), headers=call.headers, data=call.body or None,
                timeout=aiohttp.ClientTimeout(total=timeout_s), allow_redirects=False, trace_request_ctx=way,
            ) as response:  # fmt: skip
                body = bytearray()
                while len(body) <= ANSWER_BYTES_MAX and (piece := await response.content.readany()):
                    body += piece
                if len(body) <= ANSWER_BYTES_MAX:
                    names = {name.lower(): value for name, value in response.headers.items()}
                    return HttpAnswer(response.status, names, bytes(body))
                failure = f"an answer of more than {ANSWER_BYTES_MAX} bytes"
        except TimeoutError:
            failure = f"no answer in {timeout_s:g} s"
        except (aiohttp.ClientError, OSError) as error:
            failure = _words(error)
        raise (NoAnswer if way.has_left else NotSent)(f"{call.method} {urlsplit(call.url).path}: {failure}")

    async def open_socket(self, url: str) -> Socket:
        """Open a web socket. Raises SocketClosed when it cannot be opened."""
        self._check(url)
        limits = aiohttp.ClientWSTimeout(ws_close=_CLOSE_S)
        failure = ""
        try:
            async with asyncio.timeout(_CONNECT_S):
                return _Socket(
                    await self._others.ws_connect(
                        URL(url, encoded=True), timeout=limits, max_msg_size=FRAME_BYTES_MAX, autoping=True
                    )
                )
        except TimeoutError:
            failure = f"no answer in {_CONNECT_S:g} s"
        except (aiohttp.ClientError, OSError) as error:
            failure = _words(error)
        raise SocketClosed(f"{urlsplit(url).path}: {failure}")

    async def close(self) -> None:
        """Close all connections."""
        await self._exits.close()
        await self._others.close()

    def _check(self, url: str) -> None:
        origin = url[: url.find("/", 8)]
        if origin not in self._checked:
            check_url(url)
            self._checked.add(origin)


class _Socket:
    """One web socket of aiohttp; it answers pings itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, text: str) -> None:
        """Send a frame. Raises SocketClosed."""
        failure = ""
        try:
            return await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            failure = _words(error)
        raise SocketClosed(failure)

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            text: str = message.data
            return text.encode()
        if message.type is aiohttp.WSMsgType.BINARY:
            raw: bytes = message.data
            return raw
        raise SocketClosed(f"closed with code {self._socket.close_code}")

    async def close(self) -> None:
        """Close the connection; harmless when it is gone."""
        await self._socket.close()


def _session(connections: int) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_leaves)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEPT_S),
        cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[tracing], trust_env=False,
        headers={"User-Agent": "tightloop"}, read_bufsize=2**18,
    )  # fmt: skip
    session._retry_connection = False  # noqa: SLF001 - it sends GET and DELETE again when a kept connection was cut
    return session


async def _leaves(_session: object, context: SimpleNamespace, _params: object) -> None:
    """Note, before headers are written, that a call may have left."""
    way = context.trace_request_ctx
    if way is not None:  # a web socket is opened without one
        way.has_left = True


def _words(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}{f': {reason}' if reason else ''}"
