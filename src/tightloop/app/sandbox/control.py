"""``/_twin/*``: the truth, and the hands of tests and outsiders. Nothing of it exists at a real venue."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.dialect import Dialect
from tightloop.app.sandbox.records import BookedOrder, Conditional, Execution
from tightloop.model.errors import InputError

Json = dict[str, Any]


def truth(venue: Dialect) -> Json:
    """Return what is true, whatever the wire said: quantities in base units, positions signed."""
    exchange = venue.exchange
    boards, ledger = exchange.boards, exchange.ledger
    orders = [_order(boards[found.ticket.symbol], found) for found in exchange.orders.values()]
    orders += [_conditional(boards[found.ticket.symbol], found) for found in exchange.conditionals.values()]
    return {
        "now_ns": exchange.now_ns,
        "wallet": ledger.wallet,
        "orders": orders,
        "fills": [_fill(boards[found.symbol], found) for found in exchange.executions],
        "positions": [
            {"symbol": found.symbol, "qty": boards[found.symbol].listing.qty(found.lots), "entry": found.entry}
            for found in ledger.open_holdings()
        ],
        "funding": [
            {"symbol": found.symbol, "amount": found.amount, "tran_id": found.number, "ts_ns": found.ts_ns}
            for found in ledger.incomes
            if found.kind == "FUNDING_FEE"
        ],
        "requests": venue.request_count,
    }


def _order(board: Board, order: BookedOrder) -> Json:
    ticket, listing = order.ticket, board.listing
    return {
        "order_id": order.order_id, "client_id": ticket.client_id, "symbol": ticket.symbol,
        "side": "BUY" if ticket.is_buy else "SELL", "type": ticket.kind, "qty": listing.qty(ticket.lots),
        "price": ticket.price, "stop_price": None, "reduce_only": ticket.is_reduce_only,
        "state": order.standing.value, "cum_qty": listing.qty(order.filled),
    }  # fmt: skip


def _conditional(board: Board, found: Conditional) -> Json:
    ticket, listing = found.ticket, board.listing
    return {
        "order_id": found.algo_id, "client_id": ticket.client_id, "symbol": ticket.symbol,
        "side": "BUY" if ticket.is_buy else "SELL", "type": found.kind, "qty": listing.qty(ticket.lots),
        "price": ticket.price, "stop_price": found.trigger if found.callback is None else None,
        "reduce_only": ticket.is_reduce_only or found.closes_position, "state": found.standing.value, "cum_qty": 0.0,
        "actual_order_id": found.order_id,
    }  # fmt: skip


def _fill(board: Board, fill: Execution) -> Json:
    return {
        "trade_id": fill.trade_id, "order_id": fill.order_id, "client_id": fill.client_id, "symbol": fill.symbol,
        "side": "BUY" if fill.is_buy else "SELL", "qty": board.listing.qty(fill.lots), "price": fill.price,
        "fee": fill.fee, "is_maker": fill.is_maker, "ts_ns": fill.ts_ns,
    }  # fmt: skip


def need_number(body: Mapping[str, Any], name: str) -> float:
    """Return a number of a body. Raises InputError."""
    value = {name: None, **body}[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError.one("request", None, name, f"{value!r} is not a number", "write a number")
    return float(value)


def _symbol(venue: Dialect, body: Mapping[str, Any]) -> str:
    symbol = str(body["symbol"]) if "symbol" in body else ""
    if symbol not in venue.exchange.boards:
        there = ", ".join(venue.exchange.boards)
        raise InputError.one("request", None, "symbol", f"{symbol!r} is not listed", f"use one of {there}")
    return symbol


def fault(venue: Dialect, body: Mapping[str, Any]) -> Json:
    """Arm a fault."""
    exchange = venue.exchange
    return asdict(venue.faults.arm(body, exchange.market.start_ns, exchange.now_ns))


def position(venue: Dialect, body: Mapping[str, Any]) -> Json:
    """Trade a signed quantity on the account at market, as an outsider would."""
    symbol = _symbol(venue, body)
    exchange = venue.exchange
    lots = exchange.boards[symbol].listing.lots(need_number(body, "qty"))
    if not lots:
        raise InputError.one("request", None, "qty", "is less than a lot", "write a larger quantity")
    order = exchange.trade_outside(symbol, lots, f"web_{exchange.now_ns // 1_000_000}_{len(exchange.orders)}")
    return _order(exchange.boards[symbol], order)


def deposit(venue: Dialect, body: Mapping[str, Any]) -> Json:
    """Bring money in, or take it out with a negative amount."""
    amount = need_number(body, "amount")
    venue.exchange.move_money(amount)
    return {"wallet": venue.exchange.ledger.wallet}


def account(venue: Dialect, body: Mapping[str, Any]) -> Json:
    """Change how the account is set up, whatever the venue would refuse.

    Keys: hedge_mode, multi_assets, fee_burn, can_withdraw, can_trade (flags), cross (a flag for all symbols, or a list
    of symbols), leverage ({symbol: number}).
    """
    settings = venue.exchange.ledger.settings
    flags = ("hedge_mode", "multi_assets", "fee_burn", "can_withdraw", "can_trade")
    unknown = sorted(set(body) - {*flags, "cross", "leverage"})
    if unknown:
        remedy = f"use some of {', '.join((*flags, 'cross', 'leverage'))}"
        raise InputError.one("request", None, unknown[0], "is not a setting of the account", remedy)
    for name in flags:
        if name in body:
            if not isinstance(body[name], bool):
                raise InputError.one("request", None, name, f"{body[name]!r} is no flag", "write true or false")
            setattr(settings, name, body[name])
    if "cross" in body:
        if isinstance(body["cross"], bool):
            settings.shared_by_default = body["cross"]
            settings.shared_margin.clear()
        else:
            for symbol in body["cross"]:
                settings.shared_margin[_symbol(venue, {"symbol": symbol})] = True
    for symbol, leverage in dict({"leverage": {}, **body}["leverage"]).items():
        venue.exchange.set_leverage(_symbol(venue, {"symbol": symbol}), int(leverage))
    return {name: getattr(settings, name) for name in flags}


def hits(venue: Dialect) -> Json:
    """Return how often each class of faults struck."""
    return dict(sorted(venue.faults.hits.items()))


def requests(venue: Dialect) -> list[Json]:
    """Return the requests that arrived."""
    return [asdict(seen) for seen in venue.requests]


def book(venue: Dialect, symbol: str) -> Json:
    """Return the book of a symbol as it was last published."""
    board = venue.exchange.boards[_symbol(venue, {"symbol": symbol})]
    number, bids, asks = board.snapshot(1_000)
    qty = board.listing.qty
    return {
        "last_id": number,
        "bids": [[price, qty(lots)] for price, lots in bids],
        "asks": [[price, qty(lots)] for price, lots in asks],
    }


POSTS: Mapping[str, Callable[[Dialect, Mapping[str, Any]], Json]] = {
    "fault": fault,
    "position": position,
    "deposit": deposit,
    "account": account,
}
"""What ``POST /_twin/NAME`` does; ``until`` is the server's, which has the clock."""


def parsed(text: str) -> Mapping[str, Any]:
    """Read the body of a POST. Raises InputError."""
    try:
        body = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise InputError.one("request", None, "", f"is not JSON ({error})", 'write {"kind": "ack_lost"}') from None
    if not isinstance(body, dict):
        raise InputError.one("request", None, "", "is not an object", 'write {"kind": "ack_lost"}')
    return body
