"""Strategies in Python of one run: made, called when something concerns them, and heard.

Both drivers call the same methods at the same moments. What a strategy decides is stepped while it speaks, so it learns
at once what the checks say; the venue hears of it when the call has returned.
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
from tightloop.runtime.python.view import (
    NOW_AT,
    READ_BAR,
    SIDES,
    ClosedBar,
    Fill,
    InstrumentView,
    Quote,
    SessionView,
    Trade,
    View,
)

ROUNDS_MAX = 64
"""Times in a row that a strategy may answer a fill with an order that fills at once."""
ROWS_IN_CALL = limits.WANTED_MAX * limits.WANTED_ROWS


class Listener(Protocol):
    """Who takes notes of a run that is made again; it changes nothing."""

    def desk(self, plan: Plan, log: Rows) -> SessionView:
        """The desk of the run, which tells the listener what is wanted."""

    def heard(self, strategy: str, callback: str, view: View, function: Callable[..., Any]) -> Callable[..., Any]:
        """A callback that tells the listener that it is called."""


class _Strategy:
    """One strategy of a run: its object, its view, what it wants to be called for."""

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
        found = {callback: getattr(made, callback) for callback in code.callbacks}
        if listener is not None:
            found = {callback: listener.heard(name, callback, view, found[callback]) for callback in found}
        self.on_bar: Callable[..., Any] | None = found.pop("on_bar", None)
        self.others = found


class Strategies:
    """The strategies in Python of a plan; ``outside`` flags the instances that are theirs."""

    def __init__(self, plan: Plan, log: Rows, listener: Listener | None = None) -> None:
        self.desk = SessionView(plan, log) if listener is None else listener.desk(plan, log)
        self._listener = listener
        self._plan, self._log, self._heard = plan, log, core_log.FIRST
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
        """Whether a strategy defines a callback."""
        return any(callback in seat.code.callbacks for seat in self._seats)

    @property
    def due_ns(self) -> int:
        """When somebody wants to be called, whatever happens; 0 before the first call, NEVER_NS when nobody does."""
        if not self._has_begun and self.wants("on_start"):
            return 0
        return self.desk.timers[0][0] if self.desk.timers else limits.NEVER_NS

    # What the log says

    def hear(self) -> None:
        """Take note of the fills in the rows of the log that were not looked at yet."""
        end = core_log.stop(self._log)
        rows = self._log[self._heard : end]
        self._heard = end
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
        """The log begins anew; it was heard before."""
        self._heard = core_log.FIRST

    def arena_moved(self) -> None:
        """Windows were given more room, in another arena."""
        self.desk.arena = self._plan.arena
        for seat in self._seats:
            seat.view._renew()  # noqa: SLF001  # a view has no public way to change what it looks at

    # Calls

    def _call(self, seat: _Strategy, callback: str, place: InstrumentView, *told: Any) -> None:
        """One call, and what follows from it."""
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
        """What is due whatever the market does: the start, fills, timers; until nothing is left to tell."""
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
        raise StrategyError(f"{ROUNDS_MAX} times in a row a fill was answered with an order that filled at once")

    def bars_closed(self) -> None:
        """An evaluation: the bars that end now, of each strategy in the order of the files."""
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
        """Everything there is to hear of at one moment on ticks; commands leave when all have spoken."""
        self.settle()
        if is_market:
            self._tick(event)
        self.desk.count = 0

    def _tick(self, event: Any) -> None:
        """A print or a quote was received."""
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
        """What to say of an error that was raised inside code of the user; None when it was not."""
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
    """Nobody needs to be told."""


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
