"""The desk of a running session: what it is given stands in the journal before it takes it, what it asks before it
leaves.

Order of one input: the input is appended as an ANSWER record; the desk takes it; each request that follows is encoded,
appended as an ASK record (id, client id, signing time, the call without key and signature) and handed to the sender;
each answer to the step goes into the intake, and so becomes a fact. The sender runs after this returned, so nothing
leaves before the write.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from tightloop.core.domain.types import Rows
from tightloop.ports.execution import Report
from tightloop.ports.transport import HttpAnswer, HttpCall, NoAnswer, NotSent
from tightloop.ports.venue import Credentials, VenueDialect
from tightloop.runtime.session.account.answers import event_of
from tightloop.runtime.session.account.fold import AccountFold
from tightloop.runtime.session.account.inputs import (
    AccountInput,
    Compared,
    InputKind,
    gate_body,
    holding_body,
    listed_body,
    prices_body,
    reply_body,
)
from tightloop.runtime.session.desk.records import Ask, Note, Outputs, VenueAnswer
from tightloop.runtime.session.desk.state import Style
from tightloop.runtime.session.journal.layout import RecordKind
from tightloop.runtime.session.journal.writer import Journal
from tightloop.runtime.session.market.intake import Intake

OFFSET_MOVED_NS = 50_000_000
"""The desk is told of the venue's clock again when it is this far from what it was told."""
_MS = 1_000_000
Send = Callable[[Ask, HttpCall], None]


class AccountDriver:
    """Gives inputs to the desk of a session. ``offset_ns``: how far the venue's clock is ahead of ours, now.

    ``send`` is called with each request once its record is written, ``on_outputs`` with what an input led to.
    """

    def __init__(
        self, fold: AccountFold, dialect: VenueDialect, credentials: Credentials, journal: Journal, intake: Intake,
        now_ns: Callable[[], int], offset_ns: Callable[[int], int], send: Send,
    ) -> None:  # fmt: skip
        self.fold, self._dialect, self._credentials = fold, dialect, credentials
        self._journal, self.intake, self.now_ns, self._offset_ns, self._send = journal, intake, now_ns, offset_ns, send
        self.on_note: Callable[[Note], None] = lambda _note: None
        self.on_strange: Callable[[Report], None] = lambda _report: None
        self.on_turn: Callable[[], None] = lambda: None
        self.on_answer: Callable[[VenueAnswer], None] = lambda _answer: None
        self._prices: dict[int, bytes] = {}

    @property
    def due_ns(self) -> int:
        """When ``advance`` is due if nothing else comes in."""
        return self.fold.desk.next_due_ns

    def command(self, row: Rows) -> None:
        """Take a command of the step (one row of the log)."""
        self._give(InputKind.COMMAND, 0, row.tobytes())

    def reply(self, ask_id: int, reply: HttpAnswer | NotSent | NoAnswer) -> None:
        """Take what became of a request."""
        if isinstance(reply, HttpAnswer):
            self._give(InputKind.REPLY, ask_id, reply_body(reply))
        else:
            kind = InputKind.NOT_SENT if isinstance(reply, NotSent) else InputKind.NO_ANSWER
            self._give(kind, ask_id, str(reply).encode())

    def frame(self, frame: bytes) -> None:
        """Take a frame of the private stream."""
        self._give(InputKind.FRAME, 0, frame)

    def advance(self) -> None:
        """Advance the desk to now, if something is due."""
        if self.due_ns <= self.now_ns():
            self._give(InputKind.TIME, 0, b"")

    def restart(self, epoch: int, unsent: Sequence[int] = ()) -> None:
        """Begin another life: what is out counts as unknown, but for requests that never left (``unsent``).

        Nothing may be named by the epoch before any more, so until the desk knows the new one it is told no other time
        than its last, at which nothing is due, and what it would ask all the same is not sent.
        """
        last_ns, now_ns = self.fold.desk.state.now_ns, self.now_ns()
        for ask_id in unsent:
            self._take_quietly(AccountInput(InputKind.NOT_SENT, last_ns, ask_id, b"the process ended before it left"))
        self._take_quietly(AccountInput(InputKind.OFFSET, last_ns, self._offset_ns(now_ns)))
        self._take(AccountInput(InputKind.RESTART, now_ns, epoch))
        self.on_turn()

    def compared(self, compared: Compared) -> None:
        """Take what a comparison with the venue found."""
        self._give(InputKind.COMPARED, 0, compared.packed())

    @property
    def limited_ns(self) -> int:
        """Until when (ns UTC) the venue limits what is asked about the account; 0: it never did."""
        lanes = self.fold.desk.state.lanes
        return max(lanes.paused_ns, lanes.held_ns)

    def limited(self, retry_after_s: float) -> None:
        """Hold entries: the venue has refused a question about the account as one too many."""
        self._give(InputKind.LIMITED, self.now_ns() + int(retry_after_s * 1e9), b"")

    def gate(self, instance: int, reason: int) -> None:
        """Take for which Reason the step denies entries of an instance now (0: it takes them), if that has changed."""
        if self.fold.desk.state.denied.get(instance, 0) != reason:
            self._give(InputKind.GATE, instance, gate_body(reason))

    def hold(self, instrument: int, ours: float, foreign: float) -> None:
        """Take the signed position on an instrument, if it is another than the desk knows."""
        known = self.fold.desk.state.holdings.get(instrument)
        if known is None or (known.ours, known.foreign) != (ours, foreign):
            self._give(InputKind.HOLDING, instrument, holding_body(ours, foreign))

    def relist(self, instrument: int, price_increment: float, lot_size: float, multiplier: float) -> None:
        """Take new rules of an instrument: requests from now on are made by them."""
        self._give(InputKind.LISTED, instrument, listed_body(price_increment, lot_size, multiplier))

    def prices(self, instruments: Rows) -> None:
        """Take the latest prices (rows of INSTRUMENT), where an order is open that acts on them."""
        state = self.fold.desk.state
        followed = {
            order.wanted.instrument
            for order_id in state.open_ids
            if (order := state.orders[order_id]).style in (Style.CLOSING, Style.TRAILING)
        }
        for at in sorted(followed):
            row = instruments[at]
            mark = float(row["mark"])
            found = float(row["bid"]), float(row["ask"]), float(row["last"]), mark if mark > 0.0 else math.nan
            body = prices_body(*found)
            if body != self._prices.get(at):
                self._prices[at] = body
                self._give(InputKind.PRICES, at, body)

    def _give(self, kind: InputKind, number: int, body: bytes) -> None:
        now_ns = self.now_ns()
        offset_ns = self._offset_ns(now_ns)
        if abs(offset_ns - self.fold.desk.state.venue_offset_ns) > OFFSET_MOVED_NS:
            self._take(AccountInput(InputKind.OFFSET, now_ns, offset_ns))
        self._take(AccountInput(kind, now_ns, number, body))
        self.on_turn()

    def _take(self, given: AccountInput) -> None:
        self._journal.append(RecordKind.ANSWER, given.packed(), is_reserved=True)
        self.follow(self.fold.apply(given))

    def _take_quietly(self, given: AccountInput) -> None:
        self._journal.append(RecordKind.ANSWER, given.packed(), is_reserved=True)
        self.follow(replace(self.fold.apply(given), asks=()))

    def follow(self, outputs: Outputs) -> None:
        """Send the requests of an input, and pass on what it answers."""
        for ask in outputs.asks:
            call = self._dialect.encode(ask.request, ask.signed_ns // _MS, self._credentials)
            said = {
                "ask": ask.ask_id, "client_id": getattr(ask.request, "client_id", ""), "lane": ask.lane.name,
                "signed_ns": ask.signed_ns, "call": self._dialect.without_secrets(call),
            }  # fmt: skip
            self._journal.append(RecordKind.ASK, json.dumps(said).encode(), is_reserved=True)
            self._send(ask, call)
        self.answer(outputs.answers)
        for note in outputs.notes:
            self.on_note(note)
        for report in outputs.strange:
            self.on_strange(report)

    def answer(self, answers: tuple[VenueAnswer, ...]) -> None:
        """Put answers into the intake."""
        for answer in answers:
            self.intake.put_event(event_of(answer, self.now_ns()))
            self.on_answer(answer)
