"""CPU time to load what a hedged loop reads over a catalog: spot, perp, funding, lending, staking, gas, hour by hour.

    python benches/carry_load.py CATALOG

Prints seconds of CPU after imports, the instants and the series; the best of five.
"""

import sys
import time
from pathlib import Path
from types import MappingProxyType

from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.model.carry.strategy import Bands, CarryStrategy, Costs, Gas, Leg, Legacy, Marks, Size
from tightloop.model.instruments import InstrumentId

SPOT, PERP = (InstrumentId("bybit", "ETHUSDT", market) for market in ("spot", "perp"))
ALL = Size("all")


def hedged_loop() -> CarryStrategy:
    """Half into ETH, staked and looped; the same short on a perp."""
    legs = (
        Leg("eth", "spot", ALL, instrument=SPOT, asset="ETH"),
        Leg("loop", "loop", ALL, source="eth", lst="weETH", pool="aave_v3", debt="WETH", ltv=0.65),
        Leg("hedge", "perp", ALL, side="short", venues=((PERP, 1.0),)),
    )
    return CarryStrategy(
        file="carry_load.py", text="", name="hedged_loop", share_class="USDT", capital=100_000.0, timeframe="1h",
        legs=legs, bands=Bands(), costs=Costs(gas=Gas()), marks=Marks(usd=MappingProxyType({"ETH": SPOT})), flows=(),
        reserve=0.0, legacy=Legacy(), parameters=MappingProxyType({}), warnings=(), config_hash="",
    )  # fmt: skip


def main() -> None:
    strategy, best = hedged_loop(), float("inf")
    for _ in range(5):
        begin = time.process_time()
        feed = load_carry_feed(strategy, Path(sys.argv[1]))
        best = min(best, time.process_time() - begin)
    print(f"{best:.3f} s of CPU for {len(feed.instants):,} instants of {len(feed.series)} series")


if __name__ == "__main__":
    main()
