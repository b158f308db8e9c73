"""What the tests of the indicators share: markets of many kinds, real bars, and TA-Lib as the judge."""

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from folded import folded
from tightloop.core.domain.types import BAR
from tightloop.core.indicators import load, series

Bars = npt.NDArray[np.void]
Values = npt.NDArray[np.float64]

REPOSITORY = Path(__file__).resolve().parents[3]
REAL_BARS = REPOSITORY.parent / "shared" / "data" / "bars"

HOUR_NS = 3_600_000_000_000
MIDNIGHT_NS = 1_704_067_200_000_000_000  # 2024-01-01 UTC
COUNT = 1_200
TOLERANCE = 1e-9  # relative


def make_bars(open_: Values, high: Values, low: Values, close: Values, volume: Values, step_ns: int = HOUR_NS) -> Bars:
    """Bars one after the other from a midnight on."""
    bars = np.zeros(len(close), BAR)
    for name, values in zip(("open", "high", "low", "close", "volume"), (open_, high, low, close, volume), strict=True):
        bars[name] = values
    bars["open_ns"] = MIDNIGHT_NS + step_ns * np.arange(len(close))
    bars["close_ns"] = bars["open_ns"] + step_ns
    return bars


def around(close: Values, seed: int, *, wick: float = 0.003) -> Bars:
    """Bars with these closes: each opens at the close before, seven in ten have wicks, volumes of all sizes."""
    random = np.random.default_rng(seed)
    count = len(close)
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) * (1 + wick * random.random(count) * (random.random(count) < 0.7))
    low = np.minimum(open_, close) * (1 - wick * random.random(count) * (random.random(count) < 0.7))
    return make_bars(open_, high, low, close, np.exp(random.normal(3.0, 2.0, count)))


def walk(seed: int = 1, count: int = COUNT, scale: float = 100.0) -> Bars:
    """An ordinary market: a random walk with volume in every bar."""
    random = np.random.default_rng(seed)
    return around(scale * np.exp(np.cumsum(random.normal(0.0, 0.01, count))), seed)


def _on_a_grid() -> Bars:
    bars = walk(2)
    for name in ("open", "high", "low", "close"):
        bars[name] = np.round(bars[name], 1)
    return bars


def _mostly_still() -> Bars:
    random = np.random.default_rng(3)
    moves = np.where(random.random(COUNT) < 0.03, random.normal(0.0, 0.02, COUNT), 0.0)
    return around(123.457 * np.exp(np.cumsum(moves)), 3, wick=0.0)


def _flat() -> Bars:
    return around(np.full(COUNT, 0.3), 4, wick=0.0)


def _outliers() -> Bars:
    random = np.random.default_rng(5)
    close = 100.0 * np.exp(random.normal(0.0, 0.001, COUNT))
    close[random.random(COUNT) < 0.01] *= 1e6
    return around(close, 5)


def _last_digits() -> Bars:
    random = np.random.default_rng(6)
    return around(5e4 * (1 + random.normal(0.0, 1e-9, COUNT)), 6, wick=1e-9)


def _bursts_and_holes_of_volume() -> Bars:
    random = np.random.default_rng(7)
    bars = walk(7)
    bars["volume"][random.random(COUNT) < 0.1] = 0.0
    bars["volume"][300:400] = 0.0
    bars["volume"][random.random(COUNT) < 0.01] = 1e12
    return bars


def _trend() -> Bars:
    return around(100.0 * np.exp(0.002 * np.arange(COUNT)), 8)


def _ticking() -> Bars:
    return around(np.where(np.arange(COUNT) % 2 == 0, 1.0, 1.1), 9, wick=0.0)


MARKETS: dict[str, Callable[[], Bars]] = {
    "walk": walk,
    "tiny prices": lambda: walk(10, scale=1e-7),
    "huge prices": lambda: walk(11, scale=1e9),
    "on a grid": _on_a_grid,
    "mostly still": _mostly_still,
    "flat": _flat,
    "outliers": _outliers,
    "last digits": _last_digits,
    "bursts and holes of volume": _bursts_and_holes_of_volume,
    "trend": _trend,
    "ticking": _ticking,
}


def real_files() -> list[str]:
    """The real bars beside the repository, as paths in their folder; one name that has no file when there are none."""
    return [path.relative_to(REAL_BARS).as_posix() for path in sorted(REAL_BARS.rglob("*.parquet"))] or ["none"]


@cache
def _read(name: str) -> Bars:
    if name in MARKETS:
        return MARKETS[name]()
    rows = pl.read_parquet(REAL_BARS / name)
    bars = make_bars(*(rows[column].to_numpy() for column in ("open", "high", "low", "close", "volume")))
    bars["open_ns"] = rows["ts"].dt.epoch("ns").to_numpy()
    bars["close_ns"] = bars["open_ns"] + 1
    return bars


def bars_of(market: str) -> Bars:
    """The bars of a made or a real market. Without the real ones a test is skipped, in CI it fails."""
    if market not in MARKETS and not (REAL_BARS / market).is_file():
        reason = f"no real bars in {REAL_BARS.name}/ beside the repository"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return _read(market)


in_every_made_market = folded("market", MARKETS)


def in_every_market(test: Callable[..., None]) -> Callable[..., None]:
    """Two tests instead of one a market: of all that are made, and of all that are real. Each failure names its own."""

    @functools.wraps(test)
    def over(markets: Sequence[str], **others: object) -> None:
        folded("market", markets)(test)(**others)

    signature = inspect.signature(test)
    named = [each.replace(name="markets") if each.name == "market" else each for each in signature.parameters.values()]
    over.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]  # what pytest asks for
    real = pytest.param(real_files(), marks=pytest.mark.real_data, id="real")
    return pytest.mark.parametrize("markets", [pytest.param(list(MARKETS), id="made"), real])(over)


def assert_close(actual: Values, expected: Values, unit: float | Values = 0.0, *, what: str = "") -> None:
    """The same places unknown, all others equal within 1e-9.

    ``unit``: the size of the numbers that the value is a small difference of; 1e-13 of it is rounding.
    """
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected), f"{what}: unknown at other bars")
    known = ~np.isnan(expected)
    allowed = TOLERANCE * np.abs(expected[known]) + 1e-13 * np.broadcast_to(unit, expected.shape)[known]
    off = np.abs(actual[known] - expected[known]) - allowed
    if len(off) and off.max() > 0.0:
        worst = int(np.argmax(off))
        bar = np.flatnonzero(known)[worst]
        raise AssertionError(f"{what}: {actual[bar]!r}, not {expected[bar]!r}, at bar {bar}; {np.sum(off > 0)} are off")


def assert_equal_to_talib(
    type_name: str, bars: Bars, expected: Sequence[Values], unit: float | Values = 0.0, **parameters: float | str
) -> None:
    """The first outputs of an indicator are what TA-Lib computed, in this order."""
    actual = series(type_name, bars, **parameters)
    for place, values in enumerate(expected):
        what = f"{type_name}{parameters} {load(type_name).outputs[place]}"
        assert_close(actual[:, place], np.asarray(values, np.float64), unit, what=what)
