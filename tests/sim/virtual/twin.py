"""The exchange twin as the server of a simulated world."""

from collections.abc import Mapping

from sim.virtual.machine import START_NS
from tightloop.app.sandbox.binance_usdm.http import BinanceTwin
from tightloop.app.sandbox.binance_usdm.streams import Streams, Subscriber
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Faults
from tightloop.app.sandbox.markets.sample import SampleMarket
from tightloop.app.sandbox.markets.source import MarketSource
from tightloop.ports.transport import HttpAnswer

KEY, SECRET = "twin", "twin-secret"


class TwinServer:
    """A twin of Binance USD-M that plays a market or a scenario of the tick sample; its faults are ``venue.faults``."""

    def __init__(self, market: str | MarketSource, seed: int) -> None:
        if isinstance(market, str):
            market = SampleMarket(market, seed, START_NS)
        self.exchange = Exchange(market, seed)
        self.venue = BinanceTwin(self.exchange, Faults(seed), KEY, SECRET, "twin")
        self._streams = Streams(self.venue)

    def respond(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> HttpAnswer:
        """Answer a request as it arrives."""
        return self.venue.respond(method, path, query, headers, body, now_ns)

    def open(self, path: str, query: str, now_ns: int) -> Subscriber | None:
        """Open a socket; None if there is nothing at the path."""
        self.exchange.advance(now_ns)
        return self._streams.open(path, query)

    def receive(self, line: Subscriber, text: str, now_ns: int) -> str:
        """Take a frame of the client and return the answer."""
        self.exchange.advance(now_ns)
        return self._streams.receive(line, text)

    def frames(self, now_ns: int) -> list[tuple[Subscriber, str]]:
        """Play up to now and return what is to be sent."""
        self.exchange.advance(now_ns)
        return [(frame.feed, frame.text) for frame in self._streams.frames()]

    def close(self, line: Subscriber) -> None:
        """Forget a socket."""
        self._streams.close(line)
