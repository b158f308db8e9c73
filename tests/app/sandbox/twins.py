"""Exchanges for tests: a market written down row by row, and requests signed as a client signs them."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.listing import Listing, TierRule
from tightloop.app.sandbox.markets.source import Candle, print_row, quote_row
from tightloop.model.times import MINUTE_NS, SECOND_NS

START_NS = 1_790_000_040_000_000_000 // MINUTE_NS * MINUTE_NS
SYMBOL = "ABCUSDT"
LISTING = Listing(
    symbol=SYMBOL, base="ABC", price_digits=2, lot_digits=1, tick_units=1, lot_units=1, qty_max=100_000,
    market_qty_max=10_000, notional_min=5.0, taker_rate=0.0005, maker_rate=0.0002, depth=50,
    tiers=(TierRule(50_000.0, 0.01, 50), TierRule(float("inf"), 0.02, 25)),
)  # fmt: skip


class WrittenMarket:
    """A market of given rows; 100 minutes at 100.00 lie before it."""

    def __init__(self, rows, rate=0.0001):
        self.begin_ns = self.start_ns = START_NS
        self.listings, self.is_synthetic = (LISTING,), True
        self._rows, self._rate = rows, rate

    def rows(self):
        yield from self._rows

    def past(self, symbol):
        first = START_NS - 100 * MINUTE_NS
        return [Candle(first + at * MINUTE_NS, 100.0, 100.5, 99.5, 100.0, 40, 20, 400.0, 200.0, 4) for at in range(100)]

    def rate(self, symbol, ts_ns):
        return self._rate


def quote(second, bid, ask, bid_lots=100, ask_lots=100):
    """Return a quote, seconds after the start."""
    return quote_row(START_NS + int(second * SECOND_NS), SYMBOL, bid, bid_lots, ask, ask_lots)


def trade(second, price, lots, seller=True):
    """Return a print; ``seller``: the taker sold."""
    return print_row(START_NS + int(second * SECOND_NS), SYMBOL, price, lots, seller)


def exchange(*rows, **options):
    """Return an exchange on a market that begins with 99.99 to 100.01."""
    first = quote(0, 99.99, 100.01)
    return Exchange(WrittenMarket([first, *rows], **options), seed=1)


def at(second):
    """Return a time, seconds after the start."""
    return START_NS + int(second * SECOND_NS)


class Client:
    """A client of a twin without a network: signs, and reads the answer."""

    def __init__(self, found=None, seed=1):
        self.exchange = found if found is not None else exchange()
        self.venue = BinanceTwin(self.exchange, Faults(seed), "twin", "twin-secret", "twin")

    def ask(self, method, path, second=None, **params):
        """Return (status, reply) of a signed request."""
        now_ns = self.exchange.now_ns if second is None else at(second)
        pairs = {**params, "timestamp": now_ns // 1_000_000, "recvWindow": 5000}
        text = urlencode(pairs)
        text += "&signature=" + hmac.new(b"twin-secret", text.encode(), hashlib.sha256).hexdigest()
        body = text.encode() if method in ("POST", "PUT") else b""
        query = "" if body else text
        answer = self.venue.respond(method, f"/fapi/v1/{path}", query, {"X-MBX-APIKEY": "twin"}, body, now_ns)
        return answer.status, json.loads(answer.body)

    def order(self, side, qty, price=None, second=None, **more):
        """Send an order, at market without a price; return (status, reply)."""
        plain = {"type": "MARKET"} if price is None else {"type": "LIMIT", "price": price, "timeInForce": "GTC"}
        wanted = {"symbol": SYMBOL, "side": side, "quantity": qty, "newOrderRespType": "RESULT", **plain, **more}
        return self.ask("POST", "order", second, **wanted)

    def stop(self, side, qty, price, **more):
        """Send a conditional order; return (status, reply)."""
        plain = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "workingType": "CONTRACT_PRICE"}
        wanted = {"symbol": SYMBOL, "side": side, "quantity": qty, "triggerPrice": price, **plain, **more}
        return self.ask("POST", "algoOrder", **wanted)

    def arm(self, kind, **more):
        """Arm a fault."""
        self.venue.faults.arm({"kind": kind, **more}, START_NS, self.exchange.now_ns)
