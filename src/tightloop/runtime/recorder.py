"""What a run leaves behind: rows of the log sorted into columns while it goes on, so that memory stays small.

A table is a mapping from column to array, all of one length. Commands that only amend a stop are not kept.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core import log as core_log
from tightloop.core.types import EQUITY, OrderState, RowKind, Rows

Columns = dict[str, npt.NDArray[Any]]

_ORDER = (
    "ts_ns seq instance instrument order_id signal_id code reason side order_kind tif role reduce_only post_only "
    "qty price stop_price threshold exit_price expires_ns"
).split()
KEPT: dict[RowKind, tuple[str, ...]] = {
    RowKind.SUBMIT: tuple(_ORDER),
    RowKind.ORDER: tuple(_ORDER),
    RowKind.FILL: tuple(
        "ts_ns seq instance instrument order_id signal_id slot side role is_maker qty price fee slippage entry_ns".split()
    ),
    RowKind.TRADE: tuple(
        "ts_ns seq instance instrument signal_id slot side role qty price exit_price entry_ns exit_ns pnl fee funding "
        "slippage".split()
    ),
    RowKind.SECTION: tuple("ts_ns seq instance instrument signal_id code reason price".split()),
    RowKind.CONDITION: tuple("seq instance slot code value threshold exit_price".split()),
    RowKind.TRANSITION: tuple("ts_ns seq instance instrument signal_id slot code reason".split()),
    RowKind.WARNING: tuple("ts_ns seq instance instrument order_id code value".split()),
    RowKind.FUNDING: tuple("ts_ns seq instance instrument slot funding value price".split()),
}
_LAST_STATES = np.array(
    [int(s) for s in (OrderState.DENIED, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED)]
)


class Recorder:
    """Takes the log and the equity of a run in pieces, in order."""

    def __init__(self, kinds: Sequence[RowKind] = tuple(KEPT)) -> None:
        self._pieces: dict[RowKind, list[Columns]] = {kind: [] for kind in kinds}
        self._equity: list[Rows] = []

    def take_log(self, log: Rows) -> None:
        """Keep what the log holds and empty it."""
        rows = log[core_log.FIRST : int(log[core_log.HEADER]["slot"])]
        # Which CONDITION belongs to which SECTION is told by their order, which a place in the log of all keeps.
        for kind in self._pieces:
            names = KEPT[kind]
            chosen = rows["kind"] == int(kind)
            if kind == RowKind.ORDER:
                chosen &= np.isin(rows["code"], _LAST_STATES)
            if chosen.any():
                own = rows[chosen]
                columns: Columns = {name: own[name].copy() for name in names}
                if kind == RowKind.CONDITION:
                    columns["section"] = self._section_before(rows, chosen)
                self._pieces[kind].append(columns)
        core_log.empty(log)

    def _section_before(self, rows: Rows, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """For each condition the index, in all sections so far, of the section it stands under."""
        done = sum(len(piece["seq"]) for piece in self._pieces[RowKind.SECTION]) - int(
            (rows["kind"] == int(RowKind.SECTION)).sum()
        )
        running = np.cumsum(rows["kind"] == int(RowKind.SECTION))
        return np.asarray(running[chosen] - 1 + done, np.int64)

    def take_equity(self, equity: Rows, count: int) -> None:
        """Keep the first ``count`` rows."""
        if count:
            self._equity.append(equity[:count].copy())

    def columns(self, kind: RowKind) -> Columns:
        """All rows of a kind."""
        return _joined(self._pieces[kind], KEPT[kind] + (("section",) if kind == RowKind.CONDITION else ()))

    def equity(self) -> Rows:
        """Equity rows (dtype EQUITY) of the run."""
        return np.concatenate(self._equity) if self._equity else np.zeros(0, EQUITY)


def _joined(pieces: Sequence[Columns], names: Sequence[str]) -> Columns:
    if not pieces:
        return {name: np.zeros(0) for name in names}
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
