"""The quoter of `hft_model` against the compiled venue of ticks: the same jobs, the same rows of orders."""

from typing import Any

import numpy as np
import polars as pl

from peers.hft_model import BUY, CANCELED, EXPIRED, FILLED, SELL, WORKING, Link, Quoter, constant
from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, TimeInForce
from tightloop.core.domain.ticks import TICK, Clock, QueueKind
from tightloop.core.domain.types import EVENT
from tightloop.core.limits import NEVER_NS
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.instruments import InstrumentId, default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.feeds.ticks import PIECE_ROWS, TickFeed, TickSource

QUEUES = {"risk": QueueKind.RISK_AVERSE, "log2": QueueKind.LOG2, "power3": QueueKind.POWER3}
STATES = {
    int(EventKind.ORDER_ACCEPTED): WORKING,
    int(EventKind.ORDER_FILLED): FILLED,
    int(EventKind.ORDER_CANCELED): CANCELED,
    int(EventKind.ORDER_REJECTED): EXPIRED,
}
YAML = """
name: venue_alone
family: signal
direction: LONG
instruments: ["test:AAAUSDT-perp"]
feed: [trades, quotes]
variants: {spread: {type: SPREAD_PCT}}
sections:
  S1: {all: [{spread: "> 1e9"}]}
  Z1: {immediate: true, size: {type: fixed, value: 100}}
costs: {taker_bps: 0, maker_bps: 0, funding: "off"}
"""


class Requests(Link):
    """Takes the quoter's requests of one decision; the compiled venue carries them."""

    def __init__(self) -> None:
        super().__init__(constant(0))
        self.made: list[tuple[int, Any]] = []

    def send(self, now_ns: int, message: Any) -> None:
        """Keep it for the log."""
        self.made.append((now_ns, message))


def _ticks(job: dict[str, Any]) -> tuple[Any, Any]:
    names = ("ts_event_ns", "ts_init_ns")
    trades = pl.read_parquet(job["trades"]).select(*names, "price", "qty", "buyer_is_maker")
    quotes = pl.read_parquet(job["quotes"]).select(*names, "bid", "bid_qty", "ask", "ask_qty")
    prints, tops = np.zeros(len(trades), TICK), np.zeros(len(quotes), TICK)
    for rows, frame in ((prints, trades), (tops, quotes)):
        rows["ts_event_ns"] = frame["ts_event_ns"].cast(pl.Int64).to_numpy()
        rows["ts_init_ns"] = frame["ts_init_ns"].cast(pl.Int64).to_numpy() + job["receive_shift_ns"]
    prints["price"], prints["qty"] = trades["price"].to_numpy(), trades["qty"].to_numpy()
    prints["is_buyer_maker"] = trades["buyer_is_maker"].cast(pl.Int64).to_numpy()
    for name, theirs in (("price", "bid"), ("qty", "bid_qty"), ("ask", "ask"), ("ask_qty", "ask_qty")):
        tops[name] = quotes[theirs].to_numpy()
    return prints, tops


def _pieces(rows: Any) -> Any:
    return (rows[at : at + PIECE_ROWS] for at in range(0, len(rows), PIECE_ROWS))


def _feed(job: dict[str, Any]) -> TickFeed:
    prints, tops = _ticks(job)
    sources = []
    clocks = (Clock.STRATEGY, Clock.VENUE) if job["two_clocks"] else (Clock.BOTH,)
    for clock in clocks:
        for kind, rows in (("trades", prints), ("quotes", tops)):
            name = "ts_event_ns" if clock == Clock.VENUE else "ts_init_ns"
            ordered = rows[np.argsort(rows[name], kind="stable")]
            sources.append((TickSource(0, kind, _pieces(ordered)), clock))
    feed = TickFeed(sources, {}, {0: job["step_ns"]})
    name = "ts_event_ns" if job["two_clocks"] else "ts_init_ns"
    first = min(prints[name].min(), tops[name].min(), prints["ts_init_ns"].min(), tops["ts_init_ns"].min())
    feed.streams[-1]["next_ns"] = int(first) + job["step_ns"]
    replay_ticks.ticks_begin(feed.streams, feed.heap, feed.ticks, feed.rates)
    return feed


def _venue(job: dict[str, Any]) -> Any:
    strategy = signal_read.loads(YAML)
    instrument = InstrumentId.parse("test:AAAUSDT-perp")
    plan = make_plan([strategy], {instrument: default_rules(instrument)})
    row = plan.venues[0]
    row["queue_kind"], row["queue_power"], row["is_partial"], row["halt_ns"] = int(QUEUES[job["queue"]]), 3.0, 0, 0
    if isinstance(job["latency"], int):
        row["submit_ns"] = row["cancel_ns"] = row["response_ns"] = job["latency"]
    else:
        row["is_recorded"] = 1  # what the last tick took, whatever the job's table says
    row["instruments"][0]["rules"]["lot_size"] = job["lot"]
    row["instruments"][0]["rules"]["price_increment"] = job["tick"]
    return plan


def run(job: dict[str, Any]) -> list[list[int]]:
    """Every order the quoter sent, in order, as rows of ``hft_model.Order.row``.

    A job with a table of latencies runs on ``latency: recorded``: near to it, and not the same.
    """
    plan, feed, tick = _venue(job), _feed(job), job["tick"]
    requests = Requests()
    quoter = Quoter(requests, job["eager"])
    prices: dict[tuple[int, int], float] = {}
    log, events = core_log.new_log(4_096), np.zeros(1, EVENT)
    while True:
        what = replay_ticks.run_next_occurrence(
            plan.states, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events, NEVER_NS
        )
        event = events[0]
        if what == replay_ticks.NOTHING:
            return [order.row() for order in quoter.orders]
        if what == replay_ticks.MISSING:
            feed.refill()
        elif what == replay_ticks.ANSWERED:
            state = STATES[int(event["kind"])]
            quoter.answered(int(event["order_id"]), state, int(event["ts_event_ns"]))
        elif what >= 8:
            if what // 8 & 1:
                replay_ticks.strategy_received(plan.venues, events)
            if event["kind"] == EventKind.TIMER:
                quoter.decide(int(event["ts_init_ns"]))
                _send(plan, log, requests, prices)
            elif event["kind"] == EventKind.QUOTE and what // 8 & 1:
                for side, name in ((BUY, "price"), (SELL, "rate")):
                    price = float(event[name])
                    quoter.best[side] = round(price / tick)
                    prices[(side, quoter.best[side])] = price
            if what // 8 & 2:
                replay_ticks.venue_sees(plan.venues, events)


def _send(plan: Any, log: Any, requests: Requests, prices: dict[tuple[int, int], float]) -> None:
    for now_ns, (what, number, side, tick) in requests.made:
        at = int(log[core_log.HEADER]["slot"])
        log[at] = log[core_log.BLANK]
        log[core_log.HEADER]["slot"] = at + 1
        row = log[at]
        row["kind"] = int(RowKind.SUBMIT if what == "new" else RowKind.CANCEL)
        row["ts_ns"], row["order_id"], row["side"], row["instrument"], row["instance"] = now_ns, number, side, 0, 0
        row["order_kind"], row["tif"], row["post_only"] = int(OrderKind.LIMIT), int(TimeInForce.GTC), 1
        row["qty"] = float(plan.venues[0]["instruments"][0]["rules"]["lot_size"])
        row["price"], row["leverage"], row["expires_ns"] = prices[(side, tick)], 1.0, 2**63 - 1
    requests.made.clear()
    replay_ticks.send_new(plan.venues, log)
    core_log.empty(log)
