"""Room for the snapshots of a carry run: one row for each instant, columns as ``core/replay/carry.py`` writes them."""

import math
from dataclasses import dataclass

import numpy as np

from tightloop.core.replay import carry as replay_carry
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import Floats
from tightloop.runtime.feeds.carry_tape import CarryTape


@dataclass(slots=True)
class Snapshots:
    """Snapshots, (instants, columns) float64, of which ``count`` are final after ``events`` events."""

    rows: Floats
    count: int = 0
    events: int = 0

    @property
    def taken(self) -> Floats:
        """The rows that were written."""
        return self.rows[: self.count]


def room_for(plan: CarryPlan, tape: CarryTape) -> Snapshots:
    """Allocate the snapshots of a run; columns are those of ``core/replay/carry.py``."""
    books = plan.states[0]["carry"]["books"]
    width = replay_carry.snapshot_width(int(books["balance_count"]), int(books["holding_count"]))
    return Snapshots(np.full((len(tape.instants), width), math.nan))
