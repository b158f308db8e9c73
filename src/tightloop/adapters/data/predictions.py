"""Predictions of a signal provider, from a file or over HTTP.

A row has ``ts`` (or ``timestamp``), ``signal`` (long, short, neutral or hold), ``confidence`` in 0 to 1, ``sd``
(standard deviation as a fraction of the price), and ``symbol`` if rows of several symbols are mixed.
"""

import csv
import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tightloop.adapters.data._shared import Source
from tightloop.adapters.data._shared.parquet import NS
from tightloop.model.errors import InputError, ProviderError
from tightloop.model.times import counted_ns, iso, text_ns

SIDES = {"long": 1, "short": -1, "neutral": 0, "hold": None}
"""Position side of each word; None (hold) changes nothing and is dropped."""
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ROW_REMEDY = "write ts, signal (long, short, neutral or hold), confidence and sd"


class Said(NamedTuple):
    """One prediction. ``side``: 1, -1, or 0 to close. ``sd``: NaN if not stated, which only neutral may leave out."""

    ts_ns: int
    side: int
    confidence: float
    sd: float


def read_predictions(file: Path, symbol: str) -> tuple[Said, ...]:
    """Read predictions from CSV or Parquet, ascending in time. Raises InputError with line and field."""
    if not file.is_file():
        raise InputError.one(file, None, "", "there is no such file", "name a CSV or Parquet file of predictions")
    rows = _parquet_rows(file) if file.suffix == ".parquet" else _csv_rows(file)
    return _read(rows, str(file), symbol)


def fetch_predictions(
    url: str, symbol: str, start_ns: int, end_ns: int, token: str, timeout_s: float = TIMEOUT_S
) -> tuple[Said, ...]:
    """Fetch the predictions of ``symbol`` in [start_ns, end_ns] from a provider, as JSON.

    Sends GET ``url?symbol=..&from=..&to=..`` with the bearer token. The token goes to that address only: it is not
    forwarded on redirects, and travels unencrypted only to this machine. The answer is a list of rows, or an object
    with such a list under ``predictions``. Raises ProviderError if the provider fails or its answer is invalid.
    """
    place = urllib.parse.urlsplit(url)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOOPBACK):
        remedy = "write an address that begins with https://"
        raise ProviderError.one(url, None, "signal", "is not an address to which a token may be sent", remedy)
    asked = urllib.parse.urlencode({"symbol": symbol, "from": iso(start_ns), "to": iso(end_ns)})
    request = urllib.request.Request(f"{url}{'&' if place.query else '?'}{asked}")
    request.add_header("Accept", "application/json")
    request.add_unredirected_header("Authorization", f"Bearer {token}")
    answer = _answer(request, url, timeout_s)
    try:
        rows = json.loads(answer)
    except ValueError:
        remedy = "check what the provider answers"
        raise ProviderError.one(url, None, "signal", "answered with something that is not JSON", remedy) from None
    if isinstance(rows, dict):
        rows = rows.get("predictions")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        remedy = f"{ROW_REMEDY} for each"
        raise ProviderError.one(url, None, "predictions", "is not a list of rows in the answer", remedy)
    try:
        said = _read(((at, row) for at, row in enumerate(rows, start=1)), url, symbol, needs_rows=False)
    except InputError as error:
        raise ProviderError(*error.problems) from None
    return tuple(prediction for prediction in said if start_ns <= prediction.ts_ns <= end_ns)


def _answer(request: urllib.request.Request, url: str, timeout_s: float) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            answer: bytes = response.read(ANSWER_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        refused = error.code in (401, 403)
        remedy = "give a valid token in TIGHTLOOP_SIGNAL_TOKEN" if refused else "ask the provider about this answer"
        message = f"answered with {error.code} {error.reason}"
        error.close()
        raise ProviderError.one(url, None, "signal", message, remedy) from None
    except TimeoutError:
        message = f"did not answer within {timeout_s:g} s"
        raise ProviderError.one(url, None, "signal", message, "try again, or request a shorter span of time") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            message = f"did not answer within {timeout_s:g} s"
        else:
            message = f"cannot be reached: {reason}"
        raise ProviderError.one(url, None, "signal", message, "check that the provider is running") from None
    if len(answer) > ANSWER_BYTES_MAX:
        message = f"answered with more than {ANSWER_BYTES_MAX // 2**20} MB"
        raise ProviderError.one(url, None, "signal", message, "request a shorter span of time")
    return answer


def _csv_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with file.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.DictReader(text)
        try:
            for row in reader:
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError.one(file, reader.line_num, "", f"is not CSV: {error}", ROW_REMEDY) from None


def _parquet_rows(file: Path) -> Iterator[tuple[None, Mapping[str, Any]]]:
    source = Source([file], str(file))
    names = [name for name in ("ts", "timestamp", "symbol", "signal", "confidence", "sd") if name in source.types]
    columns: list[Iterable[Any]] = []
    for name in names:
        is_time = name.startswith("t") and not source.problems({name: NS})
        columns.append(source.times_ns(name).tolist() if is_time else source.values(name))
    for row in zip(*columns, strict=True):
        yield None, dict(zip(names, row, strict=True))


def _read(
    rows: Iterable[tuple[int | None, Mapping[str, Any]]], place: str, symbol: str, needs_rows: bool = True
) -> tuple[Said, ...]:
    predictions: list[Said] = []
    others: set[str] = set()
    latest: tuple[int, Any] | None = None
    for line, row in rows:
        row_symbol = str(row.get("symbol") or symbol)
        if row_symbol != symbol:
            others.add(row_symbol)
            continue
        said = _said(row, place, line)
        if latest is not None and said[0] < latest[0]:
            message = f"{iso(said[0])} is earlier than the row before it"
            raise InputError.one(place, line, "ts", message, "put the rows in order of time")
        if latest is not None and said[0] == latest[0]:
            if repr(said) != repr(latest):  # as text, because NaN != NaN
                raise InputError.one(place, line, "ts", f"{iso(said[0])} has two predictions", "keep one of them")
            continue
        latest = said
        if said[1] is not None:
            predictions.append(Said(*said))
    if latest is None and needs_rows:
        there = f"there are {', '.join(sorted(others)[:5])}" if others else ROW_REMEDY
        raise InputError.one(place, None, "symbol" if others else "", f"has no rows of {symbol}", there)
    return tuple(predictions)


def _said(row: Mapping[str, Any], place: str, line: int | None) -> Any:
    """Return (ts_ns, side or None for hold, confidence, sd) of a row. Raises InputError."""
    time = row.get("ts", row.get("timestamp"))
    ts_ns = _time_ns(time)
    if ts_ns is None:
        remedy = "write 2024-01-31T12:00:00Z or nanoseconds since 1970"
        raise InputError.one(place, line, "ts", f"{time!r} is not a time", remedy)
    signal = str(row.get("signal")).strip().lower()
    if signal not in SIDES:
        message = f"{row.get('signal')!r} is not a signal"
        raise InputError.one(place, line, "signal", message, f"write {', '.join(SIDES)}")
    side = SIDES[signal]
    confidence, sd = _number(row.get("confidence")), _number(row.get("sd"))
    if not 0 <= confidence <= 1:
        message = f"{row.get('confidence')!r} is not between 0 and 1"
        raise InputError.one(place, line, "confidence", message, "write 0.7 for 70 %")
    if side and not 0 < sd < 1:
        message = f"{row.get('sd')!r} is not between 0 and 1"
        raise InputError.one(place, line, "sd", message, "write the standard deviation as a fraction of the price")
    return ts_ns, side, confidence, sd


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _time_ns(value: Any) -> int | None:
    """Read the time of a row; None unless it is one of 1990 to 2100."""
    ts_ns = text_ns(value.isoformat() if isinstance(value, datetime) else str(value))
    return None if ts_ns is None else counted_ns(ts_ns)
