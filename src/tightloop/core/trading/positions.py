"""Positions: the effect of fills on a signed quantity at its average entry price.

For every record with the fields of a POSITION: one per instance of a strategy, and the holdings of carry.
"""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.types import Record


@leaf
def increase(position: Record, signed_qty: float, price: float) -> None:
    """Open or add ``signed_qty`` contracts; the entry price becomes the quantity-weighted average."""
    assert position.qty * signed_qty >= 0.0, "an increase has the side of the position"
    held = abs(position.qty)
    added = abs(signed_qty)
    # A first fill sets the price itself: q * p / q need not equal p, and a stop off by one rounding misses a touch.
    position.entry_price = price if held == 0.0 else (held * position.entry_price + added * price) / (held + added)
    position.qty += signed_qty
    position.entry_qty += added
    position.entry_value += added * price


@leaf
def reduce(position: Record, qty: float, price: float, multiplier: float) -> float:
    """Close ``qty`` (> 0) contracts at ``price``; return the realised P&L before fees, in the settle asset."""
    assert 0.0 < qty <= abs(position.qty) * (1.0 + limits.QUANTITY_TOLERANCE), (
        "a reduction is not larger than the position"
    )
    sign = 1.0 if position.qty > 0.0 else -1.0
    realized = sign * (price - position.entry_price) * qty * multiplier
    position.exit_qty += qty
    position.exit_value += qty * price
    position.realized += realized
    remaining = abs(position.qty) - qty
    position.qty = sign * remaining if remaining > position.entry_qty * limits.QUANTITY_TOLERANCE else 0.0
    return realized


@leaf
def reset_volume(position: Record) -> None:
    """Reset the quantities and values bought and sold since the position was last flat."""
    assert position.qty == 0.0, "volume is counted from flat to flat"
    position.entry_qty = 0.0
    position.entry_value = 0.0
    position.exit_qty = 0.0
    position.exit_value = 0.0


@leaf
def begin_trade(position: Record, trade_id: int, signal_id: int, opened_ns: int) -> None:
    """Reset the counters that run from flat to flat."""
    assert position.qty == 0.0, "a trade begins flat"
    position.trade_id = trade_id
    position.signal_id = signal_id
    position.opened_ns = opened_ns
    position.realized = 0.0
    position.fees = 0.0
    position.funding = 0.0
    position.slippage = 0.0
    reset_volume(position)
    position.entry_price = 0.0
    position.unrealized = 0.0


@hot
def unrealized_pnl(position: Record, mark: float, multiplier: float) -> float:
    """Return the unrealised P&L at a mark price, in the settle asset; exactly 0 when flat, even at a NaN mark."""
    if position.qty == 0.0:
        return 0.0
    return (mark - position.entry_price) * position.qty * multiplier
