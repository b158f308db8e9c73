"""RULES: what every route needs. A route without a line here is not served, and the gateway does not start with it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tightloop.app.api.security.roles import UserRole

MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
API = "/api/v1"
SOCKET = "/ws"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """What a route needs. ``by_body``: a higher role that what is asked for needs.

    ``has_csrf``: a browser's request carries the login's token; ``is_fresh``: the password was said less than 5 minutes
    ago; ``is_repeatable``: it carries an Idempotency-Key; ``has_etag``: it carries If-Match; ``before_setup``: it
    is answered before there is an administrator; ``is_audited``: what came of it is written down.
    """

    role: UserRole
    bucket: str = "read"
    by_body: Callable[[Any], UserRole] | None = None
    has_csrf: bool = False
    is_fresh: bool = False
    is_repeatable: bool = False
    has_etag: bool = False
    before_setup: bool = False
    is_audited: bool = False


def _read(role: UserRole = UserRole.VIEWER, *, before_setup: bool = False) -> RouteRule:
    return RouteRule(role=role, before_setup=before_setup)


def _write(
    role: UserRole, bucket: str = "write", *, by_body: Callable[[Any], UserRole] | None = None, is_fresh: bool = False,
    is_repeatable: bool = False, has_etag: bool = False,
) -> RouteRule:  # fmt: skip
    return RouteRule(
        role=role, bucket=bucket, by_body=by_body, has_csrf=True, is_fresh=is_fresh, is_repeatable=is_repeatable,
        has_etag=has_etag, is_audited=True,
    )  # fmt: skip


def _by_mode(body: Any) -> UserRole:
    """Return the role that starts a session of the mode asked for."""
    return (
        UserRole.OPERATOR if isinstance(body, dict) and "mode" in body and body["mode"] == "live" else UserRole.TRADER
    )


def _sign_in(*, before_setup: bool = False) -> RouteRule:
    return RouteRule(role=UserRole.ANYBODY, bucket="login", before_setup=before_setup, is_audited=True)


T, V, OP, AD = UserRole.TRADER, UserRole.VIEWER, UserRole.OPERATOR, UserRole.ADMIN
RULES: Mapping[tuple[str, str], RouteRule] = MappingProxyType({
    ("GET", "/health"): _read(UserRole.ANYBODY, before_setup=True),
    ("GET", "/health/ready"): _read(UserRole.ANYBODY, before_setup=True),
    ("GET", "/health/deep"): _read(),
    ("POST", f"{API}/auth/setup"): _sign_in(before_setup=True),
    ("POST", f"{API}/auth/login"): _sign_in(),
    ("POST", f"{API}/auth/refresh"): RouteRule(role=UserRole.ANYBODY, bucket="write", is_audited=True),
    ("POST", f"{API}/auth/logout"): _write(V),
    ("POST", f"{API}/auth/logout-all"): _write(V),
    ("POST", f"{API}/auth/password"): _write(V, "login"),
    ("POST", f"{API}/auth/confirm"): _write(V, "login"),
    ("GET", f"{API}/auth/me"): _read(),
    ("GET", f"{API}/auth/csrf"): _read(),
    ("GET", f"{API}/auth/sessions"): _read(),
    ("DELETE", f"{API}/auth/sessions/{{id}}"): _write(V),
    ("GET", f"{API}/auth/keys"): _read(),
    ("POST", f"{API}/auth/keys"): _write(V, is_fresh=True),
    ("DELETE", f"{API}/auth/keys/{{id}}"): _write(V),
    ("GET", f"{API}/users"): _read(AD),
    ("POST", f"{API}/users"): _write(AD, is_fresh=True, is_repeatable=True),
    ("PATCH", f"{API}/users/{{id}}"): _write(AD, is_fresh=True, has_etag=True),
    ("DELETE", f"{API}/users/{{id}}"): _write(AD, is_fresh=True),
    ("GET", f"{API}/strategies"): _read(),
    ("GET", f"{API}/strategies/{{id}}"): _read(),
    ("PUT", f"{API}/strategies/{{id}}"): _write(T, "strategy", has_etag=True),
    ("DELETE", f"{API}/strategies/{{id}}"): _write(T, has_etag=True),
    ("GET", f"{API}/strategies/{{id}}/versions"): _read(),
    ("GET", f"{API}/strategies/{{id}}/versions/{{n}}"): _read(),
    ("POST", f"{API}/strategies/validate"): RouteRule(role=V, bucket="validate", has_csrf=True),
    ("GET", f"{API}/sessions"): _read(),
    ("POST", f"{API}/sessions"): _write(T, by_body=_by_mode, is_repeatable=True),
    ("GET", f"{API}/sessions/defaults"): _read(),
    ("GET", f"{API}/sessions/{{id}}"): _read(),
    ("GET", f"{API}/sessions/{{id}}/status"): _read(),
    ("GET", f"{API}/sessions/{{id}}/transitions"): _read(),
    ("GET", f"{API}/sessions/{{id}}/conditions"): _read(),
    ("POST", f"{API}/sessions/{{id}}/pause"): _write(T, is_repeatable=True),
    ("POST", f"{API}/sessions/{{id}}/resume"): _write(T, is_repeatable=True),
    ("POST", f"{API}/sessions/{{id}}/stop"): _write(T, "emergency", is_repeatable=True),
    ("GET", f"{API}/market/venues"): _read(),
    ("GET", f"{API}/orders"): _read(),
    ("GET", f"{API}/fills"): _read(),
    ("GET", f"{API}/denials"): _read(),
    ("GET", f"{API}/positions"): _read(),
    ("GET", f"{API}/signals"): _read(),
    ("GET", f"{API}/signals/near-misses"): _read(),
    ("GET", f"{API}/signals/{{id}}"): _read(),
    ("GET", f"{API}/risk/events"): _read(),
    ("POST", f"{API}/risk/events/{{id}}/ack"): _write(T),
    ("GET", f"{API}/risk/kill-switch"): _read(),
    ("PUT", f"{API}/risk/kill-switch"): _write(T, "emergency"),
    ("POST", f"{API}/risk/rearm"): _write(OP, is_fresh=True),
    ("GET", f"{API}/settings"): _read(),
    ("PUT", f"{API}/settings"): _write(V, has_etag=True),
    ("GET", f"{API}/system/components"): _read(),
    ("GET", f"{API}/system/logs"): _read(OP),
    ("GET", f"{API}/system/audit"): _read(AD),
    ("GET", f"{API}/system/version"): _read(),
})  # fmt: skip

STREAMS: Mapping[str, UserRole] = MappingProxyType(
    dict.fromkeys(
        ("sessions", "session", "status", "positions", "orders", "fills", "signals", "risk", "values", "system"), V
    )
)
"""The role that each stream of the WebSocket needs."""


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in _parts(template)))


def _parts(template: str) -> list[str]:
    return [part for part in re.split(r"(\{\w+\})", template) if part]


def _by_template() -> dict[str, dict[str, RouteRule]]:
    """Return the rules by template, those with fewer variable parts first: ``near-misses`` is no id."""
    found: dict[str, dict[str, RouteRule]] = {}
    for method, template in sorted(RULES, key=lambda one: (one[1].count("{"), one[1])):
        found.setdefault(template, {})[method] = RULES[method, template]
    return found


_TEMPLATES = tuple((template, _pattern(template), rules) for template, rules in _by_template().items())


def matching(path: str) -> tuple[str, Mapping[str, RouteRule]] | None:
    """Return the template and rules by method of a path; None if nothing is served there."""
    for template, pattern, rules in _TEMPLATES:
        if pattern.fullmatch(path):
            return template, rules
    return None
