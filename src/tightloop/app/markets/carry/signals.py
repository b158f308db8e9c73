"""What a leg that follows a signal hears: a file, a provider over HTTP, or the baseline that needs neither."""

import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data.predictions import Said, fetch_predictions, read_predictions
from tightloop.app.markets.carry.rows import CarryRows
from tightloop.model.carry.strategy import CarryStrategy, Leg
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.runtime.feeds.carry import Prediction

TOKEN = "TIGHTLOOP_SIGNAL_TOKEN"
"""The environment variable with the bearer token of a provider."""
BASELINE_RETURNS = 24
BASELINE_BARS = BASELINE_RETURNS + 2
"""Closed bars that the baseline looks at: the move of the last, and the returns before it."""


def predictions_of(leg: Leg, strategy: CarryStrategy, rows: CarryRows) -> tuple[Prediction, ...]:
    """Predictions of a leg's signal from the first instant to the last, in order of time."""
    assert leg.signal is not None, leg.name
    assert leg.venues, "a leg that follows a signal trades somewhere"
    instrument, source, where = leg.venues[0][0], leg.signal.source, leg.signal.where
    if source == "baseline":
        said = baseline(rows.bars(instrument), rows.instants, TIMEFRAMES[strategy.timeframe])
    else:
        field = f"legs.{leg.name}.signal"
        if where is None:
            remedy = "write the path of a file" if source == "file" else "write the address of the provider"
            raise InputError.one(strategy.file, None, field, f"does not say where its {source} is", remedy)
        if source == "file":
            said = read_predictions(Path(strategy.file).parent / where, instrument.symbol)
        else:
            token = os.environ.get(TOKEN)
            if not token:
                raise InputError.one(
                    strategy.file, None, field, f"{TOKEN} is not set", "set it to the provider's token"
                )
            said = fetch_predictions(where, instrument.symbol, rows.start_ns, rows.end_ns, token)
    inside = [own for own in said if rows.start_ns <= own.ts_ns <= rows.end_ns]
    if not inside:
        rows.warnings.append(f"the signal of {leg.name} says nothing in the time of the run")
    return tuple(Prediction(*own) for own in inside)


def baseline(bars: npt.NDArray[np.void], instants: npt.NDArray[np.int64], step_ns: int) -> tuple[Said, ...]:
    """A breakout of volatility: the bar that ended at an instant moved by more than one standard deviation of the
    BASELINE_RETURNS before it, in its direction; nothing otherwise, and nothing across a hole.

    The confidence is the share of normal moves that are smaller. It is there to test with, not to earn with.
    """
    closes, ends = bars["close"], bars["close_ns"]
    row = np.minimum(np.searchsorted(ends, instants), len(ends) - 1)
    first = row - (BASELINE_BARS - 1)
    whole = (ends[row] == instants) & (first >= 0)
    whole &= instants - ends[np.maximum(first, 0)] == (BASELINE_BARS - 1) * step_ns
    if not whole.any():
        return ()
    returns = np.diff(closes[first[whole][:, None] + np.arange(BASELINE_BARS)], axis=1)
    returns /= closes[first[whole][:, None] + np.arange(BASELINE_BARS - 1)]
    sd, move = returns[:, :-1].std(axis=1, ddof=1), returns[:, -1]
    return tuple(
        Said(ts_ns, 1 if move > 0 else -1, math.erf(abs(move) / sd / math.sqrt(2)), sd)
        for ts_ns, sd, move in zip(instants[whole].tolist(), sd.tolist(), move.tolist(), strict=True)
        if sd > 0 and abs(move) > sd
    )
