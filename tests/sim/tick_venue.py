"""The simulated venue of ticks alone, spoken to by hand: a script of quotes, prints and commands, times in ms.

``Script().quote(0, 100.0, 5, 100.1, 4).buy(10, 2, 100.0).print(20, 100.0, 3, "sell").run()`` gives what the venue
said, as dicts with the time at which it was heard. ``Script(book=True)`` has an order book instead of quotes:
``.snapshot(0, 1, bids=[(100.0, 5)], asks=[(100.1, 4)]).change(10, 2, asks=[(100.1, 0)])``.
"""

from types import SimpleNamespace

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.domain.enums import EventKind, OrderKind, RowKind, TimeInForce, Trigger
from tightloop.core.domain.ticks import TICK, BookRow, Clock, QueueKind
from tightloop.core.domain.types import EVENT
from tightloop.core.limits import NEVER_NS
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.instruments import InstrumentId, default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.feeds.ticks import TickFeed, TickSource

MS = 1_000_000
START_NS = 1_704_067_200_000_000_000
KINDS = {kind.value: kind.name.removeprefix("ORDER_").lower() for kind in EventKind}
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


class Script:
    """Ticks and commands of one instrument, each at its time."""

    def __init__(
        self, *, latency_ms=(0, 0, 0), queue="risk_averse", partial=True, lot=0.001, tick=0.1, book=False, **venue
    ):
        strategy = signal_read.loads(YAML.replace("quotes", "book") if book else YAML)
        instrument = InstrumentId.parse("test:AAAUSDT-perp")
        rules = default_rules(instrument)
        self.plan = make_plan([strategy], {instrument: rules})
        row = self.plan.venues[0]
        for at, name in enumerate(("submit_ns", "cancel_ns", "response_ns")):
            row[name] = round(latency_ms[at] * MS)
        row["queue_kind"] = {"risk_averse": 1, "log2": int(QueueKind.LOG2), "power3": int(QueueKind.POWER3)}[queue]
        row["queue_power"], row["is_partial"] = 3.0, int(partial)
        own = row["instruments"][0]
        own["rules"]["lot_size"], own["rules"]["price_increment"] = lot, tick
        for name, value in venue.items():
            (row["costs"][0] if name in row["costs"].dtype.names else row)[name] = value
        self.trades, self.quotes, self.commands = [], [], []
        self.books = [] if book else None
        self.ids = 0

    def quote(self, at, bid, bid_qty, ask, ask_qty):
        self.quotes.append((at, bid, bid_qty, ask, ask_qty))
        return self

    def snapshot(self, at, seq, bids=(), asks=()):
        return self._update(at, seq, bids, asks, BookRow.IS_SNAPSHOT)

    def change(self, at, seq, bids=(), asks=()):
        return self._update(at, seq, bids, asks, 0)

    def _update(self, at, seq, bids, asks, kind):
        rows = [(*own, BookRow.IS_BID) for own in bids] + [(*own, 0) for own in asks]
        for k, (price, qty, side) in enumerate(rows):
            ends = (BookRow.IS_FIRST if k == 0 else 0) | (BookRow.IS_LAST if k == len(rows) - 1 else 0)
            self.books.append((at, seq, int(kind | side | ends), price, qty))
        return self

    def print(self, at, price, qty, taker):
        self.trades.append((at, price, qty, taker))
        return self

    def order(self, at, side, qty, **fields):
        self.ids += 1
        kind = OrderKind[fields.pop("kind", "limit" if "price" in fields else "market").upper()]
        made = {"order_kind": int(kind), "tif": int(TimeInForce[fields.pop("tif", "GTC")])}
        made |= {
            "trigger": int(Trigger[fields.pop("trigger", "TOUCH")]),
            "order_id": self.ids,
            "side": side,
            "qty": qty,
        }
        made |= {"kind": int(RowKind.SUBMIT), "leverage": 1.0}
        if "expires" in fields:
            made["expires_ns"] = START_NS + fields.pop("expires") * MS
        self.commands.append((at, made | fields))
        return self

    def buy(self, at, qty, price=None, **fields):
        return self.order(at, 1, qty, **({} if price is None else {"price": price}), **fields)

    def sell(self, at, qty, price=None, **fields):
        return self.order(at, -1, qty, **({} if price is None else {"price": price}), **fields)

    def cancel(self, at, order_id):
        self.commands.append((at, {"kind": int(RowKind.CANCEL), "order_id": order_id}))
        return self

    def amend(self, at, order_id, **fields):
        self.commands.append((at, {"kind": int(RowKind.AMEND), "order_id": order_id} | fields))
        return self

    def _ticks(self):
        trades, quotes = np.zeros(len(self.trades), TICK), np.zeros(len(self.quotes), TICK)
        for k, (at, price, qty, taker) in enumerate(sorted(self.trades, key=lambda own: own[0])):
            trades[k] = (START_NS + at * MS, START_NS + at * MS, k + 1, int(taker == "sell"), price, qty, 0, 0)
        for k, (at, *values) in enumerate(sorted(self.quotes, key=lambda own: own[0])):
            quotes[k] = (START_NS + at * MS, START_NS + at * MS, 0, 0, *values)
        if self.books is None:
            return {"trades": trades, "quotes": quotes}
        books = np.zeros(len(self.books), TICK)
        for k, (at, seq, flags, price, qty) in enumerate(self.books):
            books[k] = (START_NS + at * MS, START_NS + at * MS, seq, flags, price, qty, 0, 0)
        return {"trades": trades, "book": books}

    def run(self):
        """What the venue said, in order."""
        sources = [TickSource(0, kind, iter([rows])) for kind, rows in self._ticks().items()]
        feed = TickFeed([(source, Clock.BOTH) for source in sources], {}, {0: MS})
        grid = feed.streams[-1]
        times = [own[0] for rows in (self.commands, self.trades, self.quotes, self.books or []) for own in rows]
        grid["next_ns"] = START_NS + min(times) * MS
        replay_ticks.ticks_begin(feed.streams, feed.heap, feed.ticks, feed.rates)
        log, events, said = core_log.new_log(4_096 + len(self.commands)), np.zeros(1, EVENT), []
        waiting = sorted(self.commands, key=lambda own: own[0])
        while True:
            what = replay_ticks.run_next_occurrence(
                self.plan.states, self.plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events, NEVER_NS
            )
            if what == replay_ticks.NOTHING:
                return said
            if what == replay_ticks.MISSING:
                feed.refill()
            elif what == replay_ticks.ANSWERED:
                said.append(_told(events[0]))
            elif what >= 8 and what // 8 & 2:
                replay_ticks.venue_sees(self.plan.venues, events)
            elif what >= 8:
                now = int(events[0]["ts_init_ns"])
                while waiting and START_NS + waiting[0][0] * MS <= now:
                    self._write(log, now, waiting.pop(0)[1])
                replay_ticks.send_new(self.plan.venues, log)

    def _write(self, log, now_ns, fields):
        at = int(log[core_log.HEADER]["slot"])
        log[at] = log[core_log.BLANK]
        log[core_log.HEADER]["slot"] = at + 1
        row = {"ts_ns": now_ns, "instrument": 0, "instance": 0, "expires_ns": 2**63 - 1} | fields
        for name, value in row.items():
            log[at][name] = value


def _told(event):
    return SimpleNamespace(
        at=(int(event["ts_init_ns"]) - START_NS) / MS,
        happened=(int(event["ts_event_ns"]) - START_NS) / MS,
        kind=KINDS[int(event["kind"])],
        order=int(event["order_id"]),
        price=float(event["price"]),
        qty=float(event["qty"]),
        maker=bool(event["is_maker"]),
        reason=int(event["reason"]),
        slippage=float(event["rate"]),
    )


def fills(said):
    """(time, order, price, quantity, maker) of each fill."""
    return [(own.happened, own.order, own.price, round(own.qty, 9), own.maker) for own in said if own.kind == "filled"]


def ends(said):
    """(time, order, what, reason) of each end that is no fill."""
    kinds = ("canceled", "rejected", "expired")
    return [(own.happened, own.order, own.kind, own.reason) for own in said if own.kind in kinds]
