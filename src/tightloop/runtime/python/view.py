"""What a strategy in Python sees and says: the market and its account as known now, and its orders.

Everything a view can reach is of the past: State, the arena of indicators, the log so far and rings of closed bars.
Feeds and venues are not within its reach, so that no slip of a strategy, and no curiosity, finds a later price.
"""

import heapq
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tightloop.core import limits
from tightloop.core import log as core_log
from tightloop.core.compiled import entry_of
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Reason, Role, RowKind, TimeInForce
from tightloop.core.domain.position import POSITION
from tightloop.core.domain.types import BAR, EVENT, INSTANCE, INSTRUMENT, ORDER, STATE, Rows
from tightloop.core.replay import bars as replay_bars
from tightloop.model.signal.plan import Plan

_STEP = entry_of(replay_bars.step_one)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LookAheadError(IndexError):
    """A strategy asked for what is not known yet."""


class ClosedBar(NamedTuple):
    """A bar that has closed; prices as floats, times in nanoseconds UTC."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    open_ns: int
    close_ns: int
    instrument: str


class Trade(NamedTuple):
    """A public print, as it was received."""

    instrument: str
    price: float
    qty: float
    is_buyer_maker: bool
    happened_ns: int
    time_ns: int


class Quote(NamedTuple):
    """Best bid and ask, as they were received."""

    instrument: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    happened_ns: int
    time_ns: int


class Fill(NamedTuple):
    """An execution of an order of the strategy; ``role``: entry, strategy, stop_loss, take_profit, liquidation ..."""

    order_id: int
    instrument: str
    side: str
    qty: float
    price: float
    fee: float
    is_maker: bool
    role: str
    time_ns: int


class OpenOrder(NamedTuple):
    """An order that works; prices are NaN where the order has none."""

    order_id: int
    instrument: str
    side: str
    type: str
    role: str
    qty: float
    filled_qty: float
    price: float
    stop_price: float
    state: str


class Answer(NamedTuple):
    """What became of an order: sent with an id, or denied with a reason. True when it was sent."""

    order_id: int
    reason: str

    def __bool__(self) -> bool:
        return self.order_id != 0


class Bars(Sequence[ClosedBar]):
    """Closed bars, the oldest first; a copy that belongs to whoever asked. Columns are arrays."""

    __slots__ = ("_instrument", "_rows")

    def __init__(self, rows: Rows, instrument: str) -> None:
        self._rows, self._instrument = rows, instrument

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Bars(self._rows[at].copy(), self._instrument)
        if at >= len(self._rows):
            message = (
                f"bar {at} of the {len(self._rows)} asked for: only closed bars are known, [-1] is the last of them"
            )
            raise LookAheadError(message)
        return ClosedBar._make((*self._rows[at].item(), self._instrument))

    def __iter__(self) -> Iterator[ClosedBar]:
        return (ClosedBar._make((*row, self._instrument)) for row in self._rows.tolist())

    def _column(self, name: str) -> npt.NDArray[Any]:
        return self._rows[name].copy()

    @property
    def open(self) -> npt.NDArray[np.float64]:
        """Opens."""
        return self._column("open")

    @property
    def high(self) -> npt.NDArray[np.float64]:
        """Highs."""
        return self._column("high")

    @property
    def low(self) -> npt.NDArray[np.float64]:
        """Lows."""
        return self._column("low")

    @property
    def close(self) -> npt.NDArray[np.float64]:
        """Closes."""
        return self._column("close")

    @property
    def volume(self) -> npt.NDArray[np.float64]:
        """Volumes."""
        return self._column("volume")

    @property
    def close_ns(self) -> npt.NDArray[np.int64]:
        """Times at which they closed."""
        return self._column("close_ns")


# Where things lie -----------------------------------------------------------------------------------------------------


def _word(kind: np.dtype[np.void], name: str) -> int:
    """The place of a field in words of 8 bytes."""
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
    """One instance: its names, and where its values lie in State and arena."""

    __slots__ = (
        "ask_at", "bar_at", "bar_count_at", "bid_at", "cells", "close_ns_at", "entry_at", "index", "instance",
        "mark_at", "name", "order_at", "qty_at", "unrealized_at",
    )  # fmt: skip

    def __init__(self, plan: Plan, instance: int) -> None:
        state = plan.states[0]
        own = state["instances"][instance]
        strategy = plan.strategies[int(own["strategy"])]
        self.instance, self.index = instance, int(own["instrument"])
        self.name = str(plan.instruments[self.index])
        base = int(own["value_base"])
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
    """The account's side of all views of a run: it turns wishes into events and steps them. No feed, no venue."""

    __slots__ = (
        "_blank",
        "_event",
        "_log",
        "_plan_table",
        "_states",
        "arena",
        "count",
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
        self.timers: list[tuple[int, int, int, InstrumentView]] = []  # due, in order of asking, whose, where
        self.count = self.timer_count = 0

    def floats(self) -> memoryview:
        """State as floats, to be read only."""
        return self._words(np.float64)

    def ints(self) -> memoryview:
        """State as integers, to be read only."""
        return self._words(np.int64)

    def _words(self, kind: Any) -> memoryview:
        words = self._states.view(kind)
        words.flags.writeable = False
        return memoryview(words)

    def note(self, text: str) -> None:
        """What a strategy says of itself; a run takes no notice of it."""

    def want(self, kind: EventKind, place: InstrumentView, fields: Mapping[str, Any]) -> Rows:
        """Step one event; the rows that it wrote."""
        if self.count >= limits.WANTED_MAX:
            raise RuntimeError(f"more than {limits.WANTED_MAX} orders and cancels at one moment")
        self.count += 1
        event, log = self._event, self._log
        event[0] = self._blank[0]
        now_ns = int(self._states[0]["ts_ns"])
        event["kind"], event["instance"], event["instrument"] = int(kind), place.instance, place.index
        event["ts_event_ns"] = event["ts_init_ns"] = now_ns
        for name, value in fields.items():
            event[name] = value
        before = core_log.stop(log)
        _STEP(self._states, self.arena, event, log, self._plan_table)
        return log[before : core_log.stop(log)]


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}, and has to be a number above 0")
    return float(value)


def _number(name: str, value: Any) -> float:
    """A number as it is, NaN too: the core denies, by name, what is not known or is no price, size or leverage."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ValueError(f"{name} is {value!r}, and has to be a number")
    return float(value)


class View:
    """The market and the account as a strategy knows them now, and its way to act. The same object in every call."""

    __slots__ = ("_arena", "_cells", "_desk", "_floats", "_here", "_ints", "_number", "_places", "instruments")

    def __init__(self, desk: SessionView, number: int, places: Sequence[InstrumentView]) -> None:
        self._desk, self._number = desk, number
        self._floats, self._ints = desk.floats(), desk.ints()
        self._places = {place.name: place for place in places}
        self.instruments = tuple(self._places)
        self._turn_to(places[0])
        self._renew()

    def _renew(self) -> None:
        """The arena was moved to where there is more room."""
        arena = self._desk.arena.view()
        arena.flags.writeable = False
        self._arena = memoryview(arena)  # type: ignore[arg-type]  # numpy's arrays are buffers

    def _turn_to(self, place: InstrumentView) -> None:
        self._here, self._cells = place, place.cells

    def _place(self, instrument: str | None) -> InstrumentView:
        if instrument is None:
            return self._here
        if instrument not in self._places:
            raise KeyError(f"{instrument!r} is not an instrument of this strategy; it has {', '.join(self._places)}")
        return self._places[instrument]

    # What is known

    @property
    def time_ns(self) -> int:
        """Now, in nanoseconds UTC: the close of the bar in hand, or when the tick was received."""
        now_ns: int = self._ints[NOW_AT]
        return now_ns

    @property
    def time(self) -> datetime:
        """Now, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self._ints[NOW_AT] // 1_000)

    @property
    def instrument(self) -> str:
        """The instrument of the bar, tick, fill or timer in hand."""
        return self._here.name

    @property
    def equity(self) -> float:
        """Of the whole account at the last known prices."""
        value: float = self._floats[_EQUITY]
        return value

    @property
    def cash(self) -> float:
        """Equity without what open positions gained or lost so far."""
        value: float = self._floats[_EQUITY] - self._floats[_UNREALIZED]
        return value

    def value(self, variant: str, instrument: str | None = None) -> float:
        """An indicator of the strategy file; NaN while it is not known."""
        cells = self._cells if instrument is None else self._place(instrument).cells
        try:
            value: float = self._arena[cells[variant]]
        except KeyError:
            there = ", ".join(cells) or "none"
            raise KeyError(f"{variant!r} is not a variant of the strategy file; it has {there}") from None
        return value

    def price(self, instrument: str | None = None) -> float:
        """The last known price (of quotes the middle); NaN before there is one."""
        value: float = self._floats[self._place(instrument).mark_at]
        return value

    def bid(self, instrument: str | None = None) -> float:
        """The best bid received; NaN without quotes."""
        value: float = self._floats[self._place(instrument).bid_at]
        return value

    def ask(self, instrument: str | None = None) -> float:
        """The best ask received; NaN without quotes."""
        value: float = self._floats[self._place(instrument).ask_at]
        return value

    def position(self, instrument: str | None = None) -> float:
        """The quantity held by this strategy: above 0 long, below 0 short."""
        value: float = self._floats[(self._here if instrument is None else self._place(instrument)).qty_at]
        return value

    def entry_price(self, instrument: str | None = None) -> float:
        """The average entry price of what is held; NaN when nothing is."""
        place = self._place(instrument)
        return self._floats[place.entry_at] if self._floats[place.qty_at] != 0.0 else math.nan

    def unrealized(self, instrument: str | None = None) -> float:
        """What the open position gained so far, before fees, in the settle asset."""
        value: float = self._floats[self._place(instrument).unrealized_at]
        return value

    def history(self, count: int, instrument: str | None = None) -> Bars:
        """The last ``count`` closed bars, the oldest first; fewer when there are fewer."""
        if not len(self._desk.past):
            raise ValueError("a strategy on ticks has no bars: name a variant with a timeframe instead")
        if count < 0:
            raise LookAheadError(f"history({count}) asks for bars that have not closed")
        if not 0 < count <= limits.HISTORY_BARS_MAX:
            raise ValueError(f"history({count}): between 1 and {limits.HISTORY_BARS_MAX} bars are kept")
        place, ring = self._place(instrument), limits.HISTORY_BARS_MAX
        closed: int = self._ints[place.bar_count_at]
        wanted, base = min(count, closed), place.index * ring
        at = np.arange(closed - wanted, closed) % ring + base
        return Bars(self._desk.past[at], place.name)

    def orders(self, instrument: str | None = None) -> list[OpenOrder]:
        """Orders of this strategy that work, the oldest first, stops and targets among them."""
        places = self._places.values() if instrument is None else (self._place(instrument),)
        return sorted(own for place in places for own in self._orders_of(place))

    def _orders_of(self, place: InstrumentView) -> Iterator[OpenOrder]:
        ints, floats, at = self._ints, self._floats, _ORDER_AT
        slot: int = ints[place.order_at]
        while slot >= 0:
            base = _ORDERS + slot * _ORDER_WORDS
            yield OpenOrder(
                ints[base + at["id"]], place.name, SIDES[ints[base + at["side"]]],
                OrderKind(ints[base + at["kind"]]).name.lower(), Role(ints[base + at["role"]]).name.lower(),
                floats[base + at["qty"]], floats[base + at["filled_qty"]], floats[base + at["price"]],
                floats[base + at["stop_price"]], OrderState(ints[base + at["state"]]).name,
            )  # fmt: skip
            slot = ints[base + at["next"]]

    # What is wanted

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
        rows = self._desk.want(EventKind.ORDER_REQUESTED, self._place(instrument), fields)
        row = rows[0]
        if int(row["kind"]) == RowKind.SUBMIT:
            return Answer(int(row["order_id"]), "")
        return Answer(0, Reason(int(row["reason"])).name)

    def close(self, instrument: str | None = None) -> Answer:
        """Close all of the position at market; an exit that is under way already is left alone."""
        place = self._place(instrument)
        held: float = self._floats[place.qty_at]
        if held == 0.0:
            return Answer(0, Reason.NOTHING_TO_REDUCE.name)
        for own in self._orders_of(place):
            if own.type == "market" and own.role != "entry" and own.state != "PENDING_CANCEL":
                return Answer(own.order_id, "")
        return self._order(-1 if held > 0.0 else 1, abs(held), reduce_only=True, instrument=place.name)

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
        self._desk.want(EventKind.PROTECTION_REQUESTED, self._place(instrument), fields)
        return True

    def cancel(self, order: int | Answer) -> bool:
        """Ask for a cancel by the id of an order (or its answer); False when no such order works any more."""
        wanted = order.order_id if isinstance(order, Answer) else order
        for place in self._places.values():
            if any(own.order_id == wanted for own in self._orders_of(place)):
                return bool(len(self._desk.want(EventKind.CANCEL_REQUESTED, place, {"order_id": wanted})))
        return False

    def cancel_all(self, instrument: str | None = None) -> int:
        """Ask for a cancel of every order that works but stops and targets; returns how many."""
        own = [order for order in self.orders(instrument) if order.role not in ("stop_loss", "take_profit")]
        return sum(self.cancel(order.order_id) for order in own)

    def note(self, text: str) -> None:
        """Say why something is done or not, for ``tightloop explain``; a run takes no notice of it."""
        self._desk.note(text)

    def set_timer(self, seconds: float) -> None:
        """Have ``on_timer`` called so many seconds from now; on bars at the first close or open then or later."""
        due_ns = self._ints[NOW_AT] + round(_positive("seconds", seconds) * 1e9)
        desk = self._desk
        if len(desk.timers) >= limits.WANTED_MAX:
            raise RuntimeError(f"more than {limits.WANTED_MAX} timers wait")
        desk.timer_count += 1
        heapq.heappush(desk.timers, (due_ns, desk.timer_count, self._number, self._here))


def _prices(type: str, price: float | None, stop_price: float | None) -> dict[str, float]:
    """The prices that an order of a type has."""
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
    """A size in money. In the event 0 is none: what is no amount is a quantity that is not known."""
    return {"amount": notional} if notional > 0.0 else {"qty": math.nan}


def _protection(
    stop_loss: float | None, take_profit: float | None, stop_loss_pct: float | None, take_profit_pct: float | None
) -> dict[str, float]:
    """What is asked for, as the event has it: NaN (of a percentage 0) is none there, and infinite is not known."""
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
