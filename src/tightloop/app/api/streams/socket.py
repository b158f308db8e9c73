"""``/ws``: one task writes to a client, one reads; commands go over HTTP."""

import asyncio
import contextlib
import time

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from tightloop.app.api.parts import Parts
from tightloop.app.api.security.rules import SOCKET
from tightloop.app.api.streams.connection import Connection, encoded
from tightloop.app.api.streams.hub import Hub
from tightloop.app.api.streams.messages import (
    CLIENT,
    ByeMessage,
    HelloMessage,
    NoticeMessage,
    Ping,
    PongMessage,
    Subscribe,
)

router = APIRouter()
PROTOCOL, SCHEMA, TOO_MANY = "tightloop.v1", "1", 4429


@router.websocket(SOCKET)
async def follow(socket: WebSocket) -> None:
    """Follow streams until one side ends it."""
    parts: Parts = socket.app.state.parts
    hub: Hub = socket.app.state.hub
    caller = socket.state.asked.caller
    if hub.count(caller.login) >= parts.keeping.settings.limits.sockets_max:
        await socket.close(TOO_MANY)
        return
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
    connection = hub.connect(caller.login)
    connection.put(
        encoded(HelloMessage(server_time_ns=str(time.time_ns()), boot_id=parts.boot_id, schema_version=SCHEMA))
    )
    writing = asyncio.ensure_future(_write(socket, connection))
    reading = asyncio.ensure_future(_read(socket, connection, hub, parts))
    try:
        await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.leave(connection)
        for task in (writing, reading):
            task.cancel()
        await asyncio.gather(writing, reading, return_exceptions=True)
        with contextlib.suppress(RuntimeError):  # it is closed
            await socket.close()


async def _write(socket: WebSocket, connection: Connection) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (message := await connection.next()) is not None:
            await socket.send_text(message.decode())


async def _read(socket: WebSocket, connection: Connection, hub: Hub, parts: Parts) -> None:
    try:
        while not connection.is_over:
            text = await socket.receive_text()
            if not connection.may_ask():
                connection.end(ByeMessage(reason="too_many", retry_ms=60_000))
            elif len(text) > parts.keeping.settings.limits.frame_bytes_max:
                connection.end(ByeMessage(reason="malformed", retry_ms=5_000))
            else:
                await _take(text, connection, hub, parts)
        await asyncio.Event().wait()  # the writer ends it, once it has said good-bye
    except (WebSocketDisconnect, KeyError):
        pass  # the client left, or sent bytes where text is due


async def _take(text: str, connection: Connection, hub: Hub, parts: Parts) -> None:
    try:
        said = CLIENT.validate_python(orjson.loads(text))
    except (ValueError, ValidationError):
        connection.put(encoded(NoticeMessage(level="warning", code="malformed", text="this is none of the messages")))
        return
    if isinstance(said, Ping):
        connection.put(encoded(PongMessage(id=said.id, server_time_ns=str(time.time_ns()))))
    elif isinstance(said, Subscribe):
        asked_for = {one.stream: one for one in said.streams}  # of one that is named twice, the last
        for wanted in asked_for.values():
            if wanted.stream in connection.streams:
                continue
            await connection.room()
            if connection.is_over:
                return
            if len(connection.streams) >= parts.keeping.settings.limits.subscriptions_max:
                connection.put(
                    encoded(NoticeMessage(level="warning", code="too_many", text="no more streams are given"))
                )
                return
            await hub.subscribe(connection, wanted)
            await asyncio.sleep(0)  # a snapshot is many queries: others go first
    else:
        for stream in said.streams:
            connection.forget(stream)
