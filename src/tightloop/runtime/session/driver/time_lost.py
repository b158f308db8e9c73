"""The clock at a restart against the journal: a session does not go on before the time of its last fact.

Stamps of facts never go back. A clock that was set back while the session was dead would give them all the last stamp
plus 1 ns, one after another, until it has caught up: timers, bars and expiries would stand still. A little is waited
for; more is for people to put right.
"""

from tightloop.model.errors import TightloopError
from tightloop.model.times import SECOND_NS, iso

BEHIND_MAX_NS = 5 * SECOND_NS


class ClockBehind(TightloopError):
    """The machine's clock is far before the last fact of the session's journal."""

    exit_code = 2


def wait_ns(last_ns: int, now_ns: int) -> int:
    """Return how long to wait until the clock is past the journal's last stamp, ns; raises ClockBehind."""
    behind_ns = last_ns - now_ns
    if behind_ns > BEHIND_MAX_NS:
        raise ClockBehind(
            f"the clock says {iso(now_ns)}, and the journal's last fact is of {iso(last_ns)}, "
            f"{behind_ns / SECOND_NS:.0f} s later: set the clock right, or wait, then start again"
        )
    return max(0, behind_ns)
