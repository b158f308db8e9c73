"""From a frame of a venue to the order that answers it, over real sockets of this machine, beside an echo.

Run: PYTHONPATH=src python benches/tick_to_wire.py [--seconds 40] [--prints 1000] [--durability power].
A twin in another process plays a price that changes its level four times a second, among prints that say nothing new.
It notes when the frame with a new level left and when the order that follows it came, on one clock. Clients, one after
the other: the *echo* (the product's sockets and HTTP, no engine: a frame with a new level is answered by a call), a
live session of the product whose strategy enters on one level and leaves on the other, and the echo again.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.adapters.venues._shared.http import HttpTransport
from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.runs.live.machine import loop_factory
from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.listing import Listing, TierRule
from tightloop.app.sandbox.markets.source import Candle, MarketRow, print_row, quote_row
from tightloop.app.sandbox.server import Sandbox
from tightloop.model.times import MINUTE_NS, SECOND_NS
from tightloop.ports.market_data import PublicStream
from tightloop.ports.transport import HttpCall

SYMBOL, LOW, HIGH = "ABCUSDT", 100.0, 100.5
LEVEL_NS = 250_000_000
STRATEGY = f"""\
name: levels
family: signal
direction: LONG
instruments: ["binance:{SYMBOL}-perp"]
feed: [trades]
capital: 10_000
variants:
  last: {{type: LAST_PRICE, t1: 1, t2: 0}}
sections:
  S1: {{all: [{{last: ">= 100.25"}}]}}
  Z1:
    immediate: true
    order: {{type: market}}
    size: {{type: fixed, value: 500}}
    stop_loss: {{type: percent, value: 20}}
  ZE1: {{all: [{{last: "< 100.25"}}], cooldown_min: 0}}
limits: {{max_daily_trades: 10000}}
costs: {{taker_bps: 5, maker_bps: 2}}
latency: {{submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}}
"""
LISTING = Listing(
    symbol=SYMBOL, base="ABC", price_digits=2, lot_digits=1, tick_units=1, lot_units=1, qty_max=100_000,
    market_qty_max=10_000, notional_min=5.0, taker_rate=0.0005, maker_rate=0.0002, depth=50,
    tiers=(TierRule(50_000.0, 0.01, 50), TierRule(float("inf"), 0.02, 25)),
)  # fmt: skip


class LevelMarket:
    """The market that is played."""

    def __init__(self, start_ns: int, prints_a_second: int) -> None:
        self.begin_ns = self.start_ns = start_ns
        self.listings, self.is_synthetic = (LISTING,), True
        self._step_ns = SECOND_NS // prints_a_second

    def rows(self) -> Any:
        """Yield prints at the level of their time, with a quote around it where it changes."""
        level = 0.0
        number = 0
        while True:
            at_ns = self.start_ns + number * self._step_ns
            here = HIGH if (at_ns - self.start_ns) // LEVEL_NS % 2 else LOW
            if here != level:
                level = here
                yield quote_row(at_ns, SYMBOL, here - 0.01, 10_000, here, 10_000)
            yield self._print(at_ns, here)
            number += 1

    def _print(self, at_ns: int, price: float) -> MarketRow:
        return print_row(at_ns, SYMBOL, price, 1, False)

    def past(self, _symbol: str) -> list[Candle]:
        """Return 100 minutes at the lower level."""
        first = self.start_ns - 100 * MINUTE_NS
        return [Candle(first + at * MINUTE_NS, LOW, LOW, LOW, LOW, 40, 20, 400.0, 200.0, 4) for at in range(100)]

    def rate(self, _symbol: str, _ts_ns: int) -> float:
        """Return a funding rate."""
        return 0.0001


async def serve(prints: int) -> None:
    """Serve until standard input ends; then print the waits, ns, that were measured since the last line of it."""
    now_ns = time.time_ns()
    exchange = Exchange(LevelMarket(now_ns - now_ns % SECOND_NS, prints), 1, 10_000.0)
    venue = BinanceTwin(exchange, Faults(1), "twin", "twin-secret", "twin")
    left: dict[str, int] = {}
    waits: list[int] = []
    last = {"price": ""}
    send, respond = web.WebSocketResponse.send_str, venue.respond

    async def send_str(self: web.WebSocketResponse, text: str, compress: int | None = None) -> None:
        if '"e":"trade"' in text:
            price = text.partition('"p":"')[2].partition('"')[0]
            if price != last["price"]:
                last["price"] = price
                left["at"] = time.perf_counter_ns()
        await send(self, text, compress)

    def answered(method: str, path: str, query: str, headers: Any, body: bytes, now_ns: int) -> Any:
        if method == "POST" and path.endswith("/v1/order") and "at" in left:
            waits.append(time.perf_counter_ns() - left.pop("at"))
        return respond(method, path, query, headers, body, now_ns)

    web.WebSocketResponse.send_str = send_str  # type: ignore[method-assign]  # the twin notes what leaves it
    venue.respond = answered  # type: ignore[method-assign]  # and what comes
    sandbox = Sandbox(venue, 1.0)
    print(await sandbox.start(0), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(waits), flush=True)
        waits.clear()
    await sandbox.stop()


async def echo(url: str, seconds: float) -> None:
    """Answer each new level by a call, with the product's sockets and no engine."""
    transport, dialect = HttpTransport(), BinanceUsdm(Hosts.at(url))
    (plan,) = dialect.market_sockets([PublicStream.TRADES], [SYMBOL])
    socket = await transport.open_socket(plan.url)
    for _, text in plan.subscriptions:
        await socket.send(text)
    call = HttpCall("POST", f"{url}/fapi/v1/order", {}, b"symbol=ABCUSDT&side=BUY&type=MARKET&quantity=5")
    price, ends_s, calls = b"", time.monotonic() + seconds, set()
    while time.monotonic() < ends_s:
        frame = await socket.receive()
        now = frame.partition(b'"p":"')[2].partition(b'"')[0]
        if now != price:
            price = now
            calls.add(asyncio.ensure_future(transport.call(call, 5.0)))
    await asyncio.gather(*calls)
    await transport.close()


def session_command(url: str, folder: Path, seconds: float, durability: str = "process") -> list[str]:
    """Return the command of a live session whose files are in a folder."""
    strategy = folder / "levels.yaml"
    strategy.write_text(STRATEGY, encoding="utf-8")
    return [
        sys.executable, "-m", "tightloop.app.cli.main", "live", str(strategy), "--venue", "binance-usdm",
        "--url", url, "--home", str(folder / "home"), "--enable-live", "--confirm", "TRADE main",
        "--override-paper", "a benchmark", "--for", f"{seconds:g}s", "--on-exit", "flatten", "--durability", durability,
    ]  # fmt: skip


def keys() -> dict[str, str]:
    """Return the environment with the keys of the twin."""
    return {**os.environ, "TIGHTLOOP_BINANCE_USDM_KEY": "twin", "TIGHTLOOP_BINANCE_USDM_SECRET": "twin-secret"}


def session(url: str, seconds: float, durability: str) -> None:
    """Run a live session."""
    with tempfile.TemporaryDirectory() as folder:
        command = session_command(url, Path(folder), seconds, durability)
        run = subprocess.run(command, env=keys(), capture_output=True, text=True, check=False)
        if run.returncode not in (0, 5):
            sys.exit(run.stderr[-2_000:])


def told(name: str, waits: list[int]) -> None:
    """Print a line of the table."""
    found = np.array(waits) / 1e6
    parts = [f"{np.percentile(found, percent):.2f}" for percent in (50, 90, 99)] if len(found) else ["-"] * 3
    print(f"| {name} | {len(found)} | {' | '.join(parts)} |", flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--prints", type=int, default=1_000)
    parser.add_argument("--durability", choices=("process", "power"), default="process")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(options.prints))
        return
    print(f"{Path(__file__).name}: a live session on a twin, {options.prints:,} prints a second")
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    command = [sys.executable, __file__, "--serve", "--prints", str(options.prints)]
    twin = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert twin.stdin is not None
    assert twin.stdout is not None
    url = f"http://127.0.0.1:{int(twin.stdout.readline())}"

    def measured() -> list[int]:
        assert twin.stdin is not None
        assert twin.stdout is not None
        twin.stdin.write("\n")
        twin.stdin.flush()
        found: list[int] = json.loads(twin.stdout.readline())
        return found

    def echoed() -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(echo(url, options.seconds / 2))

    try:
        print("| | orders | p50 ms | p90 ms | p99 ms |\n|---|--:|--:|--:|--:|")
        echoed()
        told("echo before", measured())
        session(url, options.seconds + 8, options.durability)
        told("session", measured())
        with urllib.request.urlopen(f"{url}/_twin/truth", timeout=10) as answer:
            truth = json.load(answer)
        echoed()
        told("echo after", measured())
    finally:
        twin.stdin.close()
        twin.wait(20)
    filled = sum(order["state"] == "FILLED" for order in truth["orders"] if re.match("tl", order["client_id"]))
    print(f"\n{filled} orders of the session are filled at the twin; load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
