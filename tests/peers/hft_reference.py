"""Runs a post-only quoter on hftbacktest, as jobs in JSON say; started by the Python of that peer's environment.

    python hft_reference.py JOBS.json ORDERS.json

A job names two Parquet files (trades and best quotes), tick and lot, which clocks the two sides have, the latency and
the queue model. What comes back is every order ever sent, in order of submission. Knows nothing of tightloop, and
nothing of `hft_model.py`, which has the same rules a second time. HFTBACKTEST.md describes both.
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
    GTX,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.binding import event_dtype
from hftbacktest.data import FuseMarketDepth
from numba import njit

QUEUES = {
    "risk": lambda asset: asset.risk_adverse_queue_model(),
    "log2": lambda asset: asset.log_prob_queue_model2(),
    "power3": lambda asset: asset.power_prob_queue_model3(3.0),
}
LATENCY_ROW = np.dtype([("req_ts", "i8"), ("exch_ts", "i8"), ("resp_ts", "i8"), ("_padding", "i8")], align=True)
STATUS_FILLED = 3


def times(frame: pl.DataFrame, job: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """When the exchange and when the quoter sees each row."""
    received = frame["ts_init_ns"].to_numpy() + job["receive_shift_ns"]
    return (frame["ts_event_ns"].to_numpy() if job["two_clocks"] else received), received


def depth_events(quotes: pl.DataFrame, job: dict[str, Any]) -> np.ndarray:
    """The best quotes as changes of depth: the engine passes over raw best-quote events, the fused book does not."""
    at_exchange, at_quoter = times(quotes, job)
    raw = np.zeros(2 * len(quotes), event_dtype)
    first, second = (1, 0) if job["ask_first"] else (0, 1)
    for place, side, price, quantity in ((first, BUY_EVENT, "bid", "bid_qty"), (second, SELL_EVENT, "ask", "ask_qty")):
        rows = raw[place::2]
        rows["ev"] = DEPTH_BBO_EVENT | side
        rows["exch_ts"], rows["local_ts"] = at_exchange, at_quoter
        rows["px"], rows["qty"] = quotes[price].to_numpy(), quotes[quantity].to_numpy()
    book = FuseMarketDepth(job["tick"], job["lot"])
    fuse(book, raw)
    found = book.fused_events.copy()
    book.close()
    return found


@njit
def fuse(book: Any, raw: Any) -> None:
    for row in range(len(raw)):
        book.process_event(raw, row, True)


def trade_events(trades: pl.DataFrame, job: dict[str, Any]) -> np.ndarray:
    found = np.zeros(len(trades), event_dtype)
    found["ev"] = TRADE_EVENT | np.where(trades["buyer_is_maker"].to_numpy(), SELL_EVENT, BUY_EVENT)
    found["exch_ts"], found["local_ts"] = times(trades, job)
    found["px"], found["qty"] = trades["price"].to_numpy(), trades["qty"].to_numpy()
    return found


def events(job: dict[str, Any]) -> np.ndarray:
    """Each row twice: the exchange's in the order of its clock, then the quoter's in that of its own.

    Either side walks the array alone and sees its own rows only. Equal stamps: trades first.
    """
    trades = trade_events(pl.read_parquet(job["trades"]), job)
    rows = np.concatenate([trades, depth_events(pl.read_parquet(job["quotes"]), job)])
    parts = []
    for stamp, flag in (("exch_ts", EXCH_EVENT), ("local_ts", LOCAL_EVENT)):
        part = rows[np.argsort(rows[stamp], kind="stable")]
        part["ev"] |= np.uint64(flag)
        parts.append(part)
    return np.concatenate(parts)


@njit
def note(hbt: Any, log: Any, finished_only: bool) -> None:
    """Writes what the quoter knows of its orders; `seen_ns` is the decision at which an end became known."""
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        done = order.status == 2 or order.status == 3 or order.status == 4
        if done or not finished_only:
            row = log[order.order_id]
            row[4] = order.status
            row[5] = order.exch_timestamp
            row[6] = hbt.current_timestamp if finished_only else -1
            row[7] = order.exec_price_tick if order.status == 3 else 0


@njit
def quote(hbt: Any, log: Any, step_ns: int, tick: float, quantity: float, eager: bool) -> int:
    """The quoter: a decision every step, one post-only order a side at the best price it knows."""
    sent = 0
    while hbt.elapse(step_ns) == 0:
        note(hbt, log, True)
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if np.isnan(depth.best_bid) or np.isnan(depth.best_ask):
            continue
        for side in (1, -1):
            wanted = depth.best_bid_tick if side == 1 else depth.best_ask_tick
            live = 0
            away = np.uint64(0)
            values = hbt.orders(0).values()
            while values.has_next():
                order = values.get()
                if order.side == side:
                    cancelling = order.req == 4
                    if not (eager and cancelling):
                        live += 1
                    if order.cancellable and order.price_tick != wanted:
                        away = order.order_id
            if away != 0:
                hbt.cancel(0, away, False)
                live -= 1 if eager else 0
            if live == 0:
                sent += 1
                if side == 1:
                    hbt.submit_buy_order(0, sent, wanted * tick, quantity, GTX, LIMIT, False)
                else:
                    hbt.submit_sell_order(0, sent, wanted * tick, quantity, GTX, LIMIT, False)
                row = log[sent]
                row[0], row[1], row[2], row[3] = sent, side, wanted, hbt.current_timestamp
    note(hbt, log, False)
    return sent


def run(job: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    rows = events(job)  # the engine keeps a bare pointer to it: this name must outlive the run
    asset = BacktestAsset().data(rows).linear_asset(1.0).tick_size(job["tick"]).lot_size(job["lot"])
    QUEUES[job["queue"]](asset)
    asset.no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
    if isinstance(job["latency"], list):
        recorded = np.zeros(len(job["latency"]), LATENCY_ROW)
        for name, column in zip(("req_ts", "exch_ts", "resp_ts"), np.array(job["latency"], np.int64).T, strict=True):
            recorded[name] = column
        asset.intp_order_latency(recorded)
    else:
        asset.constant_order_latency(job["latency"], job["latency"])
    hbt = HashMapMarketDepthBacktest([asset])
    log = np.zeros((20_000, 8), np.int64)
    sent = quote(hbt, log, job["step_ns"], job["tick"], job["lot"], job["eager"])
    hbt.close()
    del rows
    found = log[1 : sent + 1]
    fills = int((found[:, 4] == STATUS_FILLED).sum())
    print(job["name"], sent, "orders,", fills, "fills,", round(time.perf_counter() - started, 1), "s", file=sys.stderr)
    return {"name": job["name"], "orders": found.tolist()}


if __name__ == "__main__":
    asked, answered = (Path(argument) for argument in sys.argv[1:])
    answers = [run(job) for job in json.loads(asked.read_text(encoding="utf-8"))]
    answered.write_text(json.dumps(answers), encoding="utf-8")
