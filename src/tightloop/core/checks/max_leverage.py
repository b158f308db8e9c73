"""Leverage must stay within the account's limit and that of the margin tier the notional falls into."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure, margin

PRECEDENCE = 50
REASON = int(Reason.MAX_LEVERAGE)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    allowed = margin.leverage_allowed(state.instruments[order.instrument], notional)
    limit = state.limits.max_leverage
    if not exposure.within(order.leverage, allowed):
        return 0
    return 1 if limit != limit or exposure.within(order.leverage, limit) else 0
