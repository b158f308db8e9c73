"""A hundred orders a second from a live session to a twin over sockets of this machine: none lost, none doubled.

Run: PYTHONPATH=src python benches/orders.py [--seconds 60] [--symbols 20] [--levels 5]. A twin in another process plays
symbols whose price changes its level so many times a second, each symbol at its own moment. A live session of the
product enters each time a price has risen (an order, and a stop at the venue) and leaves each time it has fallen (an
order, and a cancel): symbols x levels orders at market a second. Rate limits are those of Binance times LIMITS_TIMES,
at the twin as in the dialect, because what is measured is the product and not its venue.

At the end orders and executions at the twin are held against the journal's: every order that was asked for is there
once, nothing else is, wallets are equal, and nothing is left. Exit code 1 if not.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from children import commit, cpu_model

from tightloop.adapters import venues
from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.cli import main as command_line
from tightloop.app.runs.live import files, outside
from tightloop.app.sandbox.binance_usdm import limits
from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.listing import Listing, TierRule
from tightloop.app.sandbox.markets.source import Candle, print_row, quote_row
from tightloop.app.sandbox.server import Sandbox
from tightloop.model.times import MINUTE_NS, SECOND_NS
from tightloop.runtime.session.journal import RecordKind, records

LOW, HIGH = 100.0, 100.02
LIMITS_TIMES = 1_000
load = venues.load
BEGIN_S = 4
"""Seconds until a session trades."""
STRATEGY = """\
name: orders
family: signal
direction: LONG
instruments: [{names}]
feed: [trades]
capital: 9_000
variants:
  last: {{type: LAST_PRICE, t1: 1, t2: 0}}
sections:
  S1: {{all: [{{last: ">= 100.01"}}]}}
  Z1:
    immediate: true
    order: {{type: market}}
    size: {{type: fixed, value: 50}}
    stop_loss: {{type: percent, value: 20}}
  ZE1: {{all: [{{last: "< 100.01"}}], cooldown_min: 0}}
limits: {{max_daily_trades: 100000, max_concurrent_positions: {count}}}
costs: {{taker_bps: 5, maker_bps: 2}}
latency: {{submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}}
"""


def symbol_of(number: int) -> str:
    """Return the symbol of a coin."""
    return f"C{number:02}USDT"


class Steps:
    """The market: prices that change between two levels, ``levels`` times a second, each symbol at its own moment."""

    def __init__(self, start_ns: int, symbols: int, levels: int) -> None:
        self.begin_ns = self.start_ns = start_ns
        self.is_synthetic, self._step_ns = True, SECOND_NS // (symbols * levels)
        tiers = (TierRule(50_000.0, 0.01, 50), TierRule(float("inf"), 0.02, 25))
        self.listings = tuple(
            Listing(
                symbol=symbol_of(at), base=f"C{at:02}", price_digits=2, lot_digits=1, tick_units=1, lot_units=1,
                qty_max=100_000, market_qty_max=10_000, notional_min=5.0, taker_rate=0.0005, maker_rate=0.0002,
                depth=1_000, tiers=tiers,
            )
            for at in range(symbols)
        )  # fmt: skip

    def rows(self) -> Any:
        """Yield a quote and a print for each change."""
        count = len(self.listings)
        number = 0
        while True:
            at_ns, symbol = self.start_ns + number * self._step_ns, symbol_of(number % count)
            here = HIGH if number // count % 2 else LOW
            yield quote_row(at_ns, symbol, here - 0.01, 10_000, here, 10_000)
            yield print_row(at_ns + 1, symbol, here, 1, False)
            number += 1

    def past(self, _symbol: str) -> list[Candle]:
        """Return 100 minutes at the lower level."""
        first = self.start_ns - 100 * MINUTE_NS
        return [Candle(first + at * MINUTE_NS, LOW, LOW, LOW, LOW, 40, 20, 400.0, 200.0, 4) for at in range(100)]

    def rate(self, _symbol: str, _ts_ns: int) -> float:
        """Return a funding rate."""
        return 0.0001


async def serve(symbols: int, levels: int) -> None:
    """Serve until standard input ends."""
    limits.WEIGHT_MAX, limits.ORDERS_10S_MAX, limits.ORDERS_1M_MAX = (
        many * LIMITS_TIMES for many in (limits.WEIGHT_MAX, limits.ORDERS_10S_MAX, limits.ORDERS_1M_MAX)
    )
    now_ns = time.time_ns()
    exchange = Exchange(Steps(now_ns - now_ns % SECOND_NS, symbols, levels), 1, 10_000.0)
    sandbox = Sandbox(BinanceTwin(exchange, Faults(1), "twin", "twin-secret", "twin"), 1.0)
    print(await sandbox.start(0), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await sandbox.stop()


def load_wide(name: str, url: str | None) -> tuple[Any, str]:
    """Load a dialect with limits that leave room. What repeats the journal has to know them as well."""
    dialect, where = load(name, url)
    can = dialect.capabilities
    wide = tuple(replace(one, count=one.count * LIMITS_TIMES) for one in can.limits)
    return replace(dialect, capabilities=replace(can, limits=wide)), where


def session(url: str, folder: Path, options: argparse.Namespace) -> tuple[Path, float]:
    """Run a live session to its end; return its home, and the CPU seconds of it and what it started."""
    strategy, home = folder / "orders.yaml", folder / "home"
    names = ", ".join(f'"binance:{symbol_of(at)}-perp"' for at in range(options.symbols))
    strategy.write_text(STRATEGY.format(names=names, count=options.symbols), encoding="utf-8")
    command = [
        sys.executable, __file__, "--trade", "live", str(strategy), "--venue", "binance-usdm", "--url", url,
        "--home", str(home), "--enable-live", "--confirm", "TRADE main", "--override-paper", "a benchmark",
        "--for", f"{options.seconds + BEGIN_S:g}s", "--on-exit", "flatten", "--account", "research",
    ]  # fmt: skip
    keys = {"TIGHTLOOP_BINANCE_USDM_KEY": "twin", "TIGHTLOOP_BINANCE_USDM_SECRET": "twin-secret"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        sys.exit(f"the session ended with exit code {run.returncode}\n{run.stderr[-2_000:]}")
    return home, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def asked_for(home: Path) -> list[tuple[str, int]]:
    """Return client id and time of every request for an order, as the journal has them."""
    about = Home(home).read_session("last")
    found = []
    for record in records(LocalDisk(Home(home).folder(about["id"])), files.JOURNAL):
        if record.kind == RecordKind.ASK:
            said = json.loads(record.payload)
            if said["call"].startswith("POST ") and said["client_id"]:
                found.append((said["client_id"], int(said["signed_ns"])))
    return found


def differences(asked: list[str], truth: dict[str, Any], shown: dict[str, Any]) -> list[str]:
    """Return what is wrong at the end: orders lost, doubled or of nobody, executions, the wallet, what is left."""
    there = Counter(order["client_id"] for order in truth["orders"])
    own = {name for order in truth["orders"] if (name := order["client_id"]).startswith("tl")}
    wrong = [f"asked for twice: {name}" for name, times in Counter(asked).items() if times > 1]
    wrong += [f"lost: {name}" for name in asked if name not in there]
    wrong += [f"at the venue {times} times: {name}" for name, times in there.items() if times > 1]
    wrong += [f"not asked for: {name}" for name in own - set(asked)]
    executed = {(fill["symbol"], str(fill["trade_id"])) for fill in truth["fills"]}
    wrong += [f"not executed: {fill}" for fill in shown["fills"] if (fill["symbol"], fill["trade_id"]) not in executed]
    if abs(truth["wallet"] - shown["wallet"]) > 1e-9 * truth["wallet"]:
        wrong.append(f"wallet: {truth['wallet']} at the twin, {shown['wallet']} here")
    wrong += [f"left: {row}" for row in (*truth["positions"], *shown["positions"])]
    return wrong


def told(options: argparse.Namespace, asked: list[tuple[str, int]], cpu_s: float) -> None:
    """Print what was reached."""
    times = np.sort(np.array([at_ns for _, at_ns in asked]))
    seconds = (times - times[0]) // SECOND_NS
    counts = np.bincount(seconds)[1 : int(options.seconds)]
    wanted = options.symbols * options.levels
    print("| | orders |\n|---|--:|")
    print(f"| in all, stops among them | {len(asked):,} |")
    print(f"| a second, median and least (at market alone {wanted}) | {np.median(counts):.0f}, {counts.min()} |")
    print(f"| ms CPU an order, of the session and what it starts | {cpu_s / len(asked) * 1e3:.2f} |")


def main() -> int:
    """Measure, compare and print."""
    venues.load = load_wide  # type: ignore[assignment]  # a dialect has more than the port asks for
    if sys.argv[1:2] == ["--trade"]:
        command_line.main(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--levels", type=int, default=5, help="changes of a price in a second")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.symbols, options.levels))
        return 0
    print(f"{Path(__file__).name}, commit {commit()}: {options.symbols} symbols, {options.seconds:g} s; made-up prices")
    machine = f"{cpu_model()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    command = [sys.executable, __file__, "--serve", "--symbols", str(options.symbols), "--levels", str(options.levels)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as twin:
        assert twin.stdin is not None
        assert twin.stdout is not None
        url = f"http://127.0.0.1:{int(twin.stdout.readline())}"
        try:
            with tempfile.TemporaryDirectory() as folder:
                home, cpu_s = session(url, Path(folder), options)
                asked, shown = asked_for(home), outside.shown(home, "last")
            with urllib.request.urlopen(f"{url}/_twin/truth", timeout=60) as answer:
                truth = json.load(answer)
        finally:
            twin.stdin.close()
    told(options, asked, cpu_s)
    wrong = differences([name for name, _ in asked], truth, shown)
    print("\n".join([f"\nwrong: {len(wrong)}", *wrong[:20]]) if wrong else "\nnone lost, none doubled; the twin agrees")
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
