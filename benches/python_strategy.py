"""CPU time a bar of a strategy in Python: the class of ``strategies/python_ema_cross.py`` on random bars.

    python benches/python_strategy.py [BARS]

Prints microseconds a bar and bars a second of one core; the run alone, without loading and without files.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from tightloop.app.bootstrap import backtest

STRATEGY = Path(__file__).resolve().parents[1] / "strategies" / "python_ema_cross.yaml"


def bars(count: int) -> pl.DataFrame:
    """A random walk of minutes."""
    close = 20_000.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.0005, count)))
    opens = np.concatenate([[20_000.0], close[:-1]])
    ts = 1_640_995_200_000_000_000 + np.arange(count) * 60_000_000_000
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    return pl.DataFrame({"ts": ts, "open": opens, "high": high, "low": low, "close": close, "volume": np.ones(count)})


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 525_600
    market = {"ftx:BTCUSD-perp": bars(count)}
    backtest(STRATEGY, data={"ftx:BTCUSD-perp": bars(2_000)})  # compiles, or loads what is compiled
    for _ in range(3):
        run = backtest(STRATEGY, data=market)
        seconds = run.timing["run"]
        orders = len(run.orders)
        print(f"{1e6 * seconds / count:.2f} us a bar, {count / seconds:,.0f} bars a second, {orders} orders")


if __name__ == "__main__":
    main()
