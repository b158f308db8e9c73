"""Endpoints of orders: orders, conditional ("algo") orders, what is open, what was, and fills."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast

from tightloop.app.sandbox.binance_usdm import filters, views
from tightloop.app.sandbox.binance_usdm.errors import Refuses, absent, mandatory
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.binance_usdm.venue import Venue
from tightloop.app.sandbox.binance_usdm.views import Json
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.records import BookedOrder, Conditional, Ticket
from tightloop.model.times import DAY_NS

_SPAN_NS = 7 * DAY_NS
ROWS_DEFAULT, ROWS_MAX = 500, 1_000
LAG_NS_DEFAULT = 5_000_000_000


def _ticket(venue: Venue, params: Params) -> Ticket:
    exchange = venue.exchange
    default = f"twin{venue.request_count}"
    hedged = exchange.ledger.settings.hedge_mode
    return filters.ticket_of(params, venue.board(params), default, exchange.now_ns, is_hedged=hedged)


def _view(venue: Venue, order: BookedOrder, *, as_taken: bool = False) -> Json:
    return views.order_view(order, venue.exchange.boards[order.ticket.symbol].listing, as_taken=as_taken)


def post_order(venue: Venue, params: Params) -> Json:
    """Take an order; the answer shows it as it was taken, or with newOrderRespType=RESULT after its fills."""
    exchange = venue.exchange
    order = exchange.submit(_ticket(venue, params))
    return _view(venue, order, as_taken=params.text("newOrderRespType") != "RESULT")


def test_order(venue: Venue, params: Params) -> Json:
    """Check an order without taking it."""
    ticket = _ticket(venue, params)
    venue.exchange.check(ticket)
    return _view(venue, BookedOrder(0, ticket, venue.exchange.now_ns, venue.exchange.now_ns))


def _named(venue: Venue, params: Params) -> BookedOrder | None:
    board = venue.board(params)
    number, client_id = params.integer("orderId"), params.text("origClientOrderId")
    if number is None and client_id is None:
        raise mandatory("orderId")
    return venue.exchange.find(board.listing.symbol, number, client_id)


def get_order(venue: Venue, params: Params) -> Json:
    """Return an order; a conditional one that waits does not exist here."""
    order = _named(venue, params)
    if order is None or _lags(venue, order.created_ns):
        raise absent()
    return _view(venue, order)


def _lags(venue: Venue, since_ns: int) -> bool:
    """Return whether something as new as this is hidden by the fault ``history_lags`` (``value``: seconds)."""
    armed = venue.strikes("history_lags")
    if armed is None:
        return False
    lag_ns = LAG_NS_DEFAULT if armed.value is None else int(armed.value * 1e9)
    return venue.exchange.now_ns - since_ns < lag_ns


def delete_order(venue: Venue, params: Params) -> Json:
    """Cancel an order. With the fault ``cancel_fill_race`` it fills first, and the cancel comes too late."""
    order = _named(venue, params)
    if order is not None and order.is_open and venue.strikes("cancel_fill_race", symbol=order.ticket.symbol):
        venue.exchange.fill_in_full(order)
    return _view(venue, venue.exchange.cancel(order))


def delete_all(venue: Venue, params: Params) -> Json:
    """Cancel all open orders of a symbol."""
    for order in venue.exchange.open_orders(venue.board(params).listing.symbol):
        venue.exchange.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def put_order(venue: Venue, params: Params) -> Json:
    """Change quantity and price of a limit order."""
    order, board = _named(venue, params), venue.board(params)
    qty, price = params.decimal("quantity"), params.decimal("price")
    if qty is None:
        raise mandatory("quantity")
    if price is None:
        raise mandatory("price")
    if order is None or not order.is_open:
        raise Refuses(-2013, "Order does not exist.")
    lots, limit = filters.lots_of(board.listing, qty, at_market=False), filters.price_of(board.listing, price)
    wanted = Ticket("", board.listing.symbol, order.ticket.is_buy, "LIMIT", order.ticket.tif, lots, limit)
    filters.check_band(board, wanted)
    return _view(venue, venue.exchange.amend(order, lots, limit))


def _chosen(venue: Venue, params: Params) -> str | None:
    return None if params.text("symbol") is None else venue.board(params).listing.symbol


def open_orders(venue: Venue, params: Params) -> list[Json]:
    """Return what is open."""
    symbol = _chosen(venue, params)
    found = [_view(venue, order) for order in venue.exchange.open_orders(symbol)]
    return cast("list[Json]", venue.snapshot("openOrders", symbol, found))


def open_order(venue: Venue, params: Params) -> Json:
    """Return an order if it is open."""
    order = _named(venue, params)
    if order is None or not order.is_open:
        raise absent()
    return _view(venue, order)


def _span(params: Params) -> tuple[int, int]:
    """Return [start, end] of a history; 7 days from the start at most. Raises Refuses."""
    start_ns, end_ns = params.ns("startTime"), params.ns("endTime")
    if start_ns is not None and end_ns is not None and end_ns - start_ns > _SPAN_NS:
        raise Refuses(-4166, "Search window is restricted to recent 7 days only.")
    low = 0 if start_ns is None else start_ns
    high = end_ns if end_ns is not None else low + _SPAN_NS if start_ns is not None else 2**62
    return low, high + 999_999


def all_orders(venue: Venue, params: Params) -> list[Json]:
    """Return orders of a symbol by number, ended ones too."""
    symbol, first = venue.board(params).listing.symbol, params.integer("orderId")
    low, high = _span(params)
    found = [
        order
        for number, order in venue.exchange.orders.items()
        if order.ticket.symbol == symbol and low <= order.created_ns <= high and number >= (first or 0)
    ]
    found = [order for order in found if not _lags(venue, order.created_ns)]
    rows = params.count("limit", ROWS_DEFAULT, ROWS_MAX)
    is_from_start = first is not None or params.text("startTime") is not None
    return [_view(venue, order) for order in (found[:rows] if is_from_start else found[-rows:])]


def user_trades(venue: Venue, params: Params) -> list[Json]:
    """Return our fills of a symbol by number."""
    listing, first, number = venue.board(params).listing, params.integer("fromId"), params.integer("orderId")
    low, high = (0, 2**62) if first is not None else _span(params)
    found = [
        fill
        for fill in venue.exchange.executions
        if fill.symbol == listing.symbol
        and low <= fill.ts_ns <= high
        and fill.trade_id >= (first or 0)
        and number in (None, fill.order_id)
    ]
    found = [fill for fill in found if not _lags(venue, fill.ts_ns)]
    rows = params.count("limit", ROWS_DEFAULT, ROWS_MAX)
    is_from_start = first is not None or params.text("startTime") is not None
    return [views.trade_view(fill, listing) for fill in (found[:rows] if is_from_start else found[-rows:])]


# Conditional orders ---------------------------------------------------------------------------------------------------


def post_algo(venue: Venue, params: Params) -> Json:
    """Take a conditional order."""
    if params.need("algoType") != "CONDITIONAL":
        raise Refuses(-1130, "Data sent for parameter 'algoType' is not valid.")
    board = venue.board(params)
    kind = params.need("type").upper()
    if kind not in filters.CONDITIONAL_TYPES:
        raise Refuses(-1116, "Invalid orderType.")
    closes = params.flag("closePosition")
    if closes and (params.text("quantity") or params.text("reduceOnly")):
        name = "quantity" if params.text("quantity") else "reduceonly"
        raise Refuses(-1106, f"Parameter '{name}' sent when not required.")
    ticket = _algo_ticket(venue, params, board, kind, closes=closes)
    callback = _callback(params) if kind == "TRAILING_STOP_MARKET" else None
    found = venue.exchange.wait(
        ticket=ticket,
        kind=kind,
        trigger=_trigger(params, board, kind, is_buy=ticket.is_buy),
        by_mark=params.text("workingType") == "MARK_PRICE",
        closes_position=closes,
        callback=callback,
    )
    return _algo_view(venue, found)


def _algo_ticket(venue: Venue, params: Params, board: Board, kind: str, *, closes: bool) -> Ticket:
    """Read the order that a trigger will send. Raises Refuses."""
    listing, is_limit = board.listing, kind in ("STOP", "TAKE_PROFIT")
    qty, price = params.decimal("quantity"), params.decimal("price")
    if qty is None and not closes:
        raise mandatory("quantity")
    if is_limit and price is None:
        raise mandatory("price")
    ticket = Ticket(
        client_id=filters.client_id_of(params, "clientAlgoId", f"twin{venue.request_count}"),
        symbol=listing.symbol,
        is_buy=filters.side_of(params),
        kind="LIMIT" if is_limit else "MARKET",
        tif=params.text("timeInForce") or "GTC",
        lots=0 if qty is None else filters.lots_of(listing, qty, at_market=not is_limit),
        price=filters.price_of(listing, price) if is_limit and price is not None else None,
        is_reduce_only=params.flag("reduceOnly") or filters.is_closing(filters.side_of(params), params),
        position_side=params.text("positionSide") or "BOTH",
    )
    if not closes:
        filters.check_notional(board, ticket)
    return ticket


def _trigger(params: Params, board: Board, kind: str, *, is_buy: bool) -> float:
    """Read the price that triggers, of trailing stops the one that activates. Raises Refuses."""
    name = "activatePrice" if kind == "TRAILING_STOP_MARKET" else "triggerPrice"
    price = params.decimal(name)
    if price is None and kind == "TRAILING_STOP_MARKET":
        return float("inf") if is_buy else 0.0
    if price is None:
        raise mandatory(name)
    return filters.price_of(board.listing, price, "Stop price")


def _callback(params: Params) -> float:
    rate = params.decimal("callbackRate")
    if rate is None:
        raise mandatory("callbackRate")
    if not Decimal("0.1") <= rate <= 10:
        raise Refuses(-2007, "Invalid callBack rate")
    return float(rate) / 100.0


def _algo_view(venue: Venue, found: Conditional) -> Json:
    exchange = venue.exchange
    order = exchange.orders[found.order_id] if found.order_id is not None else None
    return views.conditional_view(found, exchange.boards[found.ticket.symbol].listing, order)


def _named_algo(venue: Venue, params: Params) -> Conditional | None:
    number, client_id = params.integer("algoId"), params.text("clientAlgoId")
    if number is None and client_id is None:
        raise mandatory("algoId")
    return venue.exchange.find_conditional(number, client_id)


def get_algo(venue: Venue, params: Params) -> Json:
    """Return a conditional order."""
    found = _named_algo(venue, params)
    if found is None or _lags(venue, found.created_ns):
        raise absent()
    return _algo_view(venue, found)


def delete_algo(venue: Venue, params: Params) -> Json:
    """Cancel a conditional order."""
    found = venue.exchange.withdraw(_named_algo(venue, params))
    return {"algoId": found.algo_id, "clientAlgoId": found.ticket.client_id, "code": "200", "msg": "success"}


def delete_all_algos(venue: Venue, params: Params) -> Json:
    """Cancel all conditional orders of a symbol."""
    for found in venue.exchange.waiting(venue.board(params).listing.symbol):
        venue.exchange.withdraw(found)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def open_algos(venue: Venue, params: Params) -> list[Json]:
    """Return the conditional orders that wait."""
    symbol = _chosen(venue, params)
    found = [_algo_view(venue, waits) for waits in venue.exchange.waiting(symbol)]
    return cast("list[Json]", venue.snapshot("openAlgoOrders", symbol, found))


def all_algos(venue: Venue, params: Params) -> list[Json]:
    """Return conditional orders of a symbol by number, ended ones too."""
    symbol, first = venue.board(params).listing.symbol, params.integer("algoId") or 0
    low, high = _span(params)
    found = [
        conditional
        for number, conditional in venue.exchange.conditionals.items()
        if conditional.ticket.symbol == symbol and low <= conditional.created_ns <= high and number >= first
    ]
    return [_algo_view(venue, conditional) for conditional in found[: params.count("limit", ROWS_DEFAULT, ROWS_MAX)]]


TRADING_ENDPOINTS: Mapping[str, Callable[[Venue, Params], Any]] = MappingProxyType(
    {
        "POST order": post_order,
        "POST order/test": test_order,
        "GET order": get_order,
        "DELETE order": delete_order,
        "PUT order": put_order,
        "GET openOrder": open_order,
        "GET openOrders": open_orders,
        "DELETE allOpenOrders": delete_all,
        "GET allOrders": all_orders,
        "GET userTrades": user_trades,
        "POST algoOrder": post_algo,
        "GET algoOrder": get_algo,
        "DELETE algoOrder": delete_algo,
        "GET openAlgoOrders": open_algos,
        "GET allAlgoOrders": all_algos,
        "DELETE algoOpenOrders": delete_all_algos,
    }
)
"""What answers "METHOD name"."""
