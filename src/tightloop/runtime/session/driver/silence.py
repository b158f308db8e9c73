"""Silence of a feed as a fact: told when it has lasted as long as a strategy bears, and not only when it has ended."""

from tightloop.core.domain.enums import FeedState
from tightloop.core.domain.ticks import Gap
from tightloop.runtime.session import told
from tightloop.runtime.session.driver.session import Session


class Silence:
    """Watches the instruments of a session. The limit of an instrument is the least ``on_stale`` of its strategies."""

    def __init__(self, session: Session) -> None:
        self.session, state = session, session.plan.states[0]
        self._limits_ns: dict[int, int] = {}
        for row in state["instances"][: int(state["instance_count"])]:
            limit_ns = abs(int(state["strategies"][int(row["strategy"])]["stale_ns"]))
            if limit_ns and session.plan.feed:
                at = int(row["instrument"])
                self._limits_ns[at] = min(limit_ns, self._limits_ns.get(at, limit_ns))
        self._told_ns: dict[int, int] = {}

    def look(self, now_ns: int) -> None:
        """Put FEED_STATE(SILENT) for each instrument whose last fact is too old; once for each silence."""
        instruments = self.session.plan.states[0]["instruments"]
        for at, limit_ns in self._limits_ns.items():
            last_ns = int(instruments[at]["touched_ns"])
            if last_ns == 0 or now_ns - last_ns < limit_ns or self._told_ns.get(at) == last_ns:
                continue
            self._told_ns[at] = last_ns
            self.session.intake.put_event(told.feed_state(at, FeedState.SILENT, last_ns))
            # Windows end here: nothing is decided on what was before the silence.
            self.session.intake.put_event(told.gap(at, Gap.PRINTS))
