"""No entries on an instrument that its venue has halted or delisted."""

from tightloop.core.compiled import compiled
from tightloop.core.domain.enums import Reason, TradingStatus
from tightloop.core.domain.types import Record
from tightloop.core.signatures import CHECK

PRECEDENCE = 43
REASON = int(Reason.DELISTED)


@compiled(CHECK)
def check(state: Record, order: Record, notional: float) -> int:
    return 1 if state.instruments[order.instrument].status == TradingStatus.TRADING else 0
