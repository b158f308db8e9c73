"""``tightloop paper``: strategies on a venue's market as it happens, orders at a simulated venue.

A session's key is the sha256 of kind, account, symbols and canonical strategies: who holds its lease runs the session.
``run.py`` has what a session is.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tightloop.adapters.stores.home import Home, Lease
from tightloop.app.runs.live import files
from tightloop.app.runs.live.machine import Machine, loop_factory
from tightloop.app.runs.live.options import HELD, PaperOptions, SessionEnd
from tightloop.app.runs.live.run import Say, SessionRun
from tightloop.app.runs.live.venues import chosen
from tightloop.model.errors import TightloopError
from tightloop.runtime.session.driver.view import View


class SessionHeld(TightloopError):
    """The session runs already; ``session`` is its id."""

    exit_code = HELD

    def __init__(self, session: str, pid: int) -> None:
        super().__init__(f"session {session} runs already, as process {pid}")
        self.session = session


def paper(names: tuple[Path, ...], options: PaperOptions, say: Say, on_second: Callable[[View], None]) -> SessionEnd:
    """Run a session to its end. Raises InputError, SessionHeld, VenueUnreachable, StrategyError."""
    venue = chosen(options.venue, options.url)
    prepared = files.prepare(names, venue, instruments=options.instruments, account=options.account)
    home = Home(options.home)
    home.make()
    found = home.take(prepared.lease)
    if not isinstance(found, Lease):
        raise SessionHeld(str(found["session"]), int(found["pid"]))
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(
                SessionRun(prepared, venue, Machine(home, is_followed=True), found, options, say, on_second).run()
            )
    finally:
        found.close()
