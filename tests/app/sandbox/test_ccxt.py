"""Unmodified ccxt speaks with the twin as with Binance: the oracle of its wire. Nothing leaves loopback."""

import asyncio
import contextlib
import json
import re
import time

import pytest

from tightloop.app.sandbox import start
from tightloop.app.sandbox.server import Sandbox

ccxt_pro = pytest.importorskip("ccxt.pro")

S, RAW = "BTC/USDT:USDT", "BTCUSDT"
NOW_NS = 1_790_000_000_000_000_000


def wanted(**changes):
    """Return the options of a twin on a free port."""
    options = {
        "venue": "binance-usdm", "port": 0, "sample": "pump", "catalog": None, "begin": None, "speed": 1.0, "seed": 1,
        "faults": None, "key": "twin", "secret": "twin-secret", "wallet": 10_000.0, "length": None,
    }  # fmt: skip
    return start.Wanted(**{**options, **changes})


def moved(urls, port):
    """Return ccxt's URLs with every host replaced by loopback."""
    if isinstance(urls, dict):
        return {name: moved(url, port) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    scheme = "ws" if urls.startswith("ws") else "http"
    return re.sub(r"^\w+://[^/]+", f"{scheme}://127.0.0.1:{port}", urls)


@contextlib.asynccontextmanager
async def served(**changes):
    """Serve a twin and connect ccxt to it."""
    options = wanted(**changes)
    venue = start.build(options, time.time_ns())
    sandbox = Sandbox(venue, options.speed)
    port = await sandbox.start(0)
    client = ccxt_pro.binanceusdm(
        {"apiKey": "twin", "secret": "twin-secret", "enableRateLimit": False, "options": {"fetchCurrencies": False}}
    )
    client.urls["api"] = moved(client.urls["api"], port)
    client.urls["test"] = moved(client.urls["test"], port)
    client.has["fetchCurrencies"] = False
    try:
        yield client, sandbox
    finally:
        await client.close()
        await sandbox.stop()


async def truth(client, sandbox):
    port = sandbox._runner.addresses[0][1]
    async with client.session.get(f"http://127.0.0.1:{port}/_twin/truth") as answer:
        return await answer.json()


async def refused(call):
    """Return the code that the venue refuses a call with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - ccxt chooses the class by the URL; the code counts
        await call
    found = re.search(r'"code":(-?\d+)', str(caught.value))
    assert found, str(caught.value)
    return int(found[1])


def test_ccxt_trades_on_the_twin():
    asyncio.run(_trade())


async def _trade():
    async with served() as (client, sandbox):
        markets = await client.load_markets()
        assert S in markets
        assert (markets[S]["precision"]["amount"], markets[S]["precision"]["price"]) == (0.001, 0.1)
        assert markets[S]["limits"]["cost"]["min"] == 5.0
        trades = await asyncio.wait_for(client.watch_trades(S), 20)
        assert trades[-1]["price"] > 0
        assert trades[-1]["side"] in ("buy", "sell")
        reports = asyncio.create_task(client.watch_orders(S))
        fills = asyncio.create_task(client.watch_my_trades(S))
        await asyncio.sleep(0.3)
        made = await client.create_order(S, "limit", "buy", 0.01, 59000, {"clientOrderId": "tl0001e1s42i1"})
        assert (made["status"], made["clientOrderId"]) == ("open", "tl0001e1s42i1")
        assert [row["clientOrderId"] for row in await asyncio.wait_for(reports, 5)] == ["tl0001e1s42i1"]
        assert [row["id"] for row in await client.fetch_open_orders(S)] == [made["id"]]
        found = await client.fetch_order(None, S, {"clientOrderId": "tl0001e1s42i1"})
        assert (found["id"], found["status"]) == (made["id"], "open")
        assert (await client.cancel_order(None, S, {"clientOrderId": "tl0001e1s42i1"}))["status"] == "canceled"
        bought = await client.create_order(S, "market", "buy", 0.05, None, {"clientOrderId": "tl0001e1s43i1"})
        assert (bought["status"], bought["filled"]) == ("closed", 0.05)
        mine = await asyncio.wait_for(fills, 5)
        assert mine[-1]["fee"]["cost"] == pytest.approx(mine[-1]["amount"] * mine[-1]["price"] * 0.0005, abs=1e-8)
        (position,) = await client.fetch_positions([S])
        assert (position["side"], position["contracts"]) == ("long", 0.05)
        stop = await client.create_order(
            S, "STOP_MARKET", "sell", 0.05, None, {"stopPrice": 58000, "reduceOnly": True, "clientAlgoId": "tlstop1"}
        )
        assert await refused(client.fapiPrivateGetOrder({"symbol": RAW, "origClientOrderId": "tlstop1"})) == -2013
        assert [row["clientOrderId"] for row in await client.fetch_open_orders(S, params={"trigger": True})] == [
            "tlstop1"
        ]
        await client.cancel_order(stop["id"], S, {"trigger": True})
        sold = await client.create_order(S, "market", "sell", 0.05, None, {"reduceOnly": True})
        assert sold["status"] == "closed"
        real = await truth(client, sandbox)
        balance = await client.fetch_balance()
        until = f"http://127.0.0.1:{sandbox._runner.addresses[0][1]}/_twin/until"
        async with client.session.post(until, json={"ts_ns": 0}) as answer:
            assert answer.status == 409, "a twin with a clock is not driven"
        assert balance["USDT"]["total"] == pytest.approx(real["wallet"], abs=1e-7)
        assert real["positions"] == []
        assert next(fill["client_id"] for fill in real["fills"]) == "tl0001e1s43i1"
        assert len(await client.fetch_my_trades(S)) == len(real["fills"])
        assert [row["state"] for row in real["orders"]] == ["CANCELED", "FILLED", "FILLED", "CANCELED"]


def test_the_book_of_ccxt_is_the_book_of_the_twin_after_200_updates():
    asyncio.run(_follow_the_book())


async def _follow_the_book():
    async with served(speed=10.0) as (client, sandbox):
        seen = 0
        while seen < 200:
            book = await asyncio.wait_for(client.watch_order_book(S), 20)
            seen += 1
        board = sandbox.venue.exchange.boards[RAW]
        number, bids, asks = board.snapshot(1_000)
        while book["nonce"] != number:  # frames on their way
            book = await asyncio.wait_for(client.watch_order_book(S), 20)
            number, bids, asks = board.snapshot(1_000)
        qty = board.listing.qty
        assert [list(row) for row in book["bids"]] == [[price, qty(lots)] for price, lots in bids]
        assert [list(row) for row in book["asks"]] == [[price, qty(lots)] for price, lots in asks]


def test_what_the_venue_refuses_is_refused_with_its_codes():
    asyncio.run(_be_refused())


async def _be_refused():
    async with served() as (client, _sandbox):
        await client.load_markets()
        order = {"symbol": RAW, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        assert await refused(client.fetch_order(None, S, {"clientOrderId": "nope"})) == -2013
        assert await refused(client.cancel_order(None, S, {"clientOrderId": "nope"})) == -2011
        assert await refused(client.create_order(S, "limit", "buy", 100, 60000)) == -2019
        assert await refused(client.create_order(S, "market", "sell", 0.05, None, {"reduceOnly": True})) == -2022
        assert await refused(client.create_order(S, "limit", "buy", 0.01, 61500, {"postOnly": True})) == -5022
        assert await refused(client.fapiPrivatePostOrder({**order, "quantity": "0.01", "price": "60000.05"})) == -1111
        assert await refused(client.fapiPrivatePostOrder({**order, "quantity": "0.0001", "price": "60000"})) == -1111
        assert await refused(client.fapiPrivatePostOrder({**order, "quantity": "0.00", "price": "60000"})) == -4003
        assert await refused(client.fapiPrivatePostOrder({**order, "quantity": "9999999", "price": "60000"})) == -4005
        assert await refused(client.fapiPrivatePostOrder({**order, "quantity": "0.001", "price": "70000"})) == -4016
        stop = {**order, "type": "STOP_MARKET", "quantity": "0.01", "stopPrice": "59000"}
        assert await refused(client.fapiPrivatePostOrder(stop)) == -4120
        client.secret = "another"
        assert await refused(client.fapiPrivateV3GetAccount()) == -1022
        client.secret = "twin-secret"
        client.apiKey = "another"
        assert await refused(client.fapiPrivateV3GetAccount()) == -2015
        client.apiKey = "twin"
        client.options["timeDifference"] = 60_000
        assert await refused(client.fapiPrivateV3GetAccount()) == -1021


def test_too_many_requests_get_429_and_then_418_with_retry_after():
    asyncio.run(_ask_too_much())


async def _ask_too_much():
    async with served() as (client, sandbox):
        port = sandbox._runner.addresses[0][1]
        await client.load_markets()
        url = f"http://127.0.0.1:{port}/fapi/v1/depth?symbol={RAW}&limit=1000"
        met = {}
        for _ in range(140):
            async with client.session.get(url) as answer:
                body = json.loads(await answer.read())
                met.setdefault(answer.status, (answer.headers.copy(), body))
        assert sorted(met) == [200, 418, 429]
        assert int(met[200][0]["X-MBX-USED-WEIGHT-1M"]) > 0
        assert met[429][1]["code"] == met[418][1]["code"] == -1003
        assert 1 <= int(met[429][0]["Retry-After"]) <= 60
        assert 60 <= int(met[418][0]["Retry-After"]) <= 120
