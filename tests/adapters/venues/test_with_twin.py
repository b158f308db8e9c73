"""The dialect and the twin of the venue speak with each other: every request is answered, every frame is read."""

import asyncio
import itertools
import math
import time
from urllib.parse import urlsplit

import pytest

from tightloop.adapters.venues._shared.books import BookSequence, BookState
from tightloop.adapters.venues._shared.calls import Hosts
from tightloop.adapters.venues._shared.http import HttpTransport
from tightloop.adapters.venues._shared.sockets import SocketState, SocketUse, SupervisedSocket
from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.sandbox import start
from tightloop.app.sandbox.server import Sandbox
from tightloop.core.domain.enums import OrderKind, OrderState, Side, TimeInForce, Trigger
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.venue import Credentials

CREDENTIALS = Credentials("twin", "twin-secret")
SYMBOL = "BTCUSDT"


def twin(speed=None):
    wanted = start.Wanted(
        venue="binance-usdm", port=0, sample="pump", catalog=None, begin=None, speed=speed, seed=1, faults=None,
        key="twin", secret="twin-secret", wallet=10_000.0, length=None,
    )  # fmt: skip
    return start.build(wanted, time.time_ns())


class Client:
    """Asks a twin in this process, in its time."""

    def __init__(self):
        self.venue, self.dialect = twin(), BinanceUsdm()
        self.now_ns = self.venue.exchange.now_ns

    def ask(self, request, wait_s=0.05):
        self.now_ns += round(wait_s * 1e9)
        call = self.dialect.encode(request, self.now_ns // 10**6, CREDENTIALS)
        parts = urlsplit(call.url)
        answer = self.venue.respond(call.method, parts.path, parts.query, call.headers, call.body, self.now_ns)
        return self.dialect.decode(request, answer)


@pytest.fixture(scope="module")
def client():
    return Client()


def order(client_id, **changed):
    fields = {
        "symbol": SYMBOL, "side": Side.BUY, "kind": OrderKind.LIMIT, "tif": TimeInForce.GTC, "qty": 0.01,
        "price": 50_000.0, "stop_price": math.nan, "trigger": Trigger.LAST, "is_reduce_only": False,
        "is_post_only": False,
    }  # fmt: skip
    return ex.SubmitOrder(client_id, **{**fields, **changed})


def test_an_order_is_made_looked_up_amended_and_canceled(client):
    (made,) = client.ask(order("tl1"))
    assert (made.state, made.qty, made.price) == (OrderState.ACCEPTED, 0.01, 50_000.0)
    (amended,) = client.ask(ex.AmendOrder("tl1", SYMBOL, Side.BUY, 0.02, 49_000.0))
    assert (amended.qty, amended.price) == (0.02, 49_000.0)
    (found,) = client.ask(ex.LookUpOrder("tl1", SYMBOL, False))
    assert (found.client_id, found.qty) == ("tl1", 0.02)
    assert client.ask(ex.LookUpOrder("", SYMBOL, False, made.venue_order_id)) == [found]
    assert client.ask(ex.ListOpenOrders(False)) == [found]
    (canceled,) = client.ask(ex.CancelOrder("tl1", SYMBOL, False))
    assert canceled.state is OrderState.CANCELED
    assert isinstance(client.ask(ex.CancelOrder("tl1", SYMBOL, False)), ex.NoSuchOrder)
    assert isinstance(client.ask(ex.LookUpOrder("tl2", SYMBOL, False)), ex.NoSuchOrder)
    assert [one.client_id for one in client.ask(ex.ListOrders(SYMBOL, client.now_ns - 10**12))] == ["tl1"]


def test_a_position_is_opened_stopped_and_closed(client):
    (bought,) = client.ask(order("tl5", kind=OrderKind.MARKET, price=math.nan))
    assert (bought.state, bought.cum_qty) == (OrderState.FILLED, 0.01)
    stop = order("tl2", side=Side.SELL, kind=OrderKind.STOP, stop_price=40_000.0, is_reduce_only=True)
    (resting,) = client.ask(stop)
    assert (resting.is_conditional, resting.state, resting.stop_price) == (True, OrderState.ACCEPTED, 40_000.0)
    assert isinstance(client.ask(ex.LookUpOrder("tl2", SYMBOL, False)), ex.NoSuchOrder)
    assert client.ask(ex.LookUpOrder("tl2", SYMBOL, True)) == [resting]
    assert client.ask(ex.ListOpenOrders(True)) == [resting]
    (position,) = [one for one in client.ask(ex.ListPositions()) if one.qty]
    assert (position.symbol, position.qty) == (SYMBOL, 0.01)
    assert position.entry_price == bought.avg_price
    assert client.ask(ex.CancelOrder("tl2", SYMBOL, True)) == []
    exit_ = order("tl3", side=Side.SELL, kind=OrderKind.MARKET, price=math.nan, is_reduce_only=True)
    (sold,) = client.ask(exit_)
    assert sold.state is OrderState.FILLED
    refused = client.ask(order("tl4", side=Side.SELL, kind=OrderKind.MARKET, price=math.nan, is_reduce_only=True))
    assert refused.reason is ex.RefusalKind.NOTHING_TO_REDUCE
    fills = client.ask(ex.ListFills(SYMBOL, client.now_ns - 10**12))
    assert sum(fill.qty * fill.side for fill in fills) == pytest.approx(0.0)
    (wallet,) = [one for one in client.ask(ex.ReadWallet()) if one.asset == "USDT"]
    income = client.ask(ex.ListIncome(client.now_ns - 10**12))
    assert wallet.wallet == pytest.approx(10_000.0 + sum(row.amount for row in income if row.word != "TRANSFER"))


def test_the_account_is_set_up_and_read(client):
    assert client.ask(ex.SetLeverage(SYMBOL, 5)) == [ex.AccountMode("leverage", "5", SYMBOL)]
    assert client.ask(ex.SetIsolatedMargin(SYMBOL)) in ([ex.AccountMode("isolated", True, SYMBOL)], [])
    assert client.ask(ex.SetIsolatedMargin(SYMBOL)) == []
    told = {mode.name: mode for part in client.dialect.account_parts for mode in client.ask(ex.ReadAccountMode(part))}
    assert {name: told[name].value for name in ("hedge_mode", "multi_assets", "fee_burn", "withdrawals")} == {
        "hedge_mode": False, "multi_assets": False, "fee_burn": False, "withdrawals": False,
    }  # fmt: skip
    assert ex.AccountMode("leverage", "5", SYMBOL) in client.ask(ex.ReadAccountMode("symbols"))
    assert ex.AccountMode("isolated", True, SYMBOL) in client.ask(ex.ReadAccountMode("symbols"))
    (key,) = client.ask(ex.OpenReports(False))
    assert key.key
    assert client.ask(ex.OpenReports(True)) == [ex.ReportsKey("")]


def test_what_is_public_is_read(client):
    (told,) = client.ask(ex.ReadServerTime())
    assert abs(told.ts_ns - client.now_ns) < 10**9
    listed = client.ask(md.ListInstruments())
    assert {row.symbol for row in listed if isinstance(row, md.ListedInstrument)} >= {"BTCUSDT", "ETHUSDT"}
    assert sum(isinstance(row, md.VenueLimit) for row in listed) == 3
    (tiers,) = client.ask(md.ListMarginTiers(SYMBOL))
    assert tiers.tiers[0][2] >= tiers.tiers[-1][2]
    until_ns = client.now_ns - client.now_ns % (60 * 10**9)
    bars = client.ask(md.ListBars(SYMBOL, "1m", until_ns - 600 * 10**9, until_ns, 1_000))
    assert [bar.open_ns for bar in bars] == [until_ns - (10 - n) * 60 * 10**9 for n in range(10)]
    (mark,) = client.ask(md.ReadMark(SYMBOL))
    assert mark.mark > 0
    (book,) = client.ask(md.ReadBook(SYMBOL, 100))
    assert book.is_snapshot
    assert book.bids[0][0] < book.asks[0][0]
    recent = client.ask(md.ListRecentTrades(SYMBOL, 10))
    assert all(later.trade_id == earlier.trade_id + 1 for earlier, later in itertools.pairwise(recent))
    assert isinstance(client.ask(md.ListAggregates(SYMBOL, -1, client.now_ns - 10**12, client.now_ns, 10)), list)
    assert isinstance(client.ask(md.ListFundingRates(SYMBOL, 0, client.now_ns, 10)), list)


def test_frames_over_the_wire_are_read_and_the_book_has_no_gap():
    seen = asyncio.run(asyncio.wait_for(_listen(), 30))
    assert {md.FrameAnswer, md.Print, md.BestQuote, md.BookChange, md.VenueMark} <= {type(record) for record in seen}
    assert not any(isinstance(record, ex.Failure) for record in seen)
    probed = [record for record in seen if isinstance(record, md.FrameAnswer) and record.frame_id == 99]
    assert [record.is_accepted for record in probed] == [True] * 3  # public, market and private sockets
    fills = [record for record in seen if isinstance(record, ex.FillReport)]
    orders = [record for record in seen if isinstance(record, ex.OrderReport)]
    assert [fill.client_id for fill in fills] == ["tl1"] * len(fills) != []
    assert orders[-1].state is OrderState.FILLED
    assert fills[-1].cum_qty == pytest.approx(0.01)
    assert any(isinstance(record, ex.PositionReport) and record.qty == 0.01 for record in seen)


def test_a_supervised_socket_comes_back_after_the_venue_drops_it():
    states, trade_ids = asyncio.run(asyncio.wait_for(_drop(), 30))
    assert states == [
        SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.OPEN, SocketState.BACKOFF,
        SocketState.CONNECTING, SocketState.SUBSCRIBING, SocketState.OPEN,
    ]  # fmt: skip
    assert trade_ids == sorted(set(trade_ids))
    assert len(trade_ids) > 10


class WallClock:
    def now_ns(self):
        return time.time_ns()

    def monotonic_ns(self):
        return time.monotonic_ns()


async def _drop():
    venue = twin(speed=10.0)
    sandbox, states, trade_ids = Sandbox(venue, 10.0), [], []
    port = await sandbox.start(0)
    dialect, transport = BinanceUsdm(Hosts.at(f"http://127.0.0.1:{port}")), HttpTransport()

    async def plan():
        return dialect.market_sockets([md.PublicStream.TRADES], [SYMBOL])[0]

    def take(records):
        assert isinstance(records, list)
        trade_ids.extend(record.trade_id for record in records if isinstance(record, md.Print))

    socket = SupervisedSocket(
        SocketUse(plan, None, lambda: 0), dialect, transport, WallClock(), lambda: 0.0, take,
        lambda change: states.append(change.state),
    )  # fmt: skip
    task = asyncio.create_task(socket.run())
    try:
        for dropped, is_done in (
            (False, lambda: len(trade_ids) > 5),
            (True, lambda: states.count(SocketState.OPEN) == 2),
        ):
            if dropped:
                venue.faults.arm({"kind": "ws_drop", "count": 1}, 0, venue.exchange.now_ns)
            while not is_done():
                await asyncio.sleep(0.05)
                assert not task.done()
        seen = len(trade_ids)
        while len(trade_ids) < seen + 5:
            await asyncio.sleep(0.05)
            assert not task.done()
        return states, trade_ids
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await transport.close()
        await sandbox.stop()


async def _listen():
    sandbox = Sandbox(twin(speed=10.0), 10.0)
    port = await sandbox.start(0)
    dialect, transport = BinanceUsdm(Hosts.at(f"http://127.0.0.1:{port}")), HttpTransport()
    seen, book, applied = [], BookSequence(), 0

    async def ask(request):
        (told,) = dialect.decode(ex.ReadServerTime(), await transport.call(
            dialect.encode(ex.ReadServerTime(), 0, None), 5))  # fmt: skip
        answer = await transport.call(dialect.encode(request, told.ts_ns // 10**6, CREDENTIALS), 5)
        return dialect.decode(request, answer)

    async def read(plan):
        nonlocal applied
        socket = await transport.open_socket(plan.url)
        for _, frame in plan.subscriptions:
            await socket.send(frame)
        await socket.send(dialect.probe_frame(99))
        while True:
            records = dialect.decode_frame(await socket.receive())
            seen.extend(records if isinstance(records, list) else [records])
            for change in records if isinstance(records, list) else []:
                if isinstance(change, md.BookChange):
                    step = book.take(change)
                    assert not step.is_gap
                    applied += len(step.changes)

    try:
        (key,) = await ask(ex.OpenReports(False))
        plans = [*dialect.market_sockets(list(md.PublicStream), [SYMBOL]), dialect.reports_socket(key.key)]
        readers = [asyncio.create_task(read(plan)) for plan in plans]
        await asyncio.sleep(1.0)
        book.asked()
        (snapshot,) = await ask(md.ReadBook(SYMBOL, 1_000))
        book.take(snapshot)
        assert book.state is BookState.KNOWN
        await ask(order("tl1", kind=OrderKind.MARKET, price=math.nan))
        while applied < 20 or not any(isinstance(record, md.VenueMark) for record in seen):
            await asyncio.sleep(0.1)
            assert not any(reader.done() for reader in readers), [reader for reader in readers if reader.done()]
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        return seen
    finally:
        await transport.close()
        await sandbox.stop()
