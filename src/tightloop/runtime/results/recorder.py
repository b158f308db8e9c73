"""Records of a run: rows of the log sorted into columns while the run goes on, so that memory stays small.

A compiled loop (``core/replay/columns.py``) copies the kept fields of each row as words of 8 bytes; floats are
reinterpreted when columns are read. Only final rows of orders are kept; amendments are not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core import log as core_log
from tightloop.core.domain.enums import OrderState, RowKind
from tightloop.core.domain.types import EQUITY, LOG_ROW, Rows
from tightloop.core.replay.columns import sort_rows

Columns = dict[str, npt.NDArray[Any]]
Words = npt.NDArray[np.int64]

_ORDER = [
    "ts_ns",
    "seq",
    "instance",
    "instrument",
    "order_id",
    "signal_id",
    "code",
    "reason",
    "side",
    "order_kind",
    "tif",
    "role",
    "reduce_only",
    "post_only",
    "qty",
    "price",
    "stop_price",
    "threshold",
    "exit_price",
    "expires_ns",
]
KEPT: dict[RowKind, tuple[str, ...]] = {
    RowKind.SUBMIT: tuple(_ORDER),
    RowKind.ORDER: tuple(_ORDER),
    RowKind.FILL: (
        "ts_ns",
        "seq",
        "instance",
        "instrument",
        "order_id",
        "signal_id",
        "slot",
        "side",
        "role",
        "is_maker",
        "qty",
        "price",
        "fee",
        "slippage",
        "entry_ns",
    ),
    RowKind.TRADE: (
        "ts_ns",
        "seq",
        "instance",
        "instrument",
        "signal_id",
        "slot",
        "side",
        "role",
        "qty",
        "price",
        "exit_price",
        "entry_ns",
        "exit_ns",
        "pnl",
        "fee",
        "funding",
        "slippage",
    ),
    RowKind.SECTION: ("ts_ns", "seq", "instance", "instrument", "signal_id", "code", "reason", "price"),
    RowKind.CONDITION: ("seq", "instance", "slot", "code", "value", "threshold", "exit_price", "section"),
    RowKind.TRANSITION: ("ts_ns", "seq", "instance", "instrument", "signal_id", "slot", "code", "reason"),
    RowKind.WARNING: ("ts_ns", "seq", "instance", "instrument", "order_id", "code", "reason", "value"),
    RowKind.FUNDING: ("ts_ns", "seq", "instance", "instrument", "slot", "funding", "value", "price"),
    RowKind.INSTRUCT: (
        "ts_ns",
        "seq",
        "order_id",
        "code",
        "slot",
        "oco",
        "side",
        "instance",
        "qty",
        "threshold",
        "stop_price",
        "arm_price",
    ),
    RowKind.INSTRUCTION_EXECUTED: (
        "ts_ns",
        "seq",
        "order_id",
        "code",
        "slot",
        "oco",
        "side",
        "role",
        "qty",
        "threshold",
        "price",
        "fee",
        "value",
    ),
    RowKind.MONITOR: ("ts_ns", "seq", "code", "reason", "value"),
    RowKind.BUNDLE: ("ts_ns", "seq", "order_id", "reason"),
}
_WIDTH = LOG_ROW.itemsize // 8
_FIELDS = LOG_ROW.fields
assert _FIELDS is not None, "the log has named fields"
assert all(kind.itemsize == 8 for kind, *_ in _FIELDS.values()), "a row of the log is words of 8 bytes"
_PLACES = {name: int(offset) // 8 for name, (_, offset, *_) in _FIELDS.items()} | {"section": -1}
_FLOATS = frozenset(name for name, (kind, *_) in _FIELDS.items() if kind.kind == "f")
_LAST_STATES = (OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED)
_KEEP = np.array([RowKind.ORDER, _PLACES["code"], 0, *(state in _LAST_STATES for state in OrderState)], np.int64)


class Recorder:
    """Takes the log and the equity records of a run in pieces, in order of time."""

    def __init__(self, kinds: Sequence[RowKind] = tuple(KEPT)) -> None:
        self._pieces: dict[RowKind, list[Words]] = {kind: [] for kind in kinds}
        self._widths = np.zeros(len(RowKind) + 1, np.int64)
        self._places = np.zeros((len(RowKind) + 1, max(len(names) for names in KEPT.values())), np.int64)
        for kind in kinds:
            places = [_PLACES[name] for name in KEPT[kind]]
            self._widths[kind], self._places[kind, : len(places)] = len(places), places
        self._counts, self._starts = np.zeros_like(self._widths), np.zeros_like(self._widths)
        self._sorted = np.zeros(0, np.int64)
        self._section_count = 0
        self._equity: list[Rows] = []

    def take_log(self, log: Rows) -> None:
        """Keep the rows of the log and empty it."""
        words = log.view(np.int64).reshape(len(log), _WIDTH)
        if len(self._sorted) < len(log) * self._places.shape[1]:
            self._sorted = np.zeros(len(log) * self._places.shape[1], np.int64)
        self._section_count = sort_rows(
            words, core_log.FIRST, core_log.stop(log), self._places, self._widths, _KEEP, self._sorted,
            self._counts, self._starts, int(RowKind.SECTION), self._section_count,
        )  # fmt: skip
        begin = 0
        for kind in RowKind:
            size = int(self._counts[kind] * self._widths[kind])
            if size:
                self._pieces[kind].append(
                    self._sorted[begin : begin + size].reshape(-1, int(self._widths[kind])).copy()
                )
            begin += size
        core_log.empty(log)

    def take_equity(self, equity: Rows, count: int) -> None:
        """Keep the first ``count`` rows without a copy: the caller must not write over them."""
        if count:
            self._equity.append(equity[:count])

    def columns(self, kind: RowKind) -> Columns:
        """Return all rows of a kind as columns of equal length (int64 or float64), named as in ``KEPT``."""
        names, pieces = KEPT[kind], self._pieces[kind]
        words = np.concatenate(pieces) if pieces else np.zeros((0, len(names)), np.int64)
        columns: Columns = {}
        for index, name in enumerate(names):
            column = np.ascontiguousarray(words[:, index])
            columns[name] = column.view(np.float64) if name in _FLOATS else column
        return columns

    def equity(self) -> Rows:
        """Return the equity records of the run (dtype EQUITY)."""
        if len(self._equity) > 1:
            self._equity = [np.concatenate(self._equity)]
        return self._equity[0] if self._equity else np.zeros(0, EQUITY)
