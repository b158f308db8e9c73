"""Records that a strategy in Python receives: bars, trades, quotes, fills, orders, and answers to its requests."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.types import Rows


class LookAheadError(IndexError):
    """A strategy asked for what is not known yet."""


class ClosedBar(NamedTuple):
    """A bar that has closed; prices as floats, times in nanoseconds UTC."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    open_ns: int
    close_ns: int
    instrument: str


class Trade(NamedTuple):
    """A public print, as it was received."""

    instrument: str
    price: float
    qty: float
    is_buyer_maker: bool
    happened_ns: int
    time_ns: int


class Quote(NamedTuple):
    """Best bid and ask, as they were received."""

    instrument: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    happened_ns: int
    time_ns: int


class Fill(NamedTuple):
    """An execution of an order of the strategy; ``role``: entry, strategy, stop_loss, take_profit, liquidation ..."""

    order_id: int
    instrument: str
    side: str
    qty: float
    price: float
    fee: float
    is_maker: bool
    role: str
    time_ns: int


class OpenOrder(NamedTuple):
    """An order that works; prices are NaN where the order has none."""

    order_id: int
    instrument: str
    side: str
    type: str
    role: str
    qty: float
    filled_qty: float
    price: float
    stop_price: float
    state: str


class Answer(NamedTuple):
    """What became of an order: sent with an id, or denied with a reason. True when it was sent."""

    order_id: int
    reason: str

    def __bool__(self) -> bool:
        return self.order_id != 0


class Bars(Sequence[ClosedBar]):
    """Closed bars, the oldest first; a copy that belongs to whoever asked. Columns are arrays."""

    __slots__ = ("_instrument", "_rows")

    def __init__(self, rows: Rows, instrument: str) -> None:
        self._rows, self._instrument = rows, instrument

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Bars(self._rows[at].copy(), self._instrument)
        if at >= len(self._rows):
            message = (
                f"bar {at} of the {len(self._rows)} asked for: only closed bars are known, [-1] is the last of them"
            )
            raise LookAheadError(message)
        return ClosedBar._make((*self._rows[at].item(), self._instrument))

    def __iter__(self) -> Iterator[ClosedBar]:
        return (ClosedBar._make((*row, self._instrument)) for row in self._rows.tolist())

    def _column(self, name: str) -> npt.NDArray[Any]:
        return self._rows[name].copy()

    @property
    def open(self) -> npt.NDArray[np.float64]:
        """Open prices, oldest first."""
        return self._column("open")

    @property
    def high(self) -> npt.NDArray[np.float64]:
        """High prices, oldest first."""
        return self._column("high")

    @property
    def low(self) -> npt.NDArray[np.float64]:
        """Low prices, oldest first."""
        return self._column("low")

    @property
    def close(self) -> npt.NDArray[np.float64]:
        """Close prices, oldest first."""
        return self._column("close")

    @property
    def volume(self) -> npt.NDArray[np.float64]:
        """Volumes in base units, oldest first."""
        return self._column("volume")

    @property
    def close_ns(self) -> npt.NDArray[np.int64]:
        """Close times in ns UTC, oldest first."""
        return self._column("close_ns")
