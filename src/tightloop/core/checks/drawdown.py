"""Drawdown from the equity peak must stay below its limit; a breach stops entries until an operator re-arms."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import account

PRECEDENCE = 20
REASON = int(Reason.MAX_DRAWDOWN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 0 if account.risk_refusal(state, order.instance) == REASON else 1
