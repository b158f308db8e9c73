"""The twin over real sockets: faults of the network, the truth, and a clock that the client drives."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import aiohttp
import pytest

from app.sandbox.twins import SYMBOL, exchange, quote, trade
from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.server import Sandbox
from tightloop.model.errors import InputError

ROWS = [row for n in range(1, 4_000) for row in (quote(n, 99.99, 100.01), trade(n + 0.5, 100.0, 1))]


class Wire:
    """A client with real sockets."""

    def __init__(self, session, port, sandbox):
        self.session, self.port, self.sandbox = session, port, sandbox

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def order(self, **params):
        """Send a signed order at market; return (status, reply)."""
        wanted = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1.0", **params}
        text = urlencode({**wanted, "timestamp": self.sandbox.now_ns() // 1_000_000})
        text += "&signature=" + hmac.new(b"twin-secret", text.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": "twin", "Content-Type": "application/x-www-form-urlencoded"}
        async with self.session.post(f"{self.url}/fapi/v1/order", data=text, headers=headers) as answer:
            return answer.status, await answer.json()

    async def look(self, name):
        async with self.session.get(f"{self.url}/_twin/{name}") as answer:
            return await answer.json()

    async def act(self, name, **body):
        async with self.session.post(f"{self.url}/_twin/{name}", json=body) as answer:
            return answer.status, await answer.json()

    async def socket(self, path):
        return await self.session.ws_connect(f"ws://127.0.0.1:{self.port}{path}", autoping=False)


@contextlib.asynccontextmanager
async def served():
    """Serve a twin without a clock on a market that is written down."""
    sandbox = Sandbox(BinanceTwin(exchange(*ROWS), Faults(1), "twin", "twin-secret", "twin"), None)
    port = await sandbox.start(0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session:
        yield Wire(session, port, sandbox)
    await sandbox.stop()


def test_a_lost_acknowledgement_was_executed_and_a_lost_request_was_not():
    async def run():
        async with served() as wire:
            for kind in ("ack_lost", "request_lost", "reset", "reset"):
                await wire.act("fault", kind=kind)
                with pytest.raises(aiohttp.ClientError):
                    await wire.order(newClientOrderId=f"{kind}-{len(wire.sandbox.venue.exchange.orders)}")
            made = [row["client_id"] for row in (await wire.look("truth"))["orders"]]
            assert made == ["ack_lost-0", "reset-1"], "of two resets one comes after the request was executed"
            assert await wire.look("hits") == {"ack_lost": 1, "request_lost": 1, "reset": 2}
            assert (await wire.order(newClientOrderId="after"))[0] == 200

    asyncio.run(run())


def test_replies_may_come_late_or_never():
    async def run():
        async with served() as wire:
            await wire.act("fault", kind="slow_reply", value=0.3)
            begun = time.monotonic()
            assert (await wire.order())[0] == 200
            assert time.monotonic() - begun >= 0.3
            await wire.act("fault", kind="half_open")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wire.order(newClientOrderId="silent"), 0.5)
            assert [row["client_id"] for row in (await wire.look("truth"))["orders"]][-1] == "silent"

    asyncio.run(run())


def test_the_answer_comes_before_the_report_unless_the_fault_says_otherwise():
    async def run():
        async with served() as wire:
            key = wire.sandbox.venue.open_listen_key()
            socket = await wire.socket(f"/private/ws?listenKey={key}")
            for kind, first in ((None, "answer"), ("fill_before_ack", "report")):
                if kind:
                    await wire.act("fault", kind=kind)
                order = []
                answered = asyncio.create_task(wire.order())
                answered.add_done_callback(lambda _done, order=order: order.append("answer"))
                while True:
                    frame = json.loads((await socket.receive()).data)
                    if frame["e"] == "ORDER_TRADE_UPDATE" and frame["o"]["x"] == "TRADE":
                        order.append("report")
                        break
                await answered
                await asyncio.sleep(0)
                assert order[0] == first

    asyncio.run(run())


def test_sockets_may_be_cut_or_leave_a_ping_without_an_answer():
    async def run():
        async with served() as wire:
            socket = await wire.socket(f"/public/ws/{SYMBOL.lower()}@trade")
            await socket.ping(b"1")
            assert (await socket.receive()).type is aiohttp.WSMsgType.PONG
            await wire.act("fault", kind="pong_lost")
            await socket.ping(b"2")
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=0.3)
            await wire.act("fault", kind="ws_drop")
            ended = await socket.receive(timeout=5)
            assert ended.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)
            again = await wire.socket(f"/public/ws/{SYMBOL.lower()}@trade")
            await wire.act("until", ts_ns=wire.sandbox.now_ns() + 2 * 10**9)
            assert json.loads((await again.receive(timeout=5)).data)["e"] == "trade"

    asyncio.run(run())


def test_a_client_drives_a_twin_without_a_clock():
    async def run():
        async with served() as wire:
            socket = await wire.socket(f"/public/ws/{SYMBOL.lower()}@trade")
            begin = (await wire.look("truth"))["now_ns"]
            assert (await wire.act("until", ts_ns=begin + 10 * 10**9))[1] == {"now_ns": begin + 10 * 10**9}
            prints = [json.loads((await socket.receive(timeout=5)).data) for _ in range(9)]
            assert [row["T"] - begin // 1_000_000 for row in prints] == [1_500 + 1_000 * n for n in range(9)]
            assert (await wire.look("truth"))["now_ns"] == begin + 10 * 10**9

    asyncio.run(run())


def test_the_truth_and_the_hands_of_outsiders():
    async def run():
        async with served() as wire:
            await wire.order(newClientOrderId="mine")
            status, made = await wire.act("position", symbol=SYMBOL, qty=-3.0)
            assert (status, made["state"], made["side"]) == (200, "FILLED", "SELL")
            assert (await wire.act("deposit", amount=500))[0] == 200
            told = await wire.look("truth")
            assert told["positions"] == [{"symbol": SYMBOL, "qty": -2.0, "entry": 99.99}]
            assert set(told) == {"now_ns", "wallet", "orders", "fills", "positions", "funding", "requests"}
            assert {"order_id", "client_id", "symbol", "side", "type", "qty", "price", "stop_price", "reduce_only",
                    "state", "cum_qty"} <= set(told["orders"][0])  # fmt: skip
            assert set(told["fills"][0]) == {
                "trade_id", "order_id", "client_id", "symbol", "side", "qty", "price", "fee", "is_maker", "ts_ns",
            }  # fmt: skip
            (request,) = await wire.look("requests")
            assert (request["method"], request["path"], request["status"]) == ("POST", "/fapi/v1/order", 200)
            settings = {"hedge_mode": True, "multi_assets": True, "fee_burn": True, "can_withdraw": True}
            assert (await wire.act("account", **settings, cross=[SYMBOL]))[1] == {**settings, "can_trade": True}
            assert (await wire.act("account", colour="red"))[0] == 400
            assert (await wire.act("fault", kind="meteor"))[0] == 400
            assert (await wire.act("position", symbol="NOSUCH", qty=1))[0] == 400
            assert len((await wire.look(f"book/{SYMBOL}"))["bids"]) > 10

    asyncio.run(run())


def test_a_port_that_is_taken_is_said():
    async def run():
        async with served() as wire:
            second = Sandbox(wire.sandbox.venue, None)
            with pytest.raises(InputError, match=f"{wire.port} is taken"):
                await second.start(wire.port)

    asyncio.run(run())
