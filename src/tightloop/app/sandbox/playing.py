"""Faults that strike by themselves: what an outsider or the venue does to account, market and rules."""

from dataclasses import replace

from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.faults import Armed
from tightloop.model.times import SECOND_NS

_SPIKE, _SPIKE_S, _MOVED, _LEVERAGE, _HOURS, _OPENED_USDT = 1.05, 10.0, -100.0, 3, 1, 500.0


def can_play(exchange: Exchange, armed: Armed) -> bool:
    """Return whether there is what a fault strikes: a position, or an order that reduces one."""
    if armed.kind in ("closed_by_hand", "liquidated", "adl"):
        return any(armed.symbol in (None, found.symbol) for found in exchange.ledger.open_holdings())
    if armed.kind == "knocked_out":
        return any(found.ticket.is_reduce_only for found in exchange.open_orders(armed.symbol))
    return True


def play(exchange: Exchange, armed: Armed) -> None:
    """Play a fault that can be played."""
    holdings = [found for found in exchange.ledger.open_holdings() if armed.symbol in (None, found.symbol)]
    symbol = armed.symbol if armed.symbol in exchange.boards else next(iter(exchange.boards))
    stamp = exchange.now_ns // 1_000_000
    if armed.kind == "closed_by_hand":
        for held in holdings[:1]:
            exchange.trade_outside(held.symbol, -held.lots, f"web_{stamp}")
    elif armed.kind == "opened_by_hand":
        listing = exchange.boards[symbol].listing
        size = _OPENED_USDT / exchange.ledger.mark(symbol) if armed.value is None else armed.value
        exchange.trade_outside(symbol, listing.lots(size) or 1, f"web_{stamp}")
    elif armed.kind == "liquidated":
        for held in holdings[:1]:
            exchange.take_over(held, f"autoclose-{stamp}", "liquidation")
    elif armed.kind == "adl":
        for held in holdings[:1]:
            part = abs(held.lots) // 2 or 1
            exchange.take_over(held, "adl_autoclose", "adl", part)
    elif armed.kind == "funding_interval_changed":
        exchange.funding_hours[symbol] = int(armed.value or _HOURS)
    elif armed.kind == "balance_moved":
        amount = _MOVED if armed.value is None else armed.value
        exchange.move_money(amount)
    elif armed.kind == "leverage_changed":
        exchange.set_leverage(symbol, int(armed.value or _LEVERAGE))
    elif armed.kind == "knocked_out":
        exchange.knock_out(armed.symbol)
    elif armed.kind == "price_spike":
        until_ns = armed.until_ns if armed.until_ns is not None else exchange.now_ns + int(_SPIKE_S * SECOND_NS)
        exchange.spikes[symbol] = (armed.value or _SPIKE, until_ns)
    else:
        _change_rules(exchange, symbol, armed)


def _change_rules(exchange: Exchange, symbol: str, armed: Armed) -> None:
    """Change increments to ten times (``value`` times) what they were, halt or delist a symbol."""
    listing = exchange.boards[symbol].listing
    if armed.kind == "increments_changed":
        factor = int(armed.value or 10)
        exchange.relist(replace(listing, tick_units=listing.tick_units * factor))
    elif armed.kind == "halted":
        exchange.relist(replace(listing, status="PENDING_TRADING"))
    elif armed.kind == "delisted":
        for held in [found for found in exchange.ledger.open_holdings() if found.symbol == symbol]:
            exchange.take_over(held, f"settlement_autoclose-{exchange.now_ns // 1_000_000}", "settlement")
        exchange.relist(replace(listing, status="SETTLING"))
