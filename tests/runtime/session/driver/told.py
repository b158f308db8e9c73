"""A session to which a recorded market is told, fact by fact, at the times of its clock."""

from tests.parity.test_live_facts import prepared
from tests.sim import walkthrough

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.core.domain.enums import EventKind
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.session.driver.session import Repetition, Session
from tightloop.runtime.session.journal import Journal, events
from tightloop.runtime.session.market.intake import Intake


def pumped(folder):
    """Market and strategies: a pumped coin and two calm ones, entries at market."""
    catalog = walkthrough.write_catalog(folder, delay_ns=5_000_000)
    return prepared("market", catalog, walkthrough.PUMPED, *walkthrough.CALM)


class Told:
    """A world that tells recorded facts at their times; the clock is that of the fact being told."""

    def __init__(self, facts):
        self.facts, self.now_ns, self.at = facts, 0, 0

    def clock(self):
        return self.now_ns

    def tell(self, intake, count):
        for fact in self.facts[self.at : self.at + count]:
            self.now_ns = max(self.now_ns, int(fact["ts_init_ns"]))
            at, happened = int(fact["instrument"]), int(fact["ts_event_ns"])
            price, qty = float(fact["price"]), float(fact["qty"])
            if fact["kind"] == int(EventKind.TRADE):
                intake.put_print(at, price, qty, int(fact["order_id"]), int(fact["is_maker"]), happened)
            else:
                intake.put_quote(at, price, qty, float(fact["rate"]), float(fact["amount"]), happened)
        self.at += count


def plan_of(market):
    return make_plan(market[1], market[0].rules)


def begun(market, folder, world):
    plan = plan_of(market)
    journal = Journal.create(LocalDisk(folder), "journal", "one", 1)
    return Session(plan, journal, Intake(world.clock), world.clock), journal


def recovered(market, folder, world):
    plan, disk = plan_of(market), LocalDisk(folder)
    journal, _ = Journal.open(disk, "journal")
    repetition = Repetition(plan)
    repetition.run(events(disk, "journal"))
    return Session(plan, journal, Intake(world.clock), world.clock, begun=repetition), journal


def run(session, world, count, batch=37):
    for _ in range(0, count, batch):
        world.tell(session.intake, batch)
        while session.take_batch():
            pass
        world.now_ns += 1_000
        session.advance()
