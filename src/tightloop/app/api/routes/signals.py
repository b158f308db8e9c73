"""Signals: what fired and why, what did not and how near it came."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from tightloop.adapters.stores.index_reader import IndexQuery
from tightloop.app.api.answers import lists
from tightloop.app.api.answers.paging import LIMIT
from tightloop.app.api.parts import GivenParts
from tightloop.app.api.routes.queries import Cursor, InstrumentFilter, Limit, Session
from tightloop.app.api.shapes.rows import NearMiss, RowPage, Signal, given
from tightloop.app.api.shapes.trading import Why
from tightloop.ports.read_model import SESSION

router = APIRouter(prefix="/api/v1/signals", tags=["signals"])
Section = Annotated[Literal["S1", "O1", "Z1", "ZE1", "E1"] | None, Query()]
Event = Annotated[Literal["fired", "suppressed"] | None, Query()]
CONDITIONS_MAX = 200


@router.get("", response_model=RowPage[Signal])
async def signals(
    request: Request, parts: GivenParts, session: Session = None, instrument: InstrumentFilter = None,
    section: Section = None, event: Event = None, limit: Limit = LIMIT, cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List signals, the newest first."""
    where: lists.Where = {"session_id": session, "instrument": instrument, "section": section, "event": event}
    return lists.answer(request, parts.reader, "signals", where, cursor, limit)


@router.get("/near-misses", response_model=RowPage[NearMiss])
async def near_misses(
    request: Request, parts: GivenParts, session: Session = None, section: Section = None, limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List why nothing fired: the nearest that each condition came to its threshold, the newest first."""
    where: lists.Where = {"session_id": session, "section": section}
    return lists.answer(request, parts.reader, "closest", where, cursor, limit)


@router.get("/{id}", response_model=Why)
async def why(id: Annotated[str, Path(max_length=120)], parts: GivenParts) -> Any:
    """Give a signal with every condition it had: value, operator, threshold, verdict."""
    found = lists.one(parts.reader, "signals", id)
    where: lists.Where = {name: found[name] for name in (SESSION, "seq", "n")}
    wanted = IndexQuery(where=where, order=("place",), limit=CONDITIONS_MAX, newest_first=False)
    rows = parts.reader.rows("conditions", wanted)
    return {"signal": given("signals", found), "conditions": [given("conditions", row) for row in rows]}
