"""Labelled market events, the ground truth that detectors are measured against."""

from dataclasses import dataclass

PUMP, DUMP, MARKET_MOVE, NONE = "pump", "dump", "market_move", "none"
KINDS = (PUMP, DUMP, MARKET_MOVE, NONE)


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled event of one instrument; kind ``none``: a span in which a detector must stay silent.

    ``peak_ns``: time of the extreme price. ``magnitude_pct``: move from start to peak, negative for a fall.
    ``retracement_pct``: share of that move given back by ``end_ns``. Times in ns UTC.
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
        """Whether a pump detector should fire on this event."""
        return self.kind == PUMP
