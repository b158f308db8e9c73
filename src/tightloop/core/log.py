"""The log: rows the step writes; commands among them go to the executor, all of them to the journal.

Row 0 is the header (``slot`` is the next free row, ``oco`` the next row whose command was not yet given to the
executor), row 1 a blank one that new rows start from.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import float_bits, hot
from tightloop.core.domain.types import LOG_ROW, Record, Rows
from tightloop.core.hashing import mix

HEADER, BLANK, FIRST = 0, 1, 2
ROWS = 8_192


def new_log(rows: int = limits.LOG_ROWS_MIN) -> Rows:
    """An empty log."""
    log = np.zeros(rows, LOG_ROW)
    for name in LOG_ROW.names or ():
        if LOG_ROW[name].kind == "f":
            log[BLANK][name] = np.nan
    empty(log)
    return log


def empty(log: Rows) -> None:
    """Forget the rows; the caller has kept what it wants of them."""
    log[HEADER]["slot"] = FIRST
    log[HEADER]["oco"] = FIRST


def count(log: Rows) -> int:
    """Rows written since it was last emptied."""
    return int(log[HEADER]["slot"]) - FIRST


@hot
def emit(state: Record, log: Rows, kind: int, instance: int) -> Record:
    """A new row at the time of the event in hand; unknown floats are NaN."""
    at = log[0].slot
    assert at < len(log), "ROWS_PER_STEP_MAX: more rows than the log has room for"
    log[0].slot = at + 1
    log[at] = log[1]
    row = log[at]
    row.kind = kind
    row.ts_ns = state.ts_ns
    row.seq = state.seq
    row.instance = instance
    row.instrument = state.instances[instance].instrument if instance >= 0 else -1
    return row


@hot
def seal(state: Record, row: Record) -> None:
    """Fold a finished row into the rolling hash."""
    mix(state, np.uint64(row.kind * 65536 + row.code * 256 + row.reason) ^ np.uint64(row.order_id))
    mix(state, float_bits(row.qty) + np.uint64(3) * float_bits(row.price) + np.uint64(5) * float_bits(row.stop_price))


@hot
def next_id(state: Record) -> int:
    """An id that is a function of (seq, index within the step): the same in every replay."""
    state.id_count += 1
    assert state.id_count < 65536, "ROWS_PER_STEP_MAX: more ids than one event may need"
    return state.seq * 65536 + state.id_count
