"""Carry strategies built by hand, for tests that need no file; and where the real catalog and its figures lie."""

import os
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from tightloop.model.carry import strategy as carry_strategy
from tightloop.model.instruments import InstrumentId

SHARED = Path(__file__).resolve().parents[3] / "shared"
ALL = carry_strategy.Size("all")
BYBIT_SPOT = InstrumentId("bybit", "ETHUSDT", "spot")
BYBIT_PERP = InstrumentId("bybit", "ETHUSDT", "perp")
BINANCE_PERP = InstrumentId("binance", "ETHUSDT", "perp")
OKX_PERP = InstrumentId("okx", "ETHUSDT", "perp")


def real(path: str) -> Path:
    """A path beside the repository; skips without it, which CI must not."""
    if not (SHARED / path).exists():
        assert not os.environ.get("CI"), f"{SHARED / path} is missing, and CI must not skip what it holds"
        pytest.skip("no catalog of real data beside the repository")
    return SHARED / path


def ns(time: str) -> int:
    return int(np.datetime64(time, "ns").astype(np.int64))


def perp(*venues: InstrumentId, name: str = "hedge", **how: object) -> carry_strategy.Leg:
    weights = tuple((venue, 1 / len(venues)) for venue in venues)
    return carry_strategy.Leg(name, "perp", ALL, side="short", venues=weights, **how)


def spot(instrument: InstrumentId = BYBIT_SPOT) -> carry_strategy.Leg:
    return carry_strategy.Leg("coin", "spot", ALL, instrument=instrument, asset="ETH")


def lend(asset: str = "USDT", **how: object) -> carry_strategy.Leg:
    return carry_strategy.Leg(f"lend {asset}", "lend", ALL, pool="aave_v3", asset=asset, **how)


def stake(lst: str = "weETH", **how: object) -> carry_strategy.Leg:
    return carry_strategy.Leg(f"stake {lst}", "stake", ALL, lst=lst, **how)


def loop(lst: str = "weETH", **how: object) -> carry_strategy.Leg:
    return carry_strategy.Leg(f"loop {lst}", "loop", ALL, lst=lst, pool="aave_v3", debt="WETH", ltv=0.65, **how)


def strategy(*legs: carry_strategy.Leg, usd: InstrumentId | None = None, **how: object) -> carry_strategy.CarryStrategy:
    """``how``: holes, proxies, legacy, costs, timeframe, file."""
    marks = carry_strategy.Marks(
        str(how.get("holes", "carry")),
        MappingProxyType({} if usd is None else {"ETH": usd}),
        MappingProxyType(dict(how.get("proxies", {}))),
    )
    return carry_strategy.CarryStrategy(
        file=str(how.get("file", "by_hand.yaml")),
        text="",
        name="by_hand",
        share_class="USDT",
        capital=100_000.0,
        timeframe=str(how.get("timeframe", "1h")),
        legs=legs,
        bands=carry_strategy.Bands(),
        costs=how.get("costs", carry_strategy.Costs()),
        marks=marks,
        flows=(),
        reserve=0.0,
        legacy=how.get("legacy", carry_strategy.Legacy()),
        parameters=MappingProxyType({}),
        warnings=(),
        config_hash="",
        share=carry_strategy.ShareClass("USDT", 6, True, 15.0, 3.0),
        venues=MappingProxyType({}),
    )
