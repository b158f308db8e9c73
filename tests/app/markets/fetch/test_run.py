"""`data fetch` against the twin, over real sockets: interrupted, limited, restarted, and the rows are the same."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from click.testing import CliRunner

from tightloop.adapters.data.catalog import Catalog
from tightloop.app.cli.commands.data import data
from tightloop.app.markets.fetch.run import Wish, fetch
from tightloop.app.runs.backtest import backtest
from tightloop.app.sandbox import start
from tightloop.app.sandbox.server import Sandbox
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import iso

BTC = InstrumentId.parse("binance:BTCUSDT-perp")
MINUTE_NS = 60 * 10**9


class Served:
    """A server in a thread of its own; ``restart`` closes its port for a while."""

    def __init__(self, begin):
        self.loop = asyncio.new_event_loop()
        self.begin, self.stop, self.port = begin, None, 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.on(self._open())

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def on(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    async def _open(self):
        self.port, self.stop = await self.begin(self.port)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def restart(self, down_s):
        self.on(self.stop())
        time.sleep(down_s)
        self.on(self._open())

    def close(self):
        self.on(self.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def twin():
    wanted = start.Wanted(
        venue="binance-usdm", port=0, sample="pump", catalog=None, begin=None, speed=1.0, seed=1, faults=None,
        key="twin", secret="twin-secret", wallet=10_000.0, length=None,
    )  # fmt: skip
    venue = start.build(wanted, time.time_ns())

    async def begin(port):
        sandbox = Sandbox(venue, 1.0)
        return await sandbox.start(port), sandbox.stop

    served = Served(begin)
    served.venue = venue
    yield served
    served.close()


def wish(root, url, kind, start_ns=None, end_ns=None, name="BTCUSDT-perp"):
    return Wish(root, "binance", name, kind, start_ns, end_ns, url)


def fetched(*arguments, **options):
    said = []
    return fetch(wish(*arguments, **options), said.append, lambda done, total: None), said


def bytes_of(root, folder):
    return {path.name: path.read_bytes() for path in sorted((root / folder).rglob("*.parquet"))}


def window(hours=2):
    end_ns = time.time_ns() - 10 * 10**9
    end_ns -= end_ns % (5 * MINUTE_NS)
    return end_ns - hours * 60 * MINUTE_NS, end_ns


def test_bars_trades_and_rules_of_the_twin_are_a_catalog_that_is_fit(twin, tmp_path):
    start_ns, end_ns = window()
    bars, _ = fetched(tmp_path, twin.url, "1m", start_ns, end_ns)
    assert (bars.path, bars.rows, bars.added, bars.notes) == ("bars/binance/BTCUSDT-perp-1m.parquet", 120, 120, ())
    trades, _ = fetched(tmp_path, twin.url, "trades", start_ns, end_ns)
    assert trades.rows == trades.added > 500
    rules, _ = fetched(tmp_path, twin.url, "rules")
    catalog = Catalog(tmp_path)
    found = catalog.rules(BTC)
    assert (found.price_increment, found.lot_size, found.min_notional, found.settle_asset) == (0.1, 0.001, 5.0, "USDT")
    assert rules.added == 7
    loaded = catalog.bars(BTC, "1m")
    assert not loaded.report.faults
    ticks = catalog.ticks("trades", BTC)
    assert not ticks.report.faults
    assert any("aggregate trades" in note for note in ticks.report.notes)
    last = ticks.columns["price"][ticks.columns["ts_event_ns"] < loaded.bars["close_ns"][60]][-1]
    assert last == loaded.bars["close"][60]


def test_what_is_there_is_not_asked_for_again(twin, tmp_path):
    start_ns, end_ns = window()
    for kind in ("1m", "trades"):
        first, _ = fetched(tmp_path, twin.url, kind, start_ns, end_ns)
        before = bytes_of(tmp_path, first.path.partition("/")[0])
        again, _ = fetched(tmp_path, twin.url, kind, start_ns, end_ns)
        assert (again.rows, again.added) == (first.rows, 0)
        assert again.calls < first.calls or first.calls == 2
        assert bytes_of(tmp_path, first.path.partition("/")[0]) == before


def test_limits_errors_and_a_restart_change_no_row(twin, tmp_path):
    start_ns, end_ns = window()
    fetched(tmp_path / "calm", twin.url, "trades", start_ns, end_ns)
    for kind in ("rate_429", "ban_418", "http_5xx", "maintenance"):
        body = {"kind": kind, "count": 1, "value": 1, "match": "aggTrades"}
        twin.venue.faults.arm(body, 0, twin.venue.exchange.now_ns)
    restarting = threading.Timer(2.0, twin.restart, [2.0])
    restarting.start()
    began_s = time.monotonic()
    rough, said = fetched(tmp_path / "rough", twin.url, "trades", start_ns, end_ns)
    restarting.join()
    again, _ = fetched(tmp_path / "rough", twin.url, "trades", start_ns, end_ns)
    assert again.added == 0
    assert time.monotonic() - began_s >= 2.0
    assert any("fewer requests" in line for line in said)
    assert any("bans this address" in line for line in said)
    assert any("does not answer" in line for line in said)
    assert bytes_of(tmp_path / "rough", "trades") == bytes_of(tmp_path / "calm", "trades")
    assert rough.notes == ()


def test_the_window_grows_by_what_is_lacking(twin, tmp_path):
    start_ns, end_ns = window()
    third_ns = (end_ns - start_ns) // 3
    for kind in ("trades", "1m"):
        fetched(tmp_path / "parts", twin.url, kind, start_ns + third_ns, start_ns + 2 * third_ns)
        fetched(tmp_path / "parts", twin.url, kind, start_ns, end_ns)
        fetched(tmp_path / "whole", twin.url, kind, start_ns, end_ns)
    assert bytes_of(tmp_path / "parts", ".") == bytes_of(tmp_path / "whole", ".")


def test_single_trades_and_aggregates_are_not_mixed(twin, tmp_path):
    start_ns, end_ns = window(1)
    fetched(tmp_path, twin.url, "trades", start_ns, end_ns)
    csv = tmp_path / "trades.csv"
    csv.write_text(f"time,id,price,qty,is_buyer_maker\n{start_ns // 10**6},1,60000.0,0.1,true\n", encoding="utf-8")
    command = ["import", str(csv), "--as", "trades:binance:BTCUSDT-perp", "--data", str(tmp_path)]
    refused = CliRunner().invoke(data, command)
    assert refused.exit_code == 2
    assert "holds aggregate trades" in refused.output
    CliRunner().invoke(data, [*command[:-1], str(tmp_path / "other")], catch_exceptions=False)
    with pytest.raises(InputError, match="holds single trades"):
        fetched(tmp_path / "other", twin.url, "trades", start_ns, end_ns)


def test_the_command_says_what_it_did(twin, tmp_path):
    start_ns, end_ns = window(1)
    common = ["--data", str(tmp_path), "--url", twin.url]
    since = ["--since", iso(start_ns), "--until", iso(end_ns)]
    run = CliRunner().invoke(data, ["fetch", "binance", "ETHUSDT-perp", "5m", *since, *common])
    assert run.exit_code == 0, run.output
    assert "12 rows in the window, 12 of them new" in run.output
    assert "fit     bars/binance/ETHUSDT-perp-5m.parquet" in run.output
    spot = CliRunner().invoke(data, ["fetch", "binance-usdm", "BTCUSDT-spot", "1m", *since, *common])
    assert spot.exit_code == 0, spot.output
    unknown = CliRunner().invoke(data, ["fetch", "binance", "NOPEUSDT-perp", "1m", *since, *common])
    assert unknown.exit_code == 2
    assert "Invalid symbol" in unknown.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["kraken", "BTCUSDT-perp", "1m", "--since", "2024-01-01"], "no venue to fetch from"),
        (["binance", "BTCUSDT", "1m", "--since", "2024-01-01"], "is not venue:SYMBOL-market"),
        (["binance", "BTCUSDT-perp", "7m", "--since", "2024-01-01"], "cannot be fetched"),
        (["binance", "BTCUSDT-perp", "1m"], "--since: is missing"),
        (["binance", "BTCUSDT-spot", "funding", "--since", "2024-01-01"], "spot has no funding"),
        (["binance", "BTCUSDT-perp", "1m", "--since", "2024-02-01", "--until", "2024-01-01"], "is not before --until"),
        (["binance", "BTCUSDT-perp", "1m", "--since", "x"], "is not a time"),
        (["binance", "BTCUSDT-perp", "1m", "--since", "2024-01-01", "--url", "http://10.0.0.1"], "would show keys"),
    ],
)
def test_what_cannot_be_fetched_is_refused_before_anything_is_asked(arguments, words, tmp_path):
    run = CliRunner().invoke(data, ["fetch", *arguments, "--data", str(tmp_path)])
    assert run.exit_code == 2
    assert words in run.output
    assert not list(tmp_path.iterdir())


HISTORY_NS = 1_764_000_000_000_000_000


@pytest.fixture
def slow():
    """A venue with 30,000 aggregate trades, a hole of three ids, and a thousand rows in 20 ms."""

    asked = []

    async def aggregates(request):
        asked.append(request.query_string)
        await asyncio.sleep(0.02)
        first, count = int(request.query.get("fromId", 0)), int(request.query["limit"])
        rows = [n for n in range(first, min(30_000, first + count + 3)) if not 12_345 <= n <= 12_347][:count]
        at_ms = HISTORY_NS // 10**6
        return web.json_response([
            {"a": n, "p": f"{60_000 + n % 7}.5", "q": "0.010", "f": n, "l": n, "T": at_ms + 100 * n, "m": n % 2 == 0}
            for n in rows
        ])  # fmt: skip

    async def rates(request):
        first, last = int(request.query["startTime"]), int(request.query["endTime"])
        stamps = [
            at for at in range(HISTORY_NS // 10**6 + 3, HISTORY_NS // 10**6 + 10**9, 28_800_000) if first <= at <= last
        ]
        return web.json_response(
            [{"symbol": "BTCUSDT", "fundingTime": at, "fundingRate": "0.00010000"} for at in stamps]
        )

    async def told(_request):
        return web.json_response({"serverTime": HISTORY_NS // 10**6 + 86_400_000})

    async def begin(port):
        app = web.Application()
        app.router.add_get("/fapi/v1/aggTrades", aggregates)
        app.router.add_get("/fapi/v1/time", told)
        app.router.add_get("/fapi/v1/fundingRate", rates)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        return runner.addresses[0][1], runner.cleanup

    served = Served(begin)
    served.asked = asked
    yield served
    served.close()


def test_funding_is_a_dataset_that_runs(slow, tmp_path):
    for end_ns in (HISTORY_NS + 8 * 3_600 * 10**9, HISTORY_NS + 24 * 3_600 * 10**9):
        done, _ = fetched(tmp_path, slow.url, "funding", HISTORY_NS - 10**9, end_ns)
    assert (done.rows, done.added) == (3, 2)
    funding = Catalog(tmp_path).funding("binance", "BTCUSDT")
    assert funding.rate.tolist() == [0.0001] * 3
    assert funding.ts_ns.tolist() == [HISTORY_NS + n * 28_800 * 10**9 for n in range(3)]


def test_a_dataset_in_part_files_is_not_doubled(slow, tmp_path):
    (tmp_path / "bars" / "binance" / "BTCUSDT-perp-1m").mkdir(parents=True)
    with pytest.raises(InputError, match="folder of part files"):
        fetched(tmp_path, slow.url, "1m", HISTORY_NS, HISTORY_NS + 10**12)
    assert not slow.asked


@pytest.mark.skipif(os.name == "nt", reason="a process gets no Ctrl-C of its own there")
def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(slow, tmp_path):
    end_ns = HISTORY_NS + 30_000 * 10**8
    command = [
        sys.executable, "-m", "tightloop.app.cli.main", "data", "fetch", "binance", "BTCUSDT-perp", "trades", "--since",
        str(HISTORY_NS), "--until", str(end_ns), "--url", slow.url, "--data", str(tmp_path / "torn"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(Path("src").resolve())},
    )
    while len(slow.asked) < 8 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert b"what was finished is kept" in output
    before = pq.read_table(next((tmp_path / "torn" / "trades").rglob("*.parquet"))).num_rows
    assert 5_000 <= before < 29_997
    whole, _ = fetched(tmp_path / "whole", slow.url, "trades", HISTORY_NS, end_ns)
    rest, _ = fetched(tmp_path / "torn", slow.url, "trades", HISTORY_NS, end_ns)
    assert whole.added == 29_997
    assert rest.added == 29_997 - before
    assert bytes_of(tmp_path / "torn", "trades") == bytes_of(tmp_path / "whole", "trades")
    assert whole.notes == ("the venue has no trades of 3 ids, first 12345 to 12347",)


# What a user does, in processes of their making: torn off, limited, its server restarted ------------------------------

FETCH = (sys.executable, "-m", "tightloop.app.cli.main", "data", "fetch", "binance", "BTCUSDT-perp")
TICKS_ALONE = """\
name: taker
family: signal
direction: LONG
instruments: ["binance:BTCUSDT-perp"]
feed: [trades]
capital: 10_000
variants:
  fast: {type: TWPA, t1: 60}
  slow: {type: TWPA, t1: 600}
sections:
  S1: {all: [{fast: "> slow"}]}
  Z1: {immediate: true, order: {type: market}, size: {type: fixed, value: 500}, stop_loss: {type: percent, value: 1}}
  ZE1: {all: [{fast: "< slow"}]}
costs: {taker_bps: 5, maker_bps: 2, slippage: {type: none}}
latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5}
"""


def asked_of(url, path):
    with urllib.request.urlopen(f"{url}/fapi/v1/{path}", timeout=10) as answer:
        return json.load(answer)


def all_trades(url, start_ns, end_ns):
    """Return the twin's aggregate trades of a window, asked page by page by another code than the product's."""
    first_ms = start_ns // 10**6
    rows = asked_of(url, f"aggTrades?symbol=BTCUSDT&startTime={first_ms}&endTime={first_ms + 3_599_999}&limit=1000")
    while rows[-1]["T"] < end_ns // 10**6:
        page = asked_of(url, f"aggTrades?symbol=BTCUSDT&fromId={rows[-1]['a'] + 1}&limit=1000")
        if not page:
            break
        rows += page
    return [row for row in rows if row["T"] < end_ns // 10**6]


def torn(command, served, asked, number):
    """Run a fetch until the twin was asked ``asked`` more times, end it by a signal, and return its exit code."""
    requests = served.venue.requests
    seen = len(requests)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(Path("src").resolve())},
    )  # fmt: skip
    while len(requests) - seen < asked and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0, output
    return process.returncode


@pytest.mark.skipif(os.name == "nt", reason="a process gets no Ctrl-C of its own there")
def test_torn_off_limited_and_restarted_the_rows_are_the_twins_and_a_backtest_runs_on_them(twin, tmp_path):
    start_ns, end_ns = window()
    theirs = all_trades(twin.url, start_ns, end_ns)
    assert len(theirs) > 3_500
    last_ns = theirs[3_000]["T"] * 10**6
    last_ns -= last_ns % MINUTE_NS
    exchange, faults, root = twin.venue.exchange, twin.venue.faults, tmp_path / "data"

    def command(kind, since_ns, until_ns):
        return [
            *FETCH,
            kind,
            "--since",
            str(since_ns),
            "--until",
            str(until_ns),
            "--url",
            twin.url,
            "--data",
            str(root),
        ]

    # The last part first, so that a gap is between it and what a torn fetch leaves.
    whole = {kind: command(kind, start_ns, end_ns) for kind in ("trades", "1m")}
    for kind in whole:
        fetched(root, twin.url, kind, last_ns, end_ns)
    faults.arm({"kind": "slow_reply", "for_s": 60, "value": 0.2, "match": "aggTrades"}, 0, exchange.now_ns)
    assert torn(whole["trades"], twin, 4, signal.SIGINT) == 130
    assert torn(whole["trades"], twin, 2, signal.SIGKILL) == -signal.SIGKILL
    faults.armed.clear()
    with pytest.raises(UnfitDataError, match=r"holes: missing: .* in 1 gap"):
        Catalog(root).ticks("trades", BTC)
    stored = next((root / "trades").rglob("*.parquet"))
    before = pq.read_table(stored, columns=["trade_id"])["trade_id"].to_numpy()
    assert len(np.unique(before)) == len(before)
    for kind in ("rate_429", "ban_418", "http_5xx"):
        faults.arm({"kind": kind, "count": 1, "value": 1, "match": "aggTrades"}, 0, exchange.now_ns)
    restarting = threading.Timer(1.0, twin.restart, [1.0])
    restarting.start()
    for kind in whole:
        fetched(root, twin.url, kind, start_ns, end_ns)
    restarting.join()
    fetched(root, twin.url, "rules")

    trades = Catalog(root).ticks("trades", BTC).columns
    ours = zip(*(trades[name].tolist() for name in ("trade_id", "ts_event_ns", "price", "qty")), strict=True)
    assert list(ours) == [(row["a"], row["T"] * 10**6, float(row["p"]), float(row["q"])) for row in theirs]
    assert trades["buyer_is_maker"].tolist() == [row["m"] for row in theirs]
    bars = Catalog(root).bars(BTC, "1m").bars
    rows = asked_of(
        twin.url,
        f"klines?symbol=BTCUSDT&interval=1m&startTime={start_ns // 10**6}&endTime={end_ns // 10**6 - 1}&limit=1500",
    )
    names = ("open", "high", "low", "close", "volume")
    assert bars["open_ns"].tolist() == [row[0] * 10**6 for row in rows]
    for at, name in enumerate(names, 1):
        assert bars[name].tolist() == [float(row[at]) for row in rows]
    seen = len(twin.venue.requests)
    assert [fetched(root, twin.url, kind, start_ns, end_ns)[0].added for kind in whole] == [0, 0]
    since = [int(one.params["fromId"]) for one in list(twin.venue.requests)[seen:] if "fromId" in one.params]
    assert since == [theirs[-1]["a"] + 1], "no row is asked for again"

    written = tmp_path / "taker.yaml"
    written.write_text(TICKS_ALONE, encoding="utf-8")
    common = {"data": root, "instruments": ["binance:BTCUSDT-perp"]}
    on_bars = backtest("strategies/ema_cross.yaml", **common)
    assert len(on_bars.orders)
    on_ticks = backtest(written, **common)
    assert len(on_ticks.fills)
