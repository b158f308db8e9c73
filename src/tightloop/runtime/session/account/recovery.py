"""The desk of a session that ended without an end: made again from its journal, up to the last record.

The journal has each input of the desk before the desk took it, each request before it left, and each answer to the
step once it was taken as a fact. So the process may have ended between any two of these:

    a command is among the rows, and was not given to the desk        it is given now, but an entry's time is over
    the desk asked, and there is no ASK record                        it never left: the desk is told so
    there is an ASK record, and no outcome                            unknown: ``Desk.on_restart`` begins to look it up
    the desk answered, and the answer is no fact yet                  it is put into the intake now

A record of a request without its input cannot be, because inputs are written first.
"""

import json
from collections import deque
from collections.abc import Callable

from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import Rows
from tightloop.runtime.session.account.answers import ACCOUNT_KINDS
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.account.fold import AccountFold
from tightloop.runtime.session.account.inputs import InputKind, unpacked
from tightloop.runtime.session.desk.records import VenueAnswer
from tightloop.runtime.session.journal.layout import JournalRecord, RecordKind

_KIND_BYTES = 8


class AccountRepetition:
    """Makes the desk of a session again. ``begin``: makes the one of an epoch, ``load`` that of a snapshot.

    ``commands``: those that the step has made since the beginning or the snapshot.
    """

    def __init__(self, begin: Callable[[int], AccountFold], load: Callable[[bytes], AccountFold]) -> None:
        self._begin, self._load = begin, load
        self._fold: AccountFold | None = None
        self.commands: list[Rows] = []
        self._given = 0
        self._asked: deque[int] = deque()
        self._left: set[int] = set()
        self._answers: deque[VenueAnswer] = deque()

    @property
    def fold(self) -> AccountFold:
        """The desk with what it was given."""
        assert self._fold is not None, "a journal names the desk before it gives it anything"
        return self._fold

    def load(self, saved: bytes) -> None:
        """Restore it from a snapshot. Raises ValueError if it is of another version."""
        self._fold = self._load(saved)

    @property
    def now_ns(self) -> int:
        """The time of the last input of the desk; 0: it had none."""
        return 0 if self._fold is None else self._fold.desk.state.now_ns

    @property
    def has_begun(self) -> bool:
        """Whether the journal has come to where the desk began."""
        return self._fold is not None

    def take(self, record: JournalRecord, event: bytes) -> None:
        """Take a record of the journal (with the bytes of its event, if it is a fact)."""
        if record.kind == RecordKind.ANSWER:
            given = unpacked(record.payload)
            if given.kind == InputKind.BEGUN:
                self._fold = self._begin(given.number)
                return
            self._given += given.kind == InputKind.COMMAND
            if given.kind in (InputKind.REPLY, InputKind.NOT_SENT, InputKind.NO_ANSWER):
                self._left.discard(given.number)
            elif given.kind == InputKind.RESTART:
                self._asked.clear()
                self._left.clear()
            outputs = self.fold.apply(given)
            self._asked.extend(ask.ask_id for ask in outputs.asks)
            self._answers.extend(one for one in outputs.answers if one.kind in ACCOUNT_KINDS)
        elif record.kind == RecordKind.ASK:
            self._left.add(int(json.loads(record.payload)["ask"]))
            while self._asked and self._asked[0] in self._left:
                self._asked.popleft()
        elif record.kind == RecordKind.FACT and int.from_bytes(event[:_KIND_BYTES], "little") in ACCOUNT_KINDS:
            assert self._answers, "a fact of the account follows from an input of the desk"
            self._answers.popleft()

    def go_on(self, driver: AccountDriver, epoch: int) -> None:
        """Finish what the last life did not come to do, and begin another."""
        driver.answer(tuple(self._answers))
        driver.restart(epoch, [ask_id for ask_id in self._asked if ask_id not in self._left])
        for row in self.missed():
            driver.command(_unsent(row, driver.now_ns()))

    def missed(self) -> list[Rows]:
        """Return the commands of the step that were not given to the desk."""
        return self.commands[self._given :]


def _unsent(row: Rows, now_ns: int) -> Rows:
    """Return a command that the last life did not give to the desk, as far as the journal tells.

    Its end may have been lost, and an entry have left: so an entry is not sent now. What reduces a position cannot do
    harm twice.
    """
    if int(row[0]["kind"]) == RowKind.SUBMIT and not bool(row[0]["reduce_only"]):
        row = row.copy()
        row["expires_ns"] = now_ns
    return row
