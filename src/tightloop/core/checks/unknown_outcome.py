"""No entry on an instrument while the outcome of another order on it is unknown.

If that order did fill, this one would double the position.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import orders

PRECEDENCE = 45
REASON = int(Reason.UNKNOWN_OUTCOME)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    for slot in range(state.order_high):
        other = state.orders[slot]
        is_unknown = other.id != 0 and orders.is_unknown(other)
        if is_unknown and other.instrument == order.instrument and other.id != order.id:
            return 0
    return 1
