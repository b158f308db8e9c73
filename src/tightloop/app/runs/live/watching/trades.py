"""Fills and round trips in the session's log: a subscriber of the bus, so that no disk holds the session up."""

from collections.abc import Callable

from tightloop.core.domain.enums import RowKind, Side
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import iso
from tightloop.runtime.session.bus import Place, Route
from tightloop.runtime.session.driver.publishing import FILLS, STRATEGIES, row_of


class TradeLog:
    """Writes a line for each. ``write``: appends a line to the log; an OSError of it is tried again by the bus."""

    def __init__(self, instruments: tuple[InstrumentId, ...], write: Callable[[str], None]) -> None:
        self._names = [str(instrument) for instrument in instruments]
        self._write = write

    def routes(self) -> list[Route]:
        """Return the topics that it follows."""
        return [FILLS.to(self._on_fill), STRATEGIES.to(self._on_trade)]

    async def _on_fill(self, place: Place, message: bytes) -> None:
        row = row_of(message)[0]
        if row["kind"] == int(RowKind.FILL):
            side, name = Side(int(row["side"])).name.lower(), self._names[int(row["instrument"])]
            self._tell(int(row["ts_ns"]), place, f"fill: {side} {row['qty']:g} {name} at {row['price']:g}")

    async def _on_trade(self, place: Place, message: bytes) -> None:
        row = row_of(message)[0]
        self._tell(int(row["ts_ns"]), place, f"trade ended: {self._names[int(row['instrument'])]}")

    def _tell(self, ts_ns: int, place: Place, text: str) -> None:
        self._write(f"{iso(ts_ns)} {text} (record {place.seq})")
