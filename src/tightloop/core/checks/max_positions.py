"""The number of positions, open or pending entry, is limited for the account."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 90
REASON = int(Reason.MAX_POSITIONS)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_positions
    if limit == 0 or state.positions[order.instance].qty != 0.0:
        return 1
    return 1 if exposure.positions_open_or_pending(state, order.instance) < limit else 0
