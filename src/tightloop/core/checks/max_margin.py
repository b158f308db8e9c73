"""Used margin + reserved margin + margin of this order must stay below a percentage of current equity."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 120
REASON = int(Reason.MAX_MARGIN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_margin_pct
    if limit != limit:
        return 1
    assert order.leverage > 0.0, "margin is notional over leverage"
    total = state.used_margin + state.reserved_margin + notional / order.leverage
    return 1 if exposure.below(total, state.equity * limit / 100.0) else 0
