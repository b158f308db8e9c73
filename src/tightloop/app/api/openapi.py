"""The OpenAPI document: FastAPI's, with the problems that the guard answers, and the messages of the WebSocket."""

import re
from typing import Any

from fastapi import FastAPI

from tightloop import __version__
from tightloop.app.api.answers.problems import CODES, PROBLEM_TYPE
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.security.rules import RULES, RouteRule
from tightloop.app.api.shapes.common import ProblemShape
from tightloop.app.api.shapes.rows import MODELS
from tightloop.app.api.streams.messages import CLIENT, SERVER

REFERENCE = "#/components/schemas/{model}"
TITLE = "Tightloop"
DESCRIPTION = (
    "Sessions, orders, positions and why. Money, prices and quantities are decimal texts, times are texts of "
    "nanoseconds UTC; what is not known is null."
)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an app, made anew."""
    found = _made(app)
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _problem()
    for model in MODELS.values():
        schemas.setdefault(model.__name__, model.model_json_schema(ref_template=REFERENCE, mode="serialization"))
    for name, adapter, mode in (("ClientMessage", CLIENT, "validation"), ("ServerMessage", SERVER, "serialization")):
        schema = adapter.json_schema(ref_template=REFERENCE, mode=mode)  # type: ignore[arg-type] # pairs of literals
        schemas |= schema.pop("$defs")
        schemas[name] = schema
    found["components"]["securitySchemes"] = {
        "cookie": {"type": "apiKey", "in": "cookie", "name": "tl-8600"},
        "key": {"type": "http", "scheme": "bearer"},
    }
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _describe(operation, RULES[method.upper(), path], method, path)
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    return found


def _made(app: FastAPI) -> dict[str, Any]:
    app.openapi_schema = None
    found: dict[str, Any] = FastAPI.openapi(app)
    found["info"] = {"title": TITLE, "version": __version__, "description": DESCRIPTION}
    return found


def _problem() -> dict[str, Any]:
    schema = ProblemShape.model_json_schema(ref_template=REFERENCE)
    schema.pop("$defs")
    schema["title"] = "Problem"
    schema["properties"]["code"]["enum"] = sorted(CODES)
    return schema


def statuses(rule: RouteRule, path: str) -> tuple[int, ...]:
    """Return the statuses of problems that a route may answer."""
    found = {400, 403, 422, 429, 503}
    if rule.role is not UserRole.ANYBODY or path.startswith("/api/v1/auth"):
        found.add(401)
    if "{" in path or path.endswith(("defaults", "logs", "sessions")):
        found.add(404)
    if rule.is_audited or path.endswith("defaults"):
        found |= {409, 413}
    if rule.bucket == "validate" or rule.role is UserRole.ANYBODY:
        found.add(413)
    if rule.has_etag:
        found.add(412)
    return tuple(sorted(found))


def _describe(operation: dict[str, Any], rule: RouteRule, method: str, path: str) -> None:
    """Say what the guard asks of a route."""
    operation["responses"].pop("422", None)
    for status in statuses(rule, path):
        operation["responses"][str(status)] = {
            "description": "; ".join(title for of, title in CODES.values() if of == status),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}},
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))
    operation["x-role"] = rule.role.name.lower()
    operation["security"] = [] if rule.role is UserRole.ANYBODY else [{"cookie": []}, {"key": []}]
    operation["operationId"] = f"{method}_{_words(path)}"
    parameters = operation.setdefault("parameters", [])
    if rule.has_csrf:
        said = "Of GET /api/v1/auth/csrf; a key needs none."
        header = {"name": "X-CSRF-Token", "in": "header", "required": False, "schema": {"type": "string"}}
        parameters.append({**header, "description": said})
    if rule.is_repeatable:
        parameters[:] = [one for one in parameters if one["name"] != "Idempotency-Key"]
        schema = {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{8,80}$"}
        said = "Random; the same one for a repeat."
        parameters.append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "schema": schema, "description": said}
        )
    if not parameters:
        del operation["parameters"]


def _words(path: str) -> str:
    return re.sub(r"\W+", "_", path.removeprefix("/api/v1/").strip("/")).strip("_")
