"""No single order above a notional."""

from tightloop.core import exposure
from tightloop.core.compiled import compiled
from tightloop.core.signatures import CHECK
from tightloop.core.types import Reason, Record

PRECEDENCE = 60
REASON = int(Reason.MAX_ORDER_NOTIONAL)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_order_notional
    return 1 if limit != limit or exposure.within(notional, limit) else 0
