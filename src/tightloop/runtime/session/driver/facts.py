"""The compiled side of a session: facts in, rows of the log out, whatever strategies of compiled families do between.

A batch of facts is taken by one call (``core/replay/live.py``), which comes back early when the log is full, a tape
needs room or commands wait for a venue that is not simulated. ``on_rows`` gets the log whenever rows
were written, and empties it. Strategies in Python act between events: ``facts_python.py`` takes one at a time.
"""

from collections.abc import Callable, Mapping

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.ticks import TICK, StreamKind
from tightloop.core.domain.types import EQUITY, EVENT, LOG_ROW, RATE, STREAM, Ints, Rows
from tightloop.core.limits import MINUTE_NS
from tightloop.core.replay import live as replay_live
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.errors import StrategyError
from tightloop.model.signal.plan import Plan
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.session import driver

EQUITY_ROWS = 4_096
_FIELDS = LOG_ROW.fields
assert _FIELDS is not None, "a row of the log has named fields"
_LOG_END = int(_FIELDS["slot"][1]) // 8 + core_log.HEADER * LOG_ROW.itemsize // 8
"""Word of a log that says where its rows end, as ``core_log.stop`` does: a look at it costs 0.05 us, at a field 1."""
# Looked up once: each fact passes here, and a name in a module costs as much as a word of memory.
_AT, _COUNT, _UNTIL_NS = replay_live.AT, replay_live.COUNT, replay_live.UNTIL_NS
_FINISHED, _LOG_FIRST = replay_status.FINISHED, core_log.FIRST
TakeRows = Callable[[Rows], None]


class FactDriver:
    """Takes facts (rows of EVENT, in order of ``ts_init_ns``) of one plan.

    ``has_venue``: commands go to the simulated venue of the plan; else ``on_rows`` finds them in the log, at once.
    ``rows_in_call``: rows that one call of a strategy in Python may write beside those of a step.
    """

    failure: StrategyError | None = None
    """What a strategy in Python failed with; none of them is called any more."""

    def __init__(self, plan: Plan, on_rows: TakeRows, *, has_venue: bool = True, rows_in_call: int = 0) -> None:
        self.plan, self.on_rows = plan, on_rows
        self.log = core_log.new_log(plan.rows_per_step + rows_in_call + core_log.ROWS)
        self.streams, self.heap = streams_of(plan)
        self.control = np.zeros(replay_live.CONTROL_COUNT, np.int64)
        self.control[replay_status.RESERVE] = plan.rows_per_step
        self.control[replay_ticks.PERIOD_NS] = MINUTE_NS
        self.control[replay_ticks.PERIOD_END] = self.control[replay_ticks.NUMBER] = -1
        self.control[replay_live.HAS_VENUE] = int(has_venue)
        self.control[replay_live.IS_ON_BARS] = int(not plan.feed)
        self._event, self._ticks, self._rates = np.zeros(1, EVENT), np.zeros(1, TICK), np.zeros(1, RATE)
        self._equity = np.empty(EQUITY_ROWS, EQUITY)
        self._words = self.control.data
        self._log_words = self.log.view(np.int64).data
        self.forgotten: set[int] = set()
        """Instruments with windows of more ticks than there is room for: they are unknown until they begin anew."""
        self._take = entry_of(replay_live.take)
        plan.states["is_on_demand"] = 1

    def take(self, facts: Rows, first: int = 0, count: int | None = None, until_ns: int = 0) -> None:
        """Take ``count`` facts from ``first`` on (None: all), each after what is due before it.

        Then run what is due before ``until_ns``, a time before which nothing more was received (0: do not).
        """
        words, plan, take = self._words, self.plan, self._take
        words[_AT] = first
        words[_COUNT] = len(facts) if count is None else first + count
        words[_UNTIL_NS] = until_ns
        while True:
            status = take(
                plan.states, plan.arena, plan.venues, self.streams, self.heap, self._ticks, self._rates, facts,
                self._event, self.log, self._equity, plan.table, self.control,
            )  # fmt: skip
            if self._log_words[_LOG_END] > _LOG_FIRST:
                self.on_rows(self.log)
            if status == _FINISHED:
                return
            if status == replay_status.CROWDED:
                self._room_for(words[replay_ticks.NUMBER])
            elif status == replay_status.EQUITY_FULL:
                self._equity[:2] = self._equity[-2:]  # the last may still be overwritten, a first one never is
                words[replay_status.EQUITY_COUNT] = 2

    def _room_for(self, instrument: int) -> None:
        """Give tapes of an instrument room for their next rows, or forget them."""
        if tape_room.grow_or_forget(self.plan, instrument):
            self.forgotten.add(instrument)

    def advance_to(self, until_ns: int) -> None:
        """Run what is due before ``until_ns``, at which nothing was received."""
        self.take(self._event, 0, 0, until_ns)

    def due_ns(self) -> int:
        """Return when something is due without a fact; NEVER_NS if nothing is."""
        plan = self.plan
        return int(replay_live.next_due_ns(plan.states, plan.venues, self.streams, self.heap))

    def save(self) -> dict[str, bytes] | None:
        """Return what there is beside the plan, by name; None: it cannot be saved, so nothing can go on from there."""
        return {}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Restore what ``save`` returned."""

    def close(self) -> None:
        """Compute what was put off, so that all of State may be read."""
        replay_ticks.measure_put_off(self.plan.states, self.plan.arena, self.plan.table)
        self.plan.states["is_on_demand"] = 0


def streams_of(plan: Plan) -> tuple[Rows, Ints]:
    """Return the streams of ``core/replay/live.py``, two rows an instrument, and their empty heap."""
    count = len(plan.instruments)
    streams = np.zeros(2 * count, STREAM)
    streams["kind"] = int(StreamKind.GRID)
    streams["instrument"] = np.tile(np.arange(count), 2)
    streams["next_phase"] = replay_live.GRID_RANK
    for instrument, period_ns in plan.grids_ns.items():
        streams[instrument]["period_ns"] = period_ns
    return streams, np.zeros(2 * count + 2, np.int64)


def fact_driver(plan: Plan, on_rows: TakeRows, *, has_venue: bool = True) -> FactDriver:
    """Return the driver that a plan needs."""
    kind = driver.facts_python.PythonFactDriver if plan.has_code else FactDriver
    return kind(plan, on_rows, has_venue=has_venue)
