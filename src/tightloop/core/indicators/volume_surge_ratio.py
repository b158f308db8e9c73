"""VOLUME_SURGE_RATIO: volume of the current window against the median of earlier windows of its length.

The buckets are recomputed at the points of the grid; the volume of the window itself at every event.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._buckets import BUCKETS_MAX, bucket_count, typical_volume
from tightloop.core.indicators._windows_of_time import ordered
from tightloop.core.indicators.contract import REFRESH, End, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "median")
PARAMETERS = (
    seconds("t1", 30.0, minimum=0.5),
    seconds("t2", 0.0),
    seconds("t3", 600.0, minimum=1.0),
    seconds("t4", 30.0),
    REFRESH,
)
FORMULA = (
    "volume over (T - t1, T - t2] / median volume of buckets of that length, empty ones too, that end at T - t4, "
    "T - t4 - length, ... and begin at T - t3 or later; if the median is 0 the mean is used, if that is 0 the result "
    "is UNKNOWN"
)
TAPES = ("trades",)
MEMORY_MOVES = "at points"

_T1, _T2, _T3, _T4, _REFRESH = 2, 3, 4, 5, 6
_OLD, _NEW, _BASE_OLD, _BASE = 7, 8, 9, 10
_TYPICAL, _SAMPLED, _BUCKETS = 11, 12, 13


def size(parameters: Values) -> int:
    return 2 + bucket_count(parameters)


def ends(parameters: Values) -> tuple[End, ...]:
    return tuple(("trades", parameters[name]) for name in ("t1", "t2", "t3", "t4"))


def refresh(parameters: Values) -> float:
    t2 = parameters["t2"]
    default_s = next((grid_s for bound, grid_s in ((1.0, 1.0), (30.0, 2.0), (60.0, 5.0)) if t2 <= bound), 10.0)
    return refresh_of(parameters, default_s)


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    count = bucket_count(parameters)
    wrong = ordered(parameters, "t1", "t2") or ordered(parameters, "t3", "t4")
    if wrong is not None:
        return wrong
    if not 1 <= count <= BUCKETS_MAX:
        message = f"(t3 - t4) holds {count} buckets of t1 - t2 seconds, not 1 to {BUCKETS_MAX}"
        return "t3", message, "write a longer base, or a window that fits in it fewer times"
    return None


@leaf
def _refresh_ns(arena: Floats, base: int) -> int:
    """Return the grid period in ns: as written, else the finer the closer the window ends to now."""
    written, t2 = arena[base + _REFRESH], arena[base + _T2]
    if written > 0.0:
        return int(written * 1e9 + 0.5)
    if t2 <= 30.0:
        return limits.SECOND_NS if t2 <= 1.0 else 2 * limits.SECOND_NS
    return 5 * limits.SECOND_NS if t2 <= 60.0 else 10 * limits.SECOND_NS


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    arena[base] = math.nan
    if not tapes.is_warm(state, tapes.edge_of(arena, base + _BASE_OLD)):
        arena[base + 1] = math.nan
        return
    if tapes.is_sample(state, arena, base + _SAMPLED, _refresh_ns(arena, base)):
        length_s, base_s = arena[base + _T1] - arena[base + _T2], arena[base + _T3] - arena[base + _T4]
        ends_at = tapes.edge_of(arena, base + _BASE)
        arena[base + 1] = typical_volume(state, arena, ends_at, length_s, base_s, base + _BUCKETS)
    old, new = tapes.edge_of(arena, base + _OLD), tapes.edge_of(arena, base + _NEW)
    arena[base] = tapes.total(state, arena, old, new, tapes.SUM_V) / arena[base + 1]
