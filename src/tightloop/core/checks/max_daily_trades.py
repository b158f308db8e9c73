"""No more entries of a strategy in a UTC day than it allows itself."""

from tightloop.core.checks import CHECK
from tightloop.core.compiled import compiled
from tightloop.core.types import Reason, Record

PRECEDENCE = 130
REASON = int(Reason.MAX_DAILY_TRADES)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    strategy = state.strategies[state.instances[order.instance].strategy]
    return 1 if strategy.max_daily_trades == 0 or strategy.trades_today < strategy.max_daily_trades else 0
