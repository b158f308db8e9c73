"""The end of a session while it is waited for: what is still open, said again and again until it is not."""

from collections.abc import Callable

from tightloop.core.domain.enums import OrderKind, Side
from tightloop.model.signal.plan import Plan
from tightloop.ports.clock import TimeSource
from tightloop.runtime.session.driver.session import Session

FIRST_NS = 3_000_000_000
AGAIN_NS = 30_000_000_000
NAMED = 5
"""Positions and orders that a message names; the others are counted."""
AGAIN = "Ctrl-C or SIGTERM ends the process as it is, and the next start goes on ending"


class WindingDown:
    """Says what an end waits for: after FIRST_NS, then each AGAIN_NS. ``text``: what that is now, "" for nothing."""

    def __init__(self, clock: TimeSource, say: Callable[[str], None]) -> None:
        self._clock, self._say = clock, say
        self._due_ns = clock.monotonic_ns() + FIRST_NS
        self.text = ""

    def look(self, awaited: list[str]) -> None:
        """Look at what is awaited."""
        more = f" and {len(awaited) - NAMED} more" if len(awaited) > NAMED else ""
        self.text = ", ".join(awaited[:NAMED]) + more
        now_ns = self._clock.monotonic_ns()
        if awaited and now_ns >= self._due_ns:
            self._due_ns = now_ns + AGAIN_NS
            self._say(f"the end waits for {self.text}; {AGAIN}")


def awaited_of(session: Session) -> list[str]:
    """Return positions and orders of the books, in words."""
    return _positions(session.plan) + _orders(session.plan)


def kept_at_venue(session: Session) -> list[str]:
    """Return what an end with positions leaves at a real venue, in words: a line for each, and what to do about it."""
    state, found = session.plan.states[0], []
    for number, position in enumerate(state["positions"][: int(state["instance_count"])]):
        if position["qty"] == 0.0:
            continue
        at = int(state["instances"][number]["instrument"])
        symbol = session.plan.instruments[at].symbol
        qty = float(position["qty"]) * float(state["instruments"][at]["multiplier"])
        rests = _resting(session.plan, number)
        beside = f"with {' and '.join(rests)}" if rests else "without a stop"
        todo = "close it there when you want to"
        if rests:
            todo = f"cancel {'it' if len(rests) == 1 else 'them'} there when you close the position"
        if len(rests) > 1:
            todo = f"they are not linked there: when one of them fills, cancel the others; {todo}"
        elif rests:
            todo = f"it is not linked to the position there: {todo}"
        found.append(
            f"{qty:.9g} {symbol} stays at the venue {beside}; {todo}. A later session leaves all of it alone, takes no "
            f"entries on {symbol} meanwhile, and has the money that it binds not at hand"
        )
    return found


def _resting(plan: Plan, instance: int) -> list[str]:
    """Return the orders that rest beside a position, in words."""
    state = plan.states[0]
    orders = state["orders"][: int(state["order_high"])]
    mine = [row for row in orders if row["id"] != 0 and row["instance"] == instance and row["reduce_only"]]
    return [
        f"its stop at {float(row['stop_price']):.9g}"
        if row["stop_price"] == row["stop_price"] and row["stop_price"] > 0.0
        else f"its target at {float(row['price']):.9g}"
        for row in mine
    ]


def _positions(plan: Plan) -> list[str]:
    state = plan.states[0]
    found = []
    for number, position in enumerate(state["positions"][: int(state["instance_count"])]):
        if position["qty"] != 0.0:
            at = int(state["instances"][number]["instrument"])
            qty = float(position["qty"]) * float(state["instruments"][at]["multiplier"])
            found.append(f"the position {qty:.9g} {plan.instruments[at].symbol}")
    return found


def _orders(plan: Plan) -> list[str]:
    state = plan.states[0]
    found = []
    for order in state["orders"][: int(state["order_high"])]:
        if order["id"] != 0:
            at = int(order["instrument"])
            left = float(order["qty"] - order["filled_qty"]) * float(state["instruments"][at]["multiplier"])
            what = f"{Side(int(order['side'])).name} {left:.9g} {plan.instruments[at].symbol}"
            found.append(f"the order {what} {OrderKind(int(order['kind'])).name}")
    return found
