"""What may be traded, and in which steps: prices in increments, quantities in lots, both exact."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TierRule:
    """Margin rules of positions up to ``notional_max`` (infinite in the last tier); rates are fractions."""

    notional_max: float
    maintenance_rate: float
    leverage_max: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A perpetual contract. Prices and quantities have ``price_digits`` and ``lot_digits`` decimals.

    ``tick_units``, ``lot_units``: increments in the last decimal. ``qty_max``, ``market_qty_max``: lots. ``depth``:
    typical lots of a price level. ``status``: TRADING, or the venue's word for not trading.
    """

    symbol: str
    base: str
    price_digits: int
    lot_digits: int
    tick_units: int
    lot_units: int
    qty_max: int
    market_qty_max: int
    notional_min: float
    taker_rate: float
    maker_rate: float
    depth: int
    tiers: tuple[TierRule, ...]
    status: str = "TRADING"
    band_up: float = 1.05
    band_down: float = 0.95

    @property
    def tick(self) -> float:
        """Price increment."""
        return self.price(1)

    @property
    def is_trading(self) -> bool:
        """Whether orders are taken."""
        return self.status == "TRADING"

    def qty(self, lots: int) -> float:
        """Return base units of lots: the float nearest to the decimal."""
        return lots * self.lot_units / int(10**self.lot_digits)

    def lots(self, qty: float) -> int:
        """Return the whole lots nearest to a quantity."""
        return round(qty * int(10**self.lot_digits) / self.lot_units)

    def ticks(self, price: float) -> int:
        """Return the increments nearest to a price."""
        return round(price * int(10**self.price_digits) / self.tick_units)

    def price(self, ticks: int) -> float:
        """Return the price of increments: the float nearest to the decimal."""
        return ticks * self.tick_units / int(10**self.price_digits)

    def qty_text(self, lots: int) -> str:
        """Return a quantity as the wire writes it."""
        return f"{Decimal(lots * self.lot_units).scaleb(-self.lot_digits):f}"

    def price_text(self, price: float) -> str:
        """Return a price as the wire writes it."""
        return f"{price:.{self.price_digits}f}"

    def tier(self, notional: float) -> tuple[TierRule, float]:
        """Return the tier of a notional, and the amount that makes the maintenance margin continuous."""
        cumulated, floor, rate = 0.0, 0.0, self.tiers[0].maintenance_rate
        for rule in self.tiers:
            cumulated += floor * (rule.maintenance_rate - rate)
            rate = rule.maintenance_rate
            if notional <= rule.notional_max:
                return rule, cumulated
            floor = rule.notional_max
        return self.tiers[-1], cumulated

    def maintenance(self, notional: float) -> float:
        """Return the maintenance margin of a position."""
        rule, cumulated = self.tier(notional)
        return notional * rule.maintenance_rate - cumulated


def decimals(step: float) -> tuple[int, int]:
    """Return the decimals of a step and its units in the last of them: 0.05 gives (2, 5), 100 gives (0, 100)."""
    exact = Decimal(repr(step)).normalize()
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int), f"{step} is no number"
    digits = max(-exponent, 0)
    return digits, int(exact.scaleb(digits))
