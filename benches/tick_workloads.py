"""The workloads on ticks, each in a process of its own: `python tick_workloads.py NAME OPTIONS` prints one JSON object.

run.py starts them. CPU seconds of the run alone: rows are in memory, and what their time shift takes is measured
beside it and taken off, because no user pays for it.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tick_market

from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.ticks import Clock
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest import ticks as ticks_backtest
from tightloop.runtime.feeds.ticks import TickFeed, TickSource
from tightloop.runtime.results.recorder import Recorder

HERE = Path(__file__).resolve().parent
Options = argparse.Namespace
SCANNED = 'pump: "> 0.02"}, {surge: "> 3"}, {fast: "> slow"}, {spread: "< 0.05"}'
SECONDS = (5.0, 30.0, 15.0, 60.0)


def strategy(scale: float = 1.0) -> Any:
    """W3; ``scale`` times its windows."""
    text = (HERE / "w3.yaml").read_text(encoding="utf-8")
    if scale != 1.0:
        head, tail = text.split("sections:")
        for name in ("t1", "t2", "t3", "t4", "d"):
            for own in SECONDS:
                head = head.replace(f"{name}: {own:g},", f"{name}: {own * scale:.6g} ,")
                head = head.replace(f"{name}: {own:g}}}", f"{name}: {own * scale:.6g} }}")
        text = f"{head}sections:{tail}"
    return signal_read.loads(text)


class Ticks:
    """The real rows, and runs of a strategy over them."""

    def __init__(self) -> None:
        self.rows = tick_market.real()
        self.each = sum(len(own) for own in self.rows.values())
        self.span = tick_market.span_ns(self.rows)

    def run(self, own: Any, events: int) -> dict[str, Any]:
        """One run over at least ``events`` market events."""
        rounds = -(-events // self.each)
        plan = make_plan([own], {name: default_rules(name) for name in own.instruments})
        sources = [
            (TickSource(at, kind, tick_market.pieces(self.rows[str(name), kind], self.span, rounds)), Clock.BOTH)
            for at, name in enumerate(plan.instruments)
            for kind in tick_market.KINDS
        ]
        feed, recorder = TickFeed(sources, {}, plan.grids_ns), Recorder()
        begun = time.process_time()
        count = ticks_backtest.run(plan, feed, recorder)
        spent = time.process_time() - begun - self.shift(rounds)
        return {
            "events": rounds * self.each, "grid": count - rounds * self.each, "cpu": spent,
            "orders": len(recorder.columns(RowKind.SUBMIT).get("ts_ns", ())),
            "trades": len(recorder.columns(RowKind.TRADE).get("ts_ns", ())),
            "hash": f"{int(plan.states[0]['hash']):016x}",
        }  # fmt: skip

    def shift(self, rounds: int) -> float:
        """CPU seconds of giving out the rows and nothing else."""
        begun = time.process_time()
        for rows in self.rows.values():
            for _ in tick_market.pieces(rows, self.span, rounds):
                pass
        return time.process_time() - begun


def w3(options: Options) -> dict[str, Any]:
    """Again and again, after a run that does not count."""
    ticks, own = Ticks(), strategy()
    ticks.run(own, min(options.events, 1_000_000))
    runs = [ticks.run(own, options.events) for _ in range(options.runs)]
    return {"sha256": tick_market.digest(ticks.rows), "rows": ticks.each, "runs": runs}


def scale(options: Options) -> dict[str, Any]:
    """The same strategy over more events, and with longer windows."""
    ticks, own = Ticks(), strategy()
    ticks.run(own, min(options.events, 1_000_000))
    counts = [options.events // 10, options.events, options.events * 10]
    lengths = [ticks.run(own, count) for count in counts]
    windows = [
        {"longest_s": 60.0 * factor, **ticks.run(strategy(factor), options.events)} for factor in (0.2, 1.0, 12.0, 60.0)
    ]
    return {"lengths": lengths, "windows": windows}


def universe(options: Options) -> dict[str, Any]:
    """Write the day of many instruments and the strategy over it."""
    said = tick_market.write_universe(options.data, options.instruments, options.events)
    text = (HERE / "w3.yaml").read_text(encoding="utf-8")
    names = ", ".join(f'"{name}"' for name in tick_market.universe(options.instruments))
    text = text.replace('fast: crosses_above slow}, {spread: "< 0.05"}', SCANNED)
    begin, end = text.index("instruments:"), text.index("feed:")
    text = f"{text[:begin]}instruments: [{names}]\nlimits: {{max_concurrent_positions: 5}}\n{text[end:]}"
    (options.data / "universe.yaml").write_text(text, encoding="utf-8")
    return said


WORKLOADS: dict[str, Callable[[Options], dict[str, Any]]] = {
    function.__name__: function for function in (w3, scale, universe)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--instruments", type=int, default=200)
    options = parser.parse_args()
    print(json.dumps(WORKLOADS[options.name](options)))


if __name__ == "__main__":
    main()
