"""A small market for the exchange twin: two symbols, a few prints and quotes a second, moods that change.

A mood is a drift and a noise for some seconds, so that strategies enter and leave, stops are hit and targets
are reached within a minute. Equal seeds give equal rows.
"""

import random

from tightloop.app.sandbox.listing import Listing, TierRule
from tightloop.app.sandbox.markets.source import Candle, print_row, quote_row
from tightloop.model.times import MINUTE_NS, SECOND_NS

TIERS = (TierRule(50_000.0, 0.005, 50), TierRule(float("inf"), 0.01, 20))
PAST_MINUTES = 30


def listing_of(symbol, price_digits, lot_digits, depth):
    return Listing(
        symbol=symbol, base=symbol.removesuffix("USDT"), price_digits=price_digits, lot_digits=lot_digits,
        tick_units=1, lot_units=1, qty_max=depth * 10_000, market_qty_max=depth * 1_000, notional_min=5.0,
        taker_rate=0.0005, maker_rate=0.0002, depth=depth, tiers=TIERS,
    )  # fmt: skip


LISTINGS = (listing_of("BTCUSDT", 1, 3, 2_000), listing_of("ETHUSDT", 2, 3, 20_000))
PRICES = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0}


class SmallMarket:
    """The market. ``per_s``: prints a second of a symbol, on the mean; ``funding_in_s``: when funding settles first."""

    is_synthetic = True

    def __init__(self, seed, start_ns, per_s=2.0, funding_in_s=None):
        self._seed, self.per_s = seed, per_s
        hours_ns = 8 * 3_600 * SECOND_NS
        if funding_in_s is not None:
            start_ns = start_ns // hours_ns * hours_ns + hours_ns - int(funding_in_s * SECOND_NS)
        self.start_ns, self.begin_ns = start_ns, (start_ns - 5 * SECOND_NS) // MINUTE_NS * MINUTE_NS
        self.listings = LISTINGS

    def rows(self):
        draw = random.Random(f"{self._seed} market")
        ticks = {one.symbol: one.ticks(PRICES[one.symbol]) for one in self.listings}
        moods = dict.fromkeys(ticks, (0.0, 1.0, 0))
        now_ns = max(self.begin_ns, self.start_ns - 5 * SECOND_NS)
        for one in self.listings:
            bid = one.price(ticks[one.symbol])
            yield quote_row(now_ns, one.symbol, bid, one.depth, one.price(ticks[one.symbol] + 1), one.depth)
            yield print_row(now_ns + 1, one.symbol, bid, 10, True)
        while True:
            now_ns += int(draw.expovariate(self.per_s * len(self.listings)) * SECOND_NS) + 1_000_000
            one = draw.choice(self.listings)
            drift, noise, until_ns = moods[one.symbol]
            if now_ns >= until_ns:
                until_ns = now_ns + int(draw.uniform(2.0, 15.0) * SECOND_NS)
                drift, noise = draw.uniform(-3e-4, 3e-4), draw.choice((2e-5, 1e-4, 4e-4))
                moods[one.symbol] = drift, noise, until_ns
            centre = ticks[one.symbol] / one.ticks(PRICES[one.symbol]) - 1.0
            move = drift + draw.gauss(0.0, noise) - 0.01 * centre
            ticks[one.symbol] = max(1_000, round(ticks[one.symbol] * (1.0 + move)))
            bid, ask = ticks[one.symbol], ticks[one.symbol] + draw.randint(1, 3)
            sizes = draw.randint(1, one.depth), draw.randint(1, one.depth)
            yield quote_row(now_ns, one.symbol, one.price(bid), sizes[0], one.price(ask), sizes[1])
            is_sell = draw.random() < 0.5
            price = one.price(bid if is_sell else ask)
            yield print_row(now_ns + 500_000, one.symbol, price, draw.randint(1, one.depth // 4), is_sell)

    def past(self, symbol):
        one = next(found for found in self.listings if found.symbol == symbol)
        draw = random.Random(f"{self._seed} past {symbol}")
        found, price = [], PRICES[symbol]
        for at in range(PAST_MINUTES):
            close = one.price(one.ticks(PRICES[symbol] * (1.0 + draw.gauss(0.0, 5e-4))))
            open_ns = self.begin_ns - (PAST_MINUTES - at) * MINUTE_NS
            candle = Candle(open_ns, price, max(price, close), min(price, close), close, 400, 200)
            candle.quote, candle.buy_quote, candle.count = one.qty(400) * price, one.qty(200) * price, 4
            found.append(candle)
            price = close
        return found

    def rate(self, symbol, ts_ns):
        return round(random.Random(f"{self._seed} {symbol} {ts_ns}").uniform(-2e-4, 3e-4), 8)
