"""Fills and round trips in the session's log: a subscriber of the bus, so that no disk holds the session up."""

from collections.abc import Callable, Sequence

from tightloop.core.domain.enums import RowKind, Side
from tightloop.core.domain.types import Record
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import iso
from tightloop.runtime.session.bus import Place, Route
from tightloop.runtime.session.driver.publishing import FILLS, STRATEGIES, row_of


def line_of(row: Record, instruments: Sequence[InstrumentId]) -> str | None:
    """Return what is said of a row of the log: a fill, or a trade that ended; None for other rows."""
    if row["kind"] not in (int(RowKind.FILL), int(RowKind.TRADE)):
        return None
    at, name = iso(int(row["ts_ns"])), instruments[int(row["instrument"])]
    if row["kind"] == int(RowKind.TRADE):
        return f"{at} trade ended: {name}"
    return f"{at} fill: {Side(int(row['side'])).name.lower()} {row['qty']:g} {name} at {row['price']:g}"


class TradeLog:
    """Writes a line for each. ``write``: appends a line to the log; an OSError of it is tried again by the bus."""

    def __init__(self, instruments: tuple[InstrumentId, ...], write: Callable[[str], None]) -> None:
        self._instruments, self._write = instruments, write

    def routes(self) -> list[Route]:
        """Return the topics that it follows."""
        return [FILLS.to(self._on_row), STRATEGIES.to(self._on_row)]

    async def _on_row(self, place: Place, message: bytes) -> None:
        line = line_of(row_of(message)[0], self._instruments)
        if line is not None:
            self._write(f"{line} (record {place.seq})")
