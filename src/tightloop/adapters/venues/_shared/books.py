"""When the changes of an order book belong together: one snapshot, then every change after it, none missing.

Changes that arrive before the snapshot wait, at most CHANGES_MAX of them. With the snapshot, those that it contains are
dropped, and the first that is left has to overlap it. From then on each change names its predecessor
(``previous_id``), or counts on from it where the venue names none (``previous_id`` -1). Anything else is a gap: the
book is unknown until there is another snapshot.
"""

from collections import deque
from enum import Enum
from typing import NamedTuple

from tightloop.ports.market_data import BookChange

CHANGES_MAX = 4_096


class BookState(Enum):
    """What is known of a book."""

    WANTED = "wanted"  # a snapshot has to be asked for
    WAITING = "waiting"  # it was asked for
    KNOWN = "known"


class Applied(NamedTuple):
    """Changes to apply in this order, the snapshot among them; ``is_gap``: what was known before is void."""

    changes: tuple[BookChange, ...]
    is_gap: bool


NOTHING = Applied((), False)


class BookSequence:
    """The sequence rule of one book."""

    def __init__(self) -> None:
        self.state = BookState.WANTED
        self.last_id = -1
        self._is_begun = False  # a change has followed the snapshot
        self._early: deque[BookChange] = deque(maxlen=CHANGES_MAX)

    def asked(self) -> None:
        """Note that a snapshot was asked for."""
        if self.state is BookState.WANTED:
            self.state = BookState.WAITING

    def lost(self) -> None:
        """Forget the book: its socket is gone, or the question for its snapshot failed."""
        self.state = BookState.WANTED
        self.last_id = -1
        self._early.clear()

    def take(self, change: BookChange) -> Applied:
        """Return what a change or a snapshot makes applicable."""
        if change.is_snapshot:
            return self._begin(change)
        if self.state is not BookState.KNOWN:
            self._early.append(change)
            return NOTHING
        if change.last_id <= self.last_id:
            return NOTHING  # a repeat
        if not self._follows(change):
            self.lost()
            self._early.append(change)
            return Applied((), True)
        self.last_id, self._is_begun = change.last_id, True
        return Applied((change,), False)

    def _follows(self, change: BookChange) -> bool:
        """Return whether nothing is missing before a change. The first after a snapshot may overlap it."""
        if not self._is_begun and change.first_id <= self.last_id + 1:
            return True
        if change.previous_id >= 0:
            return change.previous_id == self.last_id
        return change.first_id <= self.last_id + 1

    def _begin(self, snapshot: BookChange) -> Applied:
        """Start again from a snapshot. If the changes that wait do not reach back to it, it is too old."""
        early = [change for change in self._early if change.last_id > snapshot.last_id]
        self._early.clear()
        was_known = self.state is BookState.KNOWN
        self.state, self.last_id, self._is_begun = BookState.KNOWN, snapshot.last_id, False
        if early and not self._follows(early[0]):
            self.lost()
            self._early.extend(early)
            return Applied((), was_known)
        applied = [snapshot]
        for change in early:
            if not self._follows(change):
                self.lost()
                return Applied((), was_known)
            self.last_id, self._is_begun = change.last_id, True
            applied.append(change)
        return Applied(tuple(applied), False)
