"""Runs backtesting.py on bars and strategies described in JSON; started by the Python of the peer's environment.

    python run_peer.py JOBS.json TRADES.json

A job names a Parquet file of bars, indicator columns computed by TA-Lib, the conditions of entry and exit on them, a
side, and a stop and a target in percent. Knows nothing of tightloop: the rules stand here a second time, on purpose.
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import talib
from backtesting import Backtest, Strategy

CASH = 1e12  # prices are compared, not money: one unit a trade, and always affordable

Bars = dict[str, np.ndarray]


def read_bars(path: str) -> Bars:
    frame = pd.read_parquet(path)
    return {name: frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close", "volume")}


def column(bars: Bars, spec: dict[str, Any]) -> np.ndarray:
    """One output of one TA-Lib function, as many bars late as ``shift`` says."""
    found = getattr(talib, spec["function"])(*(bars[name] for name in spec["inputs"]), **spec["parameters"])
    values = found[spec["output"]] if isinstance(found, tuple | list) else found
    late = spec.get("shift", 0)
    return values if late == 0 else np.concatenate([np.full(late, np.nan), values[:-late]])


def before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[np.nan], values[:-1]])


def condition(columns: Bars, left: str, op: str, right: str | float) -> np.ndarray:
    a = columns[left]
    b = columns[right] if isinstance(right, str) else np.full(len(a), float(right))
    if op == "crosses_above":
        return (a > b) & (before(a) <= before(b))
    if op == "crosses_below":
        return (a < b) & (before(a) >= before(b))
    return {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}[op](a, b)


def all_of(columns: Bars, conditions: list[list[Any]], count: int) -> np.ndarray:
    verdict = np.full(count, bool(conditions))
    for parts in conditions:
        verdict &= condition(columns, *parts)
    return verdict


class Columns(Strategy):
    """Enters and leaves where the columns say so; stop and target are fixed when the order is placed."""

    job: dict[str, Any] = {}  # noqa: RUF012  backtesting.py makes the instance: what it needs stands on a subclass
    entry = exit = np.zeros(0, bool)
    bars: Bars = {}  # noqa: RUF012  as for the job: it stands on a subclass

    def init(self) -> None:
        self.target = 0.0
        self.ties = 0

    def next(self) -> None:
        at = len(self.data) - 1
        if self.position:
            self._count_tie(at)
            if self.exit[at]:
                self.position.close()
        elif self.entry[at]:
            self._enter(at)

    def _count_tie(self, at: int) -> None:
        """A bar that reached the target and went no further: a touch, which fills elsewhere and not here."""
        extreme = self.bars["high" if self.job["side"] > 0 else "low"][at]
        self.ties += bool(self.target) and extreme == self.target

    def _enter(self, at: int) -> None:
        """At the next open. Percentages of the entry are taken of that open, which the peer can not: it is looked up.

        The protection is put into the order afterwards, because the peer compares it with the last close when an order
        is made, and refuses what a gap in the prices makes of it.
        """
        side, stop_pct, target_pct = self.job["side"], self.job["stop_pct"], self.job["target_pct"]
        of_entry = self.job["of"] == "entry" and at + 1 < len(self.entry)
        reference = self.bars["open"][at + 1] if of_entry else self.bars["close"][at]
        stop = None if stop_pct is None else reference * (1.0 - side * stop_pct / 100.0)
        target = None if target_pct is None else reference * (1.0 + side * target_pct / 100.0)
        self.target = target or 0.0
        if target is not None and not self.job["fills_on_touch"]:
            target = np.nextafter(target, np.inf * side)  # reached only by a price beyond the target itself
        order = (self.buy if side > 0 else self.sell)(size=1)
        order._replace(sl_price=stop, tp_price=target)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """The trades of one job as [entry bar, entry price, exit bar, exit price]; exits of open ones are null."""
    bars = read_bars(job["bars"])
    count = len(bars["close"])
    columns = bars | {name: column(bars, spec) for name, spec in job["columns"].items()}
    frame = pd.DataFrame({name.capitalize(): values for name, values in bars.items()})
    strategy = type("Job", (Columns,), {
        "job": job, "bars": bars,
        "entry": all_of(columns, job["entry"], count), "exit": all_of(columns, job["exit"], count),
    })  # fmt: skip
    begun, begun_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trades open at the end, which are wanted open
        done = Backtest(frame, strategy, cash=CASH, commission=0.0, exclusive_orders=True).run()["_strategy"]
    elapsed = time.perf_counter() - begun, time.process_time() - begun_cpu
    trades = sorted((*done.closed_trades, *done.trades), key=lambda trade: trade.entry_bar)
    rows = [(trade.entry_bar, trade.entry_price, trade.exit_bar, trade.exit_price) for trade in trades]
    return {"trades": rows, "ties": done.ties, "wall_s": elapsed[0], "cpu_s": elapsed[1]}


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    text = json.dumps([run(job) for job in jobs], default=lambda number: number.item())  # numpy's numbers
    Path(sys.argv[2]).write_text(text, encoding="utf-8")
