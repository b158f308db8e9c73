"""What every request passes, in this order, before a route sees it; what no rule names is not served.

    host, length, rule, set up, origin, throttle, who, role, CSRF, body, role by body, password said lately,
    repeat of a request

Every answer passes here too: problems in one form, headers against other pages, the audit.
"""

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tightloop.app.api.answers.headers import header
from tightloop.app.api.answers.problems import PROBLEM_TYPE, HttpProblem
from tightloop.app.api.answers.repeats import Repeats
from tightloop.app.api.security.audit import Audit, AuditRow
from tightloop.app.api.security.logins import KEY, Caller, Logins
from tightloop.app.api.security.redaction import Redaction
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.security.rules import MUTATIONS, SOCKET, RouteRule, matching
from tightloop.app.api.security.throttle import Throttle
from tightloop.app.api.security.users import Users
from tightloop.app.api.settings import GatewaySettings

LOG = logging.getLogger(__name__)
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"
SERVED = ("/api", "/health")
TRIED = ("login_refused", "setup_refused")
"""Attempts of callers that are not known, which the audit has row by row."""


@dataclass(slots=True)
class Told:
    """What routes say of a request for the audit. ``has_begun``: its answer is kept for a repeat."""

    who: str = ""
    problem: str = ""
    before: Any = None
    after: Any = None
    has_begun: bool = False


@dataclass(slots=True)
class GuardedRequest:
    """One request on its way."""

    request_id: str
    address: str
    url_bytes: int
    origin: str
    method: str
    path: str
    headers: Headers
    template: str = ""
    rule: RouteRule = field(default_factory=lambda: RouteRule(role=UserRole.ADMIN))
    caller: Caller | None = None
    body: bytes = b""
    told: Told = field(default_factory=Told)

    @property
    def who(self) -> str:
        """Who asks, for counts and repeats."""
        return f"key {self.caller.key}" if self.caller and self.caller.key else self.caller.user if self.caller else ""


def cookie_names(settings: GatewaySettings) -> tuple[str, str]:
    """Return the names of both cookies: on plain loopback with the port, as cookies know none."""
    if settings.is_secure:
        return "__Host-tl", "__Host-tlr"
    return f"tl-{settings.port}", f"tlr-{settings.port}"


def cookies_of(headers: Headers) -> dict[str, str]:
    """Return the cookies of a request: what another program of this host has set keeps none of ours from being read."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the guard asks and tells."""

    settings: GatewaySettings
    users: Users
    logins: Logins
    throttle: Throttle
    audit: Audit
    repeats: Repeats
    redaction: Redaction


class Guard:
    """Stands before the routes."""

    def __init__(self, app: ASGIApp, keeping: Keeping) -> None:
        self._app, self._of = app, keeping
        self._settings = keeping.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._open_socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self._asked(scope)
        answer = _Answer(send, self._headers(asked), keeps_body=False)
        try:
            self._check_host(asked)
            self._check_length(asked)
            if not asked.path.startswith(SERVED):
                await self._app(scope, receive, answer.send)
                return
            repeated = await self._pass(asked, receive)
            if repeated is not None:
                headers = {"Content-Type": "application/json", "Idempotency-Replayed": "true"}
                await answer.give(repeated.status, headers, repeated.body)
                return
            answer.keeps_body = asked.rule.is_repeatable
            scope.setdefault("state", {})["asked"] = asked
            await self._app(scope, _once(asked.body, receive), answer.send)
        except HttpProblem as problem:
            await self._give(answer, asked, problem)
        except Exception as error:
            LOG.exception("request %s", asked.request_id)
            if answer.status:
                raise
            detail = f"{type(error).__name__}; the gateway's log has request {asked.request_id}"
            await self._give(answer, asked, HttpProblem("broken", detail))
        finally:
            self._end(asked, answer)

    async def _give(self, answer: "_Answer", asked: GuardedRequest, problem: HttpProblem) -> None:
        answer.problem = problem.code
        said = problem.packed(asked.request_id)
        said["detail"] = self._of.redaction.text(problem.detail)
        headers = {"Content-Type": PROBLEM_TYPE, **problem.headers}
        await answer.give(problem.status, headers, orjson.dumps(said))

    def _end(self, asked: GuardedRequest, answer: "_Answer") -> None:
        """Keep what came of a request."""
        if asked.told.has_begun:
            key = asked.headers["idempotency-key"]
            self._of.repeats.end(asked.who, key, answer.status or 500, bytes(answer.body))
        if asked.rule.is_audited:
            told = asked.told
            problem = answer.problem or told.problem
            self._kept_by(asked, answer.status, problem)(AuditRow(
                who=asked.caller.name if asked.caller else told.who, address=asked.address,
                what=f"{asked.method} {asked.template}", target=asked.path, status=answer.status,
                problem=problem, request_id=asked.request_id, before=told.before,
                after=told.after,
            ))  # fmt: skip

    def _kept_by(self, asked: GuardedRequest, status: int, problem: str) -> Callable[[AuditRow], None]:
        """Return what keeps a row: refusals of callers that are not known, or of too much, must not fill a disk."""
        if problem == "too_many":
            return self._of.audit.count
        if asked.caller is not None or status < 400:
            return self._of.audit.write
        return self._of.audit.attempt if problem in TRIED else self._of.audit.count

    def _asked(self, scope: Scope) -> GuardedRequest:
        headers = Headers(scope=scope)
        client = scope["client"][0] if scope["client"] else ""
        method = str(scope["method"]) if scope["type"] == "http" else "GET"
        given = header(headers, "x-request-id")
        request_id = given if re.fullmatch(r"[A-Za-z0-9-]{8,64}", given) else secrets.token_hex(8)
        url_bytes = len(str(scope["path"]).encode()) + len(scope["query_string"])
        scheme = "https" if self._settings.is_secure else "http"
        return GuardedRequest(
            request_id, client, url_bytes, f"{scheme}://{header(headers, 'host')}", method, str(scope["path"]), headers
        )

    def _headers(self, asked: GuardedRequest) -> dict[str, str]:
        found = SAFE_HEADERS | {"X-Request-Id": asked.request_id}
        if asked.path.startswith(SERVED):
            found |= API_HEADERS
        return found | ({"Strict-Transport-Security": HSTS} if self._settings.is_secure else {})

    # What a request passes

    def _check_host(self, asked: GuardedRequest) -> None:
        if header(asked.headers, "host").casefold() not in self._settings.allowed_hosts:
            raise HttpProblem(
                "host_not_allowed", "it is reached by another name; `tightloop up --host-name` allows one"
            )

    def _check_length(self, asked: GuardedRequest) -> None:
        most = self._settings.limits.address_bytes_max
        if asked.url_bytes > most:
            raise HttpProblem("address_too_long", f"{most} bytes are taken")

    async def _pass(self, asked: GuardedRequest, receive: Receive) -> Any:
        """Check a request; return the answer of the first if it is a repeat. Raises HttpProblem."""
        found = matching(asked.path)
        if found is None:
            raise HttpProblem("not_found", f"nothing is served at {asked.path[:100]!r}")
        asked.template, rules = found
        if asked.method not in rules:
            allowed = ", ".join(sorted(rules))
            raise HttpProblem("method_not_allowed", f"it takes {allowed}", headers={"Allow": allowed})
        rule = asked.rule = rules[asked.method]
        self._check_origin(asked)
        if rule.role is UserRole.ANYBODY:
            self._of.throttle.take(rule.bucket, f"from {asked.address}")
        if not rule.before_setup and not self._of.users.are_set_up():
            raise HttpProblem("not_set_up", "open the link that `tightloop up` prints")
        if rule.role is not UserRole.ANYBODY:
            self._check_caller(asked)
        await self._take_body(asked, receive)
        if rule.is_fresh and (asked.caller is None or not self._is_proved(asked.caller)):
            raise HttpProblem("password_needed", "POST /api/v1/auth/confirm says it again; that lasts 5 minutes")
        if not rule.is_repeatable:
            return None
        key = header(asked.headers, "idempotency-key")
        repeated = self._of.repeats.begin(asked.who, key, f"{asked.method} {asked.path}", asked.body)
        if repeated is None:
            asked.told.has_begun = True
        return repeated

    def _is_proved(self, caller: Caller) -> bool:
        return caller.is_browser and self._of.logins.is_proved(caller)

    def _check_origin(self, asked: GuardedRequest) -> None:
        """Refuse what another page sends: ports share cookies, so the origin counts with its port."""
        origin, site = header(asked.headers, "origin"), header(asked.headers, "sec-fetch-site")
        is_ours = site in ("", "same-origin") or (site == "none" and asked.method not in MUTATIONS)
        if (origin and origin != asked.origin) or not is_ours:
            raise HttpProblem("origin_foreign", "requests come from the page of this gateway, or from no page")

    def _check_caller(self, asked: GuardedRequest) -> None:
        caller = asked.caller = self.caller_of(asked.headers)
        if caller is None:
            self._of.throttle.take(asked.rule.bucket, f"from {asked.address}")
            raise HttpProblem("not_signed_in", "sign in", headers={"WWW-Authenticate": 'Bearer realm="tightloop"'})
        self._of.throttle.take(asked.rule.bucket, asked.who)
        self._check_role(asked, asked.rule.role)
        if asked.rule.has_csrf and caller.is_browser:
            token = header(asked.headers, "x-csrf-token")
            self._of.logins.check_csrf(caller.login, token)

    def _check_role(self, asked: GuardedRequest, role: UserRole) -> None:
        assert asked.caller is not None, "it is known by now"
        if asked.caller.role < role:
            raise HttpProblem(
                "role_missing", f"it needs the role {role.name.lower()}, yours is {asked.caller.role.name.lower()}"
            )

    def caller_of(self, headers: Headers) -> Caller | None:
        """Return who asks: by a key if there is one, else by the cookie."""
        said = header(headers, "authorization")
        if said:
            kind, _, key = said.partition(" ")
            is_key = kind.lower() == "bearer" and key.startswith(KEY)
            return self._of.logins.key_caller(key) if is_key else None
        found = cookies_of(headers)
        name = cookie_names(self._settings)[0]
        return self._of.logins.caller(found[name]) if name in found else None

    async def _take_body(self, asked: GuardedRequest, receive: Receive) -> None:
        most = self._settings.limits.body_bytes_max
        pieces, count = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HttpProblem("malformed_request", "the request ended before its body")
            piece = _body(message)
            count += len(piece)
            if count > most:
                raise HttpProblem("body_too_large", f"{most} bytes are taken")
            pieces.append(piece)
            if "more_body" not in message or not message["more_body"]:
                break
        asked.body = b"".join(pieces)
        body: Any = None
        if asked.body:
            kind = header(asked.headers, "content-type").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise HttpProblem("malformed_request", "Content-Type is application/json")
            try:
                body = orjson.loads(asked.body)
            except ValueError:
                raise HttpProblem("malformed_json", "it cannot be read") from None
        if asked.rule.by_body is not None:
            self._check_role(asked, asked.rule.by_body(body))

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket of our page on; any other is refused before it is accepted."""
        asked = self._asked(scope)
        caller = self.caller_of(asked.headers)
        is_ours = asked.path == SOCKET and header(asked.headers, "host").casefold() in self._settings.allowed_hosts
        if not is_ours or header(asked.headers, "origin") != asked.origin or caller is None or not caller.is_browser:
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": ""})
            return
        try:
            self._of.throttle.take("socket", caller.login)
        except HttpProblem:
            await receive()
            await send({"type": "websocket.close", "code": 4429, "reason": ""})
            return
        asked.caller = caller
        scope.setdefault("state", {})["asked"] = asked
        await self._app(scope, receive, send)


class _Answer:
    """Passes an answer on, with headers, and knows what it was."""

    def __init__(self, send: Send, headers: Mapping[str, str], *, keeps_body: bool) -> None:
        self._send, self._headers, self.keeps_body = send, headers, keeps_body
        self.status, self.problem, self.body = 0, "", bytearray()

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        elif self.keeps_body and message["type"] == "http.response.body":
            self.body += _body(message)
        await self._send(message)

    async def give(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer by itself."""
        pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        pairs.append((b"content-length", str(len(body)).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})


def _body(message: Message) -> bytes:
    return bytes(message["body"]) if "body" in message else b""


def _once(body: bytes, receive: Receive) -> Receive:
    """Return a source of a body that was read already."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return rest.pop() if rest else await receive()

    return read
