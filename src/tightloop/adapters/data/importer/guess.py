"""Guesses which column of a foreign file is which, and the unit of its times. Every guess is reported."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tightloop.adapters.data._shared import moments
from tightloop.adapters.data._shared.arrays import Flags, Times
from tightloop.adapters.data.importer.final import plain_name
from tightloop.adapters.data.importer.tables import Rows
from tightloop.core.domain.types import Floats
from tightloop.model.errors import InputError

_TIME = (
    "ts", "time", "timestamp", "date", "datetime", "opentime", "open_time", "unix", "unixtime", "unixtimestamp", "t",
    "start", "begin", "timeperiodstart", "transacttime", "eventtime", "tseventns", "tsevent", "calctime", "fundingtime",
    "fundingtimestamp", "settlementtime", "gmttime", "candlebegintime", "exchangetimestamp", "tradetime",
)  # fmt: skip
_OPENED = (
    "opentime", "opentimestamp", "starttime", "begintime", "timeperiodstart", "candlebegintime", "start", "begin",
)  # fmt: skip
_CLOSED = (
    "closetime", "closetimestamp", "endtime", "timeperiodend", "candleendtime", "periodend", "timeclose", "end",
)  # fmt: skip
"""Column names that mark a time as the open, or the close, of a bar."""
_SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ts": _TIME,
        "ts_event_ns": _TIME,
        "ts_init_ns": ("tsinitns", "tsinit", "localtimestamp", "receivetime", "receivedat", "received", "recvtime"),
        "open": ("open", "o", "openprice", "first"),
        "high": ("high", "h", "highprice", "max"),
        "low": ("low", "l", "lowprice", "min"),
        "close": ("close", "c", "closeprice", "last"),
        "volume": ("volume", "vol", "v", "basevolume", "volumebase", "amount", "qty", "quantity"),
        "trade_id": ("tradeid", "id", "aggtradeid", "tid", "a"),
        "price": ("price", "p", "tradeprice", "px"),
        "qty": ("qty", "quantity", "amount", "size", "q", "volume", "sz"),
        "buyer_is_maker": ("buyerismaker", "isbuyermaker", "m"),
        "side": ("side", "takerside", "direction"),
        "bid": ("bid", "bidprice", "bestbidprice", "bestbid", "bidpx"),
        "bid_qty": ("bidqty", "bestbidqty", "bidsize", "bidamount", "bidquantity", "bidsz"),
        "ask": ("ask", "askprice", "bestaskprice", "bestask", "askpx", "offer"),
        "ask_qty": ("askqty", "bestaskqty", "asksize", "askamount", "askquantity", "asksz"),
        "rate": ("rate", "fundingrate", "lastfundingrate", "realfundingrate", "funding"),
    }
)
WANTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bars": ("ts", "open", "high", "low", "close", "volume"),
        "trades": ("ts_event_ns", "trade_id", "price", "qty", "buyer_is_maker"),
        "quotes": ("ts_event_ns", "bid", "bid_qty", "ask", "ask_qty"),
        "funding": ("ts", "rate"),
    }
)


def columns_of(rows: Rows, kind: str, is_close: bool = False) -> dict[str, str]:
    """Map catalog columns to columns of the file, by header or by the layouts of public dumps without one.

    ``is_close``: the time column of bars is the close time. ``ts_init_ns`` and ``side`` are included where present.
    Raises InputError with what is missing and what there is.
    """
    names = list(rows.columns)
    if not rows.named:
        return _by_layout(rows, kind, names)
    known = {plain_name(name): name for name in reversed(names)}
    if kind == "bars":
        known = _with_time_of_bars(known, is_close)
    mapping: dict[str, str] = {}
    for wanted in (*WANTED[kind], "ts_init_ns", "side"):
        match = next(
            (known[word] for word in _SYNONYMS[wanted] if word in known and known[word] not in mapping.values()), None
        )
        if match is not None:
            mapping[wanted] = match
    missing = [name for name in WANTED[kind] if name not in mapping]
    if kind == "bars" and "ts" in missing:
        _refuse_other_end(rows, is_close)
    if missing == ["buyer_is_maker"] and "side" in mapping:
        missing = []
    if missing:
        there = ", ".join(names)
        message = f"no column looks like {', '.join(missing)} (there are: {there})"
        remedy = (
            f"rename the column to {missing[0]}" if kind != "trades" else "rename it, or give a column side (buy, sell)"
        )
        raise InputError.one(rows.file, rows.skipped or None, missing[0], message, remedy)
    if kind not in ("trades", "quotes"):
        mapping.pop("ts_init_ns", None)
    if kind != "trades" or "buyer_is_maker" in mapping:
        mapping.pop("side", None)
    return mapping


def _with_time_of_bars(known: dict[str, str], is_close: bool) -> dict[str, str]:
    """Rename the open (or close) time column to ts, if a name tells which it is."""
    wanted, other = (_CLOSED, _OPENED) if is_close else (_OPENED, _CLOSED)
    named = next((known[word] for word in wanted if word in known), None)
    left = {word: name for word, name in known.items() if word not in other}
    return left if named is None else {**{word: name for word, name in left.items() if name != named}, "ts": named}


def _refuse_other_end(rows: Rows, is_close: bool) -> None:
    """Raise InputError if the only time column is that of the other end of the bars."""
    other = next((name for name in rows.columns if plain_name(name) in (_OPENED if is_close else _CLOSED)), None)
    if other is None:
        return
    ends = ("open", "close") if is_close else ("close", "open")
    message = f"says when bars {ends[0]}, and no column says when they {ends[1]}"
    remedy = "leave out --stamped close" if is_close else "read it with --stamped close"
    raise InputError.one(rows.file, rows.skipped or None, other, message, remedy)


def close_column(rows: Rows, used: Sequence[str]) -> str | None:
    """Return a column with close times beside the one read as opens, or None."""
    if not rows.named:
        return list(rows.columns)[6] if len(rows.columns) >= 11 else None
    return next((name for name in rows.columns if plain_name(name) in _CLOSED and name not in used), None)


def _by_layout(rows: Rows, kind: str, names: Sequence[str]) -> dict[str, str]:
    count = len(names)
    places: dict[str, int] = {}
    if kind == "bars" and (count == 6 or count >= 11):
        places = {"ts": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
    elif kind == "trades" and count in (6, 7, 8):
        # Trades: id, price, qty, quote, time, maker, best. Aggregated: id, price, qty, first, last, time, maker, best.
        time_at = 4 if str(rows.columns[names[5]][0]).lower() in ("true", "false") else 5
        places = {"trade_id": 0, "price": 1, "qty": 2, "ts_event_ns": time_at, "buyer_is_maker": time_at + 1}
    elif kind == "funding" and count in (2, 3):
        places = {"ts": 0, "rate": count - 1}
    if not places or max(places.values()) >= count:
        message = f"has no header, and {count} columns match no known layout of {kind}"
        raise InputError.one(rows.file, 1, "", message, f"write a first line with {', '.join(WANTED[kind])}")
    return {wanted: names[place] for wanted, place in places.items()}


def numbers(rows: Rows, column: str) -> Floats:
    """Return a column as float64. Raises InputError with the line of the first value that is not finite."""
    values = rows.columns[column]
    if not _is_text(values.type):
        if not (
            pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)
        ):
            message = f"is of type {values.type}, which is not a number"
            raise InputError.one(rows.file, None, column, message, "convert the column to numbers")
        values_read = np.asarray(values.cast(pa.float64()).to_numpy(), np.float64)
    else:
        trimmed = pc.utf8_trim_whitespace(values)
        try:
            values_read = np.asarray(trimmed.cast(pa.float64()).to_numpy(), np.float64)
        except pa.ArrowInvalid:
            values_read = np.array([_float(text) for text in trimmed.to_pylist()])
    bad = np.flatnonzero(~np.isfinite(values_read))
    if len(bad):
        raise _bad_value(rows, column, int(bad[0]), "is not a finite number", "repair or remove that row")
    return values_read


def times_ns(rows: Rows, column: str) -> tuple[Times, str]:
    """Return a column as int64 ns UTC, and a sentence on how it was read. Raises InputError with the line."""

    def refuse(row: int | None, wrong: str, remedy: str) -> InputError:
        if row is None:
            return InputError.one(rows.file, None, column, wrong, remedy)
        return _bad_value(rows, column, row, wrong, remedy)

    found, how, _has_zone = moments(rows.columns[column], refuse)
    return found, how


def flags(rows: Rows, column: str) -> Flags:
    """Return a column of true/false or 1/0 as booleans. Raises InputError with the line of another value."""
    words = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    return _words(rows, column, words, "is neither true nor false")


def sells(rows: Rows, column: str) -> Flags:
    """Convert taker sides to ``buyer_is_maker``: if the taker sold, the resting order was the buyer's."""
    words = {"sell": True, "s": True, "ask": True, "buy": False, "b": False, "bid": False}
    return _words(rows, column, words, "is neither buy nor sell")


def _words(rows: Rows, column: str, words: Mapping[str, bool], wrong: str) -> Flags:
    encoded = rows.columns[column].combine_chunks().cast(pa.string()).dictionary_encode()
    texts = [str(text).strip().lower() for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for row, code in enumerate(codes if any(text not in words for text in texts) or (codes < 0).any() else ()):
        if code < 0 or texts[code] not in words:
            raise _bad_value(rows, column, row, wrong, f"write {' or '.join(list(words)[:1] + list(words)[3:4])}")
    meanings = np.array([words[text] for text in texts], bool)
    return np.asarray(meanings[codes], bool)


def _exact_integers(values: pa.ChunkedArray) -> Times | None:
    """Return integers without a detour through float64, which would round nanoseconds; None for other numbers."""
    try:
        source = pc.utf8_trim_whitespace(values) if _is_text(values.type) else values
        if pa.types.is_floating(source.type) or source.null_count:
            return None
        return np.asarray(source.cast(pa.int64()).to_numpy(), np.int64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def identities(rows: Rows, column: str) -> Times:
    """Return trade ids as int64. Raises InputError with the line of the first that is no integer."""
    exact = _exact_integers(rows.columns[column])
    if exact is not None:
        return exact
    ids = numbers(rows, column)
    broken = np.flatnonzero(ids != np.rint(ids))
    if len(broken):
        raise _bad_value(rows, column, int(broken[0]), "is not a whole number", "give each trade a numeric id")
    return ids.astype(np.int64)


def _bad_value(rows: Rows, column: str, row: int, wrong: str, remedy: str) -> InputError:
    value = rows.columns[column][row].as_py()
    line = rows.line_of(row)
    where = "" if line is not None else f" (row {row + 1})"
    shown = "an empty cell" if value in (None, "") else repr(value)
    return InputError.one(rows.file, line, column, f"{shown}{where} {wrong}", remedy)


def _is_text(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(text or pa.types.is_dictionary(kind))


def _float(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
