"""No entry larger than the venue takes, nor one that makes a position which no single market order can close."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 48
REASON = int(Reason.ABOVE_QTY_MAX)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    instrument = state.instruments[order.instrument]
    if instrument.qty_max > 0.0 and not exposure.within(order.qty, instrument.qty_max):
        return 0
    held = max(state.positions[order.instance].qty * order.side, 0.0)
    is_closable = instrument.market_qty_max <= 0.0 or exposure.within(held + order.qty, instrument.market_qty_max)
    return 1 if is_closable else 0
