"""The last rows of the log that a session wrote, for whoever looks at it; all of them are in the journal."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import LOG_ROW, Rows

ROWS_KEPT = 10_000
_WATCHED = (int(RowKind.FILL), int(RowKind.FUNDING), int(RowKind.WARNING), int(RowKind.TRADE))


class RecentRows:
    """Keeps the last ROWS_KEPT fills, fundings, trades and warnings, and counts all rows by kind."""

    def __init__(self) -> None:
        self._rows: deque[bytes] = deque(maxlen=ROWS_KEPT)
        self.counts = np.zeros(len(RowKind) + 1, np.int64)

    def take(self, rows: Rows) -> None:
        """Take rows of the log, in their order."""
        kinds = rows["kind"]
        self.counts += np.bincount(kinds, minlength=len(self.counts))
        for place in np.flatnonzero(np.isin(kinds, _WATCHED)):
            self._rows.append(rows[place].tobytes())

    def kept(self) -> bytes:
        """Return the kept rows as they are."""
        return b"".join(self._rows)

    @classmethod
    def of_kept(cls, rows: bytes, counts: Sequence[int]) -> "RecentRows":
        """Make them of what ``kept`` returned, and the counts."""
        recent = cls()
        recent._rows.extend(row.tobytes() for row in np.frombuffer(rows, LOG_ROW))
        recent.counts[:] = counts
        return recent

    def of(self, kind: RowKind) -> Rows:
        """Return the kept rows of a kind."""
        rows: Rows = np.frombuffer(b"".join(self._rows), LOG_ROW)
        chosen: Rows = rows[rows["kind"] == int(kind)]
        return chosen


def rows_in(log: Rows) -> Rows:
    """Return a copy of the rows in a log, and empty it."""
    rows = log[core_log.FIRST : core_log.stop(log)].copy()
    core_log.empty(log)
    return rows
