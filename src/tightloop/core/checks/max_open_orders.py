"""No entry while 100 orders are open: a strategy that has lost count stops by itself."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 17
REASON = int(Reason.MAX_POSITIONS)
OPEN_ORDERS_MAX = 100


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 1 if state.order_count < OPEN_ORDERS_MAX else 0
