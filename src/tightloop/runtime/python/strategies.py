"""Strategies in Python during a run: created, called on events that concern them, and their requests executed.

Both drivers (arrays, and one event at a time) call the same methods at the same moments. A request is stepped during
the callback, so the strategy learns the answer of the checks at once; the venue receives it when the callback returns.
"""

import heapq
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, Role, RowKind
from tightloop.core.domain.types import Rows
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan
from tightloop.model.signal.python_class import PythonClass, line_in
from tightloop.model.times import iso
from tightloop.runtime.python.records import ClosedBar, Fill, Quote, Trade
from tightloop.runtime.python.view import NOW_AT, READ_BAR, SIDES, InstrumentView, SessionView, View

ROUNDS_MAX = 64
"""Upper bound on consecutive fills answered with an order that fills at once."""
ROWS_IN_CALL = limits.WANTED_MAX * limits.WANTED_ROWS


class Listener(Protocol):
    """Records a replay without changing it."""

    def desk(self, plan: Plan, log: Rows) -> SessionView:
        """Create the session view of the run, which reports every request to the listener."""

    def recorded(self, strategy: str, callback: str, view: View, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a callback so that its calls are recorded."""


class _Strategy:
    """One strategy of a run: its object, its view, the callbacks it defines."""

    __slots__ = ("code", "name", "on_bar", "others", "places", "view")

    def __init__(
        self,
        name: str,
        code: PythonClass,
        made: Any,
        view: View,
        places: list[InstrumentView],
        listener: Listener | None,
    ) -> None:
        self.name, self.code, self.view, self.places = name, code, view, places
        callbacks = {callback: getattr(made, callback) for callback in code.callbacks}
        if listener is not None:
            callbacks = {
                callback: listener.recorded(name, callback, view, callbacks[callback]) for callback in callbacks
            }
        self.on_bar: Callable[..., Any] | None = callbacks.pop("on_bar", None)
        self.others = callbacks


class Strategies:
    """The strategies in Python of a plan; ``outside`` flags the instances that belong to them."""

    def __init__(self, plan: Plan, log: Rows, listener: Listener | None = None) -> None:
        self.desk = SessionView(plan, log) if listener is None else listener.desk(plan, log)
        self._listener = listener
        self._plan, self._log, self._read = plan, log, core_log.FIRST
        self.deliver: Callable[[], None] = _nothing
        self.make_room: Callable[[], None] = _nothing
        self._ints, self._memory = self.desk.ints(), self.desk.ints().cast("B")
        self._news: list[tuple[_Strategy, Fill, InstrumentView]] = []
        self._speaking: tuple[_Strategy, str] | None = None
        self._has_begun = False
        self.outside = np.zeros(max(int(plan.states[0]["instance_count"]), 1), np.int64)
        self._seats: list[_Strategy] = []
        self._seat_of: dict[int, tuple[_Strategy, InstrumentView]] = {}
        for number, strategy in enumerate(plan.strategies):
            if strategy.code is not None:
                self._sit(number, strategy.read.name, strategy.code, strategy.read.params)

    def _sit(self, number: int, name: str, code: PythonClass, params: dict[str, Any]) -> None:
        instances = self._plan.states[0]["instances"][: len(self.outside)]
        places = [InstrumentView(self._plan, int(at)) for at in np.flatnonzero(instances["strategy"] == number)]
        view = View(self.desk, len(self._seats), places)
        seat = _Strategy(name, code, code.made(**params), view, places, self._listener)
        self._seats.append(seat)
        for place in places:
            self._seat_of[place.instance] = seat, place
            self.outside[place.instance] = int("on_fill" in seat.others)

    def wants(self, callback: str) -> bool:
        """Return whether any strategy defines a callback."""
        return any(callback in seat.code.callbacks for seat in self._seats)

    @property
    def due_ns(self) -> int:
        """Time of the next start or timer call, ns UTC; 0 before ``on_start``, NEVER_NS when none is due."""
        if not self._has_begun and self.wants("on_start"):
            return 0
        return self.desk.timers[0][0] if self.desk.timers else limits.NEVER_NS

    # What the log says

    def hear(self) -> None:
        """Queue the fills in new rows of the log for ``on_fill``."""
        end = core_log.stop(self._log)
        rows = self._log[self._read : end]
        self._read = end
        for row in rows[rows["kind"] == RowKind.FILL]:
            instance = int(row["instance"])
            if self.outside[instance]:
                seat, place = self._seat_of[instance]
                fill = Fill(
                    int(row["order_id"]), place.name, SIDES[int(row["side"])], float(row["qty"]), float(row["price"]),
                    float(row["fee"]), bool(row["is_maker"]), Role(int(row["role"])).name.lower(), int(row["entry_ns"]),
                )  # fmt: skip
                self._news.append((seat, fill, place))

    def log_emptied(self) -> None:
        """Start reading at the first row again: the log was emptied after all its rows were read."""
        self._read = core_log.FIRST

    def arena_moved(self) -> None:
        """Point every view at the arena that replaced the old one (tapes were given more room)."""
        self.desk.arena = self._plan.arena
        for seat in self._seats:
            seat.view._renew()  # noqa: SLF001  # a view has no public way to change what it looks at

    # Calls

    def _call(self, seat: _Strategy, callback: str, place: InstrumentView, *told: Any) -> None:
        """Call one callback and deliver the requests it made."""
        seat.view._turn_to(place)  # noqa: SLF001  # a view has no public way to change what it looks at
        self._speaking = seat, callback
        seat.others[callback](seat.view, *told)
        self._speaking = None
        self._after()

    def _after(self) -> None:
        if self.desk.count:
            self.deliver()
            self.make_room()

    def settle(self) -> None:
        """Call what is due regardless of the market: start, fills, timers; repeat until nothing is left."""
        if not self._has_begun:
            self._has_begun = True
            for seat in self._seats:
                if "on_start" in seat.others:
                    self._call(seat, "on_start", seat.places[0])
        self.hear()
        timers = self.desk.timers
        for _ in range(ROUNDS_MAX):
            news, self._news = self._news, []
            for seat, fill, place in news:
                self._call(seat, "on_fill", place, fill)
            now_ns = self._ints[NOW_AT]
            due = []
            while timers and timers[0][0] <= now_ns:
                due.append(heapq.heappop(timers))
            for _, _, number, place in due:
                if "on_timer" in self._seats[number].others:
                    self._call(self._seats[number], "on_timer", place)
            self.hear()
            if not self._news and not due:
                return
        raise StrategyError(f"{ROUNDS_MAX} times in a row on_fill sent an order that filled at once")

    def bars_closed(self) -> None:
        """Call ``on_bar`` for every bar that closes now, strategies in the order of their files."""
        ints, memory, desk = self._ints, self._memory, self.desk
        now_ns = ints[NOW_AT]
        for seat in self._seats:
            on_bar, view = seat.on_bar, seat.view
            if on_bar is None:
                continue
            self._speaking = seat, "on_bar"
            for place in seat.places:
                if ints[place.close_ns_at] == now_ns:
                    view._here, view._cells = place, place.cells  # noqa: SLF001  # what _turn_to does, without a call a bar
                    on_bar(view, ClosedBar._make((*READ_BAR(memory, place.bar_at), place.name)))
                    if desk.count:
                        self._speaking = None
                        self._after()
                        self._speaking = seat, "on_bar"
            self._speaking = None

    def received(self, event: Any, *, is_market: bool) -> None:
        """Call everything due at one moment on ticks; commands leave after all callbacks have returned."""
        self.settle()
        if is_market:
            self._tick(event)
        self.desk.count = 0

    def _tick(self, event: Any) -> None:
        """Call ``on_trade`` or ``on_quote`` for a trade or quote that was received."""
        kind, index = int(event["kind"]), int(event["instrument"])
        if kind not in (EventKind.TRADE, EventKind.QUOTE):
            return
        is_trade = kind == EventKind.TRADE
        callback = "on_trade" if is_trade else "on_quote"
        for seat in self._seats:
            if callback not in seat.others:
                continue
            for place in seat.places:
                if place.index == index:
                    self._call(seat, callback, place, _trade(event, place) if is_trade else _quote(event, place))

    def failure(self, error: BaseException) -> StrategyError | None:
        """Describe an error raised inside code of the user; None when it came from elsewhere."""
        if self._speaking is None:
            return None
        seat, callback = self._speaking
        line = line_in(error, seat.code.file) or seat.code.line
        text = f": {error}" if str(error) else ""
        return StrategyError(
            f"{seat.code.file}:{line}: {seat.code.name}.{callback} failed at {iso(self._ints[NOW_AT])} "
            f"(strategy {seat.name}): {type(error).__name__}{text}"
        )


def _nothing() -> None:
    """Ignore the call: the default of ``deliver`` and ``make_room``."""


def _trade(event: Any, place: InstrumentView) -> Trade:
    return Trade(
        place.name, float(event["price"]), float(event["qty"]), bool(event["is_maker"]), int(event["ts_event_ns"]),
        int(event["ts_init_ns"]),
    )  # fmt: skip


def _quote(event: Any, place: InstrumentView) -> Quote:
    return Quote(
        place.name, float(event["price"]), float(event["qty"]), float(event["rate"]), float(event["amount"]),
        int(event["ts_event_ns"]), int(event["ts_init_ns"]),
    )  # fmt: skip
