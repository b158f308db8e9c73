"""Risk: events until they were acknowledged, and the kill switch."""

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from tightloop.adapters.stores.home import EVERYTHING
from tightloop.app.api.answers import lists
from tightloop.app.api.answers.paging import LIMIT
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.engine_link import STOPPED
from tightloop.app.api.parts import GivenCaller, GivenParts, GivenRequest, Parts
from tightloop.app.api.routes.queries import Cursor, Limit, Session
from tightloop.app.api.security.roles import UserRole
from tightloop.app.api.shapes import trading as shapes
from tightloop.app.api.shapes.common import Done
from tightloop.app.api.shapes.rows import RiskEvent, RowPage
from tightloop.model.errors import InputError

router = APIRouter(prefix="/api/v1/risk", tags=["risk"])
Severity = Annotated[Literal["INFO", "WARNING", "CRITICAL"] | None, Query()]


@router.get("/events", response_model=RowPage[RiskEvent])
async def events(
    request: Request, parts: GivenParts, session: Session = None, severity: Severity = None, limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List warnings, the newest first, with who has acknowledged them."""
    found = lists.answer(
        request, parts.reader, "risk_events", {"session_id": session, "severity": severity}, cursor, limit
    )
    if isinstance(found, dict):
        for row in found["items"]:
            seen = parts.store.one(
                "SELECT who, ts FROM acknowledged WHERE session_id = ? AND seq = ? AND n = ?", row["session_id"],
                row["seq"], row["n"],
            )  # fmt: skip
            row |= {
                "acknowledged_by": None if seen is None else seen["who"],
                "acknowledged_ts": None if seen is None else str(seen["ts"]),
            }
    return found


@router.post("/events/{id}/ack")
async def acknowledge(id: Annotated[str, Path(max_length=120)], parts: GivenParts, caller: GivenCaller) -> Done:
    """Say that a warning was seen; the first who says so stands there."""
    row = lists.one(parts.reader, "risk_events", id)
    parts.store.write(
        "INSERT OR IGNORE INTO acknowledged VALUES (?, ?, ?, ?, ?)", row["session_id"], row["seq"], row["n"],
        caller.name, time.time_ns(),
    )  # fmt: skip
    return Done()


@router.get("/kill-switch")
async def kill_switch(parts: GivenParts) -> shapes.KillSwitchState:
    """Tell for which scopes the kill switch is engaged; one that cannot be read counts as engaged over everything."""
    try:
        return shapes.KillSwitchState(engaged=parts.link.home.kills(), is_readable=True)
    except InputError:
        return shapes.KillSwitchState(engaged=[EVERYTHING], is_readable=False)


@router.put("/kill-switch")
async def kill(said: shapes.Kill, parts: GivenParts, caller: GivenCaller, asked: GivenRequest) -> shapes.KillDone:
    """Close positions and take no entries in every session, until it is rearmed.

    It is written first, for sessions that do not answer follow the file; those that run are told at once.
    """
    live = [about for about in _running(parts) if about["mode"] == "live"]
    if live and caller.role < UserRole.OPERATOR:
        raise HttpProblem("role_missing", f"{live[0]['id']} trades with money: it needs the role operator")
    await asyncio.to_thread(parts.link.home.engage, said.scope)
    told, silent = await _tell(parts, {"what": "kill", "scope": said.scope, "who": caller.name})
    asked.told.after = {"scope": said.scope, "reason": said.reason, "told": told, "silent": silent}
    await parts.link.look()
    still_open = [
        str(about["id"]) for about in _running(parts)
        if (last_view := parts.link.last_view(str(about["id"]))) is None or last_view.view["positions"]
    ]  # fmt: skip
    return shapes.KillDone(scope=said.scope, told=told, silent=silent, open=still_open)


@router.post("/rearm")
async def rearm(said: shapes.Kill, parts: GivenParts, caller: GivenCaller, asked: GivenRequest) -> shapes.KillDone:
    """Allow entries again: release the kill switch of a scope, `all`: of every one."""
    await asyncio.to_thread(_release, parts, said.scope)
    told, silent = await _tell(parts, {"what": "rearm", "scope": said.scope, "who": caller.name})
    asked.told.after = {"scope": said.scope, "reason": said.reason, "told": told, "silent": silent}
    return shapes.KillDone(scope=said.scope, told=told, silent=silent, open=[])


def _release(parts: Parts, scope: str) -> None:
    try:
        parts.link.home.release(scope)
    except InputError as error:
        raise HttpProblem("refused", str(error)) from error


def _running(parts: Parts) -> list[Any]:
    return [about for about in parts.link.abouts() if about["state"] != STOPPED]


async def _tell(parts: Parts, request: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Tell every session; return those that answered and those that did not."""
    names = [str(about["id"]) for about in _running(parts)]
    found = await asyncio.gather(*(parts.link.ask(name, request) for name in names), return_exceptions=True)
    told = [name for name, said in zip(names, found, strict=True) if isinstance(said, dict)]
    unexpected = [one for one in found if isinstance(one, BaseException) and not isinstance(one, HttpProblem)]
    if unexpected:
        raise unexpected[0]
    return told, [name for name in names if name not in told]
