"""A new venue is one file: it signs, reads, and runs a paper session over the shared plumbing, nothing else touched."""

import asyncio
import hmac
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.venues.toy import Toy

from tightloop.app.runs.live import outside
from tightloop.app.runs.live.venues import chosen
from tightloop.core.domain.enums import OrderKind, OrderState, Side, TimeInForce, Trigger
from tightloop.model.errors import InputError
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.transport import HttpAnswer
from tightloop.ports.venue import Credentials, VenueDialect

VENUE: VenueDialect = Toy()
STRATEGY = """\
name: toy
family: signal
direction: LONG
instruments: ["toy:ABCUSD-perp"]
feed: [trades, quotes]
capital: 10_000
variants:
  fast: {type: TWPA, t1: 1}
sections:
  S1: {all: [{fast: "> 1"}]}
  Z1: {immediate: true, order: {type: market}, size: {type: fixed, value: 500}, stop_loss: {type: percent, value: 5}}
costs: {taker_bps: 5, maker_bps: 2}
latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}
"""


def test_orders_are_signed_as_the_venue_wants_it_and_its_words_are_understood():
    order = ex.SubmitOrder("tl1", "ABCUSD", Side.SELL, OrderKind.LIMIT, TimeInForce.GTC, 2.0, 10.5, math.nan,
                           Trigger.LAST, is_reduce_only=True, is_post_only=False)  # fmt: skip
    call = VENUE.encode(order, 7, Credentials("key", "secret"))
    assert (call.method, call.body) == ("POST", b"s=ABCUSD&q=-2&p=10.5&id=tl1")
    assert call.headers["Toy-Sign"] == hmac.new(b"secret", b"7" + call.body, "sha256").hexdigest()
    assert "secret" not in VENUE.without_secrets(call)
    (report,) = VENUE.decode(order, HttpAnswer(200, {}, b"O|tl1|9|ABCUSD|done|-2|2|10.5|1764000000123"))
    assert (report.state, report.side, report.cum_qty) == (OrderState.FILLED, Side.SELL, 2.0)
    assert isinstance(VENUE.decode(order, HttpAnswer(400, {}, b"3 no such order")), ex.NoSuchOrder)
    assert isinstance(VENUE.decode(order, HttpAnswer(400, {}, b"6 too little money")), ex.RefusedByVenue)
    assert isinstance(VENUE.decode(order, HttpAnswer(502, {}, b"")), ex.OutcomeUnknown)


@given(st.binary(max_size=60) | st.text(alphabet="TQIOA|0123456789.-BS\n", max_size=60).map(str.encode))
def test_any_bytes_are_records_or_a_typed_failure(raw):
    for found in (VENUE.decode_frame(raw), VENUE.decode(md.ListInstruments(), HttpAnswer(200, {}, raw))):
        assert isinstance(found, (list, ex.Malformed))


class Exchange:
    """A server that speaks the language, in a thread: a price that goes up a cent with each trade."""

    def __init__(self):
        self.loop, self.url = asyncio.new_event_loop(), ""
        self.sold = 0
        self.begun = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.begun.wait(10)

    def trade(self, at):
        return f"T|ABCUSD|{at}|{10 + at / 100:.2f}|1|B|{time.time_ns() // 10**6}"

    async def rules(self, _request):
        return web.Response(text="I|ABCUSD|0.01|0.001")

    async def trades(self, request):
        first = max(1, self.sold - int(request.query["n"]) + 1)
        return web.Response(text="\n".join(self.trade(at) for at in range(first, self.sold + 1)))

    async def stream(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        frame_id, _, wanted = (await socket.receive_str()).split(" ")
        assert wanted == "trades:ABCUSD,quotes:ABCUSD,mark:ABCUSD"
        await socket.send_str(f"A|{frame_id}|ok")
        while not socket.closed:
            self.sold += 1
            bid = 10 + self.sold / 100
            now_ms = time.time_ns() // 10**6
            await socket.send_str(f"Q|ABCUSD|{bid - 0.01:.2f}|500|{bid:.2f}|500|{now_ms}\n{self.trade(self.sold)}")
            await asyncio.sleep(0.02)
        return socket

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.run_forever()

    async def _serve(self):
        app = web.Application()
        for path, answer in (("/rules", self.rules), ("/trades", self.trades), ("/stream", self.stream)):
            app.router.add_get(path, answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.begun.set()

    def close(self):
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


BESIDE = """\
import sys
from tightloop.adapters import venues
venues.__path__.append(sys.argv.pop(1))
from tightloop.app.cli.main import main
main()
"""


def test_put_beside_the_others_it_runs_a_session(tmp_path):
    strategy, home = tmp_path / "toy.yaml", tmp_path / "home"
    strategy.write_text(STRATEGY, encoding="utf-8")
    with pytest.raises(InputError, match="'toy' is not a venue"):
        chosen("toy", None)
    exchange = Exchange()
    command = [
        sys.executable, "-c", BESIDE, str(Path(__file__).parent), "paper", str(strategy), "--venue", "toy", "--url",
        exchange.url, "--home", str(home), "--for", "5s",
    ]  # fmt: skip
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    finally:
        exchange.close()
    assert run.returncode == 5, run.stderr
    shown = outside.shown(home, "last")
    assert shown["state"] == "STOPPED"
    assert [row["symbol"] for row in shown["positions"]] == ["ABCUSD"]
    assert shown["fills"]
