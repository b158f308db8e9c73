"""The kill switch of a home folder, as a running session follows it.

The file is what counts: a request by the socket is only faster. So a session looks at it again and again, before its
first fact and then each LOOK_S, and what it cannot read counts as engaged over everything.
"""

import asyncio
import re
from collections.abc import Callable

from tightloop.adapters.stores.home import EVERYTHING, Home
from tightloop.model.errors import InputError
from tightloop.runtime.session.driver.operator import UnknownRequest, put_kill
from tightloop.runtime.session.driver.session import Session

LOOK_S = 1.0
_SCOPE = re.compile(r"all|strategy:[1-9][0-9]*|symbol:.+")


def check_scope(scope: str) -> None:
    """Raise InputError for what is no scope of the kill switch, whichever sessions there are."""
    if _SCOPE.fullmatch(scope) is None:
        message = f"{scope!r} is no scope"
        raise InputError.one("command line", None, "--scope", message, "write all, strategy:N or symbol:S")


class KillSwitch:
    """Follows the file of a home for one session. ``say``: tells people."""

    def __init__(self, home: Home, session: Session, say: Callable[[str], None]) -> None:
        self.session, self._home, self._say = session, home, say
        self._engaged: set[str] = set()

    def look(self) -> None:
        """Put a KILL_SWITCH for each scope that is engaged since the last look and that means this session."""
        try:
            scopes = self._home.kills()
        except (InputError, OSError) as error:
            if EVERYTHING not in self._engaged:
                self._say(f"the kill switch cannot be read, and counts as engaged: {error}")
            scopes = [EVERYTHING]
        for scope in scopes:
            if scope not in self._engaged:
                self._put(scope)
        self._engaged = set(scopes)

    def _put(self, scope: str) -> None:
        try:
            put_kill(self.session.intake, self.session.plan, scope, is_engaged=True)
        except UnknownRequest:
            return  # a symbol or a strategy of other sessions
        self._say(f"the kill switch is engaged: {scope}")

    async def follow(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()
