"""CPU time a bar of a strategy in Python: the class of ``strategies/python_ema_cross.py`` on random bars.

    python benches/python_strategy.py [BARS]

Prints microseconds a bar and bars a second of one core; the run alone, without loading and without files.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from tightloop.app.runs.backtest import backtest

STRATEGY = Path(__file__).resolve().parents[1] / "strategies" / "python_ema_cross.yaml"


def bars(count: int) -> pl.DataFrame:
    """A random walk of minutes."""
    close = 20_000.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.0005, count)))
    opens = np.concatenate([[20_000.0], close[:-1]])
    ts = 1_640_995_200_000_000_000 + np.arange(count) * 60_000_000_000
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    return pl.DataFrame({"ts": ts, "open": opens, "high": high, "low": low, "close": close, "volume": np.ones(count)})


def seconds(count: int) -> tuple[float, int]:
    """CPU seconds of a run on ``count`` bars, and how many orders it made."""
    run = backtest(STRATEGY, data={"ftx:BTCUSD-perp": bars(count)})
    return run.timing["run"], len(run.orders)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 525_600
    seconds(2_000)  # compiles, or loads what is compiled
    for _ in range(3):
        spent, orders = seconds(count)
        print(f"{1e6 * spent / count:.2f} us a bar, {count / spent:,.0f} bars a second, {orders} orders")


if __name__ == "__main__":
    main()
