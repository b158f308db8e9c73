"""The account's loss of the day may not exceed a percentage of its equity at 00:00 UTC.

A breach stops entries until the next UTC day.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 30
REASON = int(Reason.DAILY_LOSS)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    if state.daily_stopped_day == state.day:
        return 0
    limit = state.limits.daily_loss_pct
    if limit != limit:
        return 1
    return 1 if exposure.within(-exposure.daily_pnl(state), state.day_start_equity * limit / 100.0) else 0
