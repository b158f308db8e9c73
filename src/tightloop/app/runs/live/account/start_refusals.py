"""What keeps a live session from starting: all of it at once, the gravest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from tightloop.adapters.stores.home import Home
from tightloop.model.errors import InputError, Problem

OF_ACCOUNT = "the account"


class Gravity(IntEnum):
    """How grave a refusal is: the least number first."""

    KEY = 0
    KILL_SWITCH = 1
    ACCOUNT = 2
    SYMBOL = 3
    CAPITAL = 4
    PAPER = 5


_NOT_OF_VENUE = (Gravity.KILL_SWITCH, Gravity.CAPITAL, Gravity.PAPER)


@dataclass(frozen=True, slots=True)
class StartRefusal:
    """One reason not to start."""

    gravity: Gravity
    problem: Problem


class StartRefused(InputError):
    """A session may not start. Exit code 4 where the account or its key has to change, else 2."""

    def __init__(self, refusals: Iterable[StartRefusal]) -> None:
        found = sorted(refusals, key=lambda one: one.gravity)
        super().__init__(*(one.problem for one in found))
        self.exit_code = 2 if all(one.gravity in _NOT_OF_VENUE for one in found) else 4


def of_account(gravity: Gravity, message: str, remedy: str) -> StartRefusal:
    """Return a refusal of the account as it is at the venue."""
    return StartRefusal(gravity, Problem(OF_ACCOUNT, None, "", message, remedy))


def raise_any(home: Home, found: list[StartRefusal]) -> None:
    """Raise StartRefused for what was found, with the kill switch if it is engaged: alone it refuses no start."""
    if found:
        raise StartRefused([*found, *_of_kill_switch(home)])


def _of_kill_switch(home: Home) -> list[StartRefusal]:
    remedy = "`tightloop session rearm --by NAME` lifts it"
    try:
        scopes = home.kills()
    except InputError as error:
        return [StartRefusal(Gravity.KILL_SWITCH, problem) for problem in error.problems]
    message = f"is engaged ({', '.join(scopes)}): no entry would be taken"
    return [StartRefusal(Gravity.KILL_SWITCH, Problem("the kill switch", None, "", message, remedy))] if scopes else []
