"""Live sessions in virtual time against the twin's engine in this process: hours pass in seconds.

The market stands still unless a script moves it; what the venue answers to an endpoint, and whether it tells of orders,
is the script's as well. All of the session is what a user runs, from the first look at the files on.
"""

import asyncio
import json
import math
from dataclasses import replace
from itertools import count
from urllib.parse import urlsplit

from tests.runtime.session.simulated_disk import Stopped

from sim.live.home import ROOT, SimulatedHome
from sim.live.machine import SimulatedMachine
from sim.live.market import listing_of
from sim.virtual.faults import Faults
from sim.virtual.lives import Life
from sim.virtual.machine import SECOND_NS, START_NS
from sim.virtual.twin import KEY, SECRET, TwinServer
from sim.virtual.world import World
from tightloop.adapters import venues
from tightloop.app.runs.live import files, live
from tightloop.app.sandbox import control
from tightloop.app.sandbox.markets.source import print_row, quote_row
from tightloop.core.domain.enums import OrderKind, Side, TimeInForce, Trigger
from tightloop.ports.execution import CancelOrder, SubmitOrder
from tightloop.ports.transport import HttpAnswer
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.journal import RecordKind, records
from tightloop.runtime.session.journal.layout import SegmentSizes

URL = "http://127.0.0.1:8000"
STEP_NS = SECOND_NS // 5
OPTIONS = live.LiveOptions(
    venue="binance-usdm", url=URL, home=ROOT, instruments=(), account=None, for_s=None, login="main", override="a test"
)
UNKNOWN = HttpAnswer(503, {}, b'{"code":-1007,"msg":"Send status unknown; execution status unknown."}')


class StillMarket:
    """A print and a quote of each symbol in each step, at prices that a script sets.

    ``lots``: at the touch; ``dips``: prices for one quote.
    """

    is_synthetic = True

    def __init__(self, lots=2_000, step_ns=STEP_NS):
        self.start_ns = START_NS
        self.begin_ns, self._step_ns = START_NS - 10 * SECOND_NS, step_ns
        self.listings = (listing_of("BTCUSDT", 1, 3, lots), listing_of("ETHUSDT", 2, 3, lots * 10))
        self.prices, self.dips = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0}, {}

    def rows(self):
        for number in count(1):
            now_ns = self.begin_ns + number * self._step_ns
            for one in self.listings:
                bid = one.ticks(self.dips.pop(one.symbol, self.prices[one.symbol]))
                ask = one.price(bid + 1)
                yield quote_row(now_ns, one.symbol, one.price(bid), one.depth, ask, one.depth)
                yield print_row(now_ns + 1, one.symbol, ask, 1, False)

    def past(self, symbol):
        return []

    def rate(self, symbol, ts_ns):
        return 0.0


class StagedServer(TwinServer):
    """The twin. ``answers``: by endpoint ("POST order"), what is answered instead; ``is_executed``: though it is done.

    ``is_telling``: whether the private stream brings anything; ``is_there``: whether anything arrives at all;
    ``is_left_out``: whether a frame is lost, by its text.
    """

    def __init__(self, market):
        super().__init__(market, 1)
        self.answers, self.is_executed, self.is_telling, self.is_there = {}, False, True, True
        self.is_left_out = lambda _: False
        self.calls = []

    def respond(self, method, path, query, headers, body, now_ns):
        endpoint = f"{method} {path.rpartition('/')[2]}"
        self.calls.append((now_ns, endpoint))
        if endpoint not in self.answers:
            return super().respond(method, path, query, headers, body, now_ns)
        if self.is_executed:
            super().respond(method, path, query, headers, body, now_ns)
        return self.answers[endpoint]

    def frames(self, now_ns):
        found = [(line, text) for line, text in super().frames(now_ns) if not self.is_left_out(text)]
        if not self.is_there:
            return []
        return found if self.is_telling else [(line, text) for line, text in found if line.key is None]


class Stage:
    """A session of a file, and the world it is in. Give ``play`` a script: a coroutine that takes the stage."""

    def __init__(self, file, market=None, wall_off_ns=0):
        self.file, self.market = file, market or StillMarket()
        self.server = StagedServer(self.market)
        self.world = World(self.server, Faults(1), wall_off_ns, start_ns=self.market.start_ns)
        self.home, self.said, self.machine, self.session = SimulatedHome(), [], None, None
        self.is_ending, self.segments = False, SegmentSizes(262_144, 1_048_576, 65_536)

    def play(self, script, limit_s=3_600.0, **changed):
        """Run the session until the script is done, then end the process as kill -9 does.

        ``changed``: options of the session. A second play is the next process on the same home and account.
        """
        life = Life(self.world)
        self.home.die()
        for disk in self.home.disks.values():
            disk.kill()
        self.is_ending = False
        self.machine = SimulatedMachine(life, self.home, self.segments)
        options = live.LiveOptions(
            venue="binance-usdm", url=URL, home=self.home.root, instruments=(), account=None, for_s=None, login="main",
            override="a test",
        )  # fmt: skip
        options = self.options = replace(options, **changed)

        async def main(_):
            begun = live.life((self.file,), options, self._say, lambda _: None, self.machine)
            self.session = asyncio.get_running_loop().create_task(begun)
            played = asyncio.get_running_loop().create_task(script(self))
            done, _ = await asyncio.wait((self.session, played), return_when=asyncio.FIRST_COMPLETED)
            if played not in done and not self.is_ending:
                self.session.result()
                raise AssertionError(["the session ended", self.said])
            await played

        try:
            life.run(main, limit_s)
        finally:
            self._die(life)

    def _die(self, life):
        """Let go of what the process held."""
        self.home.die()
        for disk in self.home.disks.values():
            disk.kill()
        life.bury()

    def fall(self, script, operations, limit_s=120.0):
        """Run the session; it dies at the n-th operation of its disk after the script is done."""
        life = Life(self.world, None, (Stopped,), lambda: any(one.has_stopped for one in self.home.disks.values()))
        self.machine = SimulatedMachine(life, self.home, SegmentSizes(262_144, 1_048_576, 65_536))

        async def main(_):
            played = asyncio.get_running_loop().create_task(script(self))
            played.add_done_callback(lambda _: setattr(self.disk, "stop_at", operations))
            await live.life((self.file,), OPTIONS, self._say, lambda _: None, self.machine)

        over = life.run(main, limit_s)
        self._die(life)
        assert over.is_killed, self.said

    async def ended(self, within_s=60.0):
        """Return how the session ended, once it has."""
        self.is_ending = True
        done, _ = await asyncio.wait((self.session,), timeout=within_s)
        assert done, self.said
        return self.session.result()

    @property
    def run(self):
        """The session that runs: a SessionRun."""
        return self.machine.show.__self__

    def _say(self, text):
        self.said.append(f"{self.world.now_s:.3f} {text}")

    def truth(self):
        """Return what is true at the venue."""
        return control.truth(self.server.venue)

    def view(self):
        """Return what ``session show`` prints; {} before the session can be asked."""
        return self.machine.show() if self.machine.show is not None else {}

    @property
    def disk(self):
        """The disk of the last session."""
        return self.home.disks[self.home.session_names()[-1]]

    def asks(self):
        """Return what the session sent to the venue: its ASK records."""
        return [json.loads(one.payload) for one in records(self.disk, files.JOURNAL) if one.kind == RecordKind.ASK]

    def order(self, client_id, *, kind=OrderKind.MARKET, side=Side.BUY, qty=0.01, **fields):
        """Send an order as another process with the account's key does; return the answer."""
        wanted = SubmitOrder(
            client_id, "BTCUSDT", side, kind, TimeInForce.GTC, qty, math.nan, math.nan, Trigger.LAST, False, False, 0
        )  # fmt: skip
        return self.send(replace(wanted, **fields))

    def send(self, request):
        """Send a request as another process with the account's key does; return the answer."""
        dialect, _ = venues.load("binance-usdm", URL)
        now_ns = self.world.machine.true_ns()
        call = dialect.encode(request, now_ns // 1_000_000, Credentials(KEY, SECRET))
        parts = urlsplit(call.url)
        answer = self.server.respond(call.method, parts.path, parts.query, call.headers, call.body, now_ns)
        self.world.look()
        return answer

    def cancel(self, client_id, *, is_conditional=True):
        """Cancel an order as another process with the account's key does."""
        assert self.send(CancelOrder(client_id, "BTCUSDT", is_conditional)).status == 200

    async def another(self):
        """Start the same session once more, on the same machine."""
        return await live.life((self.file,), self.options, self._say, lambda _: None, self.machine)

    def fault(self, **body):
        """Arm a fault of the twin."""
        control.fault(self.server.venue, body)

    async def until(self, is_reached, within_s=30.0):
        """Return the view once it is as wanted."""
        ends_s = self.world.now_s + within_s
        while self.world.now_s < ends_s:
            seen = self.view()
            if seen and is_reached(seen):
                return seen
            await asyncio.sleep(0.05)
        raise AssertionError([self.said[-40:], self.view()])

    async def called(self, endpoint):
        """Wait until a request has arrived from now on."""
        count = len(self.server.calls)
        while all(call != endpoint for _, call in self.server.calls[count:]):  # noqa: ASYNC110 # of virtual time
            await asyncio.sleep(0.001)

    async def ready(self):
        """Wait until entries may be made."""
        return await self.until(lambda shown: shown["state"] == "RUNNING" and shown["is_ready"])
