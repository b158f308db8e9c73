"""What the endpoints of Binance USD-M share: the exchange, faults, counts, keys of private streams, requests seen."""

from collections import deque
from typing import Any

from tightloop.app.sandbox.binance_usdm.errors import Refuses
from tightloop.app.sandbox.binance_usdm.limits import CallCounts
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.dialect import Arrived
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Armed, Faults
from tightloop.app.sandbox.playing import can_play, play
from tightloop.model.times import MINUTE_NS

LISTEN_KEY_NS = 60 * MINUTE_NS
REQUESTS_KEPT = 100_000


class Venue:
    """State beside the exchange: of the wire alone. ``listen_keys``: keys of private streams and when they expire.

    ``speed``: how fast its time runs beside that of its clients. Spans in which a request has to arrive are theirs.
    """

    def __init__(
        self, exchange: Exchange, faults: Faults, key: str, secret: str, alias: str, speed: float = 1.0
    ) -> None:
        self.speed = speed
        self.exchange, self.faults, self.key, self.secret, self.alias = exchange, faults, key, secret, alias
        self.counts = CallCounts()
        self.listen_keys: dict[str, int] = {}
        self.expired_keys: list[str] = []
        self.requests: deque[Arrived] = deque(maxlen=REQUESTS_KEPT)
        self.request_count = 0
        self._key_count = 0
        self.last_replies: dict[str, Any] = {}
        exchange.accepts_repeat = lambda symbol: self.strikes("id_repeated_accepted", symbol=symbol) is not None
        exchange.refuse_at_trigger = lambda: self.strikes("stop_refused_at_trigger") is not None

    def strikes(self, kind: str, *, call: str = "", symbol: str | None = None, is_usual: bool = True) -> Armed | None:
        """Return the fault of a kind that strikes now; None if none does."""
        return self.faults.strikes(kind, self.exchange.now_ns, call=call, symbol=symbol, is_usual=is_usual)

    def snapshot(self, endpoint: str, symbol: str | None, reply: Any) -> Any:
        """Return a reply about what is open; with the fault ``stale_snapshot`` the one before it."""
        name = f"{endpoint} {symbol}"
        stale = self.last_replies.get(name, [])
        self.last_replies[name] = reply
        return stale if self.strikes("stale_snapshot", call=endpoint, symbol=symbol) else reply

    def play_faults(self) -> None:
        """Play the faults that strike by themselves."""
        if self.faults.armed:
            for armed in self.faults.due(self.exchange.now_ns, lambda waits: can_play(self.exchange, waits)):
                play(self.exchange, armed)

    def clock_ms(self) -> int:
        """Return the venue's time, beside the true one while the fault ``clock_skew`` strikes (``value``: ms)."""
        skewed = self.strikes("clock_skew")
        skew_ms = 0 if skewed is None else int(skewed.value if skewed.value is not None else 10_000)
        return self.exchange.now_ns // 1_000_000 + skew_ms

    def board(self, params: Params) -> Board:
        """Return the board of the symbol a request names. Raises Refuses."""
        symbol = params.need("symbol").upper()
        if symbol not in self.exchange.boards:
            raise Refuses(-1121, "Invalid symbol.")
        return self.exchange.boards[symbol]

    def open_listen_key(self) -> str:
        """Return the key of the private stream, valid for 60 minutes; the one there is, renewed."""
        self.drop_listen_keys()
        if not self.listen_keys:
            self._key_count += 1
            self.listen_keys[f"{self.alias}{self._key_count:04d}".ljust(64, "k")] = 0
        key = next(iter(self.listen_keys))
        self.listen_keys[key] = self.exchange.now_ns + LISTEN_KEY_NS
        return key

    def drop_listen_keys(self) -> None:
        """Expire keys whose time is over."""
        for key, until_ns in list(self.listen_keys.items()):
            if until_ns <= self.exchange.now_ns:
                del self.listen_keys[key]
                self.expired_keys.append(key)

    def note(self, method: str, path: str, params: Params, status: int) -> None:
        """Keep a request for ``/_twin/requests``."""
        self.request_count += 1
        plain = {name: value for name, value in params.values.items() if name != "signature"}
        self.requests.append(Arrived(self.exchange.now_ns, method, path, plain, status))
