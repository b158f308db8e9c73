"""Sockets of Binance USD-M without a network: who subscribed to what, and which frames each is sent.

Paths. ``/public/ws``, ``/market/ws``, ``/private/ws``, ``/ws`` and ``/stream`` are one; what follows the path, parted
by ``/``, or stands in ``streams=``, are streams, a key of a private stream among them or as ``listenKey=``; bare
numbers are ignored, as ccxt appends one. ``/stream`` sends frames as {"stream": .., "data": ..}.
"""

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tightloop.app.sandbox.binance_usdm import frames, views
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.binance_usdm.public import INTERVALS, level
from tightloop.app.sandbox.binance_usdm.venue import Venue
from tightloop.app.sandbox.binance_usdm.views import Json
from tightloop.app.sandbox.dialect import Frame
from tightloop.app.sandbox.records import (
    AccountTold,
    BookMoved,
    ConditionalTold,
    Happening,
    Marked,
    OrderTold,
    Printed,
    Quoted,
    SettingsTold,
)
from tightloop.model.times import SECOND_NS

PRIVATE = "private"
_PATH = re.compile(r"(?:/public|/market|/private)?/(ws|stream)(?:/(.*))?")
_PARTIAL = re.compile(r"(\w+)@depth(5|10|20)(?:@\w+)?")
_TIME_BACK_MS = 5_000
_ENDED = ("FILLED", "CANCELED", "EXPIRED")


@dataclass(eq=False, slots=True)
class Subscriber:
    """A socket: its streams, whether frames name them, and the key of its private stream."""

    streams: set[str] = field(default_factory=set)
    is_combined: bool = False
    key: str | None = None


class Streams:
    """All sockets of a venue. ``frames`` is called whenever time has passed or a request was answered."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.feeds: list[Subscriber] = []
        self._aggregates: dict[str, int] = {}
        self._first_reports: dict[int, Json] = {}
        self._held_back: list[Json] = []

    def open(self, path: str, query: str) -> Subscriber | None:
        """Open a socket; None if there is nothing at the path."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        params = Params(parse_qsl(query))
        feed = Subscriber(is_combined=found.group(1) == "stream")
        names = [*(found.group(2) or "").split("/"), *(params.text("streams") or "").split("/")]
        key = params.text("listenKey")
        for name in names:
            if "@" in name or name.startswith("!"):
                feed.streams.add(name)
            elif name in self.venue.listen_keys:
                key = name
        feed.key = key
        self.feeds.append(feed)
        self._watch()
        return feed

    def close(self, feed: Hashable) -> None:
        """Forget a socket."""
        self.feeds = [found for found in self.feeds if found is not feed]
        self._watch()

    def receive(self, feed: Hashable, text: str) -> str:
        """Take a frame of the client and return the answer."""
        assert isinstance(feed, Subscriber), "a socket that this twin has opened"
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            return _said({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}})
        if not isinstance(asked, dict) or "method" not in asked:
            return _said({"error": {"code": 2, "msg": "Invalid request: missing field `method`"}})
        number = {"id": None, **asked}["id"]
        listed = {"params": [], **asked}["params"]
        names = {str(name) for name in listed} if isinstance(listed, list) else set()
        if asked["method"] == "SUBSCRIBE":
            feed.streams |= names
        elif asked["method"] == "UNSUBSCRIBE":
            feed.streams -= names
        elif asked["method"] == "LIST_SUBSCRIPTIONS":
            return _said({"result": sorted(feed.streams), "id": number})
        else:
            message = f"Invalid request: unknown variant `{asked['method']}`"
            return _said({"error": {"code": 2, "msg": message}, "id": number})
        self._watch()
        return _said({"result": None, "id": number})

    def _watch(self) -> None:
        """Arrange that the books with a subscriber are published."""
        exchange = self.venue.exchange
        wanted = {name.split("@")[0].upper() for feed in self.feeds for name in feed.streams if "@depth" in name}
        for symbol in (wanted & exchange.boards.keys()) - exchange.watched:
            exchange.boards[symbol].publish(exchange.now_ns)
        exchange.watched = wanted & exchange.boards.keys()

    def frames(self) -> list[Frame]:
        """Return what happened since the last call as frames, in order."""
        self.venue.play_faults()
        self.venue.drop_listen_keys()
        found: list[Frame] = []
        exchange = self.venue.exchange
        wanted = {name for feed in self.feeds for name in feed.streams}
        for told in exchange.drain():
            if isinstance(told, (Printed, Quoted, BookMoved, Marked)):
                for name, frame in self._public(told, wanted):
                    found += self._spread(name, frame)
            else:
                for frame in self._private(told):
                    found += self._to_account(frame)
        for symbol, board in exchange.boards.items():
            name = f"{symbol.lower()}@aggTrade"
            last = self._aggregates.get(symbol)
            if board.aggregates:
                self._aggregates[symbol] = board.aggregates[-1].number
            if name in wanted and last is not None:
                for row in board.aggregates_after(last):
                    found += self._spread(name, frames.aggregate_frame(board.listing, row, exchange.now_ns))
        for key in self.venue.expired_keys:
            frame = frames.key_expired_frame(key, exchange.now_ns)
            found += [Frame(feed, _said(frame)) for feed in self.feeds if feed.key == key]
        self.venue.expired_keys.clear()
        return self._torn(found)

    def _torn(self, found: list[Frame]) -> list[Frame]:
        """Cut frames, or keep all back, as the faults of the network say."""
        if not self.venue.faults.armed or not found:
            return found
        if self.venue.strikes("ws_silent") is not None:
            return []
        has_reports = any(isinstance(one.feed, Subscriber) and one.feed.key is not None for one in found)
        if has_reports and self.venue.strikes("ws_silent", call=PRIVATE, is_usual=False):
            found = [one for one in found if isinstance(one.feed, Subscriber) and one.feed.key is None]
        return [
            Frame(frame.feed, frame.text[: len(frame.text) // 2]) if self.venue.strikes("partial_frame") else frame
            for frame in found
        ]

    def _spread(self, name: str, frame: Json) -> list[Frame]:
        """Return a frame for every socket that follows a stream."""
        plain = _said(frame)
        combined = f'{{"stream":"{name}","data":{plain}}}'
        return [Frame(feed, combined if feed.is_combined else plain) for feed in self.feeds if name in feed.streams]

    def _to_account(self, frame: Json) -> list[Frame]:
        found = []
        for feed in self.feeds:
            if feed.key is not None and feed.key in self.venue.listen_keys:
                body = {"stream": feed.key, "data": frame} if feed.is_combined else frame
                found.append(Frame(feed, _said(body)))
        return found

    # Public frames ----------------------------------------------------------------------------------------------------

    def _public(self, told: Printed | Quoted | BookMoved | Marked, wanted: set[str]) -> list[tuple[str, Json]]:
        """Return frames by the streams with a subscriber, as the faults of the market leave them."""
        low, board = told.symbol.lower(), self.venue.exchange.boards[told.symbol]
        listing = board.listing
        found: list[tuple[str, Json]] = []
        if isinstance(told, Printed):
            if f"{low}@trade" in wanted:
                found.append((f"{low}@trade", frames.trade_frame(listing, told)))
        elif isinstance(told, Quoted):
            names = sorted({f"{low}@bookTicker", "!bookTicker"} & wanted)
            found += [(name, frames.quote_frame(listing, told)) for name in names]
        elif isinstance(told, BookMoved):
            for name in sorted(name for name in wanted if name.startswith(f"{low}@depth")):
                partial = _PARTIAL.fullmatch(name)
                if partial is None:
                    found.append((name, frames.book_frame(listing, told)))
                else:
                    found.append((name, frames.top_frame(board, int(partial.group(2)), told)))
        else:
            found += self._each_second(told, wanted)
        return self._faulty(told, found) if self.venue.faults.armed else found

    def _each_second(self, told: Marked, wanted: set[str]) -> list[tuple[str, Json]]:
        """Return mark price, and bars of the symbol."""
        low, board = told.symbol.lower(), self.venue.exchange.boards[told.symbol]
        found: list[tuple[str, Json]] = []
        mark = frames.mark_frame(told)
        if f"{low}@markPrice@1s" in wanted:
            found.append((f"{low}@markPrice@1s", mark))
        if f"{low}@markPrice" in wanted and told.ts_ns % (3 * SECOND_NS) == 0:
            found.append((f"{low}@markPrice", mark))
        for interval, interval_ns in INTERVALS.items():
            if f"{low}@kline_{interval}" in wanted:
                bar = frames.kline_frame(board, interval, interval_ns, told.ts_ns)
                if bar is not None:
                    found.append((f"{low}@kline_{interval}", bar))
        return found

    def _faulty(self, told: Happening, found: list[tuple[str, Json]]) -> list[tuple[str, Json]]:
        """Return public frames as the armed faults leave them."""
        if not found:
            return found
        symbol, strikes = found[0][0].split("@")[0].upper(), self.venue.strikes
        if strikes("feed_silent", symbol=symbol):
            return []
        if isinstance(told, BookMoved):
            if strikes("book_stale", symbol=symbol) or strikes("book_gap", symbol=symbol):
                return []
            if strikes("book_crossed", symbol=symbol):
                board = self.venue.exchange.boards[symbol]
                ask = board.ask if board.ask is not None else 0.0
                above = level(board.listing, board.listing.price(board.listing.ticks(ask) + 5), 1)
                found = [(name, {**frame, "b": [*frame["b"], above]}) for name, frame in found]
        if isinstance(told, Printed):
            if strikes("trade_id_gap", symbol=symbol):
                return []
            if strikes("print_repeated", symbol=symbol):
                found = found * 2
        if strikes("time_backwards", symbol=symbol):
            found = [
                (name, {**frame, **{key: frame[key] - _TIME_BACK_MS for key in ("E", "T") if key in frame}})
                for name, frame in found
            ]
        return found

    # Private frames ---------------------------------------------------------------------------------------------------

    def _private(self, told: Happening) -> list[Json]:
        """Return frames of the account, as the faults of reports leave them."""
        exchange = self.venue.exchange
        if isinstance(told, AccountTold):
            return self._in_order([frames.account_frame(told, exchange.ledger)])
        if isinstance(told, ConditionalTold):
            listing = exchange.boards[told.conditional.ticket.symbol].listing
            order = None if told.order_id is None else exchange.orders.get(told.order_id)
            filled = (0, "0.00000")
            if order is not None:
                filled = (order.filled, views.mean(listing, order.filled, order.quote))
            return self._in_order([frames.conditional_frame(listing, told, filled)])
        if isinstance(told, SettingsTold):
            return self._in_order([frames.settings_frame(told)])
        assert isinstance(told, OrderTold), "public happenings have no private frame"
        listing = exchange.boards[told.order.ticket.symbol].listing
        frame = frames.order_frame(listing, told)
        found = self._of_order(told, frame) if self.venue.faults.armed else [frame]
        lite = [] if told.fill is None or not found else [frames.lite_frame(listing, told.fill)]
        return lite + self._in_order(found)

    def _of_order(self, told: OrderTold, frame: Json) -> list[Json]:
        """Return a report of an order as the armed faults leave it."""
        symbol, strikes = told.order.ticket.symbol, self.venue.strikes
        if told.what == "NEW":
            self._first_reports[told.order.order_id] = frame
        found = [frame]
        if told.fill is not None:
            if strikes("fill_missing", symbol=symbol):
                return []
            if strikes("fill_out_of_order", symbol=symbol):
                self._held_back.append(frame)
                return []
            if strikes("fill_twice", symbol=symbol):
                found = [frame, frame]
        first = self._first_reports.pop(told.order.order_id, None) if told.standing.value in _ENDED else None
        if first is not None and strikes("report_after_end", symbol=symbol):
            found.append(first)
        return found

    def _in_order(self, found: list[Json]) -> list[Json]:
        """Append frames that were held back to the next one."""
        if found and self._held_back and found[0]["e"] != "ACCOUNT_UPDATE":
            found = found + self._held_back
            self._held_back = []
        return found

    def flush(self) -> list[Frame]:
        """Return frames that were held back and that nothing followed."""
        held, self._held_back = self._held_back, []
        return [frame for body in held for frame in self._to_account(body)]


def _said(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))
