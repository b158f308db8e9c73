"""Requests to a running session by its socket in the home folder: one line of JSON in, one out."""

import asyncio
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tightloop.runtime.session.driver.operator import Operator, OperatorRequest

LINE_BYTES_MAX = 1 << 22
TIMEOUT_S = 10.0
SHOW = "show"
"""A request that changes nothing: it is answered with the view."""


async def serve(path: Path, operator: Operator, show: Callable[[], dict[str, Any]]) -> asyncio.Server:
    """Open a socket for requests in a folder that only the user may enter; "show" is answered with the view."""
    clear(path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), TIMEOUT_S)
            said = _answer(line, operator, show)
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, TimeoutError):
            pass  # whoever asked is gone
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, str(path), limit=LINE_BYTES_MAX)


def _answer(line: bytes, operator: Operator, show: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
    """Answer a line; what is no request is an error."""
    try:
        request = OperatorRequest(**json.loads(line))
    except (ValueError, TypeError):
        return {"error": "a request is a line of JSON with what, who, key, scope and keep"}
    return show() if request.what == SHOW else operator.take(request)


def clear(path: Path) -> None:
    """Remove the socket of a process that ended; the folder it is in is the user's alone."""
    path.unlink(missing_ok=True)


def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Ask a running session; None if no process listens."""
    asked = {"who": "operator", "key": secrets.token_hex(8), **request}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        try:
            link.connect(str(path))
            link.sendall(json.dumps(asked).encode() + b"\n")
            pieces = []
            while piece := link.recv(65_536):
                pieces.append(piece)
        except (FileNotFoundError, ConnectionError):
            return None
    said: dict[str, Any] = json.loads(b"".join(pieces))
    return said
