"""The desk and what it was given: the part of a session that a repetition of its journal makes again.

``apply`` is all that ever changes it, live and in a repetition alike. Beside the desk it keeps the requests that are
out, so that an answer can be read by the request it is to, and of each order which trades of the venue were booked.
"""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import get_args

import numpy as np

from tightloop.core import limits
from tightloop.core.domain.enums import EventKind, Reason
from tightloop.core.domain.types import LOG_ROW
from tightloop.ports import execution as ex
from tightloop.ports.transport import NoAnswer, NotSent
from tightloop.ports.venue import VenueDialect
from tightloop.runtime.session.account import inputs
from tightloop.runtime.session.account.inputs import AccountInput, Compared, InputKind
from tightloop.runtime.session.desk import ids, saving
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.records import Outputs, Reply, VenueAnswer, command_of

FILLS = (EventKind.ORDER_FILLED, EventKind.FILL_FOUND)
TRADES_KEPT = 10_000
KEYS_KEPT = 4 * limits.FILL_KEYS_MAX
_REQUESTS = {kind.__name__: kind for kind in get_args(ex.Request)}


Part = tuple[str, float, float, float, bool, int]
"""A trade: its id, quantity, price, fee, whether it was passive, ns UTC."""


@dataclass(frozen=True, slots=True)
class BookedTrade:
    """A trade of the venue that was told to the step. Names are "" where the venue has not said them yet."""

    order_id: int  # the core's; 0: of no order of ours
    symbol: str
    trade_id: str
    price: float
    qty: float
    client_id: str
    venue_order_id: str
    parts: tuple[Part, ...] = ()
    """What an implied fill turned out to be at the venue: its trades, as far as they are known."""

    @property
    def is_known(self) -> bool:
        """Whether these parts are all of it."""
        known = sum(part[1] for part in self.parts)
        return bool(self.parts) and known >= self.qty * (1.0 - limits.QUANTITY_TOLERANCE)


class AccountFold:
    """The desk of a session with what it was given so far."""

    def __init__(self, desk: Desk, dialect: VenueDialect) -> None:
        self.desk, self._dialect = desk, dialect
        self.requests: dict[int, ex.Request] = {}
        self.trades: deque[BookedTrade] = deque(maxlen=TRADES_KEPT)
        self.keys: dict[int, None] = {}
        """Of the last KEYS_KEPT fills, fundings and corrections that were told to the step, in their order."""
        self.found: set[int] = set()
        """Of these, those of fills that a comparison found to be of no order of ours."""
        self.elders: frozenset[str] = frozenset()
        """Client ids of orders that sessions before this one left at the venue."""
        self.agreed_ns = 0
        """The venue's time of the last comparison that agreed; 0: none did."""
        self.is_compared = False
        """Whether what the account held when the session began was told to the step."""

    def apply(self, given: AccountInput) -> Outputs:
        """Take an input; return what it leads to."""
        reports: tuple[ex.Report, ...] = ()
        waiting = tuple(one.report for one in self.desk.state.unmapped)
        desk, kind, now_ns = self.desk, given.kind, given.now_ns
        if kind == InputKind.COMMAND:
            row = np.frombuffer(given.body, LOG_ROW)[0]
            outputs = desk.on_command(replace(command_of(row), ts_ns=now_ns))
        elif kind in (InputKind.REPLY, InputKind.NOT_SENT, InputKind.NO_ANSWER):
            reply = self._reply(given)
            reports = reply if isinstance(reply, tuple) else ()
            outputs = desk.on_reply(given.number, reply, now_ns)
        elif kind == InputKind.FRAME:
            reports = self._reports(given.body)
            outputs = joined([desk.on_report(report, now_ns) for report in reports])
        elif kind == InputKind.TIME:
            outputs = desk.on_time(now_ns)
        elif kind == InputKind.PRICES:
            outputs = desk.on_prices(given.number, now_ns, **inputs.prices_of(given.body))
        elif kind == InputKind.HOLDING:
            outputs = desk.on_holding(given.number, *inputs.holding_of(given.body), now_ns)
        elif kind == InputKind.OFFSET:
            outputs = desk.on_offset(given.number, now_ns)
        elif kind == InputKind.LISTED:
            increment, lot, multiplier = inputs.listed_of(given.body)
            listed = desk.state.listed[given.number]
            listed = replace(listed, price_increment=increment, lot_size=lot, multiplier=multiplier)
            outputs = desk.on_listed(given.number, listed, now_ns)
        elif kind == InputKind.LIMITED:
            outputs = desk.on_limited(given.number, now_ns)
        elif kind == InputKind.GATE:
            outputs = desk.on_gate(given.number, inputs.gate_of(given.body), now_ns)
        elif kind == InputKind.RESTART:
            self.requests.clear()
            outputs = desk.on_restart(given.number, now_ns)
        else:
            assert kind == InputKind.COMPARED, "an input has a known kind"
            compared = inputs.compared_of(given.body)
            reports = (*compared.reports, *compared.trades)
            outputs = self._take_compared(compared, now_ns)
        for ask in outputs.asks:
            self.requests[ask.ask_id] = ask.request
        outputs = replace(outputs, answers=tuple(map(self._told_once, outputs.answers)))
        for answer in outputs.answers:
            if answer.fill_key:
                self._know((answer.fill_key,))
            if answer.kind in FILLS:
                self._name(answer, (*reports, *waiting))
        self._name_late(reports)
        return outputs

    def _know(self, keys: Iterable[int]) -> None:
        """Remember keys, and forget the oldest ones: venues tell of the last hours again, not of last week."""
        self.keys.update(dict.fromkeys(keys))
        while len(self.keys) > KEYS_KEPT:
            oldest = next(iter(self.keys))
            del self.keys[oldest]
            self.found.discard(oldest)

    def _reply(self, given: AccountInput) -> Reply:
        """Read what became of a request."""
        request = self.requests.pop(given.number, None)
        if given.kind == InputKind.NOT_SENT:
            return NotSent(given.body.decode())
        if given.kind == InputKind.NO_ANSWER or request is None:
            return NoAnswer(given.body.decode(errors="replace"))
        found = self._dialect.decode(request, inputs.answer_of(given.body))
        return tuple(found) if isinstance(found, list) else found  # type: ignore[arg-type]  # answers to its requests

    def _take_compared(self, compared: Compared, now_ns: int) -> Outputs:
        """Take what a comparison led to: reports and doubts for the desk, then answers for the step."""
        self.is_compared = True
        self._know(compared.keys)
        self.elders = self.elders.union(compared.elders)
        self.found.update(one.fill_key for one in compared.answers if one.kind == EventKind.FILL_FOUND)
        self.agreed_ns = compared.agreed_ns or self.agreed_ns
        parts = [self.desk.on_report(report, now_ns) for report in compared.reports]
        if compared.doubts:
            parts.append(self.desk.on_doubt(compared.doubts, now_ns))
        if compared.trades:
            parts.append(self.desk.on_found(compared.trades, now_ns))
        return joined([*parts, Outputs(answers=compared.answers)])

    def _reports(self, frame: bytes) -> tuple[ex.Report, ...]:
        """Read a frame of the private stream; what is no report of the account is left out."""
        found = self._dialect.decode_frame(frame)
        kinds = (ex.OrderReport, ex.FillReport, ex.PositionReport, ex.WalletReport)
        return tuple(one for one in found if isinstance(one, kinds)) if isinstance(found, list) else ()

    def _told_once(self, answer: VenueAnswer) -> VenueAnswer:
        """Tell the end alone of an order whose fill the step has from a comparison, which took it for one of others.

        The step ignores a fill that it has, and with it that the order is over.
        """
        is_repeat = answer.kind == EventKind.ORDER_FILLED and answer.fill_key in self.found
        if not is_repeat or not self.desk.state.orders[answer.order_id].is_filled:
            return answer
        reason = int(Reason.NOTHING_TO_REDUCE)
        return VenueAnswer(
            EventKind.ORDER_EXPIRED, answer.order_id, answer.order_slot, answer.instance, answer.instrument, reason,
            cum_qty=answer.cum_qty - answer.qty,
        )  # fmt: skip

    def _name(self, answer: VenueAnswer, reports: tuple[ex.Report, ...]) -> None:
        """Keep which trade of the venue a fill is; one that was implied has the name of its attempt."""
        order_id = answer.order_id if answer.kind == EventKind.ORDER_FILLED else 0  # the core finds others an order
        symbol = self.desk.state.listed[answer.instrument].symbol
        for report in reports:
            if isinstance(report, ex.FillReport) and self.key_of(report.symbol, report.trade_id) == answer.fill_key:
                client_id = report.client_id or self._client_id(report.venue_order_id)
                names = (report.trade_id, answer.price, answer.qty, client_id, report.venue_order_id)
                self.trades.append(BookedTrade(order_id, symbol, *names))
                return
        order = self.desk.state.orders.get(answer.order_id)
        attempts = [] if order is None else order.attempts
        implied = [one for one in attempts if one.guessed_qty > 0.0] or attempts
        of_order = ("", "")
        if implied:
            of_order = (implied[-1].client_id, implied[-1].triggered_id or implied[-1].venue_order_id)
        self.trades.append(BookedTrade(order_id, symbol, "", answer.price, answer.qty, *of_order))

    def _name_late(self, reports: tuple[ex.Report, ...]) -> None:
        """Name fills that were booked by an average before the venue told of their trades."""
        if not any(isinstance(report, ex.FillReport) for report in reports):
            return
        unnamed = [place for place, trade in enumerate(self.trades) if not trade.trade_id]
        if not unnamed:
            return
        named = {(trade.symbol, trade.trade_id) for trade in self.trades}
        named |= {(self.trades[place].symbol, part[0]) for place in unnamed for part in self.trades[place].parts}
        for report in reports:
            if not isinstance(report, ex.FillReport) or (report.symbol, report.trade_id) in named:
                continue
            client_id = report.client_id or self._client_id(report.venue_order_id)
            places = (place for place in unnamed if self.trades[place].client_id == client_id)
            place = next((place for place in places if not self.trades[place].is_known), -1)
            if client_id and place >= 0:
                named.add((report.symbol, report.trade_id))
                part = (report.trade_id, report.qty, report.price, report.fee, report.is_maker, report.ts_ns)
                known = self.trades[place]
                parts = (*known.parts, part)
                self.trades[place] = replace(known, parts=parts, venue_order_id=report.venue_order_id)

    def key_of(self, symbol: str, trade_id: str) -> int:
        """Return the key of a trade of this account."""
        terms = self.desk.state.terms
        return ids.fill_key(terms.venue, terms.account, symbol, trade_id)

    def _client_id(self, venue_order_id: str) -> str:
        """Return the client id of the order that the venue has under an id; "" if it is none of ours."""
        state = self.desk.state
        order_id, attempt = state.venue_ids.get(venue_order_id, (0, 0))
        return state.orders[order_id].attempts[attempt].client_id if order_id else ""

    # Snapshots

    def save(self) -> bytes:
        """Return all of it as bytes."""
        out = [[ask_id, type(one).__name__, saving.dumps(one).decode()] for ask_id, one in self.requests.items()]
        trades = [astuple(one) for one in self.trades]
        said = {
            "desk": self.desk.save().decode(), "requests": out, "trades": trades, "keys": list(self.keys),
            "found": sorted(self.found), "elders": sorted(self.elders), "agreed_ns": self.agreed_ns,
            "is_compared": self.is_compared,
        }  # fmt: skip
        return json.dumps(said).encode()

    @classmethod
    def load(cls, saved: bytes, dialect: VenueDialect) -> "AccountFold":
        """Return one that goes on from saved bytes. Raises ValueError if they are of another version."""
        said = json.loads(saved)
        fold = cls(Desk.load(said["desk"].encode()), dialect)
        for ask_id, name, request in said["requests"]:
            fold.requests[ask_id] = saving.loads(_REQUESTS[name], request.encode())
        fold.trades.extend(BookedTrade(*[*row[:-1], tuple(map(tuple, row[-1]))]) for row in said["trades"])
        fold._know(said["keys"])
        fold.found.update(said["found"])
        fold.elders = frozenset(said["elders"])
        fold.agreed_ns, fold.is_compared = int(said["agreed_ns"]), bool(said["is_compared"])
        return fold


def joined(parts: list[Outputs]) -> Outputs:
    """Return what several inputs lead to, as one."""
    return Outputs(
        asks=tuple(one for part in parts for one in part.asks),
        answers=tuple(one for part in parts for one in part.answers),
        notes=tuple(one for part in parts for one in part.notes),
        strange=tuple(one for part in parts for one in part.strange),
    )
