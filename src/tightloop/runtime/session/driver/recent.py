"""The last rows of the log that a session wrote, for whoever looks at it; all of them are in the journal."""

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tightloop.core import log as core_log
from tightloop.core.domain.enums import OrderState, Reason, RowKind, Section
from tightloop.core.domain.types import LOG_ROW, Rows

ROWS_KEPT = 10_000
REFUSED_KEPT = 500
_WATCHED = (int(RowKind.FILL), int(RowKind.FUNDING), int(RowKind.WARNING), int(RowKind.TRADE))
_ORDER, _SECTION = int(RowKind.ORDER), int(RowKind.SECTION)
_EXPIRED = int(OrderState.EXPIRED)
_NO_LOSS = (int(Reason.NOTHING_TO_REDUCE), int(Reason.OCO))
"""Reasons for which a stop or target expires once its position is closed."""
_UNWANTED = (int(OrderState.DENIED), int(OrderState.REJECTED), int(OrderState.EXPIRED))


class RecentRows:
    """Keeps the last ROWS_KEPT fills, fundings, trades and warnings, and counts all rows by kind.

    Beside them the last REFUSED_KEPT of what did not come to be: a flood of these leaves the others alone.
    """

    def __init__(self) -> None:
        self._rows: deque[bytes] = deque(maxlen=ROWS_KEPT)
        self._refused: deque[bytes] = deque(maxlen=REFUSED_KEPT)
        self.counts = np.zeros(len(RowKind) + 1, np.int64)

    def take(self, rows: Rows) -> None:
        """Take rows of the log, in their order."""
        kinds = rows["kind"]
        found = np.bincount(kinds, minlength=len(self.counts))
        self.counts += found
        for place in np.flatnonzero(np.isin(kinds, _WATCHED)):
            self._rows.append(rows[place].tobytes())
        if found[_ORDER] or found[_SECTION]:
            self._refused.extend(rows[place].tobytes() for place in np.flatnonzero(is_refused(rows)))

    def kept(self) -> bytes:
        """Return the kept rows as they are."""
        return b"".join((*self._rows, *self._refused))

    @classmethod
    def of_kept(cls, rows: bytes, counts: Sequence[int]) -> "RecentRows":
        """Make them of what ``kept`` returned, and the counts."""
        recent = cls()
        found = np.frombuffer(rows, LOG_ROW)
        is_other = is_refused(found)
        recent._rows.extend(row.tobytes() for row in found[~is_other])
        recent._refused.extend(row.tobytes() for row in found[is_other])
        recent.counts[:] = counts
        return recent

    def of(self, kind: RowKind) -> Rows:
        """Return the kept rows of a kind."""
        rows: Rows = np.frombuffer(b"".join(self._rows), LOG_ROW)
        chosen: Rows = rows[rows["kind"] == int(kind)]
        return chosen

    def refused(self) -> Rows:
        """Return the kept rows of orders that were denied, rejected or expired, and of suppressed signals."""
        rows: Rows = np.frombuffer(b"".join(self._refused), LOG_ROW)
        return rows


def is_refused(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return which rows say that an order or a signal did not come to be."""
    kinds, codes = rows["kind"], rows["code"]
    is_ended: npt.NDArray[np.bool_] = (kinds == _ORDER) & np.isin(codes, _UNWANTED)
    is_ended &= (codes != _EXPIRED) | ~np.isin(rows["reason"], _NO_LOSS)
    is_suppressed: npt.NDArray[np.bool_] = (kinds == _SECTION) & (codes == int(Section.S1)) & (rows["reason"] != 0)
    return is_ended | is_suppressed


def rows_in(log: Rows) -> Rows:
    """Return a copy of the rows in a log, and empty it."""
    rows = log[core_log.FIRST : core_log.stop(log)].copy()
    core_log.empty(log)
    return rows
