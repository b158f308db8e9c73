"""What the twin answers to each kind of request of the dialect, as bytes: whole answers for decoders to read."""

import functools
import math
from urllib.parse import urlsplit

from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.sandbox import start
from tightloop.core.domain.enums import OrderKind, Side, TimeInForce, Trigger
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.transport import HttpAnswer
from tightloop.ports.venue import Credentials

SYMBOL = "BTCUSDT"
BEGUN_NS = 1_790_000_000_000_000_000
HOUR_NS = 3_600 * 10**9
STEP_NS = 10**8


def _order(client_id: str, kind: OrderKind, qty: float, stop_price: float = math.nan) -> ex.SubmitOrder:
    """Return an order to buy, or with a negative ``qty`` one that reduces; a limit far below the market rests."""
    price = 50_000.0 if kind == OrderKind.LIMIT else math.nan
    side = Side.BUY if qty > 0.0 else Side.SELL
    return ex.SubmitOrder(
        client_id, SYMBOL, side, kind, TimeInForce.GTC, abs(qty), price, stop_price, Trigger.LAST, qty < 0.0, False
    )


def requests(dialect: BinanceUsdm, begun_ns: int) -> list[ex.Request | md.PublicRequest]:
    """Return requests of every kind, in an order in which the venue has something to say to each."""
    until_ns = begun_ns - begun_ns % HOUR_NS
    since_ns = until_ns - HOUR_NS
    conditional = (False, True)
    return [
        ex.ReadServerTime(), md.ListInstruments(), md.ListMarginTiers(SYMBOL), md.ReadMark(SYMBOL),
        md.ReadBook(SYMBOL, 20), md.ListRecentTrades(SYMBOL, 5), md.ListBars(SYMBOL, "1m", since_ns, until_ns, 5),
        md.ListAggregates(SYMBOL, -1, since_ns, until_ns, 5), md.ListFundingRates(SYMBOL, 0, begun_ns, 5),
        ex.OpenReports(False), ex.OpenReports(True), ex.SetLeverage(SYMBOL, 5), ex.SetIsolatedMargin(SYMBOL),
        *(ex.ReadAccountMode(part) for part in dialect.account_parts),
        _order("tl1", OrderKind.LIMIT, 0.01), ex.TryOrder(_order("tl9", OrderKind.LIMIT, 0.01)),
        ex.AmendOrder("tl1", SYMBOL, Side.BUY, 0.02, 49_000.0), _order("tl2", OrderKind.MARKET, 0.01),
        _order("tl3", OrderKind.STOP, -0.01, 40_000.0),
        *(ex.LookUpOrder("tl3" if is_stop else "tl1", SYMBOL, is_stop) for is_stop in conditional),
        *(ex.ListOpenOrders(is_stop) for is_stop in conditional),
        *(ex.ListOrders(SYMBOL, since_ns, is_stop) for is_stop in conditional),
        ex.ListPositions(), ex.ReadWallet(), ex.ListFills(SYMBOL, since_ns), ex.ListIncome(since_ns),
        *(ex.CancelOrder("tl3" if is_stop else "tl1", SYMBOL, is_stop) for is_stop in conditional),
    ]  # fmt: skip


@functools.cache
def answers() -> list[tuple[ex.Request | md.PublicRequest, HttpAnswer]]:
    """Return each request with what the twin answered; the same bytes each time."""
    wanted = start.Wanted(
        venue="binance-usdm", port=0, sample="pump", catalog=None, begin=None, speed=None, seed=1, faults=None,
        key="twin", secret="twin-secret", wallet=10_000.0, length=None,
    )  # fmt: skip
    venue, dialect = start.build(wanted, BEGUN_NS), BinanceUsdm()
    now_ns, found = venue.exchange.now_ns, []
    for request in requests(dialect, now_ns):
        now_ns += STEP_NS
        call = dialect.encode(request, now_ns // 10**6, Credentials("twin", "twin-secret"))
        parts = urlsplit(call.url)
        body = call.body
        found.append((request, venue.respond(call.method, parts.path, parts.query, call.headers, body, now_ns)))
    return found
