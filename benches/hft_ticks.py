"""The ticks of W3 through hftbacktest, no strategy to speak of: `python hft_ticks.py DATA EVENTS RUNS` prints JSON.

Started by the Python of that peer's environment (tests/peers/requirements_hft.txt). Three assets, one clock, constant
latency, log2 queues. Once somebody is called at every row that is received and reads the best bid and ask of the three
(``each``), once every 100 ms (``step``). No indicators, no orders, nothing recorded: the engine and the call.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hftbacktest import (
    BUY_EVENT,
    DEPTH_BBO_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.binding import event_dtype
from hftbacktest.data import FuseMarketDepth
from numba import njit

STEPS = {"BTCUSDT-perp": (0.1, 0.001), "ETHUSDT-perp": (0.01, 0.001), "BTCUSDT-spot": (0.01, 0.00001)}
PAUSE_NS = 10_000_000


@njit
def fuse(book: Any, raw: Any) -> None:
    for row in range(len(raw)):
        book.process_event(raw, row, True)


@njit
def each_row(hbt: Any) -> int:
    count, total = 0, 0.0
    while hbt.wait_next_feed(True, 3_600_000_000_000) == 2:
        count += 1
        for asset in range(3):
            depth = hbt.depth(asset)
            total += depth.best_ask - depth.best_bid
    return count if total != 1e99 else 0


@njit
def each_step(hbt: Any) -> int:
    count, total = 0, 0.0
    while hbt.elapse(100_000_000) == 0:
        count += 1
        for asset in range(3):
            depth = hbt.depth(asset)
            total += depth.best_ask - depth.best_bid
    return count if total != 1e99 else 0


def events_of(data: Path, name: str) -> tuple[Any, int]:
    """The rows of one asset by time (quotes as changes of depth, as the engine wants them), and how many of ours."""
    trades, quotes = (pl.read_parquet(sorted((data / kind / "binance" / name).glob("*.parquet"))) for kind in
                      ("trades", "quotes"))  # fmt: skip
    prints = np.zeros(len(trades), event_dtype)
    prints["ev"] = TRADE_EVENT | np.where(trades["buyer_is_maker"].to_numpy(), SELL_EVENT, BUY_EVENT)
    prints["exch_ts"] = prints["local_ts"] = trades["ts_init_ns"].to_numpy()
    prints["px"], prints["qty"] = trades["price"].to_numpy(), trades["qty"].to_numpy()
    raw = np.zeros(2 * len(quotes), event_dtype)
    for place, side, price, quantity in ((0, BUY_EVENT, "bid", "bid_qty"), (1, SELL_EVENT, "ask", "ask_qty")):
        rows = raw[place::2]
        rows["ev"] = DEPTH_BBO_EVENT | side
        rows["exch_ts"] = rows["local_ts"] = quotes["ts_init_ns"].to_numpy()
        rows["px"], rows["qty"] = quotes[price].to_numpy(), quotes[quantity].to_numpy()
    book = FuseMarketDepth(*STEPS[name])
    fuse(book, raw)
    found = np.concatenate([prints, book.fused_events])
    book.close()
    found = found[np.argsort(found["exch_ts"], kind="stable")]
    found["ev"] |= np.uint64(EXCH_EVENT | LOCAL_EVENT)
    return found, len(trades) + len(quotes)


def rounds_of(rows: Any, span: int, rounds: int) -> Any:
    parts = []
    for k in range(rounds):
        part = rows.copy()
        part["exch_ts"] += k * span
        part["local_ts"] += k * span
        parts.append(part)
    return np.concatenate(parts)


def main() -> None:
    data, wanted, runs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    found = {name: events_of(data, name) for name in STEPS}
    count = sum(own for _, own in found.values())
    stamps = [rows["exch_ts"] for rows, _ in found.values()]
    span = int(max(own[-1] for own in stamps) - min(own[0] for own in stamps)) + PAUSE_NS
    rounds = -(-wanted // count)
    held = {name: rounds_of(rows, span, rounds) for name, (rows, _) in found.items()}
    said = []
    for _ in range(runs + 1):
        own: dict[str, Any] = {"events": count * rounds, "rows": sum(map(len, held.values()))}
        for label, strategy in (("each", each_row), ("step", each_step)):
            assets = [
                BacktestAsset().data(held[name]).linear_asset(1.0).tick_size(tick).lot_size(lot)
                .constant_order_latency(5_000_000, 5_000_000).log_prob_queue_model2().no_partial_fill_exchange()
                .trading_value_fee_model(0.0002, 0.0005)
                for name, (tick, lot) in STEPS.items()
            ]  # fmt: skip
            hbt = HashMapMarketDepthBacktest(assets)
            begun = time.process_time()
            own[f"{label}_calls"] = int(strategy(hbt))
            own[label] = time.process_time() - begun
            hbt.close()
        said.append(own)
    print(json.dumps(said[1:]))


if __name__ == "__main__":
    main()
