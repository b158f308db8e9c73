"""What the desk is given, as records of the journal, so that another process comes to the same desk.

Every input of the desk is written before the desk takes it: commands of the step, answers and frames of the venue as
the bytes that came, prices, holdings, the venue's clock, and time itself. A journal then holds, in their order, all
that the desk knows, and a desk that takes them again asks for the same and answers the same.

    payload   u8 kind, u8 1 where the body is compressed, i64 time (ns UTC), i64 number, body
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from types import MappingProxyType

from tightloop.ports.execution import FillReport, OrderReport, Report
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.desk import saving
from tightloop.runtime.session.desk.records import VenueAnswer

_HEAD = struct.Struct("<BBqq")
_PRICES = struct.Struct("<4d")
_HOLDING = struct.Struct("<2d")
_LISTED = struct.Struct("<3d")
_REASON = struct.Struct("<q")
COMPRESSED_ABOVE = 256
_REPORTS: Mapping[str, type[FillReport | OrderReport]] = MappingProxyType(
    {"FillReport": FillReport, "OrderReport": OrderReport}
)
KEPT_HEADERS = ("retry-after",)


class InputKind(IntEnum):
    """What an input is, and what its ``number`` and body are. Values are part of the journal's format."""

    COMMAND = 1  # a row of the log
    REPLY = 2  # ask id; status and kept headers as a line of JSON, then the bytes of the answer
    NOT_SENT = 3  # ask id; why
    NO_ANSWER = 4  # ask id; why
    FRAME = 5  # the bytes of a frame of the private stream
    TIME = 6
    PRICES = 7  # instrument; bid, ask, last, mark
    HOLDING = 8  # instrument; ours, foreign
    OFFSET = 9  # how far the venue's clock is ahead
    RESTART = 10  # the epoch of another life
    COMPARED = 11  # what a comparison with the venue found: a Compared, as JSON
    BEGUN = 12  # the epoch of the first life
    LISTED = 13  # instrument; its new rules: price increment, lot, multiplier
    LIMITED = 14  # until when (ns UTC) the venue limits requests about the account
    GATE = 15  # instance; the Reason for which the step denies its entries now, 0: it takes them


@dataclass(frozen=True, slots=True)
class AccountInput:
    """An input of the desk."""

    kind: InputKind
    now_ns: int
    number: int = 0
    body: bytes = b""

    def packed(self) -> bytes:
        """Return it as a payload."""
        is_long = len(self.body) > COMPRESSED_ABOVE
        body = zlib.compress(self.body, 1) if is_long else self.body
        return _HEAD.pack(self.kind, is_long, self.now_ns, self.number) + body


def unpacked(payload: bytes) -> AccountInput:
    """Return the input that a payload is."""
    kind, is_long, now_ns, number = _HEAD.unpack_from(payload)
    body = payload[_HEAD.size :]
    return AccountInput(InputKind(kind), now_ns, number, zlib.decompress(body) if is_long else body)


def reply_body(answer: HttpAnswer) -> bytes:
    """Return an answer as the body of a REPLY."""
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    return json.dumps([answer.status, kept]).encode() + b"\n" + answer.body


def answer_of(body: bytes) -> HttpAnswer:
    """Return the answer that the body of a REPLY is."""
    head, _, rest = body.partition(b"\n")
    status, kept = json.loads(head)
    return HttpAnswer(status, kept, rest)


def prices_body(bid: float, ask: float, last: float, mark: float) -> bytes:
    """Return the body of PRICES; NaN: as it was."""
    return _PRICES.pack(bid, ask, last, mark)


def prices_of(body: bytes) -> dict[str, float]:
    """Return bid, ask, last and mark by name."""
    return dict(zip(("bid", "ask", "last", "mark"), _PRICES.unpack(body), strict=True))


def holding_body(ours: float, foreign: float) -> bytes:
    """Return the body of a HOLDING: signed quantities."""
    return _HOLDING.pack(ours, foreign)


def holding_of(body: bytes) -> tuple[float, float]:
    """Return ours and foreign."""
    ours, foreign = _HOLDING.unpack(body)
    return ours, foreign


def listed_body(price_increment: float, lot_size: float, multiplier: float) -> bytes:
    """Return the body of a LISTED."""
    return _LISTED.pack(price_increment, lot_size, multiplier)


def listed_of(body: bytes) -> tuple[float, float, float]:
    """Return price increment, lot and multiplier."""
    price_increment, lot_size, multiplier = _LISTED.unpack(body)
    return price_increment, lot_size, multiplier


def gate_body(reason: int) -> bytes:
    """Return the body of a GATE."""
    return _REASON.pack(reason)


def gate_of(body: bytes) -> int:
    """Return the Reason of a GATE."""
    return int(_REASON.unpack(body)[0])


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison with the venue led to. ``agreed_ns``: when all agreed, 0: it did not; ``keys``: told by it.

    ``trades``: what the fills among the answers are at the venue. ``elders``: client ids of orders that sessions before
    this one left there, seen for the first time.
    """

    answers: tuple[VenueAnswer, ...] = ()
    reports: tuple[Report, ...] = ()
    doubts: tuple[str, ...] = ()
    keys: tuple[int, ...] = ()
    agreed_ns: int = 0
    trades: tuple[FillReport, ...] = ()
    elders: tuple[str, ...] = ()

    def packed(self) -> bytes:
        """Return it as the body of COMPARED."""
        said = [
            [asdict(answer) for answer in self.answers],
            [[type(report).__name__, saving.dumps(report).decode()] for report in self.reports],
            self.doubts, self.keys, self.agreed_ns, [saving.dumps(trade).decode() for trade in self.trades],
            self.elders,
        ]  # fmt: skip
        return json.dumps(said).encode()


def compared_of(body: bytes) -> Compared:
    """Return the comparison that a body is."""
    answers, reports, doubts, keys, agreed_ns, trades, *more = json.loads(body)
    return Compared(
        tuple(VenueAnswer(**row) for row in answers),
        tuple(saving.loads(_REPORTS[name], saved.encode()) for name, saved in reports),
        tuple(doubts), tuple(keys), agreed_ns, tuple(saving.loads(FillReport, saved.encode()) for saved in trades),
        tuple(*more),  # earlier versions wrote none
    )  # fmt: skip
