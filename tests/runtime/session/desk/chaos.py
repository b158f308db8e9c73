"""A session of the desk under faults, step by step, with what must hold checked as it goes."""

from dataclasses import replace

from tests.runtime.session.desk.toy_venue import Session, exit_at_market, stop, submit

from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, RowKind, TimeInForce
from tightloop.ports.execution import (
    ClockRefused,
    NotAuthorized,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    SubmitOrder,
)
from tightloop.ports.transport import Lane, NoAnswer, NotSent
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import (
    NEVER_NS,
    SECOND_NS,
    Ask,
    Command,
    DeskTerms,
    NoteKind,
    Outputs,
    Reply,
    VenueAnswer,
)
from tightloop.runtime.session.desk.state import DeskOrder, Wire

NOT_EXECUTED = (RateLimited, ClockRefused, Overloaded, NotAuthorized, NotSent)
ENDS = (EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED)
ERRORS: tuple[Reply, ...] = (
    NoAnswer("reset"), NotSent("no connection"), OutcomeUnknown(-1007, "timeout"), RateLimited(3.0, False, "slow"),
    Overloaded(-1008, "busy"), ClockRefused(-1021, "clock"),
)  # fmt: skip


class Watched(Session):
    """A session that notes what may not happen."""

    def __init__(self, terms: DeskTerms) -> None:
        super().__init__(terms)
        self.out: set[str] = set()  # client ids whose outcome is owed
        self.left: list[tuple[int, SubmitOrder]] = []  # when each submit left

    def take(self, outputs: Outputs) -> Outputs:
        for ask in outputs.asks:
            if isinstance(ask.request, SubmitOrder):
                assert ask.request.client_id not in self.out, "sent again while its outcome is not known"
                self.out.add(ask.request.client_id)
                self.left.append((self.now_ns, ask.request))
        return super().take(outputs)

    def reply(self, ask: Ask, reply: Reply) -> Outputs:
        if isinstance(reply, NOT_EXECUTED) and isinstance(ask.request, SubmitOrder):
            self.out.discard(ask.request.client_id)
        return super().reply(ask, reply)


class Chaos:
    """One symbol traded under faults. ``pick`` chooses among what there is, by remainder."""

    def __init__(self, *, can_amend: bool) -> None:
        self.session = Watched(DeskTerms("toy", "main", can_amend_limit=can_amend, gtd_min_s=600.0))
        self.commands: dict[int, Command] = {}
        self.next_id = 65_536
        self.group = 0  # one-cancels-other
        self.partial: set[int] = set()  # exits of a part of a position that no entry adds to

    # Commands -----------------------------------------------------------------------------------------------------

    def _submit(self, command: Command) -> None:
        self.commands[command.order_id] = command
        self.next_id += 1
        state = self.session.desk.state
        is_free = not state.lanes.lanes[Lane.EXIT].opened_ns and state.lanes.paused_ns <= self.session.now_ns
        outputs = self.session.command(command)
        if command.is_exit and is_free and not self._waits_here(self.order(command.order_id)):
            name = ids.ClientId(state.session, state.epoch, command.order_id, 0).text
            left = [one.request.client_id for one in outputs.asks if isinstance(one.request, SubmitOrder)]
            assert name in left, "an exit leaves at once"

    def order(self, order_id: int) -> DeskOrder:
        """Return an order of the desk."""
        return self.session.desk.state.orders[order_id]

    @property
    def held(self) -> float:
        """Our position, as the desk knows it."""
        holdings = self.session.desk.state.holdings
        return holdings[0].ours if holdings else 0.0

    def _open(self, *kinds: OrderKind) -> list[Command]:
        """Return the commands of orders of these kinds whose end was not told."""
        return [
            command for order_id, command in self.commands.items()
            if command.order_kind in kinds and not (self.order(order_id).is_ended or self.order(order_id).is_filled)
        ]  # fmt: skip

    def act(self, pick: int, price: float) -> None:
        """Send what a strategy would: an entry while flat, a stop and an exit while not."""
        now_ns, state = self.session.now_ns, self.session.desk.state
        is_entering = any(not self.order(order_id).wanted.is_exit for order_id in state.open_ids)
        if self.held > 1e-9:
            qty = round(self.held, 3)
            exits = [one for one in self._open(OrderKind.MARKET) if one.is_exit]
            if not self._open(OrderKind.STOP, OrderKind.TRAILING):
                self.group += pick % 2  # some have a target in their group, to come
                self._submit(self._stop(pick, price, qty))
            elif self.group and pick % 3 == 1 and not [one for one in self._open(OrderKind.LIMIT) if one.is_exit]:
                self._submit(self._target(price, qty))
            elif not exits and pick % 3 == 0:
                part = round(qty / 2, 3) if pick % 2 and qty > 0.01 and not is_entering else qty
                if part < qty:
                    self.partial.add(self.next_id)
                self._submit(exit_at_market(self.next_id, now_ns, qty=part))
        elif not is_entering:
            if pick % 4 == 0:
                self._submit(submit(self.next_id, now_ns, order_kind=OrderKind.MARKET, price=float("nan")))
                return
            expires_ns = now_ns + (5, 90)[pick % 2] * SECOND_NS
            tif = TimeInForce.IOC if pick % 5 == 0 else TimeInForce.GTC
            self._submit(submit(self.next_id, now_ns, price=price, tif=tif, expires_ns=expires_ns))

    def _stop(self, pick: int, price: float, qty: float) -> Command:
        """Return a stop, fixed or trailing."""
        now_ns = self.session.now_ns
        if pick % 3:
            return stop(self.next_id, now_ns, stop_price=price - 5.0, qty=qty, oco=self.group)
        return stop(
            self.next_id, now_ns, order_kind=OrderKind.TRAILING, stop_price=float("nan"), trail_pct=3.0, qty=qty,
            oco=self.group, arm_price=price if pick % 2 else float("nan"),
        )  # fmt: skip

    def _target(self, price: float, qty: float) -> Command:
        """Return a target of the stop's group."""
        wanted = {"order_kind": OrderKind.LIMIT, "price": price + 4.0, "stop_price": float("nan"), "oco": self.group}
        return stop(self.next_id, self.session.now_ns, qty=qty, **wanted)

    def cancel(self, pick: int) -> None:
        """Cancel an entry, a target or a stop."""
        candidates = self._open(OrderKind.LIMIT, OrderKind.STOP, OrderKind.TRAILING)
        if candidates:
            command = candidates[pick % len(candidates)]
            self.session.command(replace(command, kind=RowKind.CANCEL, ts_ns=self.session.now_ns))

    def amend(self, pick: int, price: float) -> None:
        """Amend an entry, a target or a stop."""
        candidates = self._open(OrderKind.LIMIT, OrderKind.STOP)
        if candidates:
            command = candidates[pick % len(candidates)]
            fields = {"stop_price": price - 5.0} if command.order_kind == OrderKind.STOP else {"price": price}
            self.session.command(replace(command, kind=RowKind.AMEND, ts_ns=self.session.now_ns, **fields))

    # The world ----------------------------------------------------------------------------------------------------

    def arrive(self, pick: int) -> None:
        """Let one message arrive."""
        if self.session.flights:
            self.session.arrive(self.session.flights[pick % len(self.session.flights)])

    def arrive_all(self) -> None:
        """Let every message arrive that is on its way, none that follows from it."""
        for flight in list(self.session.flights):
            self.session.arrive(flight)

    def lose(self, pick: int) -> None:
        """Lose one message."""
        if self.session.flights:
            self.session.flights.pop(pick % len(self.session.flights))

    def fail(self, pick: int, reply: Reply) -> None:
        """Let a message end in an error; one that is surely not executed never reached the venue."""
        if self.session.flights:
            flight = self.session.flights[pick % len(self.session.flights)]
            if flight.is_cut or (flight.reply is not None and isinstance(reply, NOT_EXECUTED)):
                return
            if flight.reply is None and not isinstance(reply, NOT_EXECUTED) and pick % 3:
                flight.is_cut = True  # the request arrives later; its answer never will
                self.session.reply(flight.ask, reply)
            else:
                self.session.flights.remove(flight)
                self.session.reply(flight.ask, reply)

    def report(self, pick: int, *, is_kept: bool) -> None:
        """Deliver any report; one that is kept comes again."""
        reports = self.session.venue.reports
        if reports:
            at = pick % len(reports)
            self.session.report(reports[at] if is_kept else reports.pop(at))

    def move(self, mid: float, share: float, *, has_liquidity: bool) -> None:
        """Move the market."""
        venue = self.session.venue
        venue.share, venue.has_liquidity = share, has_liquidity
        venue.move(mid)
        self.session.take(self.session.desk.on_prices(0, self.session.now_ns, bid=venue.bid, ask=venue.ask, last=mid))

    def lag(self, seconds: float) -> None:
        """Let look-ups be behind for a while, less than the two of a proof are apart."""
        self.session.venue.lags_ns = self.session.now_ns + int(seconds * SECOND_NS)

    def restore(self, *, is_new_life: bool) -> None:
        """Let the desk go on from its saved state; in a new life of the process what was on its way may arrive."""
        session = self.session
        session.desk = Desk.load(session.desk.save())
        if is_new_life:
            session.take(session.desk.on_restart(session.desk.state.epoch + 1, session.now_ns))

    # What must hold -----------------------------------------------------------------------------------------------

    def executed(self, order_id: int) -> float:
        """Return what the venue filled of all attempts of an order."""
        return sum(self.session.venue.executed(attempt.client_id) for attempt in self.order(order_id).attempts)

    def _answers(self, order_id: int) -> list[VenueAnswer]:
        return [answer for answer in self.session.answers if answer.order_id == order_id]

    def check(self) -> None:
        """Check what holds at every moment."""
        for left_ns, request in self.session.left:
            decoded = ids.decode(request.client_id)
            assert decoded is not None, "what leaves is named by us"
            command = self.commands[decoded.order_id]
            last_ns = min(command.expires_ns, command.ts_ns + 60 * SECOND_NS) if not decoded.attempt else NEVER_NS
            assert command.is_exit or left_ns < min(last_ns, command.expires_ns), "an entry is never sent late"
        self.session.left.clear()
        assert self.session.venue.position >= -1e-9, "exits do not pass flat"
        for order_id, command in self.commands.items():
            if not command.is_exit or order_id in self.partial:
                assert self.executed(order_id) <= command.qty + 1e-9, "an order executes once"
            for attempt in self.order(order_id).attempts:
                if attempt.is_absent and attempt.end == OrderState.REJECTED:
                    is_there = any(one.request.client_id == attempt.client_id for one in self.session.venue.orders)
                    assert not is_there, "what is proven absent never arrives"
            assert NoteKind.REPORTED_AFTER_ABSENCE not in self.session.noted(), "what is proven absent never arrives"
            answers = self._answers(order_id)
            told = sum(one.qty for one in answers if one.kind == EventKind.ORDER_FILLED)
            assert told <= command.qty + 1e-9, "no order fills more than its quantity"
            assert sum(one.kind in ENDS for one in answers) <= 1, "an order ends once"

    def heal(self) -> None:
        """Stop all faults: in a minute nothing is unknown, exits are done, and what was told is the truth."""
        session = self.session
        session.flights = [flight for flight in session.flights if flight.reply is None]
        session.venue.lags_ns = 0
        session.venue.has_liquidity, session.venue.share = True, 1.0
        session.deliver()
        for _ in range(60):
            session.venue.match()
            session.sleep(1.0, delivers=True)
        self.check()
        for order_id, command in self.commands.items():
            self._check_end(order_id, command)
        assert abs(session.venue.position - self.held) < 1e-9

    def _check_end(self, order_id: int, command: Command) -> None:
        order = self.order(order_id)
        assert all(attempt.wire != Wire.UNKNOWN for attempt in order.attempts), "every outcome is known"
        told = [one for one in self._answers(order_id) if one.kind in (EventKind.ORDER_FILLED, EventKind.FILL_FOUND)]
        assert abs(sum(one.qty for one in told) - self.executed(order_id)) < 1e-9, "the core was told what was done"
        keys = [one.fill_key for one in told if one.fill_key]
        assert len(keys) == len(set(keys)), "a trade is told once"
        names = {attempt.client_id for attempt in order.attempts}
        open_there = [one for one in self.session.venue.orders if one.is_open and one.request.client_id in names]
        if order.is_ended or order.is_filled:
            assert not open_there, "what was told to have ended is not at the venue"
        elif not self._waits_here(order):
            assert len(open_there) == 1, "what is open here is there, once"
        if command.order_kind == OrderKind.MARKET:
            assert order.is_ended or order.is_filled, "what is at market ends"

    @staticmethod
    def _waits_here(order: DeskOrder) -> bool:
        """Return whether a trailing stop is not armed yet, or has gone on as a market exit."""
        return order.trail is not None and not order.wanted.stop_price > 0.0
