"""The names that a real venue has for our orders and fills, from what its desk was given and answered."""

from collections import deque
from collections.abc import Callable, Iterator

from tightloop.core.domain.enums import EventKind
from tightloop.ports.read_model import TableRow
from tightloop.runtime.session.account.fold import AccountFold
from tightloop.runtime.session.account.inputs import InputKind, unpacked
from tightloop.runtime.session.journal import JournalRecord
from tightloop.runtime.session.read_model.trading import TradingRows

UNNAMED_KEPT = 1_024
_FILLS = (EventKind.ORDER_FILLED, EventKind.FILL_FOUND)


class VenueNames:
    """Follows the desk of a session. ``begin``: makes the one of an epoch."""

    def __init__(self, begin: Callable[[int], AccountFold], trading: TradingRows) -> None:
        self._begin, self._trading = begin, trading
        self._fold: AccountFold | None = None
        self._counts: dict[int, int] = {}
        self._unnamed: deque[tuple[int, int, TableRow]] = deque(maxlen=UNNAMED_KEPT)
        """Order, place among its fills and row of the fills that the venue has not named yet."""

    def take(self, record: JournalRecord) -> list[TableRow]:
        """Take an input of the desk; return the orders and fills whose names it tells."""
        given = unpacked(record.payload)
        if given.kind == InputKind.BEGUN:
            self._fold = self._begin(given.number)
            return []
        assert self._fold is not None, "a journal names the desk before it gives it anything"
        outputs = self._fold.apply(given)
        told = {answer.order_id for answer in outputs.answers} | set(self._fold.desk.state.open_ids)
        found = [row for order_id in sorted(told) for row in self._order(order_id, record.seq)]
        return found + self._late(record.seq)

    def _order(self, order_id: int, seq: int) -> Iterator[TableRow]:
        """Yield the row of an order whose name at the venue is another one now."""
        assert self._fold is not None
        order, wanted = self._trading.orders.get(order_id), self._fold.desk.state.orders.get(order_id)
        if order is None or wanted is None or not wanted.attempts:
            return
        last = wanted.attempts[-1]
        names = {"client_id": last.client_id, "venue_order_id": last.venue_order_id or None}
        if any(order[name] != value for name, value in names.items()):
            order |= {**names, "seq": seq}
            yield TableRow("orders", dict(order))

    def named(self, order_id: int, fill: TableRow) -> TableRow:
        """Return a fill with the id of the venue's trade, where that is known by now."""
        place = self._counts[order_id] = self._counts.get(order_id, 0) + 1
        trade_id = self._trade_of(order_id, place)
        if trade_id is None:
            self._unnamed.append((order_id, place, fill))
        return TableRow(fill.table, {**fill.values, "venue_trade_id": trade_id})

    def _trade_of(self, order_id: int, place: int) -> str | None:
        """Return the venue's trade of an order's fill; of those that are kept, the last is that of the last fill."""
        if self._fold is None:
            return None
        trades = [one.trade_id for one in self._fold.trades if one.order_id == order_id]
        return (trades[place - 1] or None) if place <= len(trades) else None

    def _late(self, seq: int) -> list[TableRow]:
        """Return fills that were named only now."""
        found = []
        for _ in range(len(self._unnamed)):
            order_id, place, fill = self._unnamed.popleft()
            trade_id = self._trade_of(order_id, place)
            if trade_id is None:
                self._unnamed.append((order_id, place, fill))
            else:
                found.append(TableRow(fill.table, {**fill.values, "seq": seq, "venue_trade_id": trade_id}))
        return found
