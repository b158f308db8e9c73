"""Whether what is written into the journal lasts: if not, entries end at once, and exits go on.

Two things may go wrong. The disk is full, or may not be written any more: then the journal has its reserve left, which
is for exits; entries are taken again once there is space. It is looked for before the journal needs it, so that the
reserve is whole when it does; and more than was missed has to be free again, or entries would come and go with a few
bytes. While the disk stays full, what the market tells uses up the reserve: with half of it left positions are closed
and the session ends, because nothing may leave that is not in the journal. Or a sync has failed: what was written may
be lost with power, and later syncs prove nothing. That lasts until a person has looked and started the session again,
because what made it may come back.
"""

import asyncio
from collections.abc import Callable

from tightloop.runtime.session.journal.writer import ROOM_AGAIN_BYTES, ROOM_BYTES, Journal

SYNC_S = 0.05
ROOM_S = 0.25
FLATTEN_SHARE = 0.5
"""Of the reserve: what has to be left for closing positions and for the end."""
Say = Callable[[str], None]


class JournalWatch:
    """Watches the journal of a session.

    ``hold`` is called with what is wrong when the disk is full, ``release`` when it is not any more; ``refuse`` is
    called once, when a sync has failed, ``flatten`` once, when the reserve is nearly used.
    """

    def __init__(self, journal: Journal, hold: Say, release: Say, refuse: Say, flatten: Say) -> None:
        self._journal, self._hold, self._release, self._refuse = journal, hold, release, refuse
        self._flatten = flatten
        self._is_held = self._is_flattened = False

    def look(self) -> None:
        """Look after a batch was written; it asks nothing of the disk."""
        if self._journal.is_full and not self._is_held:
            self._is_held = True
            self._hold("the disk takes no more of the journal; free some space, and entries go on by themselves")
        if not self._is_flattened and self._journal.reserve_left < FLATTEN_SHARE:
            self._is_flattened = True
            self._flatten("the disk stays full, and what the journal keeps free for exits is nearly used")

    def look_for_room(self) -> None:
        """Ask the disk whether there is room."""
        lack = self._journal.lack_of_room(ROOM_AGAIN_BYTES if self._is_held else ROOM_BYTES)
        if lack is not None and not self._is_held:
            self._is_held = True
            words = lack.strerror or str(lack)
            self._hold(f"the disk of the journal: {words}; free some space, and entries go on by themselves")
        elif lack is None and self._is_held:
            self._is_held = False
            self._release("there is space for the journal again")

    async def follow(self) -> None:
        """Ask for a sync again and again, until one has failed, and for room."""
        count = 0
        while True:
            await asyncio.sleep(SYNC_S)
            self._journal.sync_behind()
            failure = self._journal.failure()
            if failure is not None:
                self._refuse(f"the journal cannot be synced: {failure}")
                return
            count += 1
            if count * SYNC_S >= ROOM_S:
                count = 0
                self.look_for_room()
