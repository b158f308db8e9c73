"""The pump between step and venue: commands go out, answers come in, until both queues are empty.

Every simulated venue is a record with an inbox of events for the step (``inbox``, ``inbox_count`` written,
``inbox_taken`` applied), in order of ``ts_init_ns``, and a function that takes a row of the log. ``pump`` and
``sender`` make leaves for such a pair; what differs between venues is the function alone. Nothing is applied to State
but by the step, on an event that the venue wrote itself: a market event is never changed on its way.
"""

from typing import Any

from tightloop.core import log as core_log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.step import step


@hot
def drop_answer(venue: Record) -> None:
    """Remove the first answer from a venue's inbox."""
    venue.inbox_taken += 1
    if venue.inbox_taken == venue.inbox_count:
        venue.inbox_taken = 0
        venue.inbox_count = 0


def sender(on_row: Any) -> Any:
    """Make the leaf that offers every new row of the log to a venue; ``on_row(venue, row)`` ignores rows of others."""

    @leaf
    def send(venue: Record, log: Rows) -> None:
        while core_log.has_commands(log):
            on_row(venue, log[core_log.next_command(log)])

    return send


def pump(on_row: Any) -> Any:
    """Make the leaf that sends commands to a venue and applies its answers, in order, until both queues are empty.

    Commands go first: an answer may cause commands, which reach the venue before its next answer is applied.
    """
    send = sender(on_row)

    @leaf
    def deliver(state: Record, arena: Floats, venue: Record, log: Rows, table: Table) -> None:
        while True:
            send(venue, log)
            if venue.inbox_taken == venue.inbox_count:
                return
            step(state, arena, venue.inbox[venue.inbox_taken], log, table)
            drop_answer(venue)

    return deliver
