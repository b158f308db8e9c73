"""DUMP_EXHAUSTION_SCORE: how exhausted the fall after a pump is, 0 to 100, in four parts.

The parts: low velocity, low volume, deep retracement of the pump, no selling pressure. A part that nearly holds counts
half; an unknown part makes the score UNKNOWN.
"""

import math

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._buckets import BUCKETS_MAX, bucket_count, typical_volume
from tightloop.core.indicators._extremes import extreme
from tightloop.core.indicators._grids import by_window, is_point, window_s, written_ns
from tightloop.core.indicators._imbalances import imbalance
from tightloop.core.indicators._price_moves import base_before_now, ends_of_move, move, speed_at
from tightloop.core.indicators._windows_of_time import mean_price, ordered
from tightloop.core.indicators.contract import REFRESH, End, Number, Values, refresh_of, seconds
from tightloop.core.market import tapes
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value", "retracement")
PARAMETERS = (
    *move(),
    seconds("volume_t1", 30.0, minimum=0.5, meaning="length of the current volume window in seconds"),
    seconds("volume_t3", 600.0, minimum=1.0, meaning="seconds before now at which the base of the volume begins"),
    seconds("volume_t4", 30.0, meaning="seconds before now at which the base of the volume ends"),
    seconds("imbalance_t1", 30.0, minimum=0.001, meaning="length of the imbalance window in seconds"),
    seconds("lookback", 600.0, minimum=1.0, meaning="seconds before now in which pump and peak lie"),
    seconds("base_d", 60.0, minimum=0.001, meaning="length of the pump's base in seconds, where the lookback begins"),
    Number("max_velocity", 0.1, 0.001, 100.0, meaning="percent per second; a slower move counts as exhausted"),
    Number("max_volume_ratio", 0.8, 0.01, 100.0, meaning="times the base; less volume counts as exhausted"),
    Number("min_retracement", 40.0, 1.0, 100.0, meaning="percent of the pump; more counts as exhausted"),
    Number("min_imbalance", -10.0, -100.0, 0.0, meaning="a greater imbalance counts as exhausted"),
    REFRESH,
)
FORMULA = (
    "30 [|V| < max_velocity; half: 2 x] + 25 [volume ratio < max_volume_ratio; half: 1.5 x] + 25 [retracement >= "
    "min_retracement; half: 0.7 x] + 20 [imbalance > min_imbalance; half: 3 x], V = PRICE_VELOCITY(t1, t3, d), ratio = "
    "VOLUME_SURGE_RATIO(volume_t1, 0, volume_t3, volume_t4), imbalance = BID_ASK_IMBALANCE(imbalance_t1, 0), "
    "retracement = 100 (peak - price) / (peak - base), peak = MAX_PRICE(lookback, 0), base = TWPA of the `base_d` "
    "seconds that begin there"
)
TAPES = ("trades", "quotes")
NEEDS = ("extremes",)

_T1, _VOLUME_T1, _VOLUME_T3, _VOLUME_T4, _MAX_VELOCITY, _REFRESH = 2, 5, 6, 7, 11, 15
_ENDS, _NOW, _VOLUME, _VOLUME_BASE_OLD, _VOLUME_BASE = 16, 17, 20, 21, 22
_IMBALANCE_OLD, _IMBALANCE, _PUMP_OLD, _PUMP_BASE = 23, 24, 25, 26
_TYPICAL, _PEAK, _BUCKETS = 27, 28, 29
_SLACK = (2.0, 1.5, 0.7, 3.0)


def _surge(parameters: Values) -> Values:
    """Map the parameters to those of VOLUME_SURGE_RATIO."""
    volume = {name: parameters[f"volume_{name}"] for name in ("t1", "t3", "t4")}
    return volume | {"t2": 0.0}


def size(parameters: Values) -> int:
    return 2 + bucket_count(_surge(parameters))


def ends(parameters: Values) -> tuple[End, ...]:
    volume = tuple(("trades", parameters[f"volume_{name}"]) for name in ("t1", "t3", "t4"))
    quotes = ("quotes", parameters["imbalance_t1"]), ("quotes", 0.0)
    pump = ("trades", parameters["lookback"]), ("trades", parameters["lookback"] - parameters["base_d"])
    return (*ends_of_move(parameters), *volume, *quotes, *pump)


def refresh(parameters: Values) -> float:
    return refresh_of(parameters, by_window(parameters["t1"]))


def refuse(parameters: Values) -> tuple[str, str, str] | None:
    wrong = base_before_now(parameters) or ordered(parameters, "volume_t3", "volume_t4")
    if wrong is not None:
        return wrong
    if not 1 <= bucket_count(_surge(parameters)) <= BUCKETS_MAX:
        return "volume_t3", f"the base holds not 1 to {BUCKETS_MAX} times volume_t1", "write a base that does"
    return ordered(parameters, "lookback", "base_d")


@leaf
def _volume_ratio(state: Record, arena: Floats, base: int) -> float:
    """Return recent volume / typical volume; NaN until warm. The typical volume is updated at grid points."""
    if not tapes.is_warm(state, tapes.edge_of(arena, base + _VOLUME_BASE_OLD)):
        arena[base + _TYPICAL] = math.nan
        return math.nan
    if is_point(state, written_ns(arena[base + _REFRESH], window_s(arena[base + _T1]))):
        base_s = arena[base + _VOLUME_T3] - arena[base + _VOLUME_T4]
        ends_at = tapes.edge_of(arena, base + _VOLUME_BASE)
        arena[base + _TYPICAL] = typical_volume(
            state, arena, ends_at, arena[base + _VOLUME_T1], base_s, base + _BUCKETS
        )
    old, new = tapes.edge_of(arena, base + _VOLUME), tapes.edge_of(arena, base + _NOW)
    return tapes.total(state, arena, old, new, tapes.SUM_V) / arena[base + _TYPICAL]


@leaf
def _retracement(state: Record, arena: Floats, base: int) -> float:
    """Return the share of the pump that was retraced, in percent; NaN if there was no pump."""
    old, new = tapes.edge_of(arena, base + _PUMP_OLD), tapes.edge_of(arena, base + _NOW)
    before = mean_price(state, arena, old, tapes.edge_of(arena, base + _PUMP_BASE))
    peak = extreme(state, arena, old, new, base + _PEAK, tapes.NEXT_HIGH)
    if not peak > before:
        return math.nan
    return 100.0 * (peak - tapes.value(state, arena, new, tapes.PRICE)) / (peak - before)


@leaf
def _part(points: float, value: float, bound: float, slack: float) -> float:
    """Return all ``points`` if ``value`` is below ``bound``, half of them below ``slack * bound``, else 0."""
    if value < bound:
        return points
    return 0.5 * points if value < slack * bound else 0.0


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    velocity = speed_at(state, arena, base + _ENDS, base + _T1)
    volume = _volume_ratio(state, arena, base)
    retracement = _retracement(state, arena, base)
    old, new = tapes.edge_of(arena, base + _IMBALANCE_OLD), tapes.edge_of(arena, base + _IMBALANCE)
    lean = imbalance(state, arena, old, new)
    arena[base], arena[base + 1] = math.nan, retracement
    if math.isnan(velocity + volume + retracement + lean):
        return
    score = _part(30.0, abs(velocity), arena[base + _MAX_VELOCITY], _SLACK[0])
    score += _part(25.0, volume, arena[base + _MAX_VELOCITY + 1], _SLACK[1])
    wanted = arena[base + _MAX_VELOCITY + 2]
    score += 25.0 if retracement >= wanted else 12.5 if retracement >= _SLACK[2] * wanted else 0.0
    score += _part(20.0, -lean, -arena[base + _MAX_VELOCITY + 3], _SLACK[3])
    assert score <= 100.0, "a score is of 100"
    arena[base] = score
