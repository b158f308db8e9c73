"""No entries before a session has brought its view of the account into agreement with the venue's."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import account

PRECEDENCE = 2
REASON = int(Reason.NOT_READY)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 0 if account.risk_refusal(state, order.instance) == REASON else 1
