"""After too many consecutive losing trades, the strategy makes no entry until the next UTC day."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 140
REASON = int(Reason.LOSS_STREAK)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    strategy = state.strategies[state.instances[order.instance].strategy]
    return 1 if strategy.max_losses_in_row == 0 or strategy.losses_in_row < strategy.max_losses_in_row else 0
