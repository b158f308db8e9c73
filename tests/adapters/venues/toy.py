"""A venue that there is not, as one file: put beside the others, it is ``--venue toy``, and nothing else is touched.

Its language is lines of fields, no JSON: ``T|ABCUSD|7|10.5|2|B|1764000000123`` is a trade. It signs as few do, refuses
by words, and has no private stream.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tightloop.adapters.venues._shared import calls, failures
from tightloop.adapters.venues._shared.numbers import ns, number, positive, whole, written
from tightloop.core.domain.enums import OrderKind, OrderState, Side
from tightloop.ports import execution as ex
from tightloop.ports import market_data as md
from tightloop.ports.transport import HttpAnswer, HttpCall, Lane
from tightloop.ports.venue import Capabilities, Credentials, SocketPlan

HOSTS = calls.Hosts("https://toy.invalid", "https://toy.invalid", "wss://toy.invalid")
STATES = {"open": OrderState.ACCEPTED, "done": OrderState.FILLED, "gone": OrderState.CANCELED}
CODES = failures.Codes(
    limits={1: 10.0}, overloaded=frozenset(), unknown=frozenset({2}), absent=frozenset({3}), clock=frozenset({4}),
    key=frozenset({5}), signature=frozenset(), refusals={6: ex.RefusalKind.MARGIN}, unavailable="closed",
)  # fmt: skip

CAPABILITIES = Capabilities(
    can_amend_limits=False, can_amend_stops=False, has_oco=False, conditional_ids=False, expiry_min_s=0,
    client_id_max=32, receive_window_ms=5_000, is_window_proven=False, symbols_per_socket=100,
    socket_age_max_s=86_400, reports_key_renewal_s=0, limits=(md.VenueLimit(False, 600, 60),),
)  # fmt: skip


def _asked(request: ex.Request | md.PublicRequest) -> calls.Question:
    public, signed = calls.Access.PUBLIC, calls.Access.SIGNED
    match request:
        case md.ListInstruments():
            return calls.Question("GET", "rules", {}, 1, public)
        case md.ListRecentTrades():
            return calls.Question("GET", "trades", {"s": request.symbol, "n": str(request.count)}, 1, public)
        case ex.ReadServerTime():
            return calls.Question("GET", "time", {}, 1, public)
        case ex.SubmitOrder():
            assert request.kind in (OrderKind.MARKET, OrderKind.LIMIT), "it has no stops: they are the desk's"
            price = written(request.price) if request.kind == OrderKind.LIMIT else ""
            params = {"s": request.symbol, "q": written(request.qty * (1 if request.side == Side.BUY else -1))}
            lane = Lane.EXIT if request.is_reduce_only else Lane.ENTRY
            return calls.Question("POST", "order", {**params, "p": price, "id": request.client_id}, 1, signed, lane, 1)
        case ex.CancelOrder() | ex.LookUpOrder():
            method = "DELETE" if isinstance(request, ex.CancelOrder) else "GET"
            return calls.Question(method, "order", {"id": request.client_id}, 1, signed, Lane.EXIT)
    raise AssertionError(f"{request} is nothing this venue is asked for")


def _read(line: str) -> ex.Report | md.Market:
    """Read a line by its first field."""
    kind, *fields = line.split("|")
    if kind == "T":
        symbol, trade_id, price, qty, side, at_ms = fields
        return md.Print(symbol, number(price), number(qty), whole(trade_id), side == "S", ns(whole(at_ms)))
    if kind == "Q":
        symbol, bid, bid_qty, ask, ask_qty, at_ms = fields
        return md.BestQuote(symbol, *map(number, (bid, bid_qty, ask, ask_qty)), 0, ns(whole(at_ms)))
    if kind == "I":
        symbol, increment, lot = fields
        unsaid = (math.nan,) * 5
        return md.ListedInstrument(symbol, "on", True, symbol, "USD", number(increment), number(lot), 1.0, *unsaid)
    if kind == "O":
        client_id, number_of, symbol, state, qty, done, price, at_ms = fields
        side = Side.SELL if number(qty) < 0.0 else Side.BUY
        return ex.OrderReport(
            client_id, str(whole(number_of)), symbol, side, STATES[state], ex.RefusalKind.NONE, abs(number(qty)),
            number(done), positive(price), math.nan, math.nan, False, False, ns(whole(at_ms)),
        )  # fmt: skip
    if kind == "A":
        return md.FrameAnswer(whole(fields[0]), fields[1] == "ok", fields[1])
    return ex.ServerTime(ns(whole(fields[0])))


def _lines(raw: bytes) -> Iterator[ex.Report | md.Market]:
    return map(_read, raw.decode("ascii").splitlines())


@dataclass(frozen=True, slots=True)
class Toy:
    """The dialect."""

    hosts: calls.Hosts = HOSTS
    name: str = "toy"
    venue: str = "toy"
    account_parts: tuple[str, ...] = ()
    capabilities: Capabilities = CAPABILITIES

    def symbol_of(self, instrument: str) -> str:
        return calls.perp_symbol(self.venue, instrument)

    def instrument_of(self, symbol: str) -> str:
        return f"{self.venue}:{symbol}-perp"

    def encode(self, request: ex.Request | md.PublicRequest, now_ms: int, credentials: Credentials | None) -> HttpCall:
        asked, headers = _asked(request), {}
        text = calls.query(asked.params)
        if asked.access == calls.Access.SIGNED:
            assert credentials is not None, "orders need a key"
            signature = calls.hmac_sha256(credentials.secret, f"{now_ms}{text}")
            headers = {"Toy-Key": credentials.key, "Toy-Time": str(now_ms), "Toy-Sign": signature}
        return calls.form_call(asked, f"{self.hosts.main}/{asked.path}", text, headers)

    def decode(
        self, request: ex.Request | md.PublicRequest, answer: HttpAnswer
    ) -> list[ex.Report | md.Market] | ex.Failure:
        if answer.status != 200:
            code, _, words = answer.body.decode("ascii", "replace").partition(" ")
            return failures.failure_of(CODES, answer, int(code) if code.isdigit() else 0, words[: calls.WORDS_MAX])
        return calls.guarded(lambda: _lines(answer.body), type(request).__name__, len(answer.body))

    def decode_frame(self, frame: bytes) -> list[ex.Report | md.Market] | ex.Failure:
        return calls.guarded(lambda: _lines(frame), "frame", len(frame))

    def without_secrets(self, call: HttpCall) -> str:
        return calls.call_without_secrets(call)

    def market_sockets(self, kinds: Sequence[md.PublicStream], symbols: Sequence[str]) -> list[SocketPlan]:
        wanted = ",".join(f"{kind.value}:{symbol}" for kind in kinds for symbol in symbols)
        return [SocketPlan("market", f"{self.hosts.sockets}/stream", ((1, f"1 follow {wanted}"),))]

    def reports_socket(self, key: str) -> SocketPlan:
        raise AssertionError("it has no private stream: orders are looked up")

    def login_frame(self, now_ms: int, credentials: Credentials) -> tuple[int, str] | None:
        return None

    def probe_frame(self, frame_id: int) -> str:
        return f"{frame_id} there?"
