"""No entries while an operator has paused the session, nor while it is being stopped."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import account

PRECEDENCE = 4
REASON = int(Reason.PAUSED)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 0 if account.risk_refusal(state, order.instance) == REASON else 1
