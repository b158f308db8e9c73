"""What a running session prints of its trading: a line for a fill, an ended trade, and an entry that was refused."""

import asyncio
import re

import numpy as np
import pytest
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told, plan_of, pumped
from tests.runtime.session.simulated_disk import SimulatedDisk

from tightloop.app.runs.live.watching.terminal import TerminalLines
from tightloop.core.domain.enums import OrderState, Reason, RowKind, Side
from tightloop.core.domain.types import LOG_ROW
from tightloop.runtime.session.bus import Place
from tightloop.runtime.session.driver.publishing import TOPICS
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal
from tightloop.runtime.session.market.intake import Intake


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return pumped(tmp_path_factory.mktemp("ticks"))


def told_of(plan, rows):
    """Return the lines of rows of the log."""
    lines = []
    routes = {route.topic: route.receive for route in TerminalLines(plan, lines.append).routes()}

    async def main():
        for at in range(len(rows)):
            topic = TOPICS.get(RowKind(int(rows[at]["kind"])))
            if topic is not None and topic.name in routes:
                await routes[topic.name](Place(0, at), rows[at].tobytes())
        await asyncio.sleep(0)

    asyncio.run(main())
    return lines


def refused(reason, *, instrument=0, state=OrderState.DENIED):
    row = np.zeros(1, LOG_ROW)
    row["kind"], row["code"], row["reason"] = int(RowKind.ORDER), int(state), int(reason)
    row["instrument"], row["side"], row["ts_ns"] = instrument, int(Side.BUY), 1_735_689_600_000_000_000
    return row


def test_each_fill_and_each_ended_trade_is_a_line_with_the_decimals_of_its_instrument(market):
    plan, rows = plan_of(market), []
    facts = facts_of(market[0], plan)
    world = Told(facts)
    session = Session(plan, Journal.create(SimulatedDisk(), "journal", "one", 1), Intake(world.clock), world.clock)
    session.on_rows = lambda _seq, batch: rows.append(batch.copy())
    for _ in range(0, len(facts), 37):
        world.tell(session.intake, 37)
        while session.take_batch():
            pass
    rows = np.concatenate(rows)
    lines = told_of(plan, rows)
    fills, trades = (int((rows["kind"] == int(kind)).sum()) for kind in (RowKind.FILL, RowKind.TRADE))
    assert fills > 3
    assert sum(" bought " in line or " sold " in line for line in lines) == fills
    assert sum(" closed after " in line for line in lines) == trades
    entry = next(line for line in lines if " bought " in line or " sold " in line)
    assert re.fullmatch(r"\d\d:\d\d:\d\d (bought|sold) [\d,.]+ [A-Z]+ at [\d,.]+", entry)
    (at, ended) = next((at, line) for at, line in enumerate(lines) if " closed after " in line)
    assert re.search(r" (bought|sold) .*, [a-zA-Z0-9 ]+$", lines[at - 1]), "after the fill that ended it"
    assert re.search(r"closed after [\d.dhms ]+: [a-zA-Z0-9 _]+; result [+\u2212][\d,]+\.\d\d$", ended)


def test_an_entry_refused_again_and_again_is_told_once_with_what_it_means(market):
    plan = plan_of(market)
    (paused,) = told_of(plan, np.concatenate([refused(Reason.PAUSED)] * 5))
    symbol = plan.instruments[0].symbol
    assert paused.startswith(f"00:00:00 denied: buy {symbol}, paused (")
    assert "tightloop session resume" in paused
    rows = [
        refused(Reason.PAUSED),
        refused(Reason.NOT_READY),
        refused(Reason.PAUSED),
        refused(Reason.PAUSED, instrument=1),
    ]
    assert len(told_of(plan, np.concatenate(rows))) == 4
    (rejected,) = told_of(plan, refused(Reason.NOTHING_TO_REDUCE, state=OrderState.REJECTED))
    assert "rejected by the venue" in rejected
    assert told_of(plan, refused(Reason.NONE, state=OrderState.ACCEPTED)) == []


def test_a_terminal_that_is_gone_ends_nothing(market):
    plan = plan_of(market)

    def gone(_line):
        raise BrokenPipeError

    lines = TerminalLines(plan, gone)
    (receive,) = (route.receive for route in lines.routes() if route.topic == "orders")
    asyncio.run(receive(Place(0), refused(Reason.PAUSED)[0].tobytes()))
