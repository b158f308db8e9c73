"""An honest toy venue, and a network between it and the desk that a test lets lose, repeat and reorder.

The venue has one symbol with a touch, a position, plain and conditional orders, and executes as venues do: what is
signed too long ago is refused, reduce-only orders are cut to the position, a triggered stop sends another order with
another id. It knows nothing of the desk.
"""

import math
from dataclasses import dataclass, field, replace

from tightloop.core.domain.enums import OrderKind, OrderState, Role, RowKind, Side, TimeInForce, Trigger
from tightloop.ports.execution import (
    AmendOrder,
    CancelOrder,
    ClockRefused,
    FillOrigin,
    FillReport,
    ListFills,
    LookUpOrder,
    NoSuchOrder,
    OrderReport,
    ReadServerTime,
    RefusalKind,
    RefusedByVenue,
    Report,
    Request,
    ServerTime,
    SubmitOrder,
)
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import (
    NEVER_NS,
    SECOND_NS,
    Ask,
    Command,
    DeskTerms,
    Listed,
    Note,
    NoteKind,
    Outputs,
    Reply,
    VenueAnswer,
)

SYMBOL = "BTCUSDT"
WINDOW_NS = 5 * SECOND_NS
START_NS = 1_700_000_000 * SECOND_NS
NAN = math.nan
LISTED = Listed(SYMBOL, 0.1, 0.001, 1.0, 0.0005, 0.0002, "USDT")
TERMS = DeskTerms("toy", "main")


@dataclass
class Rested:
    """An order at the venue."""

    request: SubmitOrder
    venue_id: str
    state: OrderState = OrderState.ACCEPTED
    reason: RefusalKind = RefusalKind.NONE
    filled: float = 0.0
    value: float = 0.0
    triggered_id: str = ""
    is_conditional: bool = False
    fills: list[FillReport] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class ToyVenue:
    """The venue. ``reports`` is its private stream, not yet delivered."""

    def __init__(self) -> None:
        self.now_ns = START_NS
        self.bid, self.ask = 99.9, 100.1
        self.position = 0.0
        self.has_liquidity = True
        self.share = 1.0  # of an order that one match fills
        self.lags_ns = 0  # until then look-ups do not see what is there
        self.orders: list[Rested] = []
        self.reports: list[Report] = []
        self.ids = 0

    def _next_id(self) -> str:
        self.ids += 1
        return f"v{self.ids}"

    def find(self, client_id: str, *, is_conditional: bool) -> Rested | None:
        """Return the latest order with a client id."""
        found = [o for o in self.orders if o.request.client_id == client_id and o.is_conditional == is_conditional]
        return found[-1] if found else None

    def report_of(self, order: Rested) -> OrderReport:
        """Return an order as the venue sees it now."""
        request = order.request
        return OrderReport(
            client_id=request.client_id,
            venue_order_id=order.venue_id,
            symbol=SYMBOL,
            side=request.side,
            state=order.state,
            reason=order.reason,
            qty=request.qty,
            cum_qty=order.filled,
            avg_price=order.value / order.filled if order.filled else NAN,
            price=request.price,
            stop_price=request.stop_price,
            is_reduce_only=request.is_reduce_only,
            is_conditional=order.is_conditional,
            ts_ns=self.now_ns,
            triggered_id=order.triggered_id,
        )

    def _push(self, order: Rested) -> None:
        self.reports.append(self.report_of(order))

    def execute(self, request: Request, signed_ns: int) -> Reply:
        """Execute a request that arrives now."""
        if isinstance(request, ReadServerTime):
            return (ServerTime(self.now_ns),)
        if self.now_ns - signed_ns > WINDOW_NS:
            return ClockRefused(-1021, "outside of the window")
        if isinstance(request, SubmitOrder):
            return self._submit(request)
        if isinstance(request, LookUpOrder):
            order = self.find(request.client_id, is_conditional=request.is_conditional)
            return (
                (self.report_of(order),)
                if order and self.now_ns >= self.lags_ns
                else NoSuchOrder(-2013, "no such order")
            )
        if isinstance(request, CancelOrder):
            order = self.find(request.client_id, is_conditional=request.is_conditional)
            if order is None or not order.is_open:
                return NoSuchOrder(-2011, "unknown order")
            self.end(order, OrderState.CANCELED)
            return (self.report_of(order),)
        if isinstance(request, ListFills):
            return tuple(fill for order in self.orders for fill in order.fills)
        if isinstance(request, AmendOrder):
            return self._amend(request)
        raise AssertionError(request)

    def _submit(self, request: SubmitOrder) -> Reply:
        is_stop = request.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT)
        if any(o.is_open and o.request.client_id == request.client_id for o in self.orders):
            return RefusedByVenue(RefusalKind.ID_REPEATED, -4116, "repeated")
        if request.is_reduce_only and not is_stop and self.position * request.side >= 0.0:
            return RefusedByVenue(RefusalKind.NOTHING_TO_REDUCE, -2022, "reduce only")
        if is_stop and self._is_reached(request):
            return RefusedByVenue(RefusalKind.WOULD_TRIGGER, -2021, "would trigger")
        order = Rested(request, self._next_id(), is_conditional=is_stop)
        self.orders.append(order)
        self._push(order)
        self.match()
        return (self.report_of(order),)

    def _amend(self, request: AmendOrder) -> Reply:
        order = self.find(request.client_id, is_conditional=request.is_conditional)
        if order is None or not order.is_open:
            return RefusedByVenue(RefusalKind.TOO_LATE, -5027, "ended")
        order.request = replace(order.request, qty=request.qty, price=request.price)
        self._push(order)
        self.match()
        return (self.report_of(order),)

    def _is_reached(self, request: SubmitOrder) -> bool:
        return self.bid <= request.stop_price if request.side < 0 else self.ask >= request.stop_price

    def move(self, mid: float) -> None:
        """Move the touch, trigger stops and match."""
        self.bid, self.ask = mid - 0.1, mid + 0.1
        for order in list(self.orders):
            if order.is_open and order.is_conditional and self._is_reached(order.request):
                self._trigger(order)
        self.match()

    def _trigger(self, order: Rested) -> None:
        request = order.request
        sent = Rested(replace(request, kind=OrderKind.MARKET, stop_price=NAN), self._next_id())
        order.triggered_id, order.state = sent.venue_id, OrderState.FILLED
        self.orders.append(sent)
        self._push(order)
        self._push(sent)

    def end(self, order: Rested, state: OrderState, reason: RefusalKind = RefusalKind.NONE) -> None:
        """End an order and report it."""
        order.state, order.reason = state, reason
        self._push(order)

    def match(self) -> None:
        """Fill what the touch reaches, once."""
        for order in [one for one in self.orders if one.is_open and not one.is_conditional]:
            self._match(order)

    def _match(self, order: Rested) -> None:
        request = order.request
        touch = self.ask if request.side > 0 else self.bid
        reaches = request.kind == OrderKind.MARKET or (request.price - touch) * request.side >= 0.0
        room = max(0.0, -self.position * request.side) if request.is_reduce_only else math.inf
        if self.has_liquidity and reaches:
            qty = min(round(max(0.001, (request.qty - order.filled) * self.share), 3), request.qty - order.filled, room)
            if qty > 1e-9:
                self._fill(order, qty, touch)
        if order.is_open and request.is_reduce_only and self.position * request.side >= -1e-9:
            self.end(order, OrderState.EXPIRED, RefusalKind.NOTHING_TO_REDUCE)
        elif order.is_open and request.tif in (TimeInForce.IOC, TimeInForce.FOK):
            self.end(order, OrderState.EXPIRED, RefusalKind.UNFILLED)

    def _fill(self, order: Rested, qty: float, price: float) -> None:
        order.filled, order.value = order.filled + qty, order.value + qty * price
        self.position += order.request.side * qty
        is_whole = order.filled >= order.request.qty - 1e-9
        order.state = OrderState.FILLED if is_whole else OrderState.PARTIALLY_FILLED
        fill = FillReport(
            client_id=order.request.client_id,
            venue_order_id=order.venue_id,
            trade_id=f"t{self._next_id()}",
            symbol=SYMBOL,
            side=order.request.side,
            qty=qty,
            price=price,
            fee=qty * price * 0.0005,
            fee_asset="USDT",
            is_maker=False,
            cum_qty=order.filled,
            order_qty=order.request.qty,
            origin=FillOrigin.ORDER,
            ts_ns=self.now_ns,
        )
        order.fills.append(fill)
        self.reports.append(fill)
        self._push(order)

    def executed(self, client_id: str) -> float:
        """Return what all orders with a client id have filled."""
        return sum(order.filled for order in self.orders if order.request.client_id == client_id)


def submit(order_id: int, now_ns: int, **fields: object) -> Command:
    """Return a SUBMIT of an entry limit to buy 1 at 95, with fields changed."""
    command = Command(
        kind=RowKind.SUBMIT, ts_ns=now_ns, order_id=order_id, order_slot=order_id % 7, instance=0, instrument=0,
        side=Side.BUY, order_kind=OrderKind.LIMIT, tif=TimeInForce.GTC, role=Role.ENTRY, is_reduce_only=False,
        is_post_only=False, trigger=Trigger.LAST, expires_ns=NEVER_NS, oco=0, reason=0, qty=1.0, price=95.0,
        stop_price=NAN, trail_pct=NAN, trail_distance=NAN, arm_price=NAN, reference_price=100.0,
    )  # fmt: skip
    return replace(command, **fields)  # type: ignore[arg-type]  # the caller names fields of Command


def exit_at_market(order_id: int, now_ns: int, **fields: object) -> Command:
    """Return a SUBMIT of a market exit that sells 1."""
    wanted: dict[str, object] = {
        "side": Side.SELL, "order_kind": OrderKind.MARKET, "role": Role.E1, "is_reduce_only": True, "price": NAN,
    }  # fmt: skip
    return submit(order_id, now_ns, **(wanted | fields))


def stop(order_id: int, now_ns: int, **fields: object) -> Command:
    """Return a SUBMIT of a stop that sells 1 at 90."""
    wanted: dict[str, object] = {
        "side": Side.SELL, "order_kind": OrderKind.STOP, "role": Role.STOP_LOSS, "is_reduce_only": True, "price": NAN,
        "stop_price": 90.0,
    }  # fmt: skip
    return submit(order_id, now_ns, **(wanted | fields))


@dataclass
class Flight:
    """A request on its way to the venue, or (``reply``) an answer on its way back; ``is_cut``: none will come back."""

    ask: Ask
    reply: Reply | None = None
    is_cut: bool = False


class Session:
    """A desk and a toy venue with a network between them: every message waits until the test delivers or loses it."""

    def __init__(self, terms: DeskTerms = TERMS) -> None:
        self.venue = ToyVenue()
        self.desk = Desk.begin(terms, "session-1", 1, (LISTED,))
        self.desk.on_time(self.now_ns)
        self.flights: list[Flight] = []
        self.answers: list[VenueAnswer] = []
        self.notes: list[Note] = []
        self.asks: list[Ask] = []
        self.strange: list[Report] = []

    @property
    def now_ns(self) -> int:
        """The time, of both."""
        return self.venue.now_ns

    def take(self, outputs: Outputs) -> Outputs:
        """Keep what the desk put out, and put its requests on their way."""
        self.answers += outputs.answers
        self.notes += outputs.notes
        self.asks += outputs.asks
        self.strange += outputs.strange
        self.flights += [Flight(ask) for ask in outputs.asks]
        return outputs

    def command(self, command: Command) -> Outputs:
        """Give the desk a command."""
        return self.take(self.desk.on_command(command))

    def arrive(self, flight: Flight) -> None:
        """Let a message arrive: at the venue, whose answer is then on its way, or at the desk."""
        self.flights.remove(flight)
        if flight.reply is None:
            reply = self.venue.execute(flight.ask.request, flight.ask.signed_ns)
            if not flight.is_cut:
                self.flights.append(Flight(flight.ask, reply))
        else:
            self.reply(flight.ask, flight.reply)

    def reply(self, ask: Ask, reply: Reply) -> Outputs:
        """Give the desk an answer."""
        return self.take(self.desk.on_reply(ask.ask_id, reply, self.now_ns))

    def report(self, report: Report) -> Outputs:
        """Give the desk a report of the private stream."""
        return self.take(self.desk.on_report(report, self.now_ns))

    def deliver(self) -> None:
        """Deliver everything, until nothing is on its way."""
        while self.flights or self.venue.reports:
            reports, self.venue.reports = self.venue.reports, []
            for report in reports:
                self.report(report)
            for flight in list(self.flights):
                self.arrive(flight)

    def sleep(self, seconds: float, *, delivers: bool = False) -> None:
        """Let time pass, waking the desk when it wants to be; ``delivers``: the network is fast meanwhile."""
        end_ns = self.now_ns + round(seconds * SECOND_NS)
        while True:
            if delivers:
                self.deliver()
            due_ns = self.desk.next_due_ns
            self.venue.now_ns = max(self.now_ns, min(end_ns, due_ns))
            self.take(self.desk.on_time(self.now_ns))
            if self.now_ns >= end_ns and self.desk.next_due_ns > end_ns:
                break
        if delivers:
            self.deliver()

    def kinds(self) -> list[int]:
        """Return the kinds of the answers so far."""
        return [answer.kind for answer in self.answers]

    def requests(self, kind: type) -> list[Request]:
        """Return the requests of a kind that have left so far."""
        return [ask.request for ask in self.asks if isinstance(ask.request, kind)]

    def last_ask(self, kind: type) -> Ask:
        """Return the latest request of a kind."""
        return [ask for ask in self.asks if isinstance(ask.request, kind)][-1]

    def noted(self) -> list[NoteKind]:
        """Return the kinds of the notes so far."""
        return [note.kind for note in self.notes]
