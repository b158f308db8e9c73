"""In what unit an indicator's output is, and whether a chart shows it over the price or in a pane of its own."""

PRICE, PERCENT, TIMES, SECONDS, PLAIN = "price", "%", "x", "s", ""
ANY = ""
"""In place of an output: all of them."""
UNITS = {
    PRICE: (
        ("AVG_BEST_ASK", ANY), ("AVG_BEST_BID", ANY), ("AVG_TWPA", ANY), ("BASELINE_PRICE", ANY), ("BEST_ASK", ANY),
        ("BEST_BID", ANY), ("BOLLINGER", "upper"), ("BOLLINGER", "middle"), ("BOLLINGER", "lower"), ("DONCHIAN", ANY),
        ("EMA", ANY), ("FIRST_PRICE", ANY), ("ICHIMOKU", ANY), ("LAST_PRICE", ANY), ("MAX_PRICE", ANY),
        ("MAX_TWPA", ANY), ("MIN_PRICE", ANY), ("MIN_TWPA", ANY), ("PRICE", "close"), ("PRICE", "open"),
        ("PRICE", "high"), ("PRICE", "low"), ("PUMP_MAGNITUDE_PCT", "base"), ("SMA", ANY), ("SUPERTREND", "value"),
        ("SUPPORT_LEVEL_PROXIMITY", "level"), ("TICK_VWAP", ANY), ("TWPA", ANY), ("TW_MIDPRICE", ANY), ("VTWPA", ANY),
        ("VWAP", ANY), ("WMA", ANY),
    ),
    PERCENT: (
        ("MAX_VELOCITY", ANY), ("MOMENTUM_DECAY", ANY), ("PUMP_MAGNITUDE_PCT", "value"), ("ROC", ANY),
        ("SPREAD_PCT", ANY), ("SPREAD_PERCENTAGE", ANY), ("SUPPORT_LEVEL_PROXIMITY", "value"),
        ("UNREALIZED_PNL_PCT", ANY), ("VELOCITY", ANY), ("VELOCITY_PCT", ANY),
    ),
    TIMES: (
        ("LIQUIDITY_RATIO", ANY), ("SPREAD_WIDENING_RATIO", ANY), ("TWPA_RATIO", ANY), ("VOLUME_SURGE", ANY),
        ("VOLUME_SURGE_RATIO", "value"),
    ),
    SECONDS: (("INTER_DEAL_INTERVALS", ANY), ("SIGNAL_AGE_SECONDS", ANY)),
}  # fmt: skip
"""Type and output of indicators by unit; the others are plain numbers."""
_UNIT_OF = {named: unit for unit, all_named in UNITS.items() for named in all_named}


def unit_of(kind: str, output: str, source: str = "") -> str:
    """Return the unit of an indicator's output: price, %, x, s, or "" for a plain number.

    ``kind``: its type. ``source``: the field of the bar that it reads, if it has a choice.
    """
    if source == "volume":
        return PLAIN
    return _UNIT_OF.get((kind, output), _UNIT_OF.get((kind, ANY), PLAIN))
