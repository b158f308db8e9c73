"""The gateway's app: middleware, routes, and what they are given."""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from tightloop.adapters.stores.home import Home
from tightloop.adapters.stores.index_reader import IndexReader
from tightloop.app.api.answers.problems import PROBLEM_TYPE, HttpProblem, RequestFault
from tightloop.app.api.answers.repeats import Repeats
from tightloop.app.api.engine_link import EngineLink
from tightloop.app.api.openapi import document
from tightloop.app.api.parts import Parts
from tightloop.app.api.routes import auth, health, orders, positions, risk, sessions, signals, strategies, system, users
from tightloop.app.api.routes import settings as settings_routes
from tightloop.app.api.security.audit import Audit
from tightloop.app.api.security.guard import Guard, Keeping
from tightloop.app.api.security.logins import Logins
from tightloop.app.api.security.passwords import Passwords
from tightloop.app.api.security.redaction import Redaction
from tightloop.app.api.security.rules import RULES
from tightloop.app.api.security.throttle import Throttle
from tightloop.app.api.security.users import Users
from tightloop.app.api.settings import GatewaySettings
from tightloop.app.api.static import Pages
from tightloop.app.api.store import GatewayStore
from tightloop.app.api.strategies.checks import StrategyChecks
from tightloop.app.api.strategies.files import StrategyFiles
from tightloop.app.api.streams import socket
from tightloop.app.api.streams.hub import Hub

ROUTERS = tuple(
    module.router
    for module in (
        auth, users, strategies, sessions, orders, positions, signals, risk, settings_routes, system, health
    )
)  # fmt: skip
LOG = logging.getLogger(__name__)
AGAIN_S = 1.0
SECRET_NAMES = ("_KEY", "_SECRET", "_PASSWORD", "_TOKEN")


def parts_of(settings: GatewaySettings) -> Parts:
    """Open the parts of a gateway. Raises OSError, InputError."""
    home = Home(settings.home)
    home.make()
    store = GatewayStore(home.root)
    redaction = Redaction(value for name, value in os.environ.items() if name.endswith(SECRET_NAMES))
    limits = settings.limits
    keeping = Keeping(
        settings=settings, users=Users(store), logins=Logins(store),
        throttle=Throttle(limits.per_minute, time.monotonic), audit=Audit(store, redaction), repeats=Repeats(store),
        redaction=redaction,
    )  # fmt: skip
    return Parts(
        store=store, keeping=keeping, passwords=Passwords(limits.password_memory_kib, limits.password_rounds),
        link=EngineLink(home), reader=IndexReader(home.root), strategies=StrategyFiles(home.root),
        checks=StrategyChecks(), boot_id=secrets.token_hex(8),
    )  # fmt: skip


def routes_served() -> set[tuple[str, str]]:
    """Return method and path of every route."""
    found: set[tuple[str, str]] = set()
    for router in ROUTERS:
        for route in router.routes:
            methods: Any = getattr(route, "methods", None) or ()
            found |= {(str(method), str(getattr(route, "path", ""))) for method in methods}
    return found


def check_rules() -> None:
    """Assert that every route has a rule, and every rule a route."""
    served = routes_served()
    assert served == set(RULES), f"without a rule or a route: {sorted(served ^ set(RULES))}"


def make_app(settings: GatewaySettings) -> FastAPI:
    """Return the app of a gateway. Raises OSError, InputError."""
    check_rules()
    parts = parts_of(settings)
    hub = Hub(parts)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(_again(follow)) for follow in (parts.link.follow, hub.follow)]
        try:
            yield
        finally:
            hub.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.checks.close()
            parts.reader.close()
            parts.store.close()

    app = described()
    app.router.lifespan_context = lifespan
    app.state.parts, app.state.hub = parts, hub
    app.add_middleware(Guard, keeping=parts.keeping)
    if settings.pages is not None:
        app.mount("/", Pages(settings.pages))
    return app


async def _again(follow: Callable[[], Awaitable[None]]) -> None:
    """Run what goes on for ever; what one odd file breaks is logged, and begins again."""
    while True:
        try:
            await follow()
        except Exception:
            LOG.exception("%s begins again", follow.__qualname__)
        await asyncio.sleep(AGAIN_S)


def described() -> FastAPI:
    """Return an app with its routes alone: what the OpenAPI document is made of."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(socket.router)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(HttpProblem, _problem)
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return document(described())


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "it is registered for these"
    faults = [RequestFault(".".join(map(str, one["loc"])), str(one["msg"])) for one in error.errors()]
    said = "; ".join(f"{fault.path}: {fault.detail}" for fault in faults[:5])
    return await _problem(request, HttpProblem("invalid", said, errors=faults))


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "it is registered for these"
    code = {404: "not_found", 405: "method_not_allowed", 400: "malformed_request"}.get(error.status_code, "broken")
    return await _problem(request, HttpProblem(code, str(error.detail)))


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpProblem), "it is registered for these"
    parts: Parts = request.app.state.parts
    asked = getattr(request.state, "asked", None)
    said = error.packed("" if asked is None else asked.request_id)
    said["detail"] = parts.keeping.redaction.text(error.detail)
    if asked is not None:
        asked.told.problem = error.code
    return Response(orjson.dumps(said), status_code=error.status, media_type=PROBLEM_TYPE, headers=dict(error.headers))


def built_pages() -> Path | None:
    """Return the folder of the built pages, beside this file in a wheel or in ``ui/dist``; None if there is none."""
    places = (Path(__file__).with_name("pages"), Path(__file__).resolve().parents[4] / "ui" / "dist")
    return next((place for place in places if (place / "index.html").is_file()), None)
