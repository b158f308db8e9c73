"""Positions: what a fill does to them. One position per instance, signed, at the average entry price."""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record


@leaf
def increase(position: Record, signed_qty: float, price: float) -> None:
    """Open or add: the entry price becomes the average of what is held and what came."""
    assert position.qty * signed_qty >= 0.0, "an increase has the side of the position"
    held = abs(position.qty)
    added = abs(signed_qty)
    # The first price as it is: q * p / q need not be p, and a stop off by a rounding misses a touch.
    position.entry_price = price if held == 0.0 else (held * position.entry_price + added * price) / (held + added)
    position.qty += signed_qty
    position.entry_qty += added
    position.entry_value += added * price


@leaf
def reduce(position: Record, qty: float, price: float, multiplier: float) -> float:
    """Close ``qty`` (> 0) of the position; the realised P&L of it, before fees."""
    assert 0.0 < qty <= abs(position.qty) * (1.0 + limits.QUANTITY_TOLERANCE), (
        "a reduction is not larger than the position"
    )
    sign = 1.0 if position.qty > 0.0 else -1.0
    realized = sign * (price - position.entry_price) * qty * multiplier
    position.exit_qty += qty
    position.exit_value += qty * price
    position.realized += realized
    left = abs(position.qty) - qty
    position.qty = sign * left if left > position.entry_qty * limits.QUANTITY_TOLERANCE else 0.0
    return realized


@leaf
def begin_trade(position: Record, trade_id: int, signal_id: int, opened_ns: int) -> None:
    """Reset what is counted from flat to flat."""
    assert position.qty == 0.0, "a trade begins flat"
    position.trade_id = trade_id
    position.signal_id = signal_id
    position.opened_ns = opened_ns
    position.realized = 0.0
    position.fees = 0.0
    position.funding = 0.0
    position.slippage = 0.0
    position.entry_qty = 0.0
    position.entry_value = 0.0
    position.exit_qty = 0.0
    position.exit_value = 0.0
    position.entry_price = 0.0
    position.unrealized = 0.0


@hot
def unrealized_pnl(position: Record, mark: float, multiplier: float) -> float:
    """Of the open quantity at a mark price, in the settle asset; exactly 0 when flat, whatever the mark."""
    if position.qty == 0.0:
        return 0.0
    return (mark - position.entry_price) * position.qty * multiplier
