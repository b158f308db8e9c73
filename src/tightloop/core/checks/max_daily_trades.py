"""No more entries of a strategy in a UTC day than it allows itself; those under way count."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 130
REASON = int(Reason.MAX_DAILY_TRADES)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    at = state.instances[order.instance].strategy
    strategy = state.strategies[at]
    if strategy.max_daily_trades == 0:
        return 1
    return 1 if strategy.trades_today + exposure.entries_pending(state, at) < strategy.max_daily_trades else 0
