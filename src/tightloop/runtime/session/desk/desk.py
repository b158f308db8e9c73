"""``Desk``: the inputs of the desk, each with what it leads to."""

import math

from tightloop.ports.execution import FillReport, Report
from tightloop.runtime.session.desk import lanes, machine, saving
from tightloop.runtime.session.desk.ids import session_code
from tightloop.runtime.session.desk.records import Command, DeskTerms, Listed, Outputs, Reply
from tightloop.runtime.session.desk.state import Prices, Purpose, State, Style, Turn, Wire

_NOTHING = Outputs()


class Desk:
    """The desk. Every input has the time at which it was taken in, ns UTC; time never goes back."""

    def __init__(self, state: State) -> None:
        self._turn = Turn(state)

    @classmethod
    def begin(cls, terms: DeskTerms, session_id: str, epoch: int, listed: tuple[Listed, ...]) -> "Desk":
        """Return the desk of a new session; ``listed``: its instruments, in the order of the core's."""
        return cls(State(terms, session_code(session_id), epoch, list(listed)))

    @property
    def state(self) -> State:
        """The state, to be read."""
        return self._turn.state

    @property
    def next_due_ns(self) -> int:
        """When ``on_time`` is due if nothing else comes in."""
        return self._turn.state.next_due_ns

    def unknown_ids(self) -> tuple[str, ...]:
        """Return the client ids of attempts whose outcome is not known."""
        attempts = (attempt for order in self._turn.opened() for attempt in order.attempts)
        return tuple(attempt.client_id for attempt in attempts if attempt.wire == Wire.UNKNOWN)

    def is_denied(self, ask_id: int) -> bool:
        """Return whether a request submits an entry that the step would deny now."""
        asked = self.state.asked.get(ask_id)
        if asked is None or asked.purpose != Purpose.SUBMIT:
            return False
        wanted = self.state.orders[asked.order_id].wanted
        return not wanted.is_exit and wanted.instance in self.state.denied

    def is_protected(self, instrument: int) -> bool:
        """Return whether a stop of the instrument's position is confirmed at the venue, or a market exit under way."""
        for order in self._turn.opened():
            if order.wanted.instrument == instrument and order.wanted.is_exit and not order.is_ended:
                is_stop = order.style in (Style.STOP, Style.TRAILING)
                if order.style == Style.CLOSING or (is_stop and any(one.wire == Wire.ACKED for one in order.attempts)):
                    return True
        return False

    def on_command(self, command: Command) -> Outputs:
        """Take a command of the step (``records.command_of`` a row of the log)."""
        self._at(command.ts_ns)
        machine.take_command(self._turn, command)
        return self._settled()

    def on_reply(self, ask_id: int, reply: Reply, now_ns: int) -> Outputs:
        """Take the answer to a request, or that it was not sent, or not answered."""
        self._at(now_ns)
        machine.take_reply(self._turn, ask_id, reply)
        return self._settled()

    def on_report(self, report: Report, now_ns: int) -> Outputs:
        """Take a report of the private stream."""
        self._at(now_ns)
        machine.take_report(self._turn, report)
        return self._settled()

    def on_time(self, now_ns: int) -> Outputs:
        """Advance to a time."""
        self._at(now_ns)
        return self._settled()

    def on_prices(
        self,
        instrument: int,
        now_ns: int,
        *,
        bid: float = math.nan,
        ask: float = math.nan,
        last: float = math.nan,
        mark: float = math.nan,
    ) -> Outputs:
        """Take prices of an instrument; NaN: as they were."""
        self._at(now_ns)
        follows = machine.take_prices(self._turn, instrument, Prices(bid, ask, last, mark))
        state = self._turn.state
        return self._settled() if follows or state.now_ns >= state.next_due_ns else _NOTHING

    def on_holding(self, instrument: int, ours: float, foreign: float, now_ns: int) -> Outputs:
        """Take the signed position on an instrument: ours, and what the account holds beside it."""
        self._at(now_ns)
        machine.take_holding(self._turn.state, instrument, ours, foreign)
        return self._settled()

    def on_offset(self, venue_offset_ns: int, now_ns: int) -> Outputs:
        """Take how far the venue's clock is ahead of ours: what requests are signed with from now on."""
        self._at(now_ns)
        self._turn.state.venue_offset_ns = venue_offset_ns
        return self._settled()

    def on_listed(self, instrument: int, listed: Listed, now_ns: int) -> Outputs:
        """Take new rules of an instrument."""
        self._at(now_ns)
        machine.take_listed(self._turn.state, instrument, listed)
        return self._settled()

    def on_doubt(self, client_ids: tuple[str, ...], now_ns: int) -> Outputs:
        """Look orders up that the venue does not list as open."""
        self._at(now_ns)
        machine.take_doubts(self._turn, client_ids)
        return self._settled()

    def on_limited(self, until_ns: int, now_ns: int) -> Outputs:
        """Hold entries until a time, because the venue has refused a question about the account as one too many."""
        self._at(now_ns)
        lanes.hold(self._turn.state, until_ns)
        return self._settled()

    def on_gate(self, instance: int, reason: int, now_ns: int) -> Outputs:
        """Take for which Reason the step denies entries of an instance now; 0: it takes them."""
        self._at(now_ns)
        machine.take_gate(self._turn, instance, reason)
        return self._settled()

    def on_found(self, trades: tuple[FillReport, ...], now_ns: int) -> Outputs:
        """Take trades that a comparison told the core of, as of no order here."""
        self._at(now_ns)
        machine.take_found(self._turn.state, trades)
        return self._settled()

    def on_restart(self, epoch: int, now_ns: int) -> Outputs:
        """Begin another life of the process. Requests that never left were taken back before (NotSent)."""
        self._at(now_ns)
        machine.restart(self._turn, epoch)
        return self._settled()

    def save(self) -> bytes:
        """Return the state as bytes."""
        return saving.dumps(self._turn.state)

    @classmethod
    def load(cls, saved: bytes) -> "Desk":
        """Return a desk that goes on from a saved state. Raises ValueError if the bytes are not one."""
        return cls(saving.loads(State, saved))

    def _at(self, now_ns: int) -> None:
        """Set the time; an earlier one than before counts as that."""
        self._turn.state.now_ns = max(self._turn.state.now_ns, now_ns)

    def _settled(self) -> Outputs:
        machine.settle(self._turn)
        return self._turn.take_outputs()
