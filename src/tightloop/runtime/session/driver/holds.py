"""What keeps a session from taking entries for a while: causes that come and go, and the one that it finds itself.

``Holds`` has the causes: entries are taken again when none is left. ``Crowd`` finds that a session does not keep up:
with a full queue of facts it decides by a market that is gone.
"""

from collections.abc import Callable

from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.market.intake import CONFLATED_ABOVE

Say = Callable[[str], None]


class Holds:
    """Causes, by name, with what is wrong. ``stop`` is called with the words of each, ``resume`` after the last one."""

    def __init__(self, stop: Say, resume: Callable[[], None], say: Say) -> None:
        self._stop, self._resume, self._say = stop, resume, say
        self.causes: dict[str, str] = {}

    def of(self, cause: str) -> tuple[Say, Say]:
        """Return the functions that hold and release by a cause; both take words for people."""
        return lambda why: self._hold(cause, why), lambda why: self._release(cause, why)

    def _hold(self, cause: str, why: str) -> None:
        self.causes[cause] = why
        self._stop(why)

    def _release(self, cause: str, why: str) -> None:
        self.causes.pop(cause, None)
        self._say(why)
        if not self.causes:
            self._resume()


class Crowd:
    """Watches the queue of a session. ``hold`` is called when it was full, ``release`` when it is short again."""

    def __init__(self, session: Session, hold: Say, release: Say) -> None:
        self.session, self._hold, self._release = session, hold, release
        self._full_count = session.intake.full_count
        self._is_held = False

    def look(self) -> None:
        """Look after a batch."""
        intake = self.session.intake
        if intake.full_count != self._full_count:
            self._full_count = intake.full_count
            if not self._is_held:
                self._is_held = True
                self._hold(f"{intake.capacity:,} facts wait: the session is behind its market")
        elif self._is_held and len(intake) < min(CONFLATED_ABOVE, intake.capacity):
            self._is_held = False
            self._release("the session has caught up with its market")
