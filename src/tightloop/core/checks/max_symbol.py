"""All strategies' notional in one symbol may not exceed a percentage of current equity."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 100
REASON = int(Reason.MAX_SYMBOL)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.max_symbol_pct
    if limit != limit:
        return 1
    total = exposure.symbol_notional(state, order.instrument, order.id) + notional
    return 1 if exposure.within(total, state.equity * limit / 100.0) else 0
