"""Predictions for a leg that follows a signal: from a file, a provider over HTTP, or the built-in baseline."""

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
"""Environment variable that holds the bearer token of a provider."""
BASELINE_RETURNS = 24
BASELINE_BARS = BASELINE_RETURNS + 2
"""Closed bars per prediction of the baseline: 24 returns, and one more for the last move."""


def predictions_of(leg: Leg, strategy: CarryStrategy, rows: CarryRows) -> tuple[Prediction, ...]:
    """Return the predictions for a leg between the first and the last instant, in time order."""
    assert leg.signal is not None, leg.name
    assert leg.venues, "a leg that follows a signal trades somewhere"
    instrument, source, where = leg.venues[0][0], leg.signal.source, leg.signal.where
    if source == "baseline":
        predicted = baseline(rows.bars(instrument), rows.instants, TIMEFRAMES[strategy.timeframe])
    else:
        field = f"legs.{leg.name}.signal"
        if where is None:
            remedy = "write the path of a file" if source == "file" else "write the address of the provider"
            raise InputError.one(strategy.file, None, field, f"does not say where its {source} is", remedy)
        if source == "file":
            predicted = read_predictions(Path(strategy.file).parent / where, instrument.symbol)
        else:
            token = os.environ.get(TOKEN)
            if not token:
                raise InputError.one(
                    strategy.file, None, field, f"{TOKEN} is not set", "set it to the provider's token"
                )
            predicted = fetch_predictions(where, instrument.symbol, rows.start_ns, rows.end_ns, token)
    inside = [row for row in predicted if rows.start_ns <= row.ts_ns <= rows.end_ns]
    if not inside:
        rows.warnings.append(f"the signal of {leg.name} has no prediction during the run")
    return tuple(Prediction(*row) for row in inside)


def baseline(bars: npt.NDArray[np.void], instants: npt.NDArray[np.int64], step_ns: int) -> tuple[Said, ...]:
    """Predict volatility breakouts: a test signal, not meant to earn.

    A bar that closed at an instant and moved by more than one standard deviation of the BASELINE_RETURNS returns before
    it predicts its own direction. No prediction across a missing bar. The confidence is the probability of a smaller
    move under a normal distribution, erf(|move| / (sd * sqrt(2))).
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
