"""Replay of strategies in Python with a record of every callback: its inputs, its requests, and the answers.

What the code compares inside its callbacks is not visible from outside; ``View.note`` lets a strategy say so itself.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, Reason, RowKind
from tightloop.core.domain.types import Ints, Rows
from tightloop.core.limits import MINUTE_NS
from tightloop.core.replay import observe as replay_observe
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks_stopping
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan
from tightloop.runtime.backtest import bars_python, ticks_python
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed
from tightloop.runtime.python.view import InstrumentView, SessionView, View
from tightloop.runtime.results.recorder import Recorder

EQUITY_ROWS = 65_536
KEPT = 5
"""Number of last requests and notes kept per strategy and instrument."""
REQUESTS = {
    EventKind.ORDER_REQUESTED: "order",
    EventKind.CANCEL_REQUESTED: "cancel",
    EventKind.PROTECTION_REQUESTED: "protection",
}
Key = tuple[str, str]
"""A strategy and an instrument, by their names."""


@dataclass(slots=True)
class Request:
    """One request of a strategy (order, cancel, protection) and what it knew. ``told``: argument of its callback."""

    ts_ns: int
    callback: str
    told: Mapping[str, Any] | None
    what: str
    asked: Mapping[str, Any]
    order_id: int
    reason: str | None
    given: Mapping[str, float]


@dataclass(slots=True)
class Call:
    """One call of a callback. ``requests``: number of requests it made."""

    ts_ns: int
    callback: str
    told: Mapping[str, Any] | None
    given: Mapping[str, float]
    requests: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class StrategyNotes:
    """Record of one strategy on one instrument."""

    calls: Counter[str] = field(default_factory=Counter)
    quiet: Counter[str] = field(default_factory=Counter)
    requested: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    last: deque[Request] = field(default_factory=lambda: deque(maxlen=KEPT))
    notes: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=KEPT))
    note_count: int = 0
    last_call: Call | None = None


class Notes:
    """Record of a replay. ``order_id``: an order whose request, and State after it, are kept.

    ``requested`` counts by callback, kind of request (entry, exit, cancel, protection) and answer (sent, or the reason
    of its denial).
    """

    def __init__(self, order_id: int | None = None) -> None:
        self.notes_of: dict[Key, StrategyNotes] = {}
        self.order_id = order_id
        self.request: Request | None = None
        self.frozen: Rows | None = None
        self._plan: Plan | None = None
        self._session: SessionView | None = None
        self._call: tuple[StrategyNotes, Call] | None = None
        self._notes: list[str] = []

    def of(self, key: Key) -> StrategyNotes:
        """Return the record of a strategy on an instrument."""
        return self.notes_of.setdefault(key, StrategyNotes())

    def session(self, plan: Plan, log: Rows) -> SessionView:
        """Create the session view of the run, through which every request passes."""
        self._plan = plan
        self._session = _RecordedSession(plan, log, self)
        return self._session

    def recorded(self, strategy: str, callback: str, view: View, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the callback wrapped so that its calls and their arguments are recorded."""

        def called(its_view: View, *told: Any) -> None:
            notes = self.of((strategy, view.instrument))
            before = self._call
            given = self.given(view._current)  # noqa: SLF001  # a view has no public way to say where it looks
            call = Call(view.time_ns, callback, told[0]._asdict() if told else None, given)
            self._call = notes, call
            notes.calls[callback] += 1
            notes.last_call = call
            function(its_view, *told)
            notes.quiet[callback] += int(call.requests == 0)
            self._call = before

        return called

    def given(self, instrument: InstrumentView) -> dict[str, float]:
        """Return what is known on an instrument now: variants, price, position, equity."""
        assert self._plan is not None, "the session view is made before any call"
        assert self._session is not None, "the session view is made before any call"
        state = self._plan.states[0]
        position = state["positions"][instrument.instance]
        return {
            **{name: float(self._session.arena[cell]) for name, cell in instrument.cells.items()},
            "price": float(state["instruments"][instrument.index]["mark"]),
            "position": float(position["qty"]),
            "equity": float(state["equity"]),
        }

    def noted(self, text: str) -> None:
        """Record a note of the strategy."""
        if self._call is None:
            return
        notes, call = self._call
        call.notes.append(text)
        notes.notes.append((call.ts_ns, text))
        notes.note_count += 1

    def requested(
        self,
        kind: EventKind,
        instrument: InstrumentView,
        asked: Mapping[str, Any],
        given: Mapping[str, float],
        rows: Rows,
    ) -> None:
        """Record a request: ``given`` is what was known before, ``rows`` are the log rows the step wrote."""
        assert self._plan is not None, "the session view is made before any request"
        instance = self._plan.states[0]["instances"][instrument.instance]
        notes = self.of((self._plan.strategies[int(instance["strategy"])].read.name, instrument.name))
        call = None if self._call is None else self._call[1]
        what, reason, number = REQUESTS[kind], None, 0
        if kind is EventKind.ORDER_REQUESTED:
            what = "exit" if rows[0]["reduce_only"] else "entry"
            number = int(rows[0]["order_id"])
            reason = None if int(rows[0]["kind"]) == RowKind.SUBMIT else Reason(int(rows[0]["reason"])).name.lower()
        elif kind is EventKind.CANCEL_REQUESTED:
            number = int(asked["order_id"])
        callback = "on_start" if call is None else call.callback
        if call is not None:
            call.requests += 1
        notes.requested[(callback, what, reason or "sent")] += 1
        now_ns = int(self._plan.states[0]["ts_ns"])
        request = Request(now_ns, callback, None if call is None else call.told, what, asked, number, reason, given)
        notes.last.append(request)
        if number == self.order_id and kind is EventKind.ORDER_REQUESTED:
            self.request, self.frozen = request, self._plan.states.copy()


class _RecordedSession(SessionView):
    """A session view that records requests and notes."""

    __slots__ = ("_listener",)

    def __init__(self, plan: Plan, log: Rows, listener: Notes) -> None:
        super().__init__(plan, log)
        self._listener = listener

    def note(self, text: str) -> None:
        self._listener.noted(text)

    def request(self, kind: EventKind, instrument: InstrumentView, fields: Mapping[str, Any]) -> Rows:
        given = self._listener.given(instrument)
        rows = super().request(kind, instrument, fields)
        self._listener.requested(kind, instrument, fields, given, rows)
        return rows


class Bounds(NamedTuple):
    """Limits of an observation: a time and a step number up to which events are counted, and events in total."""

    until_ns: int
    until_seq: int
    events: int


class Eye:
    """Observes every event of a run with strategies in Python: conditions of other families, and requests."""

    def __init__(
        self, plan: Plan, is_ticks: bool, seen: tuple[Rows, Rows, Rows], bounds: "Bounds", order_id: int | None
    ) -> None:
        self._plan, self._seen, self._bounds, self._is_ticks = plan, seen, bounds, is_ticks
        self._memory = np.zeros(max(int(plan.states[0]["memory_count"]), 1), np.int64)
        self._has_trees = any(strategy.trees for strategy in plan.strategies)
        self._at = np.zeros(4, np.int64)
        self.listener = Notes(order_id)
        self.done = self.until = 0

    @property
    def has_seen_all(self) -> bool:
        """Whether the run may end here."""
        return self.done >= self._bounds.events

    def over(self, step_on: Callable[..., int], control: Ints, events: Rows, log: Rows) -> Callable[..., int]:
        """Wrap the compiled replay: inspect State after each market event."""
        state, at, left = self._plan.states[0], self._at, replay_status.LEFT

        def watched(*arguments: Any) -> int:
            left_before = int(control[left])
            at[:] = core_log.stop(log), state["seq"], 0, int(self._is_ticks)
            status = step_on(*arguments)
            is_taken = control[left] < left_before
            is_market = is_taken and (not self._is_ticks or bool(control[ticks_stopping.IS_MARKET]))
            if is_taken:
                self.done += 1
                is_before = state["ts_ns"] <= self._bounds.until_ns and at[1] < self._bounds.until_seq
                self.until += int(is_before)
            if self._has_trees and state["seq"] != at[1]:
                at[2] = int(is_market)
                replay_observe.observe(self._plan.states, self._plan.arena, events, log, at, *self._seen, self._memory)
            return status

        return watched


def watch(
    plan: Plan,
    feed: Feed | TickFeed,
    seen: tuple[Rows, Rows, Rows],
    bounds: Bounds,
    order_id: int | None,
    *,
    may_fail: bool = False,
) -> Eye:
    """Run a fresh plan with strategies in Python over a fresh feed.

    ``seen``: rows of nodes, moments and instances, filled by the run. Raises StrategyError when the code fails; with
    ``may_fail`` returns what was seen until then.
    """
    eye = Eye(plan, isinstance(feed, TickFeed), seen, bounds, order_id)
    try:
        if isinstance(feed, TickFeed):
            ticks_python.run(plan, feed, Recorder(), None, MINUTE_NS, EQUITY_ROWS, eye)
        else:
            bars_python.run(plan, feed, Recorder(), equity_rows=EQUITY_ROWS, eye=eye)
    except StrategyError:
        if not may_fail:
            raise
    return eye
