"""PUMP_STRENGTH_SCORE: velocity, volume, order flow and rate of deals in one figure, 0 to 1; UNKNOWN when a part is."""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._flows import flow_imbalance, surge
from tightloop.core.indicators._grids import written_ns
from tightloop.core.indicators._intervals import SCRATCH, density
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, move_at
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE


def _bounds(part: str, low: float, high: float, unit: str) -> tuple[Number, Number]:
    """Declare the two parameters of a score part: the value that scores 0 and the value that scores in full."""
    return (
        Number(f"{part}_lo", low, -1_000.0, 1_000.0, meaning=f"{unit}; up to here the part is 0"),
        Number(f"{part}_hi", high, -1_000.0, 1_000.0, meaning=f"{unit}; from here on the part is 1"),
    )


OUTPUTS = ("value", "velocity", "surge", "imbalance", "density")
PARAMETERS = (
    *move(),
    seconds("cur", 30.0, minimum=0.5, meaning="length of the current window in seconds"),
    seconds("base", 600.0, minimum=0.5, meaning="seconds before now at which their base begins; it ends at cur"),
    *_bounds("velocity", 0.0, 20.0, "percent"),
    *_bounds("surge", 1.0, 5.0, "times the base"),
    *_bounds("imbalance", 0.0, 60.0, "percent of the volume"),
    *_bounds("density", 1.0, 5.0, "times the base"),
    REFRESH,
)
FORMULA = (
    "0.3 n(velocity) + 0.25 n(surge) + 0.25 n(imbalance) + 0.2 n(density), n(x) = (x - lo) / (hi - lo) from 0 to 1, of "
    "VELOCITY_PCT(t1, t3, d), VOLUME_SURGE(cur, 0, base, cur), ORDER_FLOW_IMBALANCE(cur, 0) and "
    "DECISION_DENSITY_ACCELERATION(cur, 0, base, cur); the other outputs are the parts"
)
TAPES = ("trades",)

_GRID_S = 2
_BOUNDS, _REFRESH = 10, 18
_ENDS = len(OUTPUTS) + len(PARAMETERS)
_CUR, _BASE = _ENDS + 4, _ENDS + 6
_SAMPLED, _SCRATCH = _ENDS + 8, _ENDS + 9


def size(parameters: Values) -> int:
    return 1 + SCRATCH


def ends(parameters: Values) -> tuple[End, ...]:
    cur = parameters["cur"]
    flows = tuple(("trades", end) for end in (cur, 0.0, parameters["base"], cur))
    return ends_of_move(parameters) + flows


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, _GRID_S)


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    for part in OUTPUTS[1:]:
        low, high = parameters[f"{part}_lo"], parameters[f"{part}_hi"]
        if low >= high:
            return f"{part}_hi", f"{high:g} is not above {part}_lo {low:g}", f"write {part}_hi above {part}_lo"
    return base_before_now(parameters) or ordered(parameters, "base", "cur")


@leaf
def _counted(arena: Floats, base: int, part: int) -> float:
    """Scale a part linearly from its lower bound (0) to its upper bound (1), clamped; NaN stays NaN."""
    low, high = arena[base + _BOUNDS + 2 * part], arena[base + _BOUNDS + 2 * part + 1]
    assert low < high, "a part counts in full above where it begins to count"
    share = (arena[base + 1 + part] - low) / (high - low)
    if math.isnan(share):
        return math.nan
    return min(max(share, 0.0), 1.0)


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base + 1] = move_at(state, arena, base + _ENDS)
    arena[base + 2] = surge(state, arena, base + _CUR, base + _BASE)
    arena[base + 3] = flow_imbalance(state, arena, base + _CUR)
    if not tapes.is_warm(state, tapes.edge_of(arena, base + _BASE)):
        arena[base + 4] = math.nan
    elif tapes.is_sample(state, arena, base + _SAMPLED, written_ns(arena[base + _REFRESH], _GRID_S)):
        arena[base + 4] = density(state, arena, base + _CUR, base + _BASE, base + _SCRATCH)
    sides = 0.3 * _counted(arena, base, 0) + 0.25 * _counted(arena, base, 1) + 0.25 * _counted(arena, base, 2)
    arena[base] = sides + 0.2 * _counted(arena, base, 3)
