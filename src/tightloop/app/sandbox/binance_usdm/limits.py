"""What Binance counts: weight a minute, orders in 10 s and a minute; above it 429, and 418 for who goes on."""

from dataclasses import dataclass, field

from tightloop.app.sandbox.binance_usdm.errors import Refuses
from tightloop.model.times import MINUTE_NS, SECOND_NS

WEIGHT_MAX, ORDERS_10S_MAX, ORDERS_1M_MAX = 2_400, 300, 1_200
REFUSED_MAX = 10
"""So many requests after a 429 in one minute make a ban."""
BAN_NS = 120 * SECOND_NS
_WINDOW_NS = 10 * SECOND_NS


@dataclass(slots=True)
class CallCounts:
    """CallCounts of the running windows."""

    minute: int = 0
    weight: int = 0
    orders_minute: int = 0
    window: int = 0
    orders_window: int = 0
    refused: int = 0
    banned_until_ns: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, weight: int, orders: int, now_ns: int) -> None:
        """Count a request. Raises Refuses: 418 while banned, 429 above a limit; nothing is executed then."""
        minute, window = now_ns // MINUTE_NS, now_ns // _WINDOW_NS
        if minute != self.minute:
            self.minute, self.weight, self.orders_minute, self.refused = minute, 0, 0, 0
        if window != self.window:
            self.window, self.orders_window = window, 0
        if now_ns < self.banned_until_ns:
            raise banned(self.banned_until_ns, now_ns)
        self.weight += weight
        if self.weight > WEIGHT_MAX:
            self.refused += 1
            if self.refused > REFUSED_MAX:
                self.banned_until_ns = now_ns + BAN_NS
                raise banned(self.banned_until_ns, now_ns)
            raise too_many(f"{WEIGHT_MAX} requests weight per 1 MINUTE", now_ns)
        if orders:
            if self.orders_window + orders > ORDERS_10S_MAX or self.orders_minute + orders > ORDERS_1M_MAX:
                text = "Too many new orders; current limit is 300 orders per TEN_SECONDS."
                raise Refuses(-1015, text, 429, _left_s(now_ns, _WINDOW_NS))
            self.orders_window += orders
            self.orders_minute += orders
        self.headers = {"X-MBX-USED-WEIGHT-1M": str(self.weight)}
        if orders:
            self.headers["X-MBX-ORDER-COUNT-10S"] = str(self.orders_window)
            self.headers["X-MBX-ORDER-COUNT-1M"] = str(self.orders_minute)


def _left_s(now_ns: int, window_ns: int) -> int:
    return max(1, -(-(window_ns - now_ns % window_ns) // SECOND_NS))


def too_many(what: str, now_ns: int, retry_after_s: int | None = None) -> Refuses:
    """Build a 429 that ends with the minute."""
    wait_s = _left_s(now_ns, MINUTE_NS) if retry_after_s is None else retry_after_s
    text = f"Too many requests; current limit of IP is {what}. Please use the websocket for live updates."
    return Refuses(-1003, text, 429, wait_s)


def banned(until_ns: int, now_ns: int) -> Refuses:
    """Build a 418 that ends when the ban does."""
    text = f"Way too many requests; IP banned until {until_ns // 1_000_000}. Please use the websocket for live updates."
    return Refuses(-1003, text, 418, max(1, -(-(until_ns - now_ns) // SECOND_NS)))


WEIGHTS = {
    "GET depth": 20, "GET aggTrades": 20, "GET klines": 5, "GET premiumIndex": 1, "GET trades": 5,
    "GET historicalTrades": 20, "GET openOrders": 1, "GET openAlgoOrders": 1, "GET allOrders": 5,
    "GET allAlgoOrders": 5,
    "GET userTrades": 5, "GET account": 5, "GET positionRisk": 5, "GET balance": 5, "GET positionSide/dual": 30,
    "GET multiAssetsMargin": 30, "GET feeBurn": 30, "GET income": 30, "GET symbolConfig": 5, "GET accountConfig": 5,
    "GET commissionRate": 20, "GET ticker/24hr": 1, "POST order": 0, "POST algoOrder": 0, "GET fundingRate": 0,
}  # fmt: skip
"""Weight of each request; 1 where none stands here."""
WEIGHTS_OF_ALL = {"GET openOrders": 40, "GET openAlgoOrders": 40, "GET ticker/24hr": 40, "GET premiumIndex": 10}
"""Weight without a symbol, where it is another."""
_BY_ROWS = {
    "GET depth": ((50, 2), (100, 5), (500, 10), (1_000, 20)),
    "GET klines": ((99, 1), (499, 2), (1_000, 5), (1_500, 10)),
}
_ROWS_DEFAULT = 500
ORDERS = {"POST order": 1, "PUT order": 1, "POST algoOrder": 1}
"""What counts as an order."""


def weight_of(endpoint: str, symbol: str | None, rows: int | None) -> int:
    """Return the weight of a request ("METHOD name")."""
    if endpoint in _BY_ROWS:
        table = _BY_ROWS[endpoint]
        return next((weight for most, weight in table if (rows or _ROWS_DEFAULT) <= most), table[-1][1])
    if symbol is None and endpoint in WEIGHTS_OF_ALL:
        return WEIGHTS_OF_ALL[endpoint]
    return WEIGHTS.get(endpoint, 1)
