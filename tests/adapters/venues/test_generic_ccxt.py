"""Market data through ccxt, from a server that speaks an exchange's protocol; and no order, and no ccxt without it."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from tightloop.adapters.venues import generic_ccxt
from tightloop.adapters.venues.generic_ccxt import CcxtTransport, GenericCcxt
from tightloop.app.runs.live import outside, venues
from tightloop.app.sandbox import start
from tightloop.app.sandbox.server import Sandbox
from tightloop.model.errors import InputError
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.transport import HttpAnswer

library = pytest.importorskip("ccxt.async_support")

VENUE = GenericCcxt("binanceusdm")
STRATEGY = """\
name: any
family: signal
direction: LONG
instruments: ["binanceusdm:BTCUSDT-perp"]
feed: [trades, quotes]
capital: 10_000
variants:
  fast: {type: TWPA, t1: 5}
sections:
  S1: {all: [{fast: "> 1"}]}
  Z1: {immediate: true, order: {type: market}, size: {type: fixed, value: 500}, stop_loss: {type: percent, value: 5}}
costs: {taker_bps: 5, maker_bps: 2}
latency: {submit_ms: 5, cancel_ms: 5, response_ms: 5, clock: receive}
"""


@pytest.fixture(scope="module")
def twin():
    wanted = start.Wanted(
        venue="binance-usdm", port=0, sample="pump", catalog=None, begin=None, speed=1.0, seed=1, faults=None,
        key="twin", secret="twin-secret", wallet=10_000.0, length=None,
    )  # fmt: skip
    venue, loop = start.build(wanted, time.time_ns()), asyncio.new_event_loop()
    sandbox = Sandbox(venue, 1.0)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(sandbox.start(0), loop).result(30)
    yield venue, f"http://127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_what_ccxt_fetches_is_what_the_exchange_has(twin):
    board = twin[0].exchange.boards["BTCUSDT"]

    async def asked():
        async with generic_ccxt.opened("binanceusdm", twin[1]) as transport:

            async def ask(request):
                return VENUE.decode(request, await transport.call(VENUE.encode(request, 0, None), 20.0))

            rules = await ask(md.ListInstruments())
            bars = await ask(
                md.ListBars("BTCUSDT", "1m", 60_000_000_000 * (time.time_ns() // 60_000_000_000 - 5), 2**62, 9)
            )
            trades = await ask(md.ListRecentTrades("BTCUSDT", 50))
            told = await ask(ex.ReadServerTime())
            refused = await ask(md.ListRecentTrades("NOPEUSDT", 5))
            socket = await transport.open_socket(VENUE.market_sockets(list(md.PublicStream), ["BTCUSDT"])[0].url)
            await socket.send(VENUE.probe_frame(7))
            frames = [VENUE.decode_frame(await socket.receive()) for _ in range(4)]
            await socket.close()
            return rules, bars, trades, told, refused, frames

    rules, bars, trades, told, refused, frames = asyncio.run(asked())
    (btc,) = [row for row in rules if row.symbol == "BTCUSDT"]
    assert (btc.is_trading, btc.price_increment, btc.lot_size, btc.min_notional) == (True, 0.1, 0.001, 5.0)
    assert (btc.base_asset, btc.settle_asset, btc.multiplier) == ("BTC", "USDT", 1.0)
    assert 3 <= len(bars) <= 6
    assert [bar.is_closed for bar in bars] == [True] * (len(bars) - 1) + [False]
    # Of this exchange ccxt asks for aggregate trades.
    theirs = {
        one.number: (one.price, board.listing.qty(one.lots), one.is_buyer_maker) for one in board.aggregates.copy()
    }
    known = [row for row in trades if row.trade_id in theirs]
    assert known
    assert all((row.price, row.qty, row.is_buyer_maker) == theirs[row.trade_id] for row in known)
    assert abs(told[0].ts_ns - time.time_ns()) < 60 * 10**9
    assert isinstance(refused, ex.RefusedByVenue)
    assert frames[0] == [md.FrameAnswer(7, True)]
    assert {type(record) for frame in frames[1:] for record in frame} == {md.Print, md.BestQuote, md.VenueMark}
    assert not [one for one in twin[0].requests if one.method != "GET" or "signature" in one.params], "it has no key"


def test_amounts_in_contracts_become_base_units_and_ids_are_numbers():
    exchange = library.okx()
    exchange.markets = {"BTC/USDT:USDT": {"contractSize": 0.01}}
    rows = [
        {"id": "x-1", "timestamp": 5, "price": 10.0, "amount": 3.0, "side": "buy"},
        {"id": "x-2", "timestamp": 5, "price": 10.0, "amount": 3.0, "side": "buy"},
        {"id": "77", "timestamp": 4, "price": 10.0, "amount": 1.0, "side": "sell"},
    ]
    found = CcxtTransport(exchange, library).prints("BTC/USDT:USDT", rows)
    assert [(row["id"], row["qty"]) for row in found] == [(77, 0.01), (5_000, 0.03), (5_001, 0.03)]


def test_bytes_that_are_not_its_are_a_typed_failure():
    for raw in (b"", b"[]", b'{"kind":"trades","rows":[{}],"symbol":"X"}', b'{"kind":"quote","rows":[1]}', b"[[["):
        assert isinstance(VENUE.decode_frame(raw), ex.Malformed)
        assert isinstance(VENUE.decode(md.ListInstruments(), HttpAnswer(200, {}, raw)), (ex.Malformed, list))


def test_a_paper_session_runs_on_it_and_a_live_one_is_refused(twin, tmp_path):
    strategy, home = tmp_path / "any.yaml", tmp_path / "home"
    strategy.write_text(STRATEGY, encoding="utf-8")
    common = [str(strategy), "--venue", "ccxt-binanceusdm", "--url", twin[1], "--home", str(home), "--for", "8s"]
    program = [sys.executable, "-m", "tightloop.app.cli.main"]
    paper = subprocess.run([*program, "paper", *common], capture_output=True, text=True, timeout=120, check=False)
    assert paper.returncode == 5, paper.stderr
    assert [row["symbol"] for row in outside.shown(home, "last")["positions"]] == ["BTCUSDT"]
    live = subprocess.run(
        [*program, "live", *common, "--enable-live", "--confirm", "TRADE main"], capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert live.returncode == 2
    assert "market data alone" in live.stderr
    assert twin[0].exchange.ledger.wallet == 10_000.0


def test_an_exchange_that_there_is_not_is_named():
    async def use():
        async with venues.chosen("ccxt-nowhere", None).carrier():
            pass

    with pytest.raises(InputError, match="ccxt has no 'nowhere'"):
        asyncio.run(use())


def test_no_session_with_orders_loads_ccxt():
    code = "import sys, tightloop.app.runs.live.live; sys.exit(any(name.startswith('ccxt') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
