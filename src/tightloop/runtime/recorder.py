"""What a run leaves behind: rows of the log sorted into columns while it goes on, so that memory stays small.

A table is a mapping from column to array, all of one length. Commands that only amend a stop are not kept.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core import log as core_log
from tightloop.core.types import EQUITY, LOG_ROW, OrderState, RowKind, Rows

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
    RowKind.CONDITION: ("seq", "instance", "slot", "code", "value", "threshold", "exit_price"),
    RowKind.TRANSITION: ("ts_ns", "seq", "instance", "instrument", "signal_id", "slot", "code", "reason"),
    RowKind.WARNING: ("ts_ns", "seq", "instance", "instrument", "order_id", "code", "value"),
    RowKind.FUNDING: ("ts_ns", "seq", "instance", "instrument", "slot", "funding", "value", "price"),
}
_IS_LAST = np.zeros(len(OrderState) + 1, bool)
_IS_LAST[[OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED]] = True
_WIDTH = LOG_ROW.itemsize // 8
_FIELDS = LOG_ROW.fields
assert _FIELDS is not None, "the log has named fields"
assert all(kind.itemsize == 8 for kind, *_ in _FIELDS.values()), "a row of the log is words of 8 bytes"
_PLACES = {name: int(offset) // 8 for name, (_, offset, *_) in _FIELDS.items()}


class Recorder:
    """Takes the log and the equity of a run in pieces, in order."""

    def __init__(self, kinds: Sequence[RowKind] = tuple(KEPT)) -> None:
        self._pieces: dict[RowKind, list[Words]] = {kind: [] for kind in kinds}
        self._places = {kind: np.array([_PLACES[name] for name in KEPT[kind]]) for kind in kinds}
        self._sections: list[Words] = []
        self._section_count = 0
        self._equity: list[Rows] = []

    def take_log(self, log: Rows) -> None:
        """Keep what the log holds and empty it."""
        end = int(log[core_log.HEADER]["slot"])
        words = log.view(np.int64).reshape(len(log), _WIDTH)[core_log.FIRST : end]
        kinds = words[:, 0].astype(np.int8)
        by_kind = np.argsort(kinds, kind="stable")  # a radix sort for bytes
        ends = np.searchsorted(kinds[by_kind], np.arange(len(RowKind) + 2, dtype=np.int8))
        for kind, places in self._places.items():
            chosen = by_kind[ends[kind] : ends[kind + 1]]
            if kind == RowKind.ORDER:
                chosen = chosen[_IS_LAST[words[chosen, _PLACES["code"]]]]
            if len(chosen):
                self._pieces[kind].append(words[chosen[:, None], places])
        if RowKind.CONDITION in self._places:
            self._keep_sections(kinds, by_kind[ends[RowKind.CONDITION] : ends[RowKind.CONDITION + 1]])
        core_log.empty(log)

    def _keep_sections(self, kinds: npt.NDArray[np.int8], conditions: npt.NDArray[np.int64]) -> None:
        """The section a condition stands under is the last one before it in the log."""
        if len(kinds):
            before = np.cumsum(kinds == int(RowKind.SECTION))
            self._sections.append(before[conditions] - 1 + self._section_count)
            self._section_count += int(before[-1])

    def take_equity(self, equity: Rows, count: int) -> None:
        """Keep the first ``count`` rows."""
        if count:
            self._equity.append(equity[:count].copy())

    def columns(self, kind: RowKind) -> Columns:
        """All rows of a kind."""
        pieces = self._pieces[kind]
        words = np.concatenate(pieces) if pieces else np.zeros((0, len(KEPT[kind])), np.int64)
        columns: Columns = {}
        for place, name in enumerate(KEPT[kind]):
            column = np.ascontiguousarray(words[:, place])
            columns[name] = column.view(np.float64) if LOG_ROW[name].kind == "f" else column
        if kind == RowKind.CONDITION:
            columns["section"] = np.concatenate(self._sections) if self._sections else np.zeros(0, np.int64)
        return columns

    def equity(self) -> Rows:
        """Equity rows (dtype EQUITY) of the run."""
        return np.concatenate(self._equity) if self._equity else np.zeros(0, EQUITY)
