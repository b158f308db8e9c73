"""An order's price must lie within a band around the mark price: protection against fat fingers.

The price is the order's reference price; for a stop-limit order that is its stop.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK
from tightloop.core.trading import exposure

PRECEDENCE = 70
REASON = int(Reason.PRICE_BAND)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    limit = state.limits.price_band_pct
    if limit != limit:
        return 1
    mark = state.instruments[order.instrument].mark
    return 1 if exposure.within(100.0 * abs(order.reference_price - mark) / mark, limit) else 0
