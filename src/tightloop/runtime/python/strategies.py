"""Strategies in Python during a run: created, called on events that concern them, and their requests executed.

Both drivers (arrays, and one event at a time) call the same methods at the same moments. A request is stepped during
the callback, so the strategy learns the answer of the checks at once; the venue receives it when the callback returns.
"""

import heapq
import json
from collections.abc import Callable, Collection
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
ROWS_IN_CALL = limits.CALL_REQUESTS_MAX * limits.REQUEST_ROWS


class Listener(Protocol):
    """Records a replay without changing it."""

    def session(self, plan: Plan, log: Rows) -> SessionView:
        """Create the session view of the run, which reports every request to the listener."""

    def recorded(self, strategy: str, callback: str, view: View, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a callback so that its calls are recorded."""


class _Strategy:
    """One strategy of a run: its object, its view, the callbacks it defines."""

    __slots__ = ("code", "instruments", "made", "name", "on_bar", "others", "view")

    def __init__(
        self,
        name: str,
        code: PythonClass,
        made: Any,
        view: View,
        instruments: list[InstrumentView],
        listener: Listener | None,
    ) -> None:
        self.name, self.code, self.made, self.view, self.instruments = name, code, made, view, instruments
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
        self.session = SessionView(plan, log) if listener is None else listener.session(plan, log)
        self._listener = listener
        self._plan, self._log, self._read = plan, log, core_log.FIRST
        self.deliver: Callable[[], None] = _nothing
        self.make_room: Callable[[], None] = _nothing
        self._ints, self._memory = self.session.ints(), self.session.ints().cast("B")
        self._fills: list[tuple[_Strategy, Fill, InstrumentView]] = []
        self._calling: tuple[_Strategy, str] | None = None
        self._has_begun = False
        self.outside = np.zeros(max(int(plan.states[0]["instance_count"]), 1), np.int64)
        self._strategies: list[_Strategy] = []
        self._owner_of: dict[int, tuple[_Strategy, InstrumentView]] = {}
        for number, strategy in enumerate(plan.strategies):
            if strategy.code is not None:
                self._add(number, strategy.read.name, strategy.code, strategy.read.params)

    def _add(self, number: int, name: str, code: PythonClass, params: dict[str, Any]) -> None:
        instances = self._plan.states[0]["instances"][: len(self.outside)]
        instruments = [InstrumentView(self._plan, int(at)) for at in np.flatnonzero(instances["strategy"] == number)]
        view = View(self.session, len(self._strategies), instruments)
        strategy = _Strategy(name, code, code.made(**params), view, instruments, self._listener)
        self._strategies.append(strategy)
        for instrument in instruments:
            self._owner_of[instrument.instance] = strategy, instrument
            self.outside[instrument.instance] = int("on_fill" in strategy.others)

    def defines(self, callback: str) -> bool:
        """Return whether any strategy defines a callback."""
        return any(callback in strategy.code.callbacks for strategy in self._strategies)

    @property
    def due_ns(self) -> int:
        """Time of the next start or timer call, ns UTC; 0 before ``on_start``, NEVER_NS when none is due."""
        if not self._has_begun and self.defines("on_start"):
            return 0
        return self.session.timers[0][0] if self.session.timers else limits.NEVER_NS

    # Fills in the log

    def collect_fills(self) -> None:
        """Queue the fills in new rows of the log for ``on_fill``."""
        end = core_log.stop(self._log)
        rows = self._log[self._read : end]
        self._read = end
        for row in rows[rows["kind"] == RowKind.FILL]:
            instance = int(row["instance"])
            if self.outside[instance]:
                strategy, instrument = self._owner_of[instance]
                fill = Fill(
                    int(row["order_id"]), instrument.name, SIDES[int(row["side"])], float(row["qty"]),
                    float(row["price"]), float(row["fee"]), bool(row["is_maker"]), Role(int(row["role"])).name.lower(),
                    int(row["entry_ns"]),
                )  # fmt: skip
                self._fills.append((strategy, fill, instrument))

    def log_emptied(self) -> None:
        """Start reading at the first row again: the log was emptied after all its rows were read."""
        self._read = core_log.FIRST

    def arena_moved(self) -> None:
        """Point every view at the arena that replaced the old one (tapes were given more room)."""
        self.session.arena = self._plan.arena
        for strategy in self._strategies:
            strategy.view._renew()  # noqa: SLF001  # a view has no public way to change what it looks at

    # Calls

    def _call(self, strategy: _Strategy, callback: str, instrument: InstrumentView, *arguments: Any) -> None:
        """Call one callback and deliver the requests it made."""
        strategy.view._turn_to(instrument)  # noqa: SLF001  # a view has no public way to change what it looks at
        self._calling = strategy, callback
        strategy.others[callback](strategy.view, *arguments)
        self._calling = None
        self._after()

    def _after(self) -> None:
        if self.session.count:
            self.deliver()
            self.make_room()

    def settle(self) -> None:
        """Call what is due regardless of the market: start, fills, timers; repeat until nothing is left."""
        if not self._has_begun:
            self._has_begun = True
            for strategy in self._strategies:
                if "on_start" in strategy.others:
                    self._call(strategy, "on_start", strategy.instruments[0])
        self.collect_fills()
        timers = self.session.timers
        for _ in range(ROUNDS_MAX):
            fills, self._fills = self._fills, []
            for strategy, fill, instrument in fills:
                self._call(strategy, "on_fill", instrument, fill)
            now_ns = self._ints[NOW_AT]
            due = []
            while timers and timers[0][0] <= now_ns:
                due.append(heapq.heappop(timers))
            for _, _, number, instrument in due:
                if "on_timer" in self._strategies[number].others:
                    self._call(self._strategies[number], "on_timer", instrument)
            self.collect_fills()
            if not self._fills and not due:
                return
        raise StrategyError(f"{ROUNDS_MAX} times in a row on_fill sent an order that filled at once")

    def bars_closed(self) -> None:
        """Call ``on_bar`` for every bar that closes now, strategies in the order of their files."""
        ints, memory, session = self._ints, self._memory, self.session
        now_ns = ints[NOW_AT]
        for strategy in self._strategies:
            on_bar, view = strategy.on_bar, strategy.view
            if on_bar is None:
                continue
            self._calling = strategy, "on_bar"
            for instrument in strategy.instruments:
                if ints[instrument.close_ns_at] == now_ns:
                    view._current, view._cells = instrument, instrument.cells  # noqa: SLF001  # _turn_to, inlined
                    on_bar(view, ClosedBar._make((*READ_BAR(memory, instrument.bar_at), instrument.name)))
                    if session.count:
                        self._calling = None
                        self._after()
                        self._calling = strategy, "on_bar"
            self._calling = None

    def bars_ended(self, instruments: Collection[int]) -> None:
        """Call ``on_bar`` for the bars that these instruments closed with; their times of receipt may differ."""
        for strategy in self._strategies:
            if strategy.on_bar is None:
                continue
            for instrument in strategy.instruments:
                if instrument.index in instruments:
                    bar = ClosedBar._make((*READ_BAR(self._memory, instrument.bar_at), instrument.name))
                    strategy.view._turn_to(instrument)  # noqa: SLF001  # a view has no public way to change what it looks at
                    self._calling = strategy, "on_bar"
                    strategy.on_bar(strategy.view, bar)
                    self._calling = None
                    self._after()

    def received(self, event: Any, *, is_market: bool) -> None:
        """Call everything due at one moment on ticks; commands leave after all callbacks have returned."""
        self.settle()
        if is_market:
            self._tick(event)
        self.session.count = 0

    def _tick(self, event: Any) -> None:
        """Call ``on_trade`` or ``on_quote`` for a trade or quote that was received."""
        kind, index = int(event["kind"]), int(event["instrument"])
        if kind not in (EventKind.TRADE, EventKind.QUOTE):
            return
        is_trade = kind == EventKind.TRADE
        callback = "on_trade" if is_trade else "on_quote"
        for strategy in self._strategies:
            if callback not in strategy.others:
                continue
            for instrument in strategy.instruments:
                if instrument.index == index:
                    self._call(
                        strategy,
                        callback,
                        instrument,
                        _trade(event, instrument) if is_trade else _quote(event, instrument),
                    )

    # What is outside of State

    @property
    def has_begun(self) -> bool:
        """Whether ``on_start`` was called."""
        return self._has_begun

    @property
    def can_save(self) -> bool:
        """Whether every strategy defines ``on_save`` and ``on_load``."""
        return all(strategy.code.can_save for strategy in self._strategies)

    def save(self) -> bytes:
        """Return what strategies keep outside of State, between two events; raises for what JSON has not."""
        assert not self._fills, "fills are told before an event is over"
        kept = []
        for strategy in self._strategies:
            self._calling = strategy, "on_save"
            kept.append(json.loads(json.dumps(strategy.made.on_save())))
            self._calling = None
        timers = [(due_ns, count, whose, where.instance) for due_ns, count, whose, where in self.session.timers]
        said = {"begun": self._has_begun, "timers": timers, "timer_count": self.session.timer_count, "kept": kept}
        return json.dumps(said).encode()

    def load(self, saved: bytes) -> None:
        """Restore what ``save`` returned."""
        said = json.loads(saved)
        self._has_begun, self.session.timer_count = bool(said["begun"]), int(said["timer_count"])
        self.session.timers[:] = [
            (due_ns, count, whose, self._owner_of[instance][1]) for due_ns, count, whose, instance in said["timers"]
        ]
        for strategy, kept in zip(self._strategies, said["kept"], strict=True):
            self._calling = strategy, "on_load"
            strategy.made.on_load(kept)
            self._calling = None

    def failure(self, error: BaseException) -> StrategyError | None:
        """Describe an error raised inside code of the user; None when it came from elsewhere."""
        if self._calling is None:
            return None
        strategy, callback = self._calling
        line = line_in(error, strategy.code.file) or strategy.code.line
        text = f": {error}" if str(error) else ""
        return StrategyError(
            f"{strategy.code.file}:{line}: {strategy.code.name}.{callback} failed at {iso(self._ints[NOW_AT])} "
            f"(strategy {strategy.name}): {type(error).__name__}{text}"
        )


def _nothing() -> None:
    """Ignore the call: the default of ``deliver`` and ``make_room``."""


def _trade(event: Any, instrument: InstrumentView) -> Trade:
    return Trade(
        instrument.name, float(event["price"]), float(event["qty"]), bool(event["is_maker"]), int(event["ts_event_ns"]),
        int(event["ts_init_ns"]),
    )  # fmt: skip


def _quote(event: Any, instrument: InstrumentView) -> Quote:
    return Quote(
        instrument.name, float(event["price"]), float(event["qty"]), float(event["rate"]), float(event["amount"]),
        int(event["ts_event_ns"]), int(event["ts_init_ns"]),
    )  # fmt: skip
