"""The position that results from the order may not exceed a percentage of current equity, by notional."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 80
REASON = int(Reason.MAX_POSITION)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_position_pct
    if limit != limit:
        return 1
    promised = exposure.working_entries_notional(state, order.instance, -1, order.id)
    total = exposure.held_notional(state, order.instance) + promised + notional
    return 1 if exposure.within(total, state.equity * limit / 100.0) else 0
