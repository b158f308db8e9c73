"""A gateway in this process, and browsers that ask it: everything but sockets is the real one."""

import asyncio
import json
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tightloop.adapters.stores.index import SessionIndex
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.server import make_app
from tightloop.app.api.settings import PER_MINUTE, GatewayLimits, GatewaySettings
from tightloop.ports.read_model import Mark, RecordRows, TableRow

PASSWORD = "nine quiet otters"
ORIGIN = "http://127.0.0.1:8600"
API = "/api/v1"
MANY = dict.fromkeys(PER_MINUTE, 1_000_000)
CHEAP = GatewayLimits(per_minute=MANY, password_memory_kib=64, password_rounds=1)
SESSION = "paper-0123456789"


class Browser:
    """A browser, or with ``key`` a script."""

    def __init__(self, served: "Served", key: str = "") -> None:
        transport = httpx.ASGITransport(served.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)
        self._served = served
        self.csrf = ""

    @property
    def cookies(self) -> httpx.Cookies:
        """What it keeps."""
        return self._client.cookies

    def ask(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> httpx.Response:
        """Ask as a page does: with the token and a key of its own, unless a header says otherwise ("": none)."""
        said = {"Origin": ORIGIN, "X-CSRF-Token": self.csrf, "Idempotency-Key": secrets.token_hex(8)} | (headers or {})
        sent = {name: value for name, value in said.items() if value}
        extra: dict[str, Any] = {} if body is None else {"json": body}
        where = path if path.startswith("/") else f"{API}/{path}"
        return self._served.run(self._client.request(method, where, headers=sent, **extra))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Read."""
        return self.ask("GET", path, **more)

    def sign_in(self, name: str, password: str = PASSWORD) -> "Browser":
        """Sign in."""
        found = self.ask("POST", "auth/login", {"name": name, "password": password})
        assert found.status_code == 200, found.text
        self.csrf = found.json()["csrf"]
        return self

    def code(self, *asked: Any, **more: Any) -> str:
        """Ask for what is refused, and return the code of the problem."""
        found = self.ask(*asked, **more)
        assert found.headers["content-type"] == "application/problem+json", found.text
        said = found.json()
        assert said["status"] == found.status_code
        return str(said["code"])


class Served:
    """A gateway of a home folder, with one user of each role, named after it."""

    def __init__(self, home: Path, *, limits: GatewayLimits = CHEAP, has_users: bool = True, **more: Any) -> None:
        self.home = home
        self.app = make_app(GatewaySettings(home=home, limits=limits, **more))
        self.parts = self.app.state.parts
        self.loop = asyncio.new_event_loop()
        self._life = self.app.router.lifespan_context(self.app)
        if has_users:
            for role in UserRole:
                if role is not UserRole.ANYBODY:
                    hashed = self.parts.passwords.hashed(PASSWORD)
                    self.parts.keeping.users.add(role.name.lower(), role, hashed)

    def __enter__(self) -> "Served":
        self.run(self._life.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.run(self._life.__aexit__(None, None, None))
        self.loop.close()

    def run(self, awaited: Any) -> Any:
        """Run to its end what is awaited."""
        return self.loop.run_until_complete(awaited)

    def browser(self, role: str = "", key: str = "") -> Browser:
        """Return a browser, signed in as the user of a role if one is named."""
        found = Browser(self, key)
        return found.sign_in(role) if role else found


def write_rows(home: Path, *rows: tuple[str, dict[str, Any]], seq: int = 1, session: str = SESSION) -> None:
    """Write rows of a session into the read model, as its follower does."""
    index = SessionIndex(home)
    try:
        told = [TableRow(table, {"seq": seq, **values}) for table, values in rows]
        index.write(session, [RecordRows(seq, told)], index.mark(session), Mark(seq, 0))
    finally:
        index.close()


class Socket:
    """A WebSocket of a browser."""

    def __init__(self, browser: Browser, *, origin: str = ORIGIN, host: str = "127.0.0.1:8600") -> None:
        cookie = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
        said = {"host": host, "origin": origin, "cookie": cookie}
        headers = [(name.encode(), value.encode()) for name, value in said.items() if value]
        self._scope = {
            "type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "headers": headers,
            "root_path": "",
            "scheme": "ws", "client": ("127.0.0.1", 1), "subprotocols": ["tightloop.v1"], "state": {},
        }  # fmt: skip
        self._served = browser._served
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = self._served.loop.create_task(self._served.app(self._scope, self._in.get, self._out.put))

    def read(self) -> dict[str, Any]:
        """Wait for what comes next: a message, or how it was opened or closed."""
        found = self._served.run(asyncio.wait_for(self._out.get(), 10.0))
        return json.loads(found["text"]) if found["type"] == "websocket.send" else found

    def until(self, kind: str) -> dict[str, Any]:
        """Wait for a message of a kind."""
        while (found := self.read())["type"] != kind:
            pass
        return found

    def send(self, message: Any) -> None:
        """Send a message."""
        text = message if isinstance(message, str) else json.dumps(message)
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    def subscribe(self, *streams: str, after: str | None = None) -> None:
        """Ask for streams."""
        self.send({"type": "subscribe", "streams": [{"stream": one, "after": after} for one in streams]})

    def close(self) -> None:
        """Leave, if it is there."""
        if self._task.done():
            return
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        self._served.run(asyncio.wait_for(self._task, 10.0))
