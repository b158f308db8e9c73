"""Endpoints without a key: time, rules, book, trades, minutes, mark price, funding."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tightloop.app.sandbox.binance_usdm import filters, limits
from tightloop.app.sandbox.binance_usdm.errors import Refuses
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.binance_usdm.venue import Venue
from tightloop.app.sandbox.binance_usdm.views import Json, money, ms
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.markets.source import Candle
from tightloop.app.sandbox.records import Printed
from tightloop.model.times import DAY_NS, HOUR_NS, MINUTE_NS

INTERVALS = {
    "1m": MINUTE_NS, "3m": 3 * MINUTE_NS, "5m": 5 * MINUTE_NS, "15m": 15 * MINUTE_NS, "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS, "2h": 2 * HOUR_NS, "4h": 4 * HOUR_NS, "6h": 6 * HOUR_NS, "8h": 8 * HOUR_NS, "12h": 12 * HOUR_NS,
    "1d": DAY_NS,
}  # fmt: skip
BOOK_LIMITS = (5, 10, 20, 50, 100, 500, 1_000)


def get_time(venue: Venue, _params: Params) -> Json:
    """Return the venue's time."""
    return {"serverTime": venue.clock_ms()}


def get_ping(_venue: Venue, _params: Params) -> Json:
    """Return nothing."""
    return {}


def get_exchange_info(venue: Venue, _params: Params) -> Json:
    """Return limits, assets and the rules of all symbols."""
    bounds = (
        ("REQUEST_WEIGHT", "MINUTE", 1, limits.WEIGHT_MAX),
        ("ORDERS", "MINUTE", 1, limits.ORDERS_1M_MAX),
        ("ORDERS", "SECOND", 10, limits.ORDERS_10S_MAX),
    )
    return {
        "timezone": "UTC", "serverTime": venue.clock_ms(), "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
            for kind, interval, number, limit in bounds
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [filters.symbol_entry(board.listing) for board in venue.exchange.boards.values()],
    }  # fmt: skip


def get_depth(venue: Venue, params: Params) -> Json:
    """Return the book as it was last published."""
    board = venue.board(params)
    limit = params.integer("limit") or 500
    if limit not in BOOK_LIMITS:
        raise Refuses(-4021, f"Invalid depth limit. Valid limits: {', '.join(map(str, BOOK_LIMITS))}")
    if board.listing.symbol not in venue.exchange.watched:
        board.publish(venue.exchange.now_ns)
    number, bids, asks = board.snapshot(limit)
    stamp = ms(venue.exchange.now_ns)
    return {
        "lastUpdateId": number, "E": stamp, "T": stamp,
        "bids": [level(board.listing, *row) for row in bids], "asks": [level(board.listing, *row) for row in asks],
    }  # fmt: skip


def level(listing: Listing, price: float, lots: int) -> list[str]:
    """Return a price level."""
    return [listing.price_text(price), listing.qty_text(lots)]


def _trade(listing: Listing, trade: Printed) -> Json:
    qty = listing.qty(trade.lots)
    return {
        "id": trade.trade_id, "price": listing.price_text(trade.price), "qty": listing.qty_text(trade.lots),
        "quoteQty": f"{qty * trade.price:.2f}", "time": ms(trade.ts_ns), "isBuyerMaker": trade.is_buyer_maker,
        "isRPITrade": False,
    }  # fmt: skip


def get_trades(venue: Venue, params: Params) -> list[Json]:
    """Return the last trades, ascending."""
    board, rows = venue.board(params), params.count("limit", 500, 1_000)
    return [_trade(board.listing, trade) for trade in board.latest_prints(rows)]


def get_old_trades(venue: Venue, params: Params) -> list[Json]:
    """Return trades from a number on, else the last."""
    board, rows, first = venue.board(params), params.count("limit", 100, 500), params.integer("fromId")
    found = board.latest_prints(rows) if first is None else board.prints_from(first, rows)
    return [_trade(board.listing, trade) for trade in found]


def get_aggregates(venue: Venue, params: Params) -> list[Json]:
    """Return aggregated trades: from a number on, within times (an hour at most), else the last."""
    board, rows, listing = venue.board(params), params.count("limit", 500, 1_000), venue.board(params).listing
    start_ns, end_ns, first = params.ns("startTime"), params.ns("endTime"), params.integer("fromId")
    if start_ns is not None and end_ns is not None and end_ns - start_ns > HOUR_NS:
        raise Refuses(-4188, "Time interval must be less than 1 hour.")
    found = board.aggregates_between(start_ns, None if end_ns is None else end_ns + 999_999, first, rows)
    return [
        {
            "a": row.number, "p": listing.price_text(row.price), "q": listing.qty_text(row.lots), "f": row.first_id,
            "l": row.last_id, "T": ms(row.ts_ns), "m": row.is_buyer_maker,
        }
        for row in found
    ]  # fmt: skip


def candle_row(listing: Listing, candle: Candle, interval_ns: int) -> list[Any]:
    """Return a bar as klines has it."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        ms(candle.open_ns), *(listing.price_text(price) for price in prices),
        listing.qty_text(candle.lots), ms(candle.open_ns + interval_ns) - 1, money(candle.quote), candle.count,
        listing.qty_text(candle.buy_lots), money(candle.buy_quote), "0",
    ]  # fmt: skip


def get_klines(venue: Venue, params: Params) -> list[list[Any]]:
    """Return bars, ascending; the last may still change."""
    board, interval = venue.board(params), params.need("interval")
    if interval not in INTERVALS:
        raise Refuses(-1120, "Invalid interval.")
    board.fill_minutes(venue.exchange.now_ns)
    rows = params.count("limit", 500, 1_500)
    found = bars_of(board, INTERVALS[interval], params.ns("startTime"), params.ns("endTime"), rows)
    return [candle_row(board.listing, bar, INTERVALS[interval]) for bar in found]


def bars_of(board: Board, interval_ns: int, start_ns: int | None, end_ns: int | None, rows: int) -> list[Candle]:
    """Return bars of an interval: the first from ``start_ns`` on, else the last."""
    minutes = board.minutes
    if not minutes:
        return []
    first = minutes[0].open_ns
    count = interval_ns // MINUTE_NS
    high = len(minutes) if end_ns is None else max(0, min(len(minutes), (end_ns - first) // MINUTE_NS + 1))
    low = 0 if start_ns is None else max(0, -(-(start_ns - first) // MINUTE_NS))
    if start_ns is None:
        low = max(low, high - (rows + 1) * count)
    else:
        high = min(high, low + (rows + 1) * count)
    bars: list[Candle] = []
    for minute in minutes[low:high]:
        open_ns = minute.open_ns - minute.open_ns % interval_ns
        if bars and bars[-1].open_ns == open_ns:
            merge(bars[-1], minute)
        elif minute.open_ns == open_ns:
            bars.append(
                Candle(
                    open_ns, minute.open, minute.high, minute.low, minute.close, minute.lots, minute.buy_lots,
                    minute.quote, minute.buy_quote, minute.count, minute.first_id, minute.last_id,
                )
            )  # fmt: skip
    return bars[-rows:] if start_ns is None else bars[:rows]


def merge(bar: Candle, minute: Candle) -> None:
    """Take a minute into the bar before it."""
    bar.high, bar.low, bar.close = max(bar.high, minute.high), min(bar.low, minute.low), minute.close
    bar.lots += minute.lots
    bar.buy_lots += minute.buy_lots
    bar.quote += minute.quote
    bar.buy_quote += minute.buy_quote
    bar.count += minute.count
    bar.first_id = minute.first_id if bar.first_id < 0 else bar.first_id
    bar.last_id = minute.last_id if minute.last_id >= 0 else bar.last_id


def _chosen(venue: Venue, params: Params) -> list[Board]:
    return [venue.board(params)] if params.text("symbol") else list(venue.exchange.boards.values())


def _one_or_all(params: Params, rows: list[Json]) -> Any:
    return rows[0] if params.text("symbol") else rows


def get_premium(venue: Venue, params: Params) -> Any:
    """Return mark price, index and the rate to come, of a symbol or of all."""
    exchange, rows = venue.exchange, []
    for board in _chosen(venue, params):
        symbol = board.listing.symbol
        if board.mark is None or board.index is None:
            continue
        due_ns = exchange.next_funding_ns(symbol)
        rows.append(
            {
                "symbol": symbol, "markPrice": money(board.mark), "indexPrice": money(board.index),
                "estimatedSettlePrice": money(board.index),
                "lastFundingRate": money(exchange.market.rate(symbol, due_ns)), "interestRate": "0.00010000",
                "nextFundingTime": ms(due_ns), "time": ms(exchange.now_ns),
            }
        )  # fmt: skip
    return _one_or_all(params, rows)


def get_funding(venue: Venue, params: Params) -> list[Json]:
    """Return settled rates, ascending."""
    low, high = params.ns("startTime"), params.ns("endTime")
    rows = params.count("limit", 100, 1_000)
    found = [
        {"symbol": symbol, "fundingTime": ms(ts_ns), "fundingRate": money(rate), "markPrice": money(mark)}
        for symbol in (board.listing.symbol for board in _chosen(venue, params))
        for ts_ns, rate, mark in venue.exchange.settled(symbol)
        if (low is None or ts_ns >= low) and (high is None or ts_ns <= high + 999_999)
    ]
    found.sort(key=lambda row: (row["fundingTime"], row["symbol"]))
    return found[:rows] if low is not None else found[-rows:]


def get_funding_rules(venue: Venue, _params: Params) -> list[Json]:
    """Return the interval of funding of each symbol."""
    return [
        {
            "symbol": symbol, "adjustedFundingRateCap": "0.02", "adjustedFundingRateFloor": "-0.02",
            "fundingIntervalHours": hours, "disclaimer": False,
        }
        for symbol, hours in venue.exchange.funding_hours.items()
    ]  # fmt: skip


def get_book_ticker(venue: Venue, params: Params) -> Any:
    """Return best bid and ask, of a symbol or of all."""
    rows = []
    for board in _chosen(venue, params):
        if board.bid is not None and board.ask is not None:
            listing = board.listing
            bid, ask = level(listing, board.bid, board.bid_lots), level(listing, board.ask, board.ask_lots)
            rows.append(
                {
                    "symbol": listing.symbol, "bidPrice": bid[0], "bidQty": bid[1], "askPrice": ask[0],
                    "askQty": ask[1], "time": ms(venue.exchange.now_ns), "lastUpdateId": board.book_id,
                }
            )  # fmt: skip
    return _one_or_all(params, rows)


def get_price(venue: Venue, params: Params) -> Any:
    """Return the last price, of a symbol or of all."""
    rows = [
        {
            "symbol": board.listing.symbol,
            "price": board.listing.price_text(board.last),
            "time": ms(venue.exchange.now_ns),
        }
        for board in _chosen(venue, params)
        if board.last is not None
    ]
    return _one_or_all(params, rows)


def get_day(venue: Venue, params: Params) -> Any:
    """Return figures of the last 24 hours, of a symbol or of all."""
    rows = []
    for board in _chosen(venue, params):
        board.fill_minutes(venue.exchange.now_ns)
        day = bars_of(board, MINUTE_NS, venue.exchange.now_ns - DAY_NS, None, 1_441)
        if not day or board.last is None:
            continue
        listing, first, lots = board.listing, day[0].open, sum(bar.lots for bar in day)
        quote, qty = sum(bar.quote for bar in day), listing.qty(lots)
        rows.append(
            {
                "symbol": listing.symbol, "priceChange": listing.price_text(board.last - first),
                "priceChangePercent": f"{(board.last / first - 1.0) * 100:.3f}",
                "weightedAvgPrice": listing.price_text(quote / qty if qty else board.last),
                "lastPrice": listing.price_text(board.last), "lastQty": listing.qty_text(board.prints[-1].lots),
                "openPrice": listing.price_text(first), "highPrice": listing.price_text(max(bar.high for bar in day)),
                "lowPrice": listing.price_text(min(bar.low for bar in day)), "volume": listing.qty_text(lots),
                "quoteVolume": f"{quote:.2f}", "openTime": ms(day[0].open_ns), "closeTime": ms(venue.exchange.now_ns),
                "firstId": day[0].first_id, "lastId": board.prints[-1].trade_id, "count": sum(bar.count for bar in day),
            }
        )  # fmt: skip
    return _one_or_all(params, rows)


PUBLIC_ENDPOINTS: Mapping[str, Callable[[Venue, Params], Any]] = MappingProxyType(
    {
        "GET ping": get_ping,
        "GET time": get_time,
        "GET exchangeInfo": get_exchange_info,
        "GET depth": get_depth,
        "GET trades": get_trades,
        "GET historicalTrades": get_old_trades,
        "GET aggTrades": get_aggregates,
        "GET klines": get_klines,
        "GET premiumIndex": get_premium,
        "GET fundingRate": get_funding,
        "GET fundingInfo": get_funding_rules,
        "GET ticker/bookTicker": get_book_ticker,
        "GET ticker/price": get_price,
        "GET ticker/24hr": get_day,
    }
)
"""What answers "METHOD name" of anybody."""
