"""What happened as frames of Binance USD-M: public ones by stream, private ones of the account."""

from typing import Any

from tightloop.app.sandbox.account import Ledger
from tightloop.app.sandbox.binance_usdm import views
from tightloop.app.sandbox.binance_usdm.public import bars_of, level
from tightloop.app.sandbox.binance_usdm.views import Json, money, ms
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.records import (
    AccountPosition,
    AccountTold,
    Aggregate,
    BookMoved,
    ConditionalTold,
    Execution,
    Marked,
    OrderTold,
    Printed,
    Quoted,
    SettingsTold,
)

KNOCKED_OUT = 4
"""Word in ``er``: why an order expired."""
ALGO_NOTES = {"margin": "Margin is insufficient.", "reduce_only": "ReduceOnly Order is rejected."}


def trade_frame(listing: Listing, told: Printed) -> Json:
    """Return a public trade."""
    stamp = ms(told.ts_ns)
    return {
        "e": "trade", "E": stamp, "T": stamp, "s": told.symbol, "t": told.trade_id,
        "p": listing.price_text(told.price), "q": listing.qty_text(told.lots), "X": "MARKET",
        "m": told.is_buyer_maker,
    }  # fmt: skip


def aggregate_frame(listing: Listing, row: Aggregate, now_ns: int) -> Json:
    """Return an aggregated trade."""
    return {
        "e": "aggTrade", "E": ms(now_ns), "s": listing.symbol, "a": row.number, "p": listing.price_text(row.price),
        "q": listing.qty_text(row.lots), "nq": listing.qty_text(row.lots), "f": row.first_id, "l": row.last_id,
        "T": ms(row.ts_ns), "m": row.is_buyer_maker,
    }  # fmt: skip


def quote_frame(listing: Listing, told: Quoted) -> Json:
    """Return best bid and ask."""
    bid, ask = level(listing, told.bid, told.bid_lots), level(listing, told.ask, told.ask_lots)
    stamp = ms(told.ts_ns)
    return {
        "e": "bookTicker", "u": told.update_id, "s": told.symbol, "b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1],
        "T": stamp, "E": stamp,
    }  # fmt: skip


def book_frame(listing: Listing, told: BookMoved) -> Json:
    """Return changes of price levels."""
    stamp = ms(told.ts_ns)
    return {
        "e": "depthUpdate", "E": stamp, "T": stamp, "s": told.symbol, "U": told.first_id, "u": told.last_id,
        "pu": told.previous_id, "b": [level(listing, *row) for row in told.bids],
        "a": [level(listing, *row) for row in told.asks],
    }  # fmt: skip


def top_frame(board: Board, depth: int, told: BookMoved) -> Json:
    """Return the first levels of the book."""
    number, bids, asks = board.snapshot(depth)
    frame = book_frame(board.listing, told)
    rows = {side: [level(board.listing, *row) for row in found] for side, found in (("b", bids), ("a", asks))}
    return {**frame, "u": number, **rows}


def mark_frame(told: Marked) -> Json:
    """Return the mark price."""
    return {
        "e": "markPriceUpdate", "E": ms(told.ts_ns), "s": told.symbol, "p": money(told.mark), "ap": money(told.mark),
        "i": money(told.index), "P": money(told.index), "r": money(told.rate), "T": ms(told.next_funding_ns),
    }  # fmt: skip


def kline_frame(board: Board, interval: str, interval_ns: int, now_ns: int) -> Json | None:
    """Return the bar that runs, or has just ended; None before the first."""
    open_ns = (now_ns - 1) // interval_ns * interval_ns
    board.fill_minutes(now_ns - 1)
    found = bars_of(board, interval_ns, open_ns, now_ns - 1, 1)
    if not found:
        return None
    bar, listing = found[0], board.listing
    price, qty = listing.price_text, listing.qty_text
    return {
        "e": "kline", "E": ms(now_ns), "s": listing.symbol,
        "k": {
            "t": ms(bar.open_ns), "T": ms(bar.open_ns + interval_ns) - 1, "s": listing.symbol, "i": interval,
            "f": bar.first_id, "L": bar.last_id, "o": price(bar.open), "c": price(bar.close), "h": price(bar.high),
            "l": price(bar.low), "v": qty(bar.lots), "n": bar.count, "x": now_ns % interval_ns == 0,
            "q": money(bar.quote), "V": qty(bar.buy_lots), "Q": money(bar.buy_quote), "B": "0",
        },
    }  # fmt: skip


def order_frame(listing: Listing, told: OrderTold) -> Json:
    """Return ORDER_TRADE_UPDATE."""
    order, ticket, fill, stamp = told.order, told.order.ticket, told.fill, ms(told.ts_ns)
    zero = listing.price_text(0.0)
    body: dict[str, Any] = {
        "s": ticket.symbol, "c": ticket.client_id, "S": views.side(ticket.is_buy), "o": ticket.kind, "f": ticket.tif,
        "q": listing.qty_text(ticket.lots), "p": zero if ticket.price is None else listing.price_text(ticket.price),
        "ap": views.mean(listing, told.filled, told.quote), "sp": "0", "x": told.what,
        "X": told.standing.value, "i": order.order_id, "l": listing.qty_text(0 if fill is None else fill.lots),
        "z": listing.qty_text(told.filled), "L": zero if fill is None else listing.price_text(fill.price),
        "n": "0" if fill is None else money(fill.fee), "N": "USDT", "T": stamp,
        "t": 0 if fill is None else fill.trade_id, "b": "0", "a": "0", "m": fill is not None and fill.is_maker,
        "R": ticket.is_reduce_only, "wt": "CONTRACT_PRICE", "ot": ticket.kind, "ps": ticket.position_side, "cp": False,
        "rp": money(0.0 if fill is None else fill.gain), "pP": False, "si": 0, "ss": 0, "V": "EXPIRE_MAKER",
        "pm": "NONE", "gtd": 0 if ticket.expires_ns is None else ms(ticket.expires_ns),
        "er": str(KNOCKED_OUT) if order.is_knocked_out and told.what == "EXPIRED" else "0",
    }  # fmt: skip
    if order.algo_id is not None:
        body["si"] = order.algo_id
    return {"e": "ORDER_TRADE_UPDATE", "E": stamp, "T": stamp, "o": body}


def lite_frame(listing: Listing, fill: Execution) -> Json:
    """Return TRADE_LITE: a fill sooner and with less, without what is filled in all."""
    stamp = ms(fill.ts_ns)
    price = listing.price_text(fill.price)
    return {
        "e": "TRADE_LITE", "E": stamp, "T": stamp, "s": fill.symbol, "q": listing.qty_text(fill.lots), "p": price,
        "m": fill.is_maker, "c": fill.client_id, "S": views.side(fill.is_buy), "L": price,
        "l": listing.qty_text(fill.lots), "t": fill.trade_id, "i": fill.order_id,
    }  # fmt: skip


def conditional_frame(listing: Listing, told: ConditionalTold, filled: tuple[int, str]) -> Json:
    """Return ALGO_UPDATE. ``filled``: lots and mean price of the order that the trigger sent."""
    found, ticket, stamp = told.conditional, told.conditional.ticket, ms(told.ts_ns)
    is_trailing = found.callback is not None
    body = {
        "caid": ticket.client_id, "aid": found.algo_id, "at": "CONDITIONAL", "o": found.kind, "s": ticket.symbol,
        "S": views.side(ticket.is_buy), "ps": ticket.position_side, "f": ticket.tif, "q": listing.qty_text(ticket.lots),
        "X": told.standing.value, "ai": "" if told.order_id is None else str(told.order_id), "ap": filled[1],
        "aq": listing.qty_text(filled[0]), "act": ticket.kind,
        "tp": "0" if is_trailing else listing.price_text(found.trigger),
        "p": "0" if ticket.price is None else listing.price_text(ticket.price), "V": "EXPIRE_MAKER",
        "wt": views.working_type(found), "pm": "NONE", "cp": found.closes_position, "pP": False,
        "R": ticket.is_reduce_only, "tt": 0 if found.triggered_ns is None else ms(found.triggered_ns), "gtd": 0,
        "rm": ALGO_NOTES.get(found.note, found.note),
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "E": stamp, "T": stamp, "o": body}


def account_frame(told: AccountTold, ledger: Ledger) -> Json:
    """Return ACCOUNT_UPDATE."""
    stamp = ms(told.ts_ns)
    wallet = {"a": "USDT", "wb": money(told.wallet), "cw": money(told.shared), "bc": money(told.change)}
    positions = [_held(holding, ledger) for holding in told.holdings]
    return {"e": "ACCOUNT_UPDATE", "E": stamp, "T": stamp, "a": {"m": told.why, "B": [wallet], "P": positions}}


def _held(holding: AccountPosition, ledger: Ledger) -> Json:
    listing = ledger.boards[holding.symbol].listing
    entry = f"{holding.entry:.{listing.price_digits + 4}f}"
    return {
        "s": holding.symbol, "pa": listing.qty_text(holding.lots), "ep": entry, "bep": entry, "cr": money(holding.gain),
        "up": money(ledger.unrealised(holding)), "mt": "cross" if ledger.is_shared(holding.symbol) else "isolated",
        "iw": money(holding.margin), "ps": holding.position_side, "ma": "USDT",
    }  # fmt: skip


def settings_frame(told: SettingsTold) -> Json:
    """Return ACCOUNT_CONFIG_UPDATE."""
    stamp = ms(told.ts_ns)
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": stamp, "T": stamp, "ac": {"s": told.symbol, "l": told.leverage}}


def key_expired_frame(key: str, now_ns: int) -> Json:
    """Return listenKeyExpired."""
    return {"e": "listenKeyExpired", "E": ms(now_ns), "listenKey": key}
