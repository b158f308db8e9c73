"""The exchange twin in a simulated world: bytes of its dialect over a network with faults, the same ones for a seed."""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path

from sim.virtual.faults import NET, Faults
from sim.virtual.lives import Life
from sim.virtual.twin import KEY, SECRET, TwinServer
from sim.virtual.world import World
from tightloop.ports.transport import HttpCall, NoAnswer, NotSent, SocketClosed

ROOT = Path(__file__).resolve().parents[3]
URL = "https://twin.test"
STREAMS = [f"{symbol}@{kind}" for symbol in ("btcusdt", "ethusdt") for kind in ("trade", "bookTicker", "depth@100ms")]


def signed(life, method, path, **parameters):
    """Return a signed call with the machine's time."""
    parameters = {**parameters, "recvWindow": 5_000, "timestamp": life.clock.now_ns() // 1_000_000}
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    return HttpCall(method, f"{URL}/fapi/v1/{path}?{query}&signature={signature}", {"X-MBX-APIKEY": KEY})


async def trade(life, orders=8):
    """Follow public and private streams, and send orders; return the answers and the kinds of frames."""
    answers, kinds, following = [], {}, []

    async def follow(path, names):
        while True:
            try:
                socket = await life.transport.open_socket(f"wss://twin.test{path}")
                if names:
                    await socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
                while True:
                    frame = await socket.receive()
                    try:
                        kind = json.loads(frame).get("e", "answer")
                    except ValueError:
                        kind = "cut"
                    kinds[kind] = kinds.get(kind, 0) + 1
            except SocketClosed:
                await asyncio.sleep(1)

    async def ask(call):
        try:
            answer = await life.transport.call(call, 2.0)
        except (NotSent, NoAnswer) as error:
            return type(error).__name__
        return json.loads(answer.body)

    key = {}
    while "listenKey" not in key:
        found = await ask(signed(life, "POST", "listenKey"))
        key = found if isinstance(found, dict) else {}
    following = [
        asyncio.ensure_future(follow("/public/ws", STREAMS)),
        asyncio.ensure_future(follow(f"/private/ws/{key['listenKey']}", [])),
    ]
    for number in range(orders):
        side = ("BUY", "SELL")[number % 2]
        call = signed(
            life, "POST", "order", symbol="ETHUSDT", side=side, type="MARKET", quantity="0.1",
            newClientOrderId=f"e{life.await_count}n{number}",
        )  # fmt: skip
        answers.append(await ask(call))
        await asyncio.sleep(1)
    for task in following:
        task.cancel()
    return answers, kinds


def traded(seed, rates):
    """Trade in a world with a twin; return world, twin, answers and kinds of frames."""
    server, faults = TwinServer("pump", seed), Faults(seed, rates)
    world = World(server, faults)
    life = Life(world)
    answers, kinds = life.run(trade, limit_s=600).result
    life.bury()
    return world, server, answers, kinds


def test_without_faults_orders_are_filled_and_both_streams_tell():
    _, server, answers, kinds = traded(1, {})
    assert [answer["side"] for answer in answers] == ["BUY", "SELL"] * 4
    assert len(server.exchange.executions) >= 8
    assert kinds["ORDER_TRADE_UPDATE"] >= 14, "accepted, then filled; the first while the stream is opened"
    assert {"trade", "bookTicker", "depthUpdate", "ACCOUNT_UPDATE"} <= kinds.keys()


def test_with_faults_what_was_executed_is_what_was_answered_and_what_was_not_known():
    for seed in range(2):
        world, server, answers, _ = traded(seed, dict.fromkeys(NET, 0.05))
        unknown = answers.count("NoAnswer")
        answered = sum(isinstance(answer, dict) and "orderId" in answer for answer in answers)
        executed = len({fill.order_id for fill in server.exchange.executions})
        assert answered <= executed <= answered + unknown
        assert sum(world.faults.hits.values()) > 0


def test_traces_with_the_twin_are_equal_under_two_hash_seeds():
    code = (
        "from tests.sim.virtual.test_twin import NET, traded\n"
        "print(*(traded(seed, dict.fromkeys(NET, 0.05))[0].trace.hexdigest() for seed in (1,)))"
    )
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "tests", ROOT / "src"))
    printed = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
        )
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert len(printed[0].split()) == 1
