"""Why a position was closed, in words."""

EXITS = {
    "stop_loss": "the stop was reached", "take_profit": "the target was reached", "trailing": "the trail was reached",
    "time": "it was held for max_hold_min", "liquidation": "it was liquidated", "manual": "it was closed on request",
}  # fmt: skip
"""By the reason of result files; ZE1, E1 and strategy say it themselves."""
