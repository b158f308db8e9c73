"""Problems as answers (RFC 9457): every refusal has a code that programs read and words that people read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PROBLEM_TYPE = "application/problem+json"
CODES: Mapping[str, tuple[int, str]] = MappingProxyType({
    "malformed_json": (400, "The body is not JSON"),
    "malformed_request": (400, "The request is not well formed"),
    "host_not_allowed": (400, "This address is not served"),
    "idempotency_key_missing": (400, "The header Idempotency-Key is missing"),
    "not_signed_in": (401, "Not signed in"),
    "login_refused": (401, "Name or password is wrong"),
    "origin_foreign": (403, "The request comes from another page"),
    "role_missing": (403, "Your role does not allow this"),
    "csrf_missing": (403, "The header X-CSRF-Token is missing"),
    "csrf_invalid": (403, "The header X-CSRF-Token is not of this login"),
    "csrf_expired": (403, "The header X-CSRF-Token is too old"),
    "password_needed": (403, "Say your password again"),
    "setup_refused": (403, "The setup code is wrong or too old"),
    "live_not_enabled": (403, "Live trading is not enabled"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "This cannot be done with that"),
    "conflict": (409, "It is not in a state for this"),
    "idempotency_conflict": (409, "This Idempotency-Key was used for another request"),
    "in_progress": (409, "The first request with this Idempotency-Key is not answered yet"),
    "changed": (412, "It was changed meanwhile"),
    "body_too_large": (413, "The body is too large"),
    "address_too_long": (414, "The address is too long"),
    "invalid": (422, "The request asks for something impossible"),
    "refused": (422, "It was refused"),
    "weak_password": (422, "The password is too weak"),
    "too_many": (429, "Too many requests"),
    "broken": (500, "The gateway has a fault"),
    "not_set_up": (503, "Not set up yet"),
    "outcome_unknown": (503, "Whether it was done is not known"),
    "no_supervisor": (503, "Nothing starts sessions"),
    "not_served": (503, "Not available now"),
})  # fmt: skip
"""Status and title of each code."""


@dataclass(frozen=True, slots=True)
class RequestFault:
    """One thing that is wrong. ``path``: where in the request or file; ``line``: of a file."""

    path: str
    detail: str
    line: int | None = None
    field: str = ""
    remedy: str = ""

    def packed(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "path": self.path, "line": self.line, "field": self.field, "detail": self.detail, "remedy": self.remedy
        }  # fmt: skip


class HttpProblem(Exception):
    """A request is not carried out."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[RequestFault] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors, self.headers = code, detail, tuple(errors), headers
        self.status, self.title = CODES[code]

    def packed(self, request_id: str) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "type": f"urn:tightloop:problem:{self.code}", "title": self.title, "status": self.status,
            "detail": self.detail, "code": self.code, "request_id": request_id,
            "errors": [fault.packed() for fault in self.errors],
        }  # fmt: skip
