"""The record of a position, for every family: instances of strategies, and perpetual positions of carry."""

from tightloop.core.domain.records import of, record

POSITION_FIELDS = (
    *of("f8", "qty entry_price leverage margin liquidation_price unrealized"),  # qty > 0 long, < 0 short
    *of("f8", "realized fees funding slippage"),  # of the open trade; of carry: of the run
    *of("f8", "entry_qty entry_value exit_qty exit_value best_price"),
    *of("i8", "opened_ns closed_ns signal_id trade_id"),
)
POSITION = record(*POSITION_FIELDS)
