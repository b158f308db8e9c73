"""The account's loss of the day may not exceed a percentage of its equity at 00:00 UTC.

A breach stops entries until the next UTC day.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import account

PRECEDENCE = 30
REASON = int(Reason.DAILY_LOSS)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 0 if account.risk_refusal(state, order.instance) == REASON else 1
