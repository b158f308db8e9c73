"""No entries on an instrument of which the account holds a position that is not ours.

In one-way mode both net at the venue, which then refuses reduce-only stops of either.
"""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 44
REASON = int(Reason.FOREIGN_HELD)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 1 if state.instruments[order.instrument].foreign_qty == 0.0 else 0
