"""What a strategy in Python can see and do: the market and its account as known now, and its orders.

A view reaches only the past: State, the arena of indicators, the log so far and rings of closed bars. Feeds and venues
are out of its reach, so a strategy cannot look ahead, by mistake or on purpose.
"""

import heapq
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, Role, RowKind, TimeInForce
from tightloop.core.domain.position import POSITION
from tightloop.core.domain.types import BAR, EVENT, INSTANCE, INSTRUMENT, ORDER, STATE, Rows
from tightloop.core.replay import bars as replay_bars
from tightloop.model.signal.plan import Plan
from tightloop.runtime.python.records import Answer, Bars, LookAheadError, OpenOrder

_STEP = entry_of(replay_bars.step_one)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Where things lie -----------------------------------------------------------------------------------------------------


def _word(kind: np.dtype[np.void], name: str) -> int:
    """Return the offset of a field in words of 8 bytes."""
    assert kind.fields is not None, "a record has fields"
    return int(kind.fields[name][1]) // 8


NOW_AT, _EQUITY, _UNREALIZED = _word(STATE, "ts_ns"), _word(STATE, "equity"), _word(STATE, "unrealized")
_ORDERS, _ORDER_WORDS = _word(STATE, "orders"), ORDER.itemsize // 8
READ_BAR = struct.Struct("5d2q").unpack_from
_ORDER_AT = {name: _word(ORDER, name) for name in ORDER.names or ()}
_KINDS = {
    "market": OrderKind.MARKET,
    "limit": OrderKind.LIMIT,
    "stop": OrderKind.STOP,
    "stop_limit": OrderKind.STOP_LIMIT,
}
SIDES = {1: "BUY", -1: "SELL"}


class InstrumentView:
    """One instance: its names, and the offsets of its values in State and arena."""

    __slots__ = (
        "ask_at", "bar_at", "bar_count_at", "bid_at", "cells", "close_ns_at", "entry_at", "index", "instance",
        "mark_at", "name", "order_at", "qty_at", "unrealized_at",
    )  # fmt: skip

    def __init__(self, plan: Plan, instance: int) -> None:
        state = plan.states[0]
        row = state["instances"][instance]
        strategy = plan.strategies[int(row["strategy"])]
        self.instance, self.index = instance, int(row["instrument"])
        self.name = str(plan.instruments[self.index])
        base = int(row["value_base"])
        self.cells = {name: int(state["value_slots"][base + k]) for k, name in enumerate(strategy.variants)}
        position = _word(STATE, "positions") + instance * POSITION.itemsize // 8
        self.qty_at, self.entry_at = position + _word(POSITION, "qty"), position + _word(POSITION, "entry_price")
        self.unrealized_at = position + _word(POSITION, "unrealized")
        instrument = _word(STATE, "instruments") + self.index * INSTRUMENT.itemsize // 8
        bar = instrument + _word(INSTRUMENT, "bar")
        self.bar_at, self.close_ns_at = 8 * bar, bar + _word(BAR, "close_ns")
        self.bar_count_at = instrument + _word(INSTRUMENT, "bar_count")
        self.mark_at = instrument + _word(INSTRUMENT, "mark")
        self.bid_at, self.ask_at = instrument + _word(INSTRUMENT, "bid"), instrument + _word(INSTRUMENT, "ask")
        self.order_at = _word(STATE, "instances") + instance * INSTANCE.itemsize // 8 + _word(INSTANCE, "order_first")


class SessionView:
    """The account side of all views of a run: turns requests into events and steps them. No feed, no venue."""

    __slots__ = (
        "_blank",
        "_event",
        "_log",
        "_plan_table",
        "_states",
        "arena",
        "count",
        "has_failed",
        "past",
        "timer_count",
        "timers",
    )

    def __init__(self, plan: Plan, log: Rows) -> None:
        self._states, self.arena, self._plan_table, self._log = plan.states, plan.arena, plan.table, log
        self._event = np.zeros(1, EVENT)
        self._blank = np.zeros(1, EVENT)
        for name in ("stop_loss", "take_profit", "price", "stop_price"):
            self._blank[name] = math.nan
        self._blank["order_slot"], self._blank["leverage"] = -1, 1.0
        self._blank["tif"] = int(TimeInForce.GTC)
        self.past = np.zeros(0 if plan.feed else len(plan.instruments) * limits.HISTORY_BARS_MAX, BAR)
        self.timers: list[tuple[int, int, int, InstrumentView]] = []  # due, order of requests, whose, where
        self.count = self.timer_count = 0
        self.has_failed = False
        """Whether an assertion failed in the step at a request, so that State is half changed."""

    def floats(self) -> memoryview:
        """Return State as read-only float64."""
        return self._words(np.float64)

    def ints(self) -> memoryview:
        """Return State as read-only int64."""
        return self._words(np.int64)

    def _words(self, kind: Any) -> memoryview:
        words = self._states.view(kind)
        words.flags.writeable = False
        return memoryview(words)

    def note(self, text: str) -> None:
        """Ignore a note of a strategy; only a replay under observation records it."""

    def request(self, kind: EventKind, instrument: InstrumentView, fields: Mapping[str, Any]) -> Rows:
        """Step one request as an event; returns the log rows the step wrote."""
        if self.count >= limits.CALL_REQUESTS_MAX:
            raise RuntimeError(f"more than {limits.CALL_REQUESTS_MAX} orders and cancels at one moment")
        self.count += 1
        event, log = self._event, self._log
        event[0] = self._blank[0]
        now_ns = int(self._states[0]["ts_ns"])
        event["kind"], event["instance"], event["instrument"] = int(kind), instrument.instance, instrument.index
        event["ts_event_ns"] = event["ts_init_ns"] = now_ns
        for name, value in fields.items():
            event[name] = value
        before = core_log.stop(log)
        try:
            _STEP(self._states, self.arena, event, log, self._plan_table)
        except AssertionError:
            self.has_failed = True
            raise
        return log[before : core_log.stop(log)]


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}, and must be a number above 0")
    return float(value)


def _number(name: str, value: Any) -> float:
    """Check that a value is a number. NaN passes: the core denies unknown or invalid values by name."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ValueError(f"{name} is {value!r}, and must be a number")
    return float(value)


class View:
    """The market and the account as a strategy knows them now, and its way to act. The same object in every call."""

    __slots__ = ("_arena", "_cells", "_current", "_floats", "_ints", "_number", "_session", "_views", "instruments")

    def __init__(self, session: SessionView, number: int, views: Sequence[InstrumentView]) -> None:
        self._session, self._number = session, number
        self._floats, self._ints = session.floats(), session.ints()
        self._views = {chosen.name: chosen for chosen in views}
        self.instruments = tuple(self._views)
        self._turn_to(views[0])
        self._renew()

    def _renew(self) -> None:
        """Point at the arena that replaced the old one."""
        arena = self._session.arena.view()
        arena.flags.writeable = False
        self._arena = memoryview(arena)  # type: ignore[arg-type]  # numpy's arrays are buffers

    def _turn_to(self, chosen: InstrumentView) -> None:
        self._current, self._cells = chosen, chosen.cells

    def _view_of(self, instrument: str | None) -> InstrumentView:
        if instrument is None:
            return self._current
        if instrument not in self._views:
            raise KeyError(f"{instrument!r} is not an instrument of this strategy; it has {', '.join(self._views)}")
        return self._views[instrument]

    # What is known

    @property
    def time_ns(self) -> int:
        """Now, ns UTC: the close of the current bar, or the time the tick was received."""
        now_ns: int = self._ints[NOW_AT]
        return now_ns

    @property
    def time(self) -> datetime:
        """Now, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self._ints[NOW_AT] // 1_000)

    @property
    def instrument(self) -> str:
        """The instrument of the current bar, tick, fill or timer."""
        return self._current.name

    @property
    def equity(self) -> float:
        """Equity of the whole account at the last known prices, in the settle asset."""
        value: float = self._floats[_EQUITY]
        return value

    @property
    def cash(self) -> float:
        """Equity without unrealised results of open positions."""
        value: float = self._floats[_EQUITY] - self._floats[_UNREALIZED]
        return value

    def value(self, variant: str, instrument: str | None = None) -> float:
        """Return an indicator (variant) of the strategy file; NaN during warm-up."""
        cells = self._cells if instrument is None else self._view_of(instrument).cells
        try:
            value: float = self._arena[cells[variant]]
        except KeyError:
            there = ", ".join(cells) or "none"
            raise KeyError(f"{variant!r} is not a variant of the strategy file; it has {there}") from None
        return value

    def price(self, instrument: str | None = None) -> float:
        """Return the last known price (mid price of quotes); NaN before the first."""
        value: float = self._floats[self._view_of(instrument).mark_at]
        return value

    def bid(self, instrument: str | None = None) -> float:
        """Return the best bid received; NaN without quotes."""
        value: float = self._floats[self._view_of(instrument).bid_at]
        return value

    def ask(self, instrument: str | None = None) -> float:
        """Return the best ask received; NaN without quotes."""
        value: float = self._floats[self._view_of(instrument).ask_at]
        return value

    def position(self, instrument: str | None = None) -> float:
        """Return the quantity held by this strategy: positive long, negative short."""
        value: float = self._floats[(self._current if instrument is None else self._view_of(instrument)).qty_at]
        return value

    def entry_price(self, instrument: str | None = None) -> float:
        """Return the average entry price of the position; NaN when flat."""
        chosen = self._view_of(instrument)
        return self._floats[chosen.entry_at] if self._floats[chosen.qty_at] != 0.0 else math.nan

    def unrealized(self, instrument: str | None = None) -> float:
        """Return the unrealised result of the position before fees, in the settle asset."""
        value: float = self._floats[self._view_of(instrument).unrealized_at]
        return value

    def history(self, count: int, instrument: str | None = None) -> Bars:
        """Return the last ``count`` closed bars, oldest first; fewer if fewer have closed."""
        if not len(self._session.past):
            raise ValueError("a strategy on ticks has no bars: name a variant with a timeframe instead")
        if count < 0:
            raise LookAheadError(f"history({count}) asks for bars that have not closed")
        if not 0 < count <= limits.HISTORY_BARS_MAX:
            raise ValueError(f"history({count}): between 1 and {limits.HISTORY_BARS_MAX} bars are kept")
        chosen, ring = self._view_of(instrument), limits.HISTORY_BARS_MAX
        closed: int = self._ints[chosen.bar_count_at]
        kept, base = min(count, closed), chosen.index * ring
        at = np.arange(closed - kept, closed) % ring + base
        return Bars(self._session.past[at], chosen.name)

    def orders(self, instrument: str | None = None) -> list[OpenOrder]:
        """Return open orders of this strategy, oldest first, stops and targets included."""
        views = self._views.values() if instrument is None else (self._view_of(instrument),)
        return sorted(order for chosen in views for order in self._orders_of(chosen))

    def _orders_of(self, chosen: InstrumentView) -> Iterator[OpenOrder]:
        ints, floats, at = self._ints, self._floats, _ORDER_AT
        slot: int = ints[chosen.order_at]
        while slot >= 0:
            base = _ORDERS + slot * _ORDER_WORDS
            yield OpenOrder(
                ints[base + at["id"]], chosen.name, SIDES[ints[base + at["side"]]],
                OrderKind(ints[base + at["kind"]]).name.lower(), Role(ints[base + at["role"]]).name.lower(),
                floats[base + at["qty"]], floats[base + at["filled_qty"]], floats[base + at["price"]],
                floats[base + at["stop_price"]], OrderState(ints[base + at["state"]]).name,
            )  # fmt: skip
            slot = ints[base + at["next"]]

    # Requests

    def buy(self, qty: float | None = None, **options: Any) -> Answer:
        """Buy ``qty``, or ``notional=`` in the settle asset, at market; see ``sell`` and the guide for the options."""
        return self._order(1, qty, **options)

    def sell(self, qty: float | None = None, **options: Any) -> Answer:
        """Sell ``qty``, or ``notional=`` in the settle asset.

        ``type`` market, limit, stop, stop_limit; ``price`` of a limit or a stop, ``stop_price`` of a stop_limit's
        trigger; ``stop_loss``, ``take_profit`` prices, or ``stop_loss_pct``, ``take_profit_pct`` of the average entry;
        ``ttl_s``, ``tif``, ``post_only``, ``reduce_only``, ``leverage``, ``instrument``. What only reduces the position
        passes no check; everything else passes them all, and the answer says what became of it. A number that is not
        known (NaN, of a variant in warm-up) or is no price, size, leverage or distance denies the order, by name.
        """
        return self._order(-1, qty, **options)

    def _order(
        self,
        side: int,
        qty: float | None,
        *,
        notional: float | None = None,
        type: str = "market",
        price: float | None = None,
        stop_price: float | None = None,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        stop_loss_pct: float | None = None,
        take_profit_pct: float | None = None,
        ttl_s: float | None = None,
        tif: str = "GTC",
        post_only: bool = False,
        reduce_only: bool = False,
        leverage: float = 1.0,
        instrument: str | None = None,
    ) -> Answer:
        if type not in _KINDS:
            raise ValueError(f"type {type!r} is none of {', '.join(_KINDS)}")
        if tif not in TimeInForce.__members__:
            raise ValueError(f"tif {tif!r} is none of {', '.join(TimeInForce.__members__)}")
        if tif in ("IOC", "FOK") and (ttl_s is not None or post_only):
            raise ValueError(f"an order that is {tif} does not wait: leave out ttl_s and post_only")
        if tif == "GTT" and ttl_s is None:
            raise ValueError("GTT needs a time: give ttl_s")
        if (qty is None) == (notional is None):
            raise ValueError("an order has a qty or a notional, and not both")
        fields: dict[str, Any] = {
            "side": side, "order_kind": int(_KINDS[type]), "tif": int(TimeInForce[tif]), "post_only": int(post_only),
            "reduce_only": int(reduce_only), "leverage": _number("leverage", leverage),
        }  # fmt: skip
        fields |= {"qty": _number("qty", qty)} if notional is None else _amount(_number("notional", notional))
        fields |= _prices(type, price, stop_price)
        fields |= _protection(stop_loss, take_profit, stop_loss_pct, take_profit_pct)
        if ttl_s is not None:
            fields["expires_ns"] = self._ints[NOW_AT] + round(_positive("ttl_s", ttl_s) * 1e9)
        rows = self._session.request(EventKind.ORDER_REQUESTED, self._view_of(instrument), fields)
        row = rows[0]
        if int(row["kind"]) == RowKind.SUBMIT:
            return Answer(int(row["order_id"]), "")
        return Answer(0, Reason(int(row["reason"])).name)

    def close(self, instrument: str | None = None) -> Answer:
        """Close all of the position at market; an exit that is open already is left alone."""
        chosen = self._view_of(instrument)
        held: float = self._floats[chosen.qty_at]
        if held == 0.0:
            return Answer(0, Reason.NOTHING_TO_REDUCE.name)
        for order in self._orders_of(chosen):
            if order.type == "market" and order.role != "entry" and order.state != "PENDING_CANCEL":
                return Answer(order.order_id, "")
        return self._order(-1 if held > 0.0 else 1, abs(held), reduce_only=True, instrument=chosen.name)

    def protect(
        self,
        *,
        stop_loss: float | None = None,
        take_profit: float | None = None,
        stop_loss_pct: float | None = None,
        take_profit_pct: float | None = None,
        instrument: str | None = None,
    ) -> bool:
        """Put or move the stop and the target of what is held; what is not named stays where it is.

        False when a number is not known (NaN, of a variant in warm-up) or not above 0: then nothing is moved.
        """
        fields = _protection(stop_loss, take_profit, stop_loss_pct, take_profit_pct)
        if not all(math.ulp(0.0) < value < math.inf for value in fields.values()):
            return False
        self._session.request(EventKind.PROTECTION_REQUESTED, self._view_of(instrument), fields)
        return True

    def cancel(self, order: int | Answer) -> bool:
        """Request the cancellation of an order by its id or answer; False when no such order is open."""
        order_id = order.order_id if isinstance(order, Answer) else order
        for chosen in self._views.values():
            if any(working.order_id == order_id for working in self._orders_of(chosen)):
                return bool(len(self._session.request(EventKind.CANCEL_REQUESTED, chosen, {"order_id": order_id})))
        return False

    def cancel_all(self, instrument: str | None = None) -> int:
        """Request the cancellation of every open order but stops and targets; return how many."""
        cancellable = [order for order in self.orders(instrument) if order.role not in ("stop_loss", "take_profit")]
        return sum(self.cancel(order.order_id) for order in cancellable)

    def note(self, text: str) -> None:
        """Record why something is done or not, for ``tightloop explain``; without effect on a run."""
        self._session.note(text)

    def set_timer(self, seconds: float) -> None:
        """Schedule ``on_timer`` in ``seconds``; on bars it is called at the first close or open at or after that."""
        due_ns = self._ints[NOW_AT] + round(_positive("seconds", seconds) * 1e9)
        session = self._session
        if len(session.timers) >= limits.CALL_REQUESTS_MAX:
            raise RuntimeError(f"more than {limits.CALL_REQUESTS_MAX} timers are pending")
        session.timer_count += 1
        heapq.heappush(session.timers, (due_ns, session.timer_count, self._number, self._current))


def _prices(type: str, price: float | None, stop_price: float | None) -> dict[str, float]:
    """Return the price fields of an order type; raises ValueError for a price the type does not have."""
    if type == "market":
        if price is not None or stop_price is not None:
            raise ValueError("a market order has no price; write type='limit' or type='stop'")
        return {}
    if type == "limit":
        return {"price": _number("price", price)}
    if type == "stop":
        return {"stop_price": _number("price", price if stop_price is None else stop_price)}
    return {"price": _number("price", price), "stop_price": _number("stop_price", stop_price)}


def _amount(notional: float) -> dict[str, float]:
    """Return the size field for a notional. 0 means absent in the event, so an invalid notional becomes a NaN qty."""
    return {"amount": notional} if notional > 0.0 else {"qty": math.nan}


def _protection(
    stop_loss: float | None, take_profit: float | None, stop_loss_pct: float | None, take_profit_pct: float | None
) -> dict[str, float]:
    """Return the protection fields of a request as the event encodes them.

    NaN (0 for a percentage) means absent there, so a NaN from the strategy becomes infinity, which the core denies as
    unknown, and a percentage of 0 the smallest positive float.
    """
    if stop_loss is not None and stop_loss_pct is not None:
        raise ValueError("stop_loss and stop_loss_pct exclude each other")
    if take_profit is not None and take_profit_pct is not None:
        raise ValueError("take_profit and take_profit_pct exclude each other")
    named = {
        "stop_loss": stop_loss, "take_profit": take_profit, "stop_loss_pct": stop_loss_pct,
        "take_profit_pct": take_profit_pct,
    }  # fmt: skip
    asked = {name: _number(name, value) for name, value in named.items() if value is not None}
    for name, value in asked.items():
        if math.isnan(value):
            asked[name] = math.inf
        elif value == 0.0 and name.endswith("_pct"):
            asked[name] = math.ulp(0.0)  # at the entry, to the last bit
    return asked
