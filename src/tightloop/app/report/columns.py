"""Columns of numbers and texts packed into one deflated, base64 blob: how a page carries 20,000 bars and 10,000 trades.

A column is described by a small JSON reference and read back by `unpack` here and by `assets/report_columns.js`:

    {"kind": "int",   "at", "count", "base", "per"}   value = base + int32 / per; differences, bytes transposed
    {"kind": "double" | "single", "at", "count"}      raw little-endian floats, bytes transposed
    {"kind": "text",  "at", "size"}                   JSON list of strings

Differences and transposed bytes are what makes deflate worth while: a regular time axis costs nothing.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.app.text.numbers import decimals_of

UNKNOWN_INT = -(2**31)
INT_MAX = 2**31 - 1

Reference = dict[str, Any]


class Pack:
    """Collects columns; `text` is the blob. Identical columns in identical order give identical bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def numbers(self, values: npt.ArrayLike, *, exact: bool = False) -> Reference:
        """Append floats; NaN is kept. Without ``exact`` a value may be off by 2^-32 of the column's range."""
        column = np.asarray(values, dtype=np.float64)
        base, per = _scale(column, exact)
        if per is None:
            return {"kind": "double", "at": self._append(_transposed(column)), "count": len(column)}
        whole = np.full(len(column), UNKNOWN_INT, dtype=np.int64)
        finite = np.isfinite(column)
        whole[finite] = np.rint((column[finite] - base) * per).astype(np.int64)
        steps = np.diff(whole, prepend=0).astype(np.uint32)  # modulo 2^32: the reader wraps the same way
        return {"kind": "int", "at": self._append(_transposed(steps)), "count": len(column), "base": base, "per": per}

    def singles(self, values: npt.ArrayLike) -> Reference:
        """Append float32 values: seven significant digits each, however their magnitudes differ."""
        column = np.asarray(values, dtype=np.float32)
        return {"kind": "single", "at": self._append(_transposed(column)), "count": len(column)}

    def texts(self, values: Sequence[str]) -> Reference:
        raw = json.dumps(list(values), ensure_ascii=False, separators=(",", ":")).encode()
        return {"kind": "text", "at": self._append(raw), "size": len(raw)}

    def codes(self, values: Sequence[str]) -> Reference:
        """Append repeating texts: the distinct ones in order of appearance, and an index column."""
        distinct = list(dict.fromkeys(values))
        place = {value: index for index, value in enumerate(distinct)}
        return {"names": distinct, "index": self.numbers([place[value] for value in values])}

    def text(self) -> str:
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode("ascii")

    def _append(self, raw: bytes) -> int:
        at = self._size
        self._parts.append(raw)
        self._size += len(raw)
        return at


def open_blob(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def unpack(reference: Mapping[str, Any], blob: bytes) -> Any:
    """Return the column behind a reference: a float64 array, or a list of texts."""
    if "names" in reference:
        return [reference["names"][int(i)] for i in unpack(reference["index"], blob)]
    at = reference["at"]
    if reference["kind"] == "text":
        return json.loads(blob[at : at + reference["size"]])
    kind = {"int": "<u4", "single": "<f4", "double": "<f8"}[reference["kind"]]
    width, count = np.dtype(kind).itemsize, reference["count"]
    bytes_by_place = np.frombuffer(blob, np.uint8, width * count, at).reshape(width, count)
    column = np.ascontiguousarray(bytes_by_place.T).view(kind).ravel()
    if reference["kind"] != "int":
        return column.astype(np.float64)
    whole = np.cumsum(column, dtype=np.uint32).astype(np.int32)
    values = reference["base"] + whole / reference["per"]
    return np.where(whole == UNKNOWN_INT, np.nan, values)


def _scale(column: npt.NDArray[np.float64], exact: bool) -> tuple[float, float | None]:
    """Return (base, per) of an int32 column; per is None where only raw floats keep the values."""
    finite = column[np.isfinite(column)]
    if len(finite) == 0:
        return 0.0, 1.0
    decimals = decimals_of(finite)
    top = float(np.max(np.abs(finite)))
    if decimals is not None and top * 10.0**decimals < INT_MAX:
        return 0.0, 10.0**decimals
    if exact:
        return 0.0, None
    low, high = float(finite.min()), float(finite.max())
    reach = high - low
    return (low, INT_MAX / reach) if reach > 0 and np.isfinite(INT_MAX / reach) else (low, 1.0)


def _transposed(column: npt.NDArray[Any]) -> bytes:
    little = column.astype(column.dtype.newbyteorder("<"), copy=False)
    raw = np.ascontiguousarray(little).view(np.uint8)
    return raw.reshape(len(column), column.dtype.itemsize).T.tobytes()
