"""A taking order needs a known order book: without one, its fill price cannot be estimated."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import OrderKind, Reason, TimeInForce
from tightloop.core.domain.types import Record
from tightloop.core.market import depth
from tightloop.core.signatures import CHECK

PRECEDENCE = 47
REASON = int(Reason.BOOK_UNKNOWN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    book_index = state.instruments[order.instrument].book
    if book_index < 0:
        return 1
    takes = order.kind == OrderKind.MARKET or order.tif == TimeInForce.IOC or order.tif == TimeInForce.FOK
    if not takes:
        return 1
    book = state.books[book_index]
    return 1 if book.is_known != 0 and depth.best(book, -order.side) > 0.0 else 0
