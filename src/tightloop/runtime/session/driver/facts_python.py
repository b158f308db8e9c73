"""The side of a session whose strategies are in Python: facts one by one, and callbacks between them.

It makes the same calls in the same order as ``core/replay/live.py``, one event at a time, and calls the strategies
where the backtest does: on ticks after each event that the strategy receives; on bars after the last bar that closes at
an instant, after a bar has opened, and, because orders fill on ticks between bars, after each answer of the venue.

What strategies keep outside of State follows from the facts as State does: a repetition of the journal calls them
again, at the same events, and its rows, which have all that they requested, are compared with those of the journal. A
class that decides by anything else, such as the clock of the machine, cannot be repeated, and so cannot go on.

A strategy that raises is not called any more, nor is any other one of the session; what it had requested stands. The
same happens in a repetition, at the same event. Rows and State go on, so stops and exits of a position do, too.
"""

import json
from collections.abc import Mapping

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.enums import EventKind, Phase
from tightloop.core.domain.types import BAR, Rows
from tightloop.core.limits import NEVER_NS
from tightloop.core.market.history import remember
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import live as replay_live
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan
from tightloop.runtime.python.strategies import ROWS_IN_CALL, Strategies
from tightloop.runtime.python.supervise import supervised
from tightloop.runtime.session.driver.facts import FactDriver, TakeRows

_STEP = entry_of(replay_bars.step_one)
_TICKS = (EventKind.TRADE, EventKind.QUOTE, EventKind.BOOK_LEVEL)
STRATEGIES, PAST, ENDED = "strategies", "past", "ended"
"""Parts of a snapshot: what strategies keep, rings of closed bars, instruments whose bars wait for the last one."""


class PythonFactDriver(FactDriver):
    """Takes facts one by one and calls the strategies in Python of a plan."""

    def __init__(self, plan: Plan, on_rows: TakeRows, *, has_venue: bool = True) -> None:
        super().__init__(plan, on_rows, has_venue=has_venue, rows_in_call=ROWS_IN_CALL)
        plan.states["is_on_demand"] = 0  # a view reads the arena as it is
        self.strategies = Strategies(plan, self.log)
        self._has_venue, self._is_on_bars, self._reserve = has_venue, not plan.feed, plan.rows_per_step + ROWS_IN_CALL
        if self._is_on_bars:
            self.strategies.deliver, self.strategies.make_room = self._deliver, self._make_room
        self._ended: set[int] = set()

    def take(self, facts: Rows, first: int = 0, count: int | None = None, until_ns: int = 0) -> None:
        """Take facts as a driver of compiled families does."""
        words = self._words
        for at in range(first, len(facts) if count is None else first + count):
            fact = facts[at : at + 1]
            self._run_due(int(fact[0]["ts_init_ns"]))
            words[replay_live.IN_FACT] = at + 1
            self._take_one(fact)
            words[replay_live.IN_FACT] = 0
        if until_ns:
            self._run_due(until_ns)
        self._pass_rows()

    def _run_due(self, until_ns: int) -> None:
        """Run what is due before a time."""
        plan, event = self.plan, self._event
        while True:
            what = replay_live.run_next_before(
                plan.states, plan.venues, self.streams, self.heap, self._ticks, self._rates, event,
                self._timer_ns(), until_ns,
            )  # fmt: skip
            if what == replay_ticks.NOTHING:
                return
            if what in (replay_ticks.RECEIVED, replay_ticks.ANSWERED):
                self._step(event)
                self._act(event, int(event[0]["kind"]), is_market=what == replay_ticks.RECEIVED)

    def _take_one(self, fact: Rows) -> None:
        plan, kind = self.plan, int(fact[0]["kind"])
        is_tick = kind in _TICKS
        if is_tick:
            is_placed = 0 <= int(fact[0]["instrument"]) < len(plan.instruments)
            assert is_placed, "a tick is of an instrument of the run"
            if replay_live.gap_before(self.streams, self.heap, fact, self._event, self.control):
                replay_ticks.strategy_received(plan.venues, self._event)
                self._step(self._event)
                self._act(self._event, int(EventKind.DATA_GAP), is_market=True)
            replay_ticks.strategy_received(plan.venues, fact)
        is_received = not (is_tick and self._is_on_bars)
        if is_received:
            self._step(fact)
            if kind == EventKind.BAR_CLOSED and fact[0]["phase"] == Phase.RECORD:
                plan.states[0]["touched_count"] = 0
        if self._has_venue and (is_tick or kind == EventKind.FUNDING_RATE):
            replay_ticks.venue_sees(plan.venues, fact)
        if is_received:
            self._act(fact, kind, is_market=is_tick or kind in (EventKind.BAR_CLOSED, EventKind.BAR_OPENED))

    def _step(self, event: Rows) -> None:
        plan = self.plan
        _STEP(plan.states, plan.arena, event, self.log, plan.table)

    def _act(self, event: Rows, kind: int, *, is_market: bool) -> None:
        """Call the strategies after an event, and send what was commanded."""
        if self._is_on_bars and kind == EventKind.BAR_CLOSED:
            self._close_bar(event[0])
        elif self.failure is None and (is_market or self.strategies.has_begun):
            self._call(event[0], is_market=is_market)
        self._send()
        at = int(event[0]["instrument"])
        if is_market and at >= 0 and replay_ticks.is_crowded(self.plan.states, at):
            self._room_for(at)
            self.strategies.arena_moved()
        if core_log.room(self.log) < self._reserve:
            self._pass_rows()

    def _close_bar(self, event: np.void) -> None:
        """Remember a bar; call the strategies after the last one of an instant."""
        at = int(event["instrument"])
        remember(self.plan.states, self.strategies.session.past, at)
        if event["phase"] == Phase.RECORD:
            return  # of the past
        self._ended.add(at)
        if event["phase"] & Phase.DECIDE_ON_CLOSE:
            ended, self._ended = self._ended, set()
            if self.failure is None:
                self._call(event, is_market=False, ended=ended)

    def _call(self, event: np.void, *, is_market: bool, ended: set[int] | None = None) -> None:
        """Call what is due; a strategy that raises ends all calls. Raises AssertionError if the step failed."""
        strategies = self.strategies

        def job() -> None:
            strategies.received(event, is_market=is_market and not self._is_on_bars)
            if ended is not None:
                strategies.bars_ended(ended)

        try:
            supervised(job, strategies.failure)
        except StrategyError as error:
            self.failure = error
        strategies.session.count = 0
        assert not strategies.session.has_failed, "the step takes what a strategy requests"

    def _send(self) -> None:
        """Send new commands to the simulated venue; a real one is given them by the session."""
        if self._has_venue:
            replay_ticks.send_new(self.plan.venues, self.log)

    def _deliver(self) -> None:
        self._send()
        self.strategies.session.count = 0
        self.strategies.collect_fills()

    def _make_room(self) -> None:
        if core_log.room(self.log) < self._reserve:
            self._pass_rows()

    def _pass_rows(self) -> None:
        if core_log.count(self.log):
            self.strategies.collect_fills()
            self.on_rows(self.log)
            self.strategies.log_emptied()

    def _timer_ns(self) -> int:
        if self.failure is not None or not self.strategies.has_begun:
            return NEVER_NS
        return self.strategies.due_ns

    def due_ns(self) -> int:
        """Return when something is due without a fact, timers of the strategies among it."""
        return min(super().due_ns(), self._timer_ns())

    def save(self) -> dict[str, bytes] | None:
        """Return what strategies keep; None if one of them cannot be saved, or has failed. Raises StrategyError."""
        if self.failure is not None or not self.strategies.can_save:
            return None
        saved = supervised(self.strategies.save, self.strategies.failure)
        past = self.strategies.session.past.tobytes()
        return {STRATEGIES: saved, PAST: past, ENDED: json.dumps(sorted(self._ended)).encode()}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Restore what ``save`` returned. Raises StrategyError."""
        supervised(lambda: self.strategies.load(parts[STRATEGIES]), self.strategies.failure)
        self.strategies.session.past[:] = np.frombuffer(parts[PAST], BAR)
        self._ended = set(json.loads(parts[ENDED]))

    def close(self) -> None:
        """Pass what is left; nothing was put off."""
        self._pass_rows()
