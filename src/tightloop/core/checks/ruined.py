"""No entries while equity is 0 or less, nor afterwards until an operator re-arms."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import account

PRECEDENCE = 15
REASON = int(Reason.RUINED)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 0 if account.risk_refusal(state, order.instance) == REASON else 1
