"""Questions before a session begins: as few ways to the venue after each other as there can be."""

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from tests.app.runs.live.staged import StillMarket

from sim.virtual.loop import VirtualLoop
from sim.virtual.machine import SECOND_NS, START_NS
from sim.virtual.twin import TwinServer
from tightloop.app.runs.live.account.asking import Asking
from tightloop.app.runs.live.account.client import SAMPLE_APART_S, AccountClient, AccountRefused, together
from tightloop.app.runs.live.venues import chosen
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.account.venue_clock import SAMPLES_KEPT

WAY_S = 0.1
LEVERAGES = {"BTCUSDT": 3, "ETHUSDT": 2}
ACCOUNT = [
    "GET apiRestrictions",
    "GET balance",
    "GET dual",
    "GET feeBurn",
    "GET multiAssetsMargin",
    "GET symbolConfig",
    "GET symbolConfig",
]


class FarMachine:
    """A machine WAY_S away from a venue; ``calls``: when each arrived there."""

    def __init__(self, loop):
        self.clock, self._loop, self.calls, self.waiting = self, loop, [], 0
        self.server = TwinServer(StillMarket(), 1)

    def now_ns(self):
        return START_NS + round(self._loop.time() * SECOND_NS)

    @asynccontextmanager
    async def network(self):
        yield self

    async def call(self, call, timeout_s):
        self.waiting += 1
        try:
            await asyncio.sleep(WAY_S)
            parts = urlsplit(call.url)
            self.calls.append(f"{call.method} {parts.path.rpartition('/')[2]}")
            answer = self.server.respond(call.method, parts.path, parts.query, call.headers, call.body, self.now_ns())
            await asyncio.sleep(WAY_S)
            return answer
        finally:
            self.waiting -= 1


@pytest.fixture
def far():
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        machine = FarMachine(runner.get_loop())
        asking = Asking(chosen("binance-usdm", "http://127.0.0.1:8000"), Credentials("twin", "twin-secret"), machine)
        yield runner, machine, asking


def test_what_a_session_asks_when_it_starts_again_takes_little_longer_than_its_clock(far):
    runner, machine, asking = far
    runner.run(asking.account_name())
    runner.run(asking.set_up(LEVERAGES))
    begun_s, machine.calls = runner.get_loop().time(), []
    again = Asking(asking.venue, asking.credentials, machine)
    runner.run(again.account_name())
    assert runner.run(again.refusals((), LEVERAGES, is_new=False)) == []
    runner.run(again.set_up(LEVERAGES))
    assert again.clock.sample_count == SAMPLES_KEPT
    assert sorted(machine.calls) == sorted(["GET time"] * SAMPLES_KEPT + ACCOUNT)
    # Whose account it is comes first, then all that may be wrong with it, at once; the clock waits between its samples.
    longest_s = (SAMPLES_KEPT + 2) * 2 * WAY_S + (SAMPLES_KEPT - 1) * SAMPLE_APART_S
    assert runner.get_loop().time() - begun_s == pytest.approx(longest_s)


def test_settings_of_many_symbols_are_made_at_once(far):
    runner, machine, asking = far
    runner.run(asking.account_name())
    runner.run(asking.set_up(LEVERAGES))
    assert machine.calls.count("POST leverage") == machine.calls.count("POST marginType") == 2
    changes = [call for call in machine.calls if call in ("POST leverage", "POST marginType")]
    assert changes == ["POST marginType"] * 2 + ["POST leverage"] * 2


def test_what_was_asked_beside_a_failure_is_given_up(far):
    runner, machine, asking = far
    client = AccountClient(asking.venue.dialect, machine, asking.credentials, machine.now_ns)

    async def fail():
        await asyncio.sleep(WAY_S / 2)
        raise AccountRefused("it is of no use")

    async def ask():
        with pytest.raises(AccountRefused):
            await together(client.read_clock(), fail())
        assert machine.waiting == 1
        await asyncio.sleep(0)
        assert machine.waiting == 0

    runner.run(ask())
