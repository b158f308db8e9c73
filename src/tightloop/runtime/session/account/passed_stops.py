"""Stops whose trigger the market has passed while the venue says nothing of them: they are looked up.

A stop may trigger and be refused, and the report of it be lost with the private stream. Then the position has no stop,
and a comparison would find that out in two rounds, 10 s apart. The market says it at once.
"""

from dataclasses import dataclass, field

from tightloop.core.domain.enums import Side
from tightloop.core.domain.types import Rows
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.account.inputs import Compared
from tightloop.runtime.session.desk.records import SECOND_NS
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Ending, State, Style, Wire

WAITS_NS = tuple(seconds * SECOND_NS for seconds in (1, 2, 4, 8))
"""How long the venue may be silent before the first look-up, and between it and the next ones."""


@dataclass(slots=True)
class _Passed:
    """A stop that was passed. ``due_ns``: when it is looked up; ``count``: how often it was."""

    due_ns: int
    count: int = 0


@dataclass(slots=True)
class PassedStops:
    """Finds such stops of one desk."""

    _passed: dict[str, _Passed] = field(default_factory=dict)

    def tell(self, driver: AccountDriver, instruments: Rows) -> None:
        """Tell the desk to look such stops up. ``instruments``: rows of INSTRUMENT with the latest prices."""
        found = self.look(driver.fold.desk.state, instruments, driver.now_ns())
        if found:
            driver.compared(Compared(doubts=found))

    def look(self, desk: State, instruments: Rows, now_ns: int) -> tuple[str, ...]:
        """Return the client ids of stops to look up now. ``instruments``: rows of INSTRUMENT with the latest prices."""
        before, self._passed = self._passed, {}
        found = []
        for order_id in desk.open_ids:
            order = desk.orders[order_id]
            if order.style not in (Style.STOP, Style.TRAILING) or order.ending != Ending.NONE or order.is_ended:
                continue
            for attempt in order.attempts:
                if attempt.wire != Wire.ACKED or not attempt.is_conditional or attempt.is_triggered:
                    continue
                name = attempt.client_id
                is_passed = _is_passed(order, attempt, instruments)
                known = before.get(name)
                if known is None and is_passed:
                    known = _Passed(now_ns + WAITS_NS[0])
                if known is None:
                    continue
                if now_ns >= known.due_ns:
                    found.append(name)
                    known.count += 1
                    known.due_ns = now_ns + WAITS_NS[min(known.count, len(WAITS_NS) - 1)]
                if is_passed or not known.count:  # a price that went back may have triggered it all the same
                    self._passed[name] = known
        return tuple(found)


def _is_passed(order: DeskOrder, attempt: Attempt, instruments: Rows) -> bool:
    """Return whether a price is at a stop or beyond it: the one that its trigger names, which may be old, or another.

    Touch, prints and mark come by different connections, and a look-up changes nothing.
    """
    row, side = instruments[order.wanted.instrument], order.wanted.side
    prices = (float(row["bid" if side == Side.SELL else "ask"]), float(row["last"]), float(row["mark"]))
    return any(price > 0.0 and (price - attempt.stop_price) * side >= 0.0 for price in prices)
