"""A scenario without an end: rounds of 90 minutes, each begun at the price the last one ended with.

Besides the coins of the scenario there are two large markets, BTCUSDT and ETHUSDT, which never have an event. Before
the first round lies a past of one-minute bars, drawn backwards from its first price.
"""

from dataclasses import replace

import numpy as np

from tightloop.adapters.data._shared import Stream, exp_6, to_digits
from tightloop.adapters.data.tick_sample.scenarios import QUIET_S, SCENARIOS, SECONDS, LabMarket
from tightloop.adapters.data.tick_sample.tape import Columns, Course, TickCoin, make_tape

ROUND_S = SECONDS
FIRST_EVENT_S = QUIET_S
"""No event of a round begins before this."""
LARGE = (
    TickCoin("BTCUSDT", 60_000.0, 1, 0.001, 0.02, 2.0, 1.2, 12.0, 100),
    TickCoin("ETHUSDT", 2_500.0, 2, 0.001, 0.4, 1.5, 1.2, 15.0, 75),
)
"""Two large markets: price, decimals, lot, median order, orders a second, spread, calm move, leverage."""
_PAST_STEP = 0.0009
_ORDERS_A_MINUTE = 40.0


def round_markets(scenario: str, seed: int) -> list[LabMarket]:
    """Return the markets of the first round of a scenario: the large ones, then its coins."""
    large = [LabMarket(coin, Course(), ()) for coin in LARGE]
    return large + SCENARIOS[scenario](seed)


def round_tape(
    scenario: str, seed: int, symbol: str, number: int, price: float, start_ns: int
) -> tuple[Columns, Columns]:
    """Return trades and quotes of a symbol in round ``number`` (from 0), which begins at ``start_ns`` and ``price``."""
    market = next(found for found in round_markets(scenario, seed + number) if found.coin.symbol == symbol)
    stream = Stream(seed, 6, number, *symbol.encode())
    return make_tape(stream, replace(market.coin, price=price), market.course, start_ns, ROUND_S)


def past_bars(seed: int, coin: TickCoin, minutes: int) -> Columns:
    """Return columns open, high, low, close, volume of the minutes that end when the first round begins."""
    stream = Stream(seed, 7, *coin.symbol.encode())
    scale = coin.quiet_bps_5m * 1e-4 / 5.0**0.5 if coin.quiet_bps_5m else _PAST_STEP
    steps = stream.normal(minutes) * scale
    level = np.concatenate((-np.cumsum(steps[::-1])[::-1], [0.0]))
    prices = np.maximum(to_digits(coin.price * exp_6(level), coin.digits), coin.increment)
    open_, close = prices[:-1], prices[1:]
    reach = scale * 0.5
    high = to_digits(np.maximum(open_, close) * (1.0 + stream.uniform(minutes) * reach), coin.digits)
    low = to_digits(np.minimum(open_, close) * (1.0 - stream.uniform(minutes) * reach), coin.digits)
    lots = np.rint(coin.order / coin.lot * _ORDERS_A_MINUTE * (0.3 + 1.4 * stream.uniform(minutes)))
    return {
        "open": open_,
        "high": np.maximum(high, np.maximum(open_, close)),
        "low": np.maximum(np.minimum(low, np.minimum(open_, close)), coin.increment),
        "close": close,
        "volume": to_digits(np.maximum(lots, 4.0) * coin.lot, 6),
    }
