"""Market data of any exchange that ccxt knows, for paper sessions: ``--venue ccxt-EXCHANGE``, without a key.

How it works. ccxt owns its sockets, so here the dialect and the transport are a pair: the dialect writes a call as
``ccxt:trades?..``, the transport makes ccxt fetch it and gives back the unified rows as JSON, and the dialect reads
these. A socket is a loop that fetches trades, book and mark of each symbol in turn and gives what came as frames; the
limiter of ccxt sets its pace, at most once in POLL_S.

What ccxt does that matters here (seen in 4.5.90). Amounts of some exchanges are in contracts: they are multiplied by
the contract's size, so quantities are in base units. Ids of trades are texts, of some exchanges made up from time,
side, amount and price: only ids of digits are taken, else time and place within the millisecond make the id. With a
key, load_markets sends signed requests to the production host: there is none, and currencies are not asked for. Book
snapshots are fetched whole, because a jump in the versions of a stream raises nothing.

ccxt is imported when the transport is opened: it takes 2 s and 100 MB, and no session with orders loads it.
"""

import asyncio
import importlib
import json
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tightloop.adapters.venues._shared import calls
from tightloop.adapters.venues._shared.calls import Row
from tightloop.adapters.venues._shared.numbers import MILLISECOND_NS, ns, number, optional, string, whole
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.execution import RefusalKind
from tightloop.ports.transport import HttpAnswer, HttpCall, NoAnswer, Socket, SocketClosed, Transport
from tightloop.ports.venue import Capabilities, Credentials, SocketPlan

POLL_S = 1.0
ROWS_MAX = 1_000
BOOK_LEVELS = 20  # the depth that every exchange with fixed depths has
PREFIX = "ccxt-"
_SCHEME = "ccxt"
_TICK_SIZE, _DECIMAL_PLACES = 4, 2  # ccxt's precision modes
_CAPABILITIES = Capabilities(
    can_amend_limits=False, can_amend_stops=False, has_oco=False, conditional_ids=False, expiry_min_s=0,
    client_id_max=32, receive_window_ms=5_000, is_window_proven=False, symbols_per_socket=100,
    socket_age_max_s=30 * 86_400, reports_key_renewal_s=0, limits=(),
)  # fmt: skip


def _call(method: str, **params: object) -> HttpCall:
    return HttpCall("GET", f"{_SCHEME}:{method}?{urlencode({k: str(v) for k, v in params.items()})}")


def _listed(row: Row) -> md.ListedInstrument:
    size = number(row["size"])
    return md.ListedInstrument(
        symbol=string(row["id"]), status="active" if row["active"] else "inactive", is_trading=bool(row["active"]),
        base_asset=string(row["base"]), settle_asset=string(row["settle"]),
        price_increment=optional(row["price_increment"]), lot_size=optional(row["lot"]) * size, multiplier=1.0,
        qty_max=optional(row["qty_max"]) * size, market_qty_max=math.nan, min_notional=optional(row["min_notional"]),
        price_band_up=math.nan, price_band_down=math.nan,
    )  # fmt: skip


def _print(symbol: str, row: Row) -> md.Print:
    return md.Print(
        symbol, number(row["price"]), number(row["qty"]), whole(row["id"]), row["side"] == "sell", ns(row["at_ms"])
    )


def _bar(request: md.ListBars, row: Sequence[Any], is_last: bool) -> md.VenueBar:
    open_ns = ns(row[0])
    price_open, high, low, close, volume = (number(value) for value in row[1:6])
    close_ns = open_ns + TIMEFRAMES[request.timeframe]
    return md.VenueBar(request.symbol, open_ns, close_ns, price_open, high, low, close, volume, not is_last)


def _mark(row: Row) -> md.VenueMark:
    mark, index, rate = (optional(row[name]) for name in ("mark", "index", "rate"))
    return md.VenueMark(string(row["symbol"]), mark, index, rate, ns(row["next_ms"] or 0), ns(row["at_ms"] or 0))


def _answer(request: object, rows: Any) -> Iterator[ex.Report | md.Market]:
    if isinstance(request, md.ListInstruments):
        yield from map(_listed, rows)
    elif isinstance(request, md.ListRecentTrades):
        yield from (_print(request.symbol, row) for row in rows)
    elif isinstance(request, md.ListBars):
        last = len(rows) - 1
        bars = (_bar(request, row, at == last) for at, row in enumerate(rows))
        yield from (bar for bar in bars if request.start_ns <= bar.open_ns < request.end_ns)
    elif isinstance(request, md.ListFundingRates):
        rates = (md.SettledRate(request.symbol, number(row["rate"]), math.nan, ns(row["at_ms"])) for row in rows)
        yield from (rate for rate in rates if request.start_ns <= rate.ts_event_ns < request.end_ns)
    else:
        yield ex.ServerTime(ns(rows))


def _frame(frame: Any) -> Iterator[ex.Report | md.Market]:
    kind, rows = frame["kind"], frame["rows"]
    if kind == "answer":
        yield md.FrameAnswer(whole(rows), True)
    elif kind == "trades":
        yield from (_print(string(frame["symbol"]), row) for row in rows)
    elif kind == "quote":
        bid, bid_qty, ask, ask_qty = map(number, rows[:4])
        yield md.BestQuote(string(frame["symbol"]), bid, bid_qty, ask, ask_qty, 0, ns(rows[4] or 0))
    elif kind == "mark":
        yield _mark(rows)


@dataclass(frozen=True, slots=True)
class GenericCcxt:
    """The market data of one exchange; ``ports.venue.VenueDialect`` says what its methods are. It has no orders."""

    venue: str
    capabilities: Capabilities = _CAPABILITIES
    account_parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return PREFIX + self.venue

    def symbol_of(self, instrument: str) -> str:
        return calls.perp_symbol(self.venue, instrument)

    def instrument_of(self, symbol: str) -> str:
        return f"{self.venue}:{symbol}-perp"

    def encode(
        self,
        request: ex.Request | md.PublicRequest,
        now_ms: int,  # noqa: ARG002 - the port's
        credentials: Credentials | None,  # noqa: ARG002 - the port's
    ) -> HttpCall:
        match request:
            case md.ListInstruments():
                return _call("instruments")
            case md.ListRecentTrades():
                return _call("trades", symbol=request.symbol, count=request.count)
            case md.ListBars():
                since_ms = -(-request.start_ns // MILLISECOND_NS)
                return _call("bars", symbol=request.symbol, tf=request.timeframe, since=since_ms, count=request.count)
            case md.ListFundingRates():
                since_ms = -(-request.start_ns // MILLISECOND_NS)
                return _call("rates", symbol=request.symbol, since=since_ms, count=request.count)
            case ex.ReadServerTime():
                return _call("time")
        raise AssertionError(f"{type(request).__name__}: there is market data alone")

    def decode(
        self, request: ex.Request | md.PublicRequest, answer: HttpAnswer
    ) -> list[ex.Report | md.Market] | ex.Failure:
        if answer.status != 200:
            return ex.RefusedByVenue(RefusalKind.OTHER, 0, answer.body.decode("utf-8", "replace")[: calls.WORDS_MAX])
        body, kind = answer.body, type(request).__name__
        return calls.guarded(lambda: _answer(request, json.loads(body)), kind, len(body))

    def decode_frame(self, frame: bytes) -> list[ex.Report | md.Market] | ex.Failure:
        return calls.guarded(lambda: _frame(json.loads(frame)), "frame", len(frame))

    def without_secrets(self, call: HttpCall) -> str:
        return call.url

    def market_sockets(self, kinds: Sequence[md.PublicStream], symbols: Sequence[str]) -> list[SocketPlan]:
        wanted = {"kinds": ",".join(kind.value for kind in kinds), "symbols": " ".join(symbols)}
        return [SocketPlan("ccxt", f"{_SCHEME}:follow?{urlencode(wanted)}", ())]

    def reports_socket(self, key: str) -> SocketPlan:  # noqa: ARG002 - the port's
        raise AssertionError("there is market data alone")

    def login_frame(self, now_ms: int, credentials: Credentials) -> tuple[int, str] | None:  # noqa: ARG002 - the port's
        return None

    def probe_frame(self, frame_id: int) -> str:
        return str(frame_id)


# ccxt ----------------------------------------------------------------------------------------------------------------


def moved(urls: Any, base: str) -> Any:
    """Return ccxt's URLs with every host replaced by that of ``base``, also those of web sockets."""
    if isinstance(urls, dict):
        return {name: moved(url, base) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    host = base.rstrip("/").partition("://")[2]
    scheme = ("ws" if urls.startswith("ws") else "http") + ("s" if base.startswith("https") else "")
    return re.sub(r"^\w+://[^/]+", f"{scheme}://{host}", urls)


@asynccontextmanager
async def opened(venue: str, url: str | None) -> AsyncIterator[Transport]:
    """Import ccxt and return the transport of an exchange; ``url``: of a stand-in for all its hosts. InputError."""
    try:
        library = importlib.import_module("ccxt.async_support")
    except ModuleNotFoundError:
        message, remedy = f"{PREFIX}{venue} needs ccxt", "install it with: pip install 'tightloop[ccxt]'"
        raise InputError.one("command line", None, "--venue", message, remedy) from None
    if venue not in library.exchanges:
        raise InputError.one("command line", None, "--venue", f"ccxt has no {venue!r}", "name an exchange of ccxt")
    exchange = getattr(library, venue)({"enableRateLimit": True, "options": {"fetchCurrencies": False}})
    exchange.has["fetchCurrencies"] = False
    if url is not None:
        exchange.urls["api"] = moved(exchange.urls["api"], url)
        if "test" in exchange.urls:
            exchange.urls["test"] = moved(exchange.urls["test"], url)
    try:
        yield CcxtTransport(exchange, library)
    finally:
        await exchange.close()


class CcxtTransport:
    """What carries calls and sockets of a GenericCcxt. ``exchange``: of ccxt's async side."""

    def __init__(self, exchange: Any, library: Any) -> None:
        self._exchange, self._errors = exchange, library

    async def call(self, call: HttpCall, timeout_s: float) -> HttpAnswer:
        """Fetch what a call names. Raises NoAnswer."""
        params = {name: values[0] for name, values in parse_qs(urlsplit(call.url).query).items()}
        status = 200
        try:
            async with asyncio.timeout(timeout_s):
                rows = await self._asked(urlsplit(call.url).path, params)
        except TimeoutError:
            raise NoAnswer(f"{call.url}: no answer in {timeout_s:g} s") from None
        except self._errors.NetworkError as error:
            raise NoAnswer(f"{type(error).__name__}: {str(error)[: calls.WORDS_MAX]}") from None
        except self._errors.BaseError as error:
            status, rows = 400, f"{type(error).__name__}: {error}"
        return HttpAnswer(status, {}, rows.encode() if status != 200 else json.dumps(rows).encode())

    async def _asked(self, what: str, params: Mapping[str, str]) -> Any:
        exchange = self._exchange
        await exchange.load_markets()
        if what == "instruments":
            return [self._rules(market) for market in exchange.markets.values() if _is_perpetual(market)]
        if what == "time":
            return await exchange.fetch_time() if exchange.has["fetchTime"] else exchange.milliseconds()
        symbol, count = self.symbol(params["symbol"]), min(int(params["count"]), ROWS_MAX)
        if what == "trades":
            return self.prints(symbol, await exchange.fetch_trades(symbol, None, count))
        since_ms = int(params["since"])
        if what == "bars":
            rows = await exchange.fetch_ohlcv(symbol, params["tf"], since_ms, count)
            size = self._size(symbol)
            return [[*row[:5], row[5] * size] for row in rows]
        if not exchange.has["fetchFundingRateHistory"]:
            return []
        rates = await exchange.fetch_funding_rate_history(symbol, since_ms, count)
        return [{"rate": row["fundingRate"], "at_ms": row["timestamp"]} for row in rates]

    def symbol(self, market_id: str) -> str:
        """Return ccxt's symbol of the perpetual that the exchange calls ``market_id``."""
        found = [one for one in self._exchange.markets_by_id.get(market_id, ()) if _is_perpetual(one)]
        if not found:
            raise self._errors.BadSymbol(f"{market_id} is no linear perpetual there")
        return str(found[0]["symbol"])

    def _size(self, symbol: str) -> float:
        return float(self._exchange.markets[symbol]["contractSize"] or 1.0)

    def _rules(self, market: Row) -> Row:
        precision, limits = market["precision"], market["limits"]
        return {
            "id": market["id"], "active": market["active"] is not False, "base": market["base"],
            "settle": market["settle"], "size": market["contractSize"] or 1.0,
            "price_increment": self._step(precision["price"]), "lot": self._step(precision["amount"]),
            "qty_max": limits["amount"]["max"], "min_notional": limits["cost"]["min"],
        }  # fmt: skip

    def _step(self, precision: Any) -> Any:
        """Return an increment, None where the exchange counts significant digits or says nothing."""
        mode = self._exchange.precisionMode
        if precision is None or mode not in (_TICK_SIZE, _DECIMAL_PLACES):
            return None
        return precision if mode == _TICK_SIZE else f"1e-{precision}"

    def prints(self, symbol: str, rows: Sequence[Row]) -> list[Row]:
        """Return trades with amounts in base units and ids that increase."""
        size, place, before_ms = self._size(symbol), 0, -1
        found: list[Row] = []
        for row in sorted(rows, key=lambda row: int(row["timestamp"])):
            at_ms = int(row["timestamp"])
            place = place + 1 if at_ms == before_ms else 0
            before_ms = at_ms
            said = str(row["id"] or "")
            number_of = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else at_ms * 1_000 + place
            qty = float(row["amount"]) * size
            found.append({"id": number_of, "price": row["price"], "qty": qty, "side": row["side"], "at_ms": at_ms})
        return found

    async def open_socket(self, url: str) -> Socket:
        """Begin to fetch in turn what a plan names. Raises SocketClosed."""
        params = parse_qs(urlsplit(url).query)
        try:
            await self._exchange.load_markets()
            ids = params["symbols"][0].split(" ")
            return _Polling(self, {one: self.symbol(one) for one in ids}, params["kinds"][0].split(","))
        except self._errors.BaseError as error:
            raise SocketClosed(f"{type(error).__name__}: {str(error)[: calls.WORDS_MAX]}") from None

    async def fetched(self, kind: str, market_id: str, symbol: str) -> Mapping[str, Any] | None:
        """Return a frame with what is new of a symbol, None for nothing. Raises SocketClosed."""
        exchange = self._exchange
        try:
            if kind == "trades":
                rows: Any = self.prints(symbol, await exchange.fetch_trades(symbol, None, ROWS_MAX))
            elif kind == "quotes":
                book = await exchange.fetch_order_book(symbol, BOOK_LEVELS)
                if not book["bids"] or not book["asks"]:
                    return None
                size, (bid, ask) = self._size(symbol), (book["bids"][0], book["asks"][0])
                rows, kind = [bid[0], bid[1] * size, ask[0], ask[1] * size, book["timestamp"]], "quote"
            elif kind == "mark" and exchange.has["fetchFundingRate"]:
                row = await exchange.fetch_funding_rate(symbol)
                rows = {
                    "symbol": market_id, "mark": row["markPrice"], "index": row["indexPrice"],
                    "rate": row["fundingRate"], "next_ms": row["fundingTimestamp"], "at_ms": row["timestamp"],
                }  # fmt: skip
            else:
                return None
        except self._errors.BaseError as error:
            raise SocketClosed(f"{type(error).__name__}: {str(error)[: calls.WORDS_MAX]}") from None
        return {"kind": kind, "symbol": market_id, "rows": rows}


def _is_perpetual(market: Row) -> bool:
    return bool(market["swap"] and market["linear"])


class _Polling:
    """A socket that fetches: each symbol and kind in turn, then waits for the rest of POLL_S."""

    def __init__(self, transport: CcxtTransport, symbols: Mapping[str, str], kinds: Sequence[str]) -> None:
        self._transport = transport
        self._turns = [(kind, market_id, symbol) for market_id, symbol in symbols.items() for kind in kinds]
        self._at, self._begun_s = 0, 0.0
        self._asked: list[int] = []
        self._is_open = True

    async def send(self, text: str) -> None:
        """Note a probe: it is answered by the next frame."""
        if not self._is_open:
            raise SocketClosed("closed by us")
        self._asked.append(int(text))

    async def receive(self) -> bytes:
        """Return the next frame. Raises SocketClosed."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._is_open:
                raise SocketClosed("closed by us")
            if self._asked:
                return json.dumps({"kind": "answer", "rows": self._asked.pop(0)}).encode()
            if self._at == 0:
                await asyncio.sleep(max(0.0, self._begun_s + POLL_S - loop.time()))
                self._begun_s = loop.time()
            turn = self._turns[self._at]
            self._at = (self._at + 1) % len(self._turns)
            frame = await self._transport.fetched(*turn)
            if frame is not None:
                return json.dumps(frame).encode()

    async def close(self) -> None:
        """Fetch no more."""
        self._is_open = False
