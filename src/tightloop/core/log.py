"""The log: rows that the step writes. Commands among them go to the executor; all of them are recorded.

Row 0 is the header. It is a LOG_ROW whose ``slot`` is the index of the next free row and whose ``oco`` is that of the
next row not yet offered to the executor; only this file reads it. Row 1 is a blank row that new rows are copied from.
Rows begin at FIRST. The driver empties the log between two events, when less room is left than one event may need.
"""

import numpy as np

from tightloop.core import limits
from tightloop.core.compiled import float_bits, hot
from tightloop.core.domain.types import LOG_ROW, Record, Rows
from tightloop.core.hashing import mix

HEADER, BLANK, FIRST = 0, 1, 2
ROWS = 8_192
"""Rows of a log that serves any plan of a few strategies."""

# For drivers in Python ------------------------------------------------------------------------------------------------


def new_log(rows: int = limits.LOG_ROWS_MIN) -> Rows:
    """Make an empty log of that many rows, header and blank row included."""
    log = np.zeros(rows, LOG_ROW)
    for name in LOG_ROW.names or ():
        if LOG_ROW[name].kind == "f":
            log[BLANK][name] = np.nan
    empty(log)
    return log


def empty(log: Rows) -> None:
    """Remove all rows; the caller has recorded what it wants to keep."""
    log[HEADER]["slot"] = FIRST
    log[HEADER]["oco"] = FIRST


def stop(log: Rows) -> int:
    """Return the index after the last row: rows written since the log was last emptied are ``log[FIRST:stop(log)]``."""
    return int(log[HEADER]["slot"])


def count(log: Rows) -> int:
    """Return the number of rows written since the log was last emptied."""
    return stop(log) - FIRST


def room(log: Rows) -> int:
    """Return the number of rows that can still be written."""
    return len(log) - stop(log)


def pop_row(log: Rows) -> int:
    """Return the index of the next row not yet offered to the executor and count it as offered; -1 if there is none."""
    header = log[HEADER]
    row = int(header["oco"])
    if row >= int(header["slot"]):
        return -1
    header["oco"] = row + 1
    return row


# For compiled loops ---------------------------------------------------------------------------------------------------


@hot
def end(log: Rows) -> int:
    """Return the index after the last row."""
    return log[0].slot


@hot
def has_room(log: Rows, rows: int) -> bool:
    """Return whether that many more rows can be written."""
    return log[0].slot <= len(log) - rows


@hot
def has_commands(log: Rows) -> bool:
    """Return whether rows were written that were not yet offered to the executor; commands may be among them."""
    return log[0].oco < log[0].slot


@hot
def next_command(log: Rows) -> int:
    """Return the index of the next row to offer to the executor, and count it as offered. See ``has_commands``."""
    at = log[0].oco
    log[0].oco = at + 1
    return at


@hot
def emit(state: Record, log: Rows, kind: int, instance: int) -> Record:
    """Append a row at the time of the current event; its floats are NaN until they are set."""
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
    """Make an id from ``seq`` and the index within the step, so that every replay makes the same."""
    state.id_count += 1
    assert state.id_count < 65536, "ROWS_PER_STEP_MAX: more ids than one event may need"
    return state.seq * 65536 + state.id_count
