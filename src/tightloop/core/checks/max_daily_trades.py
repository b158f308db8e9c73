"""A strategy's entries per UTC day are limited; pending entries count."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 130
REASON = int(Reason.MAX_DAILY_TRADES)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    index = state.instances[order.instance].strategy
    strategy = state.strategies[index]
    if strategy.max_daily_trades == 0:
        return 1
    return 1 if strategy.trades_today + exposure.entries_pending(state, index) < strategy.max_daily_trades else 0
