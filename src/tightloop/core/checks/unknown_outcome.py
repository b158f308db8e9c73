"""No entry on an instrument while the outcome of another order on it is unknown.

If that order did fill, this one would double the position.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import OrderState, Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 45
REASON = int(Reason.UNKNOWN_OUTCOME)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    for slot in range(state.order_high):
        other = state.orders[slot]
        unknown = other.state == OrderState.IN_FLIGHT and other.id != 0
        if unknown and other.instrument == order.instrument and other.id != order.id:
            return 0
    return 1
