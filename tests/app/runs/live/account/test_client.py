"""Questions about an account: by the venue's clock, and when the venue allows them."""

import asyncio

from sim.virtual.loop import VirtualLoop
from sim.virtual.machine import SECOND_NS, START_NS
from tightloop.adapters.venues import load
from tightloop.app.runs.live.account.client import AccountClient
from tightloop.ports.transport import HttpAnswer
from tightloop.ports.venue import Credentials

WAY_S = 0.05


class FarVenue:
    """A venue whose clock is right, WAY_S away."""

    def __init__(self, now_ns):
        self.now_ns = now_ns

    async def call(self, call, timeout_s):
        await asyncio.sleep(WAY_S)
        answer = HttpAnswer(200, {}, b'{"serverTime":%d}' % (self.now_ns() // 1_000_000))
        await asyncio.sleep(WAY_S)
        return answer


def test_a_wait_before_the_venue_allows_a_question_is_no_way_to_the_venue():
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()

        def now_ns():
            return START_NS + round(loop.time() * SECOND_NS)

        dialect, _ = load("binance-usdm", "http://127.0.0.1:8000")
        client = AccountClient(dialect, FarVenue(now_ns), Credentials("k", "s"), now_ns)
        client.budget.stop(30.0, now_ns())
        runner.run(client.read_clock())
        assert loop.time() > 30.0, "the ban was waited for"
    assert client.clock.has_samples
    assert abs(client.clock.offset_ns(now_ns())) <= 2_000_000
