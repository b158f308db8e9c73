"""How near a position is to its liquidation, and when that is told: once when it comes nearer, not at every round.

Two measures, both by the venue's numbers: the distance of the mark to the liquidation price, as a share of the mark;
and the cushion, the share of an isolated position's margin (its unrealised result counted) that is not needed for
maintenance. Liquidation is where either is 0. A level that was told is forgotten once the measure is well beyond it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tightloop.ports.execution import PositionReport
from tightloop.runtime.session.desk.records import Urgency

Limits = Sequence[tuple[float, Urgency]]
DISTANCES: Limits = ((0.30, Urgency.INFO), (0.20, Urgency.WARNING), (0.10, Urgency.CRITICAL))
CUSHIONS: Limits = ((0.25, Urgency.WARNING), (0.15, Urgency.CRITICAL))
AGAIN = 1.05
"""A level counts as left when the measure is this many times its limit."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """The levels that were told: how many limits of each measure were crossed."""

    distance: int = 0
    cushion: int = 0


FAR = Nearness()


@dataclass(frozen=True, slots=True)
class Crossing:
    """A limit that was crossed. ``value``: the measure."""

    urgency: Urgency
    text: str
    value: float


def distance_of(there: PositionReport) -> float:
    """Return the distance of the mark to the liquidation price, a share of the mark; NaN: there is none."""
    if not (there.mark > 0.0 and there.liquidation_price > 0.0):
        return math.nan
    return abs(there.mark - there.liquidation_price) / there.mark


def cushion_of(there: PositionReport) -> float:
    """Return the share of the margin that maintenance does not need; NaN: the venue does not say."""
    return (there.margin - there.maintenance) / there.margin if there.margin > 0.0 else math.nan


def crossings(there: PositionReport, before: Nearness) -> tuple[Nearness, list[Crossing]]:
    """Return the levels now, and what was crossed since ``before``: the nearest limit of each measure."""
    distance, cushion = distance_of(there), cushion_of(there)
    now = Nearness(_level(distance, DISTANCES, before.distance), _level(cushion, CUSHIONS, before.cushion))
    found = []
    if now.distance > before.distance:
        text = f"the mark is {distance:.1%} from the liquidation price"
        found.append(Crossing(DISTANCES[now.distance - 1][1], text, distance))
    if now.cushion > before.cushion:
        text = f"{cushion:.1%} of the margin is left above maintenance"
        found.append(Crossing(CUSHIONS[now.cushion - 1][1], text, cushion))
    return now, found


def _level(value: float, limits: Limits, before: int) -> int:
    """Return how many limits a measure is within; one that is not known leaves the level as it was."""
    if math.isnan(value):
        return before
    within = sum(value < limit for limit, _ in limits)
    kept = sum(value < limit * AGAIN for limit, _ in limits[:before])
    return max(within, kept)
