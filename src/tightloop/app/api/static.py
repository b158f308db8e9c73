"""The built pages: one nonce for each page that is given, assets for ever."""

import re
import secrets
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tightloop.app.api.answers.headers import header

NONCE = "__NONCE__"
"""Where the template of a page has its nonce."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
FOR_EVER = "public, max-age=31536000, immutable"
_HASHED = re.compile(r"assets/[A-Za-z0-9_.-]+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")


class Pages:
    """Serves a folder: files that are there, and for any other path the page, which knows its own paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._template = (folder / "index.html").read_text(encoding="utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            await self._answer(str(scope["method"]), str(scope["path"]), Headers(scope=scope))(scope, receive, send)

    def _file(self, name: str) -> Path | None:
        """Return the file of a name, None where the folder has none. Raises ValueError, OSError: none could be."""
        file = (self._folder / name).resolve()
        is_one = name not in ("", "index.html") and file.is_relative_to(self._folder) and file.is_file()
        return file if is_one else None

    def _answer(self, method: str, path: str, headers: Headers) -> Response:
        if method not in ("GET", "HEAD"):
            return PlainTextResponse("it takes GET", 405, {"Allow": "GET, HEAD"})
        name = path.lstrip("/")
        try:
            file = self._file(name)
        except (ValueError, OSError):  # a NUL in it, or it is too long
            return PlainTextResponse("there is no such file", 404)
        if file is not None:
            lasting = {"Cache-Control": FOR_EVER if _HASHED.fullmatch(name) else "no-cache"}
            return FileResponse(file, headers=lasting)
        accepted = header(headers, "accept")
        is_page = name == "index.html" or "." not in name.rpartition("/")[2]
        if not is_page or ("text/html" not in accepted and "*/*" not in accepted):
            return PlainTextResponse("there is no such file", 404)
        nonce = secrets.token_urlsafe(16)
        said = {"Content-Security-Policy": POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
        return Response(self._template.replace(NONCE, nonce), media_type="text/html", headers=said)
