"""A strategy's loss of the day may not exceed a percentage of the account's equity at 00:00 UTC."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 160
REASON = int(Reason.STRATEGY_DAILY_LOSS)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    strategy = state.instances[order.instance].strategy
    limit = state.strategies[strategy].daily_loss_pct
    if limit != limit:
        return 1
    pnl = exposure.strategy_daily_pnl(state, strategy)
    return 1 if exposure.within(-pnl, state.day_start_equity * limit / 100.0) else 0
