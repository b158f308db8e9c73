"""An order that takes from an order book needs one: without a known level nobody knows what it would pay."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import OrderKind, Reason, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.signatures import CHECK

PRECEDENCE = 47
REASON = int(Reason.BOOK_UNKNOWN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    at = state.instruments[order.instrument].book
    if at < 0:
        return 1
    takes = order.kind == OrderKind.MARKET or order.tif == TimeInForce.IOC or order.tif == TimeInForce.FOK
    if not takes:
        return 1
    book = state.books[at]
    return 1 if book.is_known != 0 and depth.best(book, -order.side) > 0.0 else 0
