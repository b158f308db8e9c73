"""Orders, fills and what our checks refused."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from tightloop.app.api.answers import lists
from tightloop.app.api.answers.paging import LIMIT
from tightloop.app.api.parts import GivenParts
from tightloop.app.api.routes.queries import Cursor, InstrumentFilter, Limit, Session
from tightloop.app.api.shapes.rows import Denial, Fill, Order, RowPage

router = APIRouter(prefix="/api/v1", tags=["orders"])
UNKNOWN = "IN_FLIGHT"
"""The state of an order that was sent and not answered."""
OPEN = ("INITIALIZED", "SUBMITTED", UNKNOWN, "ACCEPTED", "PARTIALLY_FILLED", "PENDING_CANCEL")
OrderFilter = Annotated[Literal["open", "unknown", "all"], Query()]
Side = Annotated[Literal["BUY", "SELL"] | None, Query()]


@router.get("/orders", response_model=RowPage[Order])
async def orders(
    request: Request, parts: GivenParts, session: Session = None, instrument: InstrumentFilter = None,
    state: OrderFilter = "all", side: Side = None, limit: Limit = LIMIT, cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List orders, the newest first; of IN_FLIGHT it is not known what became of them."""
    states = {"open": OPEN, "unknown": (UNKNOWN,), "all": None}[state]
    where: lists.Where = {"session_id": session, "instrument": instrument, "state": states, "side": side}
    return lists.answer(request, parts.reader, "orders", where, cursor, limit)


@router.get("/fills", response_model=RowPage[Fill])
async def fills(
    request: Request, parts: GivenParts, session: Session = None, instrument: InstrumentFilter = None,
    side: Side = None, limit: Limit = LIMIT, cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List executions, the newest first."""
    where: lists.Where = {"session_id": session, "instrument": instrument, "side": side}
    return lists.answer(request, parts.reader, "fills", where, cursor, limit)


@router.get("/denials", response_model=RowPage[Denial])
async def denials(
    request: Request, parts: GivenParts, session: Session = None, instrument: InstrumentFilter = None,
    limit: Limit = LIMIT, cursor: Cursor = None,
) -> Any:  # fmt: skip
    """List orders that our checks refused, with what was asked and what is allowed."""
    where: lists.Where = {"session_id": session, "instrument": instrument}
    return lists.answer(request, parts.reader, "denials", where, cursor, limit)
