"""What happened in a market, written down by whoever knows: what a detector is measured against."""

from dataclasses import dataclass

PUMP, DUMP, MARKET_MOVE, NONE = "pump", "dump", "market_move", "none"
KINDS = (PUMP, DUMP, MARKET_MOVE, NONE)


@dataclass(frozen=True, slots=True)
class Label:
    """An event of one instrument, or (kind none) a time in which nothing happened that a detector should see.

    ``peak_ns`` is the extreme; ``magnitude_pct`` from the start to the peak, negative down; ``retracement_pct`` the
    share of it given back at the end.
    """

    instrument: str
    scenario: str
    kind: str
    start_ns: int
    peak_ns: int
    end_ns: int
    magnitude_pct: float
    retracement_pct: float

    @property
    def is_pump(self) -> bool:
        """Whether a detector of pumps should fire here."""
        return self.kind == PUMP
