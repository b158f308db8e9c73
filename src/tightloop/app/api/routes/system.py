"""The parts of the platform, their logs, the audit."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from tightloop import __version__
from tightloop.adapters.stores.home import LOG_FILE
from tightloop.app.api import starts
from tightloop.app.api.answers.problems import HttpProblem
from tightloop.app.api.engine_link import KILLED, STOPPED
from tightloop.app.api.parts import GivenParts, Parts
from tightloop.app.api.routes.queries import Limit
from tightloop.app.api.shapes import trading as shapes
from tightloop.app.api.shapes.rows import RowPage

router = APIRouter(prefix="/api/v1/system", tags=["system"])
LOG_BYTES_MAX = 1 << 18
FEED_LATE_S = 3.0
API = "1"


@router.get("/components")
async def components(parts: GivenParts) -> shapes.Components:
    """Tell how each part stands, with its age and the reason."""
    return shapes.Components(items=await components_of(parts))


async def components_of(parts: Parts) -> list[shapes.Component]:
    """Return the parts of the platform."""
    holder = await asyncio.to_thread(parts.link.home.holder, starts.SUPERVISOR)
    found = [
        _component("gateway", "ok", ""),
        _component("supervisor", "ok" if holder else "down", "" if holder else "`tightloop up` has ended"),
    ]
    is_there = parts.reader.index_id() is not None
    found.append(_component("index.db", "ok" if is_there else "down", "" if is_there else "no session has written it"))
    found += [_session(parts, about) for about in parts.link.abouts() if about["state"] != STOPPED]
    return found


def _session(parts: Parts, about: object) -> shapes.Component:
    assert isinstance(about, dict), "what a session is"
    session = str(about["id"])
    last_view, state = parts.link.last_view(session), parts.link.state(about)
    age_s = None if last_view is None else round((time.time_ns() - last_view.said_ns) * 1e-9, 3)
    feed_age_s = None if last_view is None else last_view.view["feed_age_s"]
    if state == KILLED:
        return _component(session, "down", "its process is gone; start it again", age_s)
    if not parts.link.is_answering(session):
        return _component(session, "degraded", "it does not answer", age_s)
    if state == "ERROR":
        return _component(session, "degraded", str(about["reason"]) if "reason" in about else "it is in ERROR", age_s)
    if feed_age_s is not None and feed_age_s > FEED_LATE_S:
        return _component(session, "degraded", f"its market feed is {feed_age_s:.1f} s old", age_s)
    return _component(session, "ok", "", age_s)


def _component(
    name: str, state: Literal["ok", "degraded", "down"], reason: str, age_s: float | None = None
) -> shapes.Component:
    return shapes.Component(name=name, state=state, reason=reason, since_ts=None, age_s=age_s)


@router.get("/version")
async def version(parts: GivenParts) -> shapes.VersionShape:
    """Tell what runs."""
    return shapes.VersionShape(
        version=__version__, api=API, boot_id=parts.boot_id, server_time_ns=str(time.time_ns()),
        is_live_enabled=parts.keeping.settings.is_live_enabled,
    )  # fmt: skip


@router.get("/audit")
async def audit(
    parts: GivenParts, limit: Limit = 50, cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None
) -> RowPage[shapes.AuditShape]:
    """List what users did, the newest first."""
    rows = parts.keeping.audit.rows(None if cursor is None else int(cursor), limit + 1)
    last = str(rows[limit - 1]["n"]) if len(rows) > limit else None
    return RowPage[shapes.AuditShape](items=[shapes.AuditShape(**row) for row in rows[:limit]], next=last)


@router.get("/logs")
async def logs(
    parts: GivenParts, component: Annotated[str, Query(max_length=64)] = "gateway",
    lines: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> shapes.LogLines:  # fmt: skip
    """Give the end of the log of the gateway, the supervisor or a session."""
    root = parts.link.home.root
    if component in ("gateway", "supervisor"):
        file = root / "logs" / f"{component}.log"
    else:
        session = str(parts.link.about(component)["id"])
        file = parts.link.home.folder(session) / "logs" / LOG_FILE
    return shapes.LogLines(component=component, lines=[parts.keeping.redaction.text(one) for one in _end(file, lines)])


def _end(file: Path, count: int) -> list[str]:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - LOG_BYTES_MAX))
            return stream.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HttpProblem("not_served", f"the log cannot be read: {error.strerror}") from error
