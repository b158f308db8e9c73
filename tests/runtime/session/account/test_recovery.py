"""A desk made again from its journal: what its last life did not come to do, and under which names it goes on."""

import json

import numpy as np
from tests.runtime.session.account.test_fold import DIALECT, fold
from tests.runtime.session.desk.toy_venue import START_NS
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.core.domain.enums import OrderKind, RowKind, Side, TimeInForce
from tightloop.core.domain.types import LOG_ROW
from tightloop.ports.transport import NoAnswer
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.account.inputs import AccountInput, InputKind
from tightloop.runtime.session.account.recovery import AccountRepetition
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.journal import Journal, RecordKind, events
from tightloop.runtime.session.market.intake import Intake

SECOND_NS = 1_000_000_000


class Life:
    """A life of a process: the desk, its journal, and what it sent."""

    def __init__(self, disk, epoch, now_ns, offset_ns=0):
        self.now_ns, self.sent = now_ns, []
        if epoch == 1:
            self.journal = Journal.create(disk, "journal", "session-1", 1)
            self.journal.append(RecordKind.ANSWER, AccountInput(InputKind.BEGUN, now_ns, 1).packed())
            self.fold = fold()
        else:
            self.journal, _ = Journal.open(disk, "journal")
            self.repetition = AccountRepetition(lambda _: fold(), None)
            for record, event in events(disk, "journal"):
                self.repetition.take(record, event)
            self.fold = self.repetition.fold
        self.driver = AccountDriver(
            self.fold, DIALECT, Credentials("k", "s"), self.journal, Intake(lambda: self.now_ns), lambda: self.now_ns,
            lambda _: offset_ns, lambda ask, call: self.sent.append(ask),
        )  # fmt: skip

    def names(self):
        """The client ids that were sent."""
        return [getattr(ask.request, "client_id", "") for ask in self.sent]


def command(order_id, *, is_exit):
    row = np.zeros(1, LOG_ROW)
    row["kind"], row["order_id"], row["side"] = int(RowKind.SUBMIT), order_id, int(Side.SELL if is_exit else Side.BUY)
    row["order_kind"], row["tif"], row["qty"] = int(OrderKind.MARKET), int(TimeInForce.GTC), 1.0
    row["reduce_only"] = int(is_exit)
    for name in ("price", "stop_price", "trail_pct", "trail_distance", "arm_price", "value"):
        row[name] = np.nan
    return row


def test_a_new_life_sends_nothing_under_the_names_of_the_last_one_and_no_entry_of_it():
    disk = SimulatedDisk()
    first = Life(disk, 1, START_NS)
    first.driver.command(command(65_536, is_exit=False))
    first.driver.command(command(65_537, is_exit=True))
    assert [ids.decode(name).epoch for name in first.names()] == [1, 1]
    first.journal.close()
    second = Life(disk, 2, START_NS + 30 * SECOND_NS, offset_ns=SECOND_NS)
    second.repetition.commands = [
        command(65_536, is_exit=False), command(65_537, is_exit=True), command(65_538, is_exit=False),
        command(65_539, is_exit=True),
    ]  # fmt: skip
    second.repetition.go_on(second.driver, second.journal.epoch)
    sent = [ids.decode(ask.request.client_id) for ask in second.sent if hasattr(ask.request, "kind")]
    assert [(name.epoch, name.order_id) for name in sent] == [(2, 65_539)], "what is out is looked up, not sent again"
    assert second.fold.desk.state.venue_offset_ns == SECOND_NS
    assert all(ask.signed_ns == second.now_ns + SECOND_NS for ask in second.sent)


def test_a_request_without_a_record_never_left_and_an_exit_leaves_under_a_new_name():
    disk = SimulatedDisk()
    first = Life(disk, 1, START_NS)
    given = AccountInput(InputKind.COMMAND, START_NS, 0, command(65_537, is_exit=True).tobytes())
    first.journal.append(RecordKind.ANSWER, given.packed())  # and then the process ended
    first.journal.close()
    second = Life(disk, 2, START_NS + 30 * SECOND_NS)
    second.repetition.commands = [command(65_537, is_exit=True)]
    second.repetition.go_on(second.driver, second.journal.epoch)
    second.now_ns += SECOND_NS
    second.driver.advance()
    assert second.names() == [ids.ClientId(ids.session_code("session-1"), 2, 65_537, 0).text]
    asked = [json.loads(one.payload) for one, _ in events(disk, "journal") if one.kind == RecordKind.ASK]
    assert [one["client_id"] for one in asked] == second.names(), "it stands in the journal"


def test_the_next_attempt_of_an_exit_that_is_due_leaves_under_a_new_name():
    disk = SimulatedDisk()
    first = Life(disk, 1, START_NS)
    first.driver.hold(0, 1.0, 0.0)
    first.driver.command(command(65_537, is_exit=True))
    first.driver.reply(first.sent[0].ask_id, NoAnswer("cut"))
    first.journal.close()
    second = Life(disk, 2, START_NS + 30 * SECOND_NS, offset_ns=SECOND_NS)
    second.repetition.commands = [command(65_537, is_exit=True)]
    second.repetition.go_on(second.driver, second.journal.epoch)
    submits = [ask.request.client_id for ask in second.sent if hasattr(ask.request, "kind")]
    assert submits == [ids.ClientId(ids.session_code("session-1"), 2, 65_537, 1).text]
