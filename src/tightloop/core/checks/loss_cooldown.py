"""After a losing trade, the strategy enters on none of its instruments until its cooldown is over."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 150
REASON = int(Reason.LOSS_COOLDOWN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    strategy = state.strategies[state.instances[order.instance].strategy]
    return 0 if state.ts_ns < strategy.loss_until_ns else 1
