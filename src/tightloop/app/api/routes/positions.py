"""Positions: open ones and trades that are over."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from tightloop.app.api.answers import lists
from tightloop.app.api.answers.paging import LIMIT
from tightloop.app.api.parts import GivenParts
from tightloop.app.api.routes.queries import Cursor, InstrumentFilter, Limit, Session
from tightloop.app.api.shapes.rows import Position, RowPage

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])
Status = Annotated[Literal["open", "closed", "liquidated", "foreign"] | None, Query()]


@router.get("", response_model=RowPage[Position])
async def positions(
    request: Request, parts: GivenParts, session: Session = None, instrument: InstrumentFilter = None,
    status: Status = None, limit: Limit = LIMIT, cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List positions, the newest first; those that are over are the trades."""
    where: lists.Where = {"session_id": session, "instrument": instrument, "status": status}
    return lists.answer(request, parts.reader, "positions", where, cursor, limit)
