"""The notional of a single order is limited."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 60
REASON = int(Reason.MAX_ORDER_NOTIONAL)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_order_notional
    return 1 if limit != limit or exposure.within(notional, limit) else 0
