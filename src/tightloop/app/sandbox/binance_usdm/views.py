"""Records of the exchange as the JSON of Binance USD-M."""

from typing import Any

from tightloop.app.sandbox.account import Ledger
from tightloop.app.sandbox.listing import Listing
from tightloop.app.sandbox.records import AccountPosition, BookedOrder, Conditional, Execution, Standing

Json = dict[str, Any]


def ms(ts_ns: int) -> int:
    """Return ns as ms."""
    return ts_ns // 1_000_000


def money(amount: float) -> str:
    """Return an amount with eight decimals."""
    return f"{amount:.8f}"


def side(is_buy: bool) -> str:
    """Return a side's word."""
    return "BUY" if is_buy else "SELL"


def mean(listing: Listing, filled: int, quote: float) -> str:
    """Return the mean price of what was filled, 0 for nothing."""
    return f"{quote / listing.qty(filled):.{listing.price_digits + 4}f}" if filled else "0.00"


def order_view(order: BookedOrder, listing: Listing, *, as_taken: bool = False) -> Json:
    """Return an order. ``as_taken``: as it was when it was taken, before any fill (newOrderRespType ACK)."""
    ticket = order.ticket
    filled, quote = (0, 0.0) if as_taken else (order.filled, order.quote)
    return {
        "orderId": order.order_id, "symbol": ticket.symbol,
        "status": (Standing.NEW if as_taken else order.standing).value, "clientOrderId": ticket.client_id,
        "price": "0" if ticket.price is None else listing.price_text(ticket.price),
        "avgPrice": mean(listing, filled, quote), "origQty": listing.qty_text(ticket.lots),
        "executedQty": listing.qty_text(filled), "cumQty": listing.qty_text(filled), "cumQuote": money(quote),
        "timeInForce": ticket.tif, "type": ticket.kind, "reduceOnly": ticket.is_reduce_only, "closePosition": False,
        "side": side(ticket.is_buy), "positionSide": ticket.position_side, "stopPrice": "0",
        "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": ticket.kind, "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0 if ticket.expires_ns is None else ms(ticket.expires_ns),
        "time": ms(order.created_ns), "updateTime": ms(order.created_ns if as_taken else order.updated_ns),
    }  # fmt: skip


def conditional_view(found: Conditional, listing: Listing, order: BookedOrder | None) -> Json:
    """Return a conditional order; ``order``: the one its trigger sent."""
    ticket = found.ticket
    is_trailing = found.callback is not None
    return {
        "algoId": found.algo_id, "clientAlgoId": ticket.client_id, "algoType": "CONDITIONAL",
        "orderType": found.kind, "symbol": ticket.symbol, "side": side(ticket.is_buy),
        "positionSide": ticket.position_side, "timeInForce": ticket.tif,
        "quantity": "0" if found.closes_position else listing.qty_text(ticket.lots),
        "algoStatus": found.standing.value,
        "triggerPrice": "" if is_trailing else listing.price_text(found.trigger),
        "price": "0" if ticket.price is None else listing.price_text(ticket.price), "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER", "workingType": working_type(found), "priceMatch": "NONE",
        "closePosition": found.closes_position, "priceProtect": False, "reduceOnly": ticket.is_reduce_only,
        "activatePrice": listing.price_text(found.trigger) if is_trailing else "",
        "callbackRate": f"{found.callback * 100:g}" if found.callback is not None else "",
        "createTime": ms(found.created_ns), "updateTime": ms(found.updated_ns),
        "triggerTime": 0 if found.triggered_ns is None else ms(found.triggered_ns), "goodTillDate": 0,
        "actualOrderId": "" if found.order_id is None else str(found.order_id),
        "actualPrice": "0.00000" if order is None else mean(listing, order.filled, order.quote),
    }  # fmt: skip


def working_type(found: Conditional) -> str:
    """Return the word for the price that a conditional order watches."""
    return "MARK_PRICE" if found.by_mark else "CONTRACT_PRICE"


def trade_view(fill: Execution, listing: Listing) -> Json:
    """Return a fill of ours."""
    qty = listing.qty(fill.lots)
    return {
        "symbol": fill.symbol, "id": fill.trade_id, "orderId": fill.order_id, "side": side(fill.is_buy),
        "price": listing.price_text(fill.price), "qty": listing.qty_text(fill.lots), "realizedPnl": money(fill.gain),
        "quoteQty": money(qty * fill.price), "commission": money(fill.fee), "commissionAsset": "USDT",
        "time": ms(fill.ts_ns), "positionSide": fill.position_side, "buyer": fill.is_buy, "maker": fill.is_maker,
    }  # fmt: skip


def position_view(holding: AccountPosition, ledger: Ledger) -> Json:
    """Return a position as v3/positionRisk has it."""
    listing = ledger.boards[holding.symbol].listing
    digits = listing.price_digits
    notional = ledger.notional(holding) * (1.0 if holding.lots >= 0 else -1.0)
    liquidation = ledger.liquidation_price(holding)
    is_isolated = not ledger.is_shared(holding.symbol)
    initial, unrealised = ledger.initial(holding), ledger.unrealised(holding)
    return {
        "symbol": holding.symbol, "positionSide": holding.position_side,
        "positionAmt": listing.qty_text(holding.lots), "entryPrice": f"{holding.entry:.{digits + 4}f}",
        "breakEvenPrice": f"{holding.entry:.{digits + 4}f}", "markPrice": money(ledger.mark(holding.symbol)),
        "unRealizedProfit": money(unrealised), "liquidationPrice": "0" if liquidation is None else money(liquidation),
        "isolatedMargin": money(holding.margin + unrealised if is_isolated else 0.0), "notional": money(notional),
        "marginAsset": "USDT", "isolatedWallet": money(holding.margin), "initialMargin": money(initial),
        "maintMargin": money(ledger.maintenance(holding)), "positionInitialMargin": money(initial),
        "openOrderInitialMargin": "0", "adl": 2, "bidNotional": "0", "askNotional": "0",
        "updateTime": ms(holding.updated_ns),
    }  # fmt: skip
