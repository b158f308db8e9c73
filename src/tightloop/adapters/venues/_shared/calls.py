"""From what a request asks for to a call, and from bytes to records or a Failure: what all dialects do alike."""

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from tightloop.adapters.venues._shared.numbers import number, string, whole
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId
from tightloop.ports.execution import Malformed, Report
from tightloop.ports.market_data import Market
from tightloop.ports.transport import HttpAnswer, HttpCall, Lane

WORDS_MAX = 200
"""Characters of a venue's words that are kept."""

RETRY_AFTER_MAX_S = 3 * 86_400.0
"""The longest ban that venues write of; a longer wait is a fault of whoever answered."""
FAULTS = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""What Python raises while it reads bytes that are not as a venue's papers say."""

Row = Mapping[str, Any]
Records = list[Report | Market]
SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_is_plain = re.compile(r"[A-Za-z0-9_.~-]*\Z").match
_SIGNATURE = re.compile(r"(^|&)(?:signature|sign)=[^&]*")
_Record = TypeVar("_Record")


class Access(IntEnum):
    """What a call has to carry."""

    PUBLIC = 0
    KEYED = 1
    SIGNED = 2


class Question(NamedTuple):
    """A call before it is signed. ``path``: as the dialect abbreviates it; ``is_spot``: of the spot host."""

    method: str
    path: str
    params: dict[str, str]
    weight: int = 1
    access: Access = Access.SIGNED
    lane: Lane = Lane.QUERY
    order_count: int = 0
    is_spot: bool = False


class Kind(NamedTuple):
    """A kind of request: what it asks for, given the venue's time in ms, and the reader of its answer."""

    ask: Callable[[Any, int], Question]
    read: Callable[[Any, Any], Iterable[Report | Market]]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a venue is: bases of URLs without a slash at the end. ``spot``: of what is asked there."""

    main: str
    spot: str
    sockets: str

    @classmethod
    def at(cls, url: str) -> "Hosts":
        """Return the hosts of a stand-in that answers for all of them at one base URL."""
        base = url.rstrip("/")
        return cls(base, base, "ws" + base.removeprefix("http"))


def get(path: str, weight: int, access: Access = Access.SIGNED, **params: str) -> Question:
    """Ask for something."""
    return Question("GET", path, params, weight, access)


def post(path: str, **params: str) -> Question:
    """Ask for a change that is no order."""
    return Question("POST", path, params)


def each(read: Callable[[Any], Report | Market]) -> Callable[[Any, Any], Iterable[Report | Market]]:
    """Return the reader of an answer that is a list, from the reader of a row."""
    return lambda _, rows: map(read, rows)


def renamed(row: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a row with its short keys written as ``names`` has them; others are left out."""
    return {long: row[short] for short, long in names.items() if short in row}


def words(body: bytes, code_key: str, text_key: str) -> tuple[int, str]:
    """Return code and words of a refusal; 0 and the beginning of the bytes where it has none."""
    try:
        row = json.loads(body)
        return whole(row[code_key]), string(row[text_key])[:WORDS_MAX]
    except FAULTS:
        return 0, body[:WORDS_MAX].decode("ascii", "replace")


def query(params: Mapping[str, str]) -> str:
    """Write parameters as venues sign them: in order, everything but letters, digits and ``_.-~`` escaped."""
    return "&".join(f"{name}={value if _is_plain(value) else quote(value, safe='')}" for name, value in params.items())


def hmac_sha256(secret: str, text: str) -> str:
    """Return the signature of a text in hex."""
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def signed_query(params: Mapping[str, str], name: str, secret: str) -> str:
    """Write parameters with the signature of all of them as the last, under ``name``."""
    text = query(params)
    return f"{text}&{name}={hmac_sha256(secret, text)}"


def form_call(asked: Question, url: str, text: str, headers: dict[str, str]) -> HttpCall:
    """Return a call whose parameters stand in the URL, of POST and PUT in a form."""
    body = b""
    if asked.method in ("GET", "DELETE"):
        url = f"{url}?{text}" if text else url
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = text.encode()
    return HttpCall(asked.method, url, headers, body, asked.lane, asked.weight, asked.order_count)


def call_without_secrets(call: HttpCall) -> str:
    """Return method, path and parameters of a form call, without key and signature."""
    parts = urlsplit(call.url)
    asked = _SIGNATURE.sub("", parts.query or call.body.decode())
    return f"{call.method} {parts.path}{'?' if asked else ''}{asked}"


def stepped(count: int, *steps: tuple[int, int], above: int) -> int:
    """Return the weight of a call for ``count`` rows: that of the first step (rows, weight) that holds them."""
    return next((weight for rows, weight in steps if count <= rows), above)


def retry_after_s(answer: HttpAnswer, otherwise_s: float) -> float:
    """Return the wait that an answer names, at most RETRY_AFTER_MAX_S, or the one that is given."""
    try:
        return min(max(0.0, number(answer.headers["retry-after"])), RETRY_AFTER_MAX_S)
    except (KeyError, ValueError):
        return otherwise_s


def guarded(read: Callable[[], Iterable[_Record]], what: str, size: int) -> list[_Record] | Malformed:
    """Return what ``read`` yields, or Malformed when the ``size`` bytes it reads are not as the papers say."""
    try:
        return list(read())
    except FAULTS as error:
        return Malformed(f"{what}: {type(error).__name__} in {size} bytes")


def perp_symbol(venue: str, instrument: str) -> str:
    """Return the symbol of a perpetual of a venue. Raises InputError for other instruments."""
    try:
        parsed = InstrumentId.parse(instrument)
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        raise InputError.one("--instrument", None, "", message, remedy) from None
    if parsed.venue != venue or parsed.market != "perp":
        message, remedy = f"{instrument} is not traded there", f"name one such as {venue}:BTCUSDT-perp"
        raise InputError.one("--instrument", None, "", message, remedy)
    return parsed.symbol


def pieces(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """Return the names in groups of at most ``size``, in order."""
    return [names[first : first + size] for first in range(0, len(names), size)]
