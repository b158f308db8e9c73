"""Rules of symbols as exchangeInfo states them, and orders checked against them."""

import re
from decimal import Decimal
from typing import Any

from tightloop.app.sandbox.binance_usdm.errors import Refuses, mandatory
from tightloop.app.sandbox.binance_usdm.params import Params
from tightloop.app.sandbox.board import Board
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.records import Ticket
from tightloop.model.times import SECOND_NS

CLIENT_ID = re.compile(r"[\.A-Z:/a-z0-9_-]{1,36}")
CONDITIONAL_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "GTD")
GTD_MIN_NS = 600 * SECOND_NS
_PRICE_MAX_TICKS = 10_000_000


def symbol_entry(listing: Listing) -> dict[str, Any]:
    """Return the entry of a symbol in exchangeInfo."""
    first = listing.tiers[0]
    lot = listing.qty_text(1)
    return {
        "symbol": listing.symbol, "pair": listing.symbol, "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": listing.status,
        "maintMarginPercent": f"{first.maintenance_rate * 100:.4f}", "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base, "quoteAsset": "USDT", "marginAsset": "USDT",
        "pricePrecision": listing.price_digits, "quantityPrecision": listing.lot_digits,
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": [],
        "triggerProtect": "0.0500", "liquidationFee": "0.012500", "marketTakeBound": "0.05", "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER", "minPrice": listing.price_text(listing.tick),
                "maxPrice": listing.price_text(listing.price(_PRICE_MAX_TICKS)),
                "tickSize": listing.price_text(listing.tick),
            },
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": listing.qty_text(listing.qty_max), "stepSize": lot},
            {
                "filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": listing.qty_text(listing.market_qty_max),
                "stepSize": lot,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
            {"filterType": "MIN_NOTIONAL", "notional": f"{listing.notional_min:g}"},
            {
                "filterType": "PERCENT_PRICE", "multiplierUp": f"{listing.band_up:.4f}",
                "multiplierDown": f"{listing.band_down:.4f}", "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET", *CONDITIONAL_TYPES],
        "timeInForce": list(TIMES_IN_FORCE),
    }  # fmt: skip


def lots_of(listing: Listing, qty: Decimal, *, at_market: bool) -> int:
    """Return a quantity in lots. Raises Refuses."""
    if qty <= 0:
        raise Refuses(-4003, "Quantity less than or equal to zero.")
    units = qty.scaleb(listing.lot_digits)
    if units != units.to_integral_value():
        raise Refuses(-1111, "Precision is over the maximum defined for this asset.")
    lots, rest = divmod(int(units), listing.lot_units)
    if rest:
        raise Refuses(-4023, "Quantity not increased by step size.")
    if lots > (listing.market_qty_max if at_market else listing.qty_max):
        raise Refuses(-4005, "Quantity greater than max quantity.")
    return lots


def price_of(listing: Listing, price: Decimal, name: str = "Price") -> float:
    """Return a price on the grid. Raises Refuses."""
    if price <= 0:
        raise Refuses(-4001, f"{name} less than 0.")
    units = price.scaleb(listing.price_digits)
    if units != units.to_integral_value():
        raise Refuses(-1111, "Precision is over the maximum defined for this asset.")
    if int(units) % listing.tick_units:
        raise Refuses(-4014, f"{name} not increased by tick size.")
    if int(units) > _PRICE_MAX_TICKS * listing.tick_units:
        raise Refuses(-4002, f"{name} greater than max price.")
    return listing.price(int(units) // listing.tick_units)


def side_of(params: Params) -> bool:
    """Return whether an order buys. Raises Refuses."""
    side = params.need("side").upper()
    if side not in ("BUY", "SELL"):
        raise Refuses(-1117, "Invalid side.")
    return side == "BUY"


def client_id_of(params: Params, name: str, default: str) -> str:
    """Return a client id. Raises Refuses."""
    found = params.text(name) or default
    if CLIENT_ID.fullmatch(found) is None:
        raise Refuses(-4015, "Client order id is not valid.")
    return found


def tif_of(params: Params, kind: str) -> str:
    """Return the time in force. Raises Refuses."""
    tif = params.need("timeInForce") if kind == "LIMIT" else params.text("timeInForce") or "GTC"
    if tif not in TIMES_IN_FORCE:
        raise Refuses(-1115, "Invalid timeInForce.")
    return tif


def expiry_of(params: Params, tif: str, now_ns: int) -> int | None:
    """Return when an order expires; None for never. Raises Refuses."""
    if tif != "GTD":
        return None
    until_ns = params.ns("goodTillDate")
    if until_ns is None:
        raise mandatory("goodTillDate")
    if until_ns <= now_ns + GTD_MIN_NS:
        raise Refuses(-5040, "The goodTillDate timestamp must be greater than the current time plus 600 seconds.")
    return until_ns


def ticket_of(params: Params, board: Board, default_id: str, now_ns: int, *, is_hedged: bool) -> Ticket:
    """Read an order and check it against the filters of its symbol. Raises Refuses."""
    listing = board.listing
    is_buy, kind = side_of(params), params.need("type").upper()
    if kind in CONDITIONAL_TYPES:
        raise Refuses(
            -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        )
    if kind not in ("LIMIT", "MARKET"):
        raise Refuses(-1116, "Invalid orderType.")
    qty = params.decimal("quantity")
    if qty is None:
        raise mandatory("quantity")
    tif = tif_of(params, kind)
    price = params.decimal("price") if kind == "LIMIT" else None
    if kind == "LIMIT" and price is None:
        raise mandatory("price")
    if is_hedged and params.text("reduceOnly"):
        raise Refuses(-1106, "Parameter 'reduceonly' sent when not required.")
    ticket = Ticket(
        client_id=client_id_of(params, "newClientOrderId", default_id),
        symbol=listing.symbol,
        is_buy=is_buy,
        kind=kind,
        tif=tif,
        lots=lots_of(listing, qty, at_market=kind == "MARKET"),
        price=None if price is None else price_of(listing, price),
        is_reduce_only=params.flag("reduceOnly") or is_closing(is_buy, params),
        position_side=params.text("positionSide") or "BOTH",
        expires_ns=expiry_of(params, tif, now_ns),
    )
    check_band(board, ticket)
    check_notional(board, ticket)
    return ticket


def is_closing(is_buy: bool, params: Params) -> bool:
    """Return whether an order can only close: of two positions a symbol, its side says so."""
    return params.text("positionSide") == ("SHORT" if is_buy else "LONG")


def check_band(board: Board, ticket: Ticket) -> None:
    """Refuse a price outside of the band around the mark price (PERCENT_PRICE). Raises Refuses."""
    listing, mark = board.listing, board.mark
    if mark is None:
        return
    high, low = mark * listing.band_up, mark * listing.band_down
    if ticket.price is None:
        best = board.ask if ticket.is_buy else board.bid
        if best is not None and (best > high if ticket.is_buy else best < low):
            raise Refuses(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
    elif ticket.is_buy and ticket.price > high:
        raise Refuses(-4016, f"Limit price can't be higher than {listing.price_text(high)}.")
    elif not ticket.is_buy and ticket.price < low:
        raise Refuses(-4024, f"Limit price can't be lower than {listing.price_text(low)}.")


def check_notional(board: Board, ticket: Ticket) -> None:
    """Refuse an order that is worth too little and does not reduce. Raises Refuses."""
    price = ticket.price if ticket.price is not None else board.mark
    listing = board.listing
    if ticket.is_reduce_only or price is None:
        return
    if listing.qty(ticket.lots) * price < listing.notional_min:
        least = f"{listing.notional_min:g}"
        raise Refuses(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
