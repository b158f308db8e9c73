"""Whether what is written into the journal lasts: if not, entries end at once, and exits go on.

Two things may go wrong. The disk is full, or may not be written any more: then the journal has its reserve left, which
is for exits. A sync has failed: what was written may be lost with power, and later syncs prove nothing. Both last until
a person has looked, because what made them may come back with the next entry.
"""

import asyncio
from collections.abc import Callable

from tightloop.runtime.session.journal.writer import Journal

SYNC_S = 0.05


class JournalWatch:
    """Watches the journal of a session. ``refuse_entries`` is called once, with what is wrong."""

    def __init__(self, journal: Journal, refuse_entries: Callable[[str], None]) -> None:
        self._journal, self._refuse_entries = journal, refuse_entries
        self._is_refused = False

    def look(self) -> None:
        """Look after a batch was written; it asks nothing of the disk."""
        if self._journal.is_full:
            self._refuse("the disk takes no more of the journal")

    async def follow(self) -> None:
        """Ask for a sync again and again, until one has failed."""
        while True:
            await asyncio.sleep(SYNC_S)
            self._journal.sync_behind()
            failure = self._journal.failure()
            if failure is not None:
                self._refuse(f"the journal cannot be synced: {failure}")
                return

    def _refuse(self, why: str) -> None:
        if not self._is_refused:
            self._is_refused = True
            self._refuse_entries(why)
