"""Free cash must cover the entry.

Spot needs price, fixed slippage and fee; margined instruments need initial margin and fee.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import cash

PRECEDENCE = 125
REASON = int(Reason.INSUFFICIENT_CASH)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 1 if cash.covers(state, order) else 0
