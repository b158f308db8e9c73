"""Drawdown from the equity peak must stay below its limit; a breach stops entries until an operator re-arms."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 20
REASON = int(Reason.MAX_DRAWDOWN)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    if state.drawdown_stopped != 0:
        return 0
    limit = state.limits.max_drawdown_pct
    if limit != limit:
        return 1
    drawdown_pct = 100.0 * (1.0 - state.equity / state.equity_peak) if state.equity < state.equity_peak else 0.0
    return 1 if exposure.below(drawdown_pct, limit) else 0
