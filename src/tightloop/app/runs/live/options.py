"""What a session is started with, and how it ended, with its exit code."""

from dataclasses import dataclass
from pathlib import Path

from tightloop.runtime.session.driver.states import SessionState

DONE, HELD, AT_RISK = 0, 3, 5
"""Exit codes: stopped; the session runs already; stopped with a position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """Options of ``tightloop paper``. ``for_s``: how long it runs, None: until it is stopped.

    ``keeps``: positions are kept at the end, unless an operator asks for another end. ``tells_trades``: fills, ended
    trades and refused entries are told as they come.
    """

    venue: str
    url: str | None
    home: Path
    instruments: tuple[str, ...]
    account: str | None
    for_s: float | None
    keeps: bool = True
    tells_trades: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended. ``is_interrupted``: by Ctrl-C; ``has_failed``: a strategy in Python raised,
    or the disk stayed full.

    One whose ``state`` is STOPPING has not: its process ended at a second signal, and the next one goes on.
    """

    session: str
    state: str
    state_hash: str
    has_position: bool
    is_interrupted: bool
    has_failed: bool = False

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.state == SessionState.STOPPING:
            return AT_RISK
        if self.state == SessionState.ERROR or self.has_failed:
            return 1
        return AT_RISK if self.has_position else 130 if self.is_interrupted else DONE
