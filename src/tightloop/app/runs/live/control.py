"""Requests to a running session by its socket in the home folder: one line of JSON in, one out."""

import asyncio
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tightloop.model.errors import TightloopError
from tightloop.runtime.session.driver.operator import Operator, OperatorRequest

LINE_BYTES_MAX = 1 << 22
TIMEOUT_S = 10.0
KINDS = {"what": str, "who": str, "key": str, "scope": str, "keep": bool}
SHOW = "show"
"""A request that changes nothing: it is answered with the view."""


async def serve(path: Path, operator: Operator, show: Callable[[], dict[str, Any]]) -> asyncio.Server:
    """Open a socket for requests in a folder that only the user may enter; "show" is answered with the view."""
    clear(path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = _answer(await asyncio.wait_for(_line(reader), TIMEOUT_S), operator, show)
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, TimeoutError):
            pass  # whoever asked is gone
        finally:
            writer.close()

    return await asyncio.start_unix_server(answer, str(path), limit=LINE_BYTES_MAX)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Read a line; b"" for one that is too long."""
    try:
        return await reader.readline()
    except ValueError:
        return b""


def _answer(line: bytes, operator: Operator, show: Callable[[], dict[str, Any]]) -> Mapping[str, Any]:
    """Answer a line; what is no request is an error, and never one of the session."""
    request = _request(line)
    if request is None:
        return {"error": "a request is a line of JSON with what, who, key and scope, which are texts, and keep"}
    return show() if request.what == SHOW else operator.take(request)


def _request(line: bytes) -> OperatorRequest | None:
    """Return the request in a line; None if it is none."""
    try:
        request = OperatorRequest(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    return request if all(type(getattr(request, name)) is kind for name, kind in KINDS.items()) else None


def clear(path: Path) -> None:
    """Remove the socket of a process that ended; the folder it is in is the user's alone."""
    path.unlink(missing_ok=True)


class SessionSilent(TightloopError):
    """A session listens, and does not answer as it should."""

    exit_code = 1


def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Ask a running session; None if no process listens. Raises SessionSilent."""
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
        except TimeoutError:
            raise SessionSilent(f"{path.stem} does not answer in {TIMEOUT_S:g} s") from None
    try:
        said: dict[str, Any] = json.loads(b"".join(pieces))
    except ValueError:
        raise SessionSilent(f"{path.stem} did not finish its answer; its log says why") from None
    return said
