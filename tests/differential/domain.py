"""What the plain simulator speaks of: instruments, strategies as their files say them, orders, positions, instances."""

from dataclasses import dataclass, field
from math import ceil, floor
from typing import Any

from differential.indicators import Bar, Series
from differential.trees import Doubt, Tree

SECOND_NS = 1_000_000_000
STEPS_NS = {
    name: seconds * SECOND_NS
    for name, seconds in {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400}.items()
}
DAY_NS = STEPS_NS["1d"]
TIE = 1e-9

ACCOUNT_DEFAULTS: dict[str, float | None] = {
    "max_position_pct": 10,
    "max_positions": 3,
    "max_symbol_pct": 30,
    "daily_loss_pct": 5,
    "max_drawdown_pct": 15,
    "max_margin_pct": 80,
    "max_leverage": 10,
    "max_order_notional": None,
    "price_band_pct": None,
    "max_portfolio_pct": None,
}


def is_above(value: float, limit: float) -> bool:
    """Whether a value is above a limit; within 1e-9 of it, it is equal."""
    return value > limit + TIE * max(abs(value), abs(limit))


def slack(steps: float) -> float:
    """How far below a whole number of steps still counts as on it: 1e-9 of a step, or a float's last bits."""
    return max(TIE, abs(steps) * 4.0 * 2.0**-53)


def floor_to(value: float, step: float) -> float:
    return floor(value / step + slack(value / step)) * step if step else value


def ceil_to(value: float, step: float) -> float:
    return ceil(value / step - slack(value / step)) * step if step else value


@dataclass
class Instrument:
    """An instrument, its rules and its bars."""

    name: str
    bars: list[Bar]
    rates: list[tuple[int, float]]
    rules: dict[str, Any]
    mark: float | None = None
    volume_before: float = 0.0
    at: int = -1  # the bar that is under way, or was the last

    def __post_init__(self) -> None:
        self.is_spot = self.name.endswith("-spot")
        self.has_margin = not self.is_spot or bool(self.rules.get("margin"))
        self.increment = float(self.rules.get("price_increment", 0))
        self.lot = float(self.rules.get("lot_size", 0))
        self.multiplier = float(self.rules.get("contract_size", 1))
        self.tiers = self.rules.get("margin_tiers") or [{"maintenance_pct": 0.5}]

    def leverage_max(self, notional: float) -> float | None:
        """The highest leverage that the tier of a notional allows."""
        for tier in self.tiers:
            if "notional_max" not in tier or not is_above(notional, tier["notional_max"]):
                return tier.get("leverage_max")
        return self.tiers[-1].get("leverage_max")

    def liquidation_price(self, side: int, entry: float, qty: float, leverage: float) -> float | None:
        """Where margin plus result is the maintenance margin; None where that is no price.

        Each tier's rate is of the part of the notional, at that price, that lies in the tier.
        """
        if not self.has_margin:
            return None
        own = qty * self.multiplier
        saved, below, rate, price = 0.0, 0.0, 0.0, 0.0
        for tier in self.tiers:
            saved += below * (tier["maintenance_pct"] / 100.0 - rate)
            rate = tier["maintenance_pct"] / 100.0
            below = tier.get("notional_max", float("inf"))
            price = (own * entry - side * (own * entry / leverage + saved)) / (own * (1.0 - side * rate))
            if own * price <= below:
                break
        return price if price > 0 else None

    def away(self, price: float, is_long: bool) -> float:
        """A protective stop on the grid: a long's down, a short's up."""
        return floor_to(price, self.increment) if is_long else ceil_to(price, self.increment)


@dataclass
class Order:
    """A row of orders.parquet under way."""

    strategy: str
    instrument: str
    side: int
    type: str
    role: str
    qty: float
    submitted_ts: int
    tif: str = "GTC"
    price: float | None = None
    stop_price: float | None = None
    reduce_only: bool = True
    state: str = "ACCEPTED"
    reason: str | None = None
    reasons: frozenset[str] = frozenset()
    filled_qty: float = 0.0
    paid: float = 0.0
    updated_ts: int = 0
    expires_ts: int | None = None
    post_only: bool = False
    is_new: bool = True
    is_triggered: bool = False
    is_marketable: bool = False  # a target that the rest of its entry's bar was through: it takes at the next open
    asked_price: float = 0.0  # of an entry: what it was sized and judged at, and holds money by until it fills

    @property
    def is_open(self) -> bool:
        return self.state in ("ACCEPTED", "PARTIALLY_FILLED")

    def end(self, state: str, reason: str | None, now_ns: int) -> None:
        self.state, self.reason, self.updated_ts = state, reason, now_ns


@dataclass
class Position:
    """What an instance holds, from flat to flat."""

    side: int
    leverage: float
    entry_ts: int
    qty: float = 0.0
    entry: float = 0.0
    bought: float = 0.0
    sold: float = 0.0
    sold_for: float = 0.0
    realized: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    slippage: float = 0.0
    best: float = 0.0
    distance: float = 0.0  # of a trail by a variant, in force
    is_armed: bool = True
    is_inside: bool = False  # entered inside the bar that is under way
    is_by_stop: bool = False


@dataclass
class Plan:
    """What an entry decided: what stop and targets are made of, once the entry is known."""

    reference: float  # the price at the decision
    values: dict[str, float | None]
    peak: float
    base: float | None


@dataclass
class Strategy:
    """A strategy file as its own words say it."""

    source: dict[str, Any]
    place: int
    losses_in_row: int = 0
    last_loss_ts: int | None = None
    entries_today: int = 0
    result: float = 0.0  # realised, with fees and funding
    day_result: float = 0.0  # its whole result at the beginning of the day

    def __post_init__(self) -> None:
        self.name: str = self.source["name"]
        self.side = 1 if self.source["direction"] == "LONG" else -1
        self.z1: dict[str, Any] = self.source["sections"]["Z1"]
        self.limits: dict[str, Any] = self.source.get("limits") or {}
        self.costs: dict[str, Any] = self.source.get("costs") or {}
        self.leverage = float(self.z1.get("leverage", 1))
        self.pays_funding = self.costs.get("funding", "on") != "off"
        self.order: dict[str, Any] = self.z1.get("order") or {"type": "market"}

    def fee_bps(self, instrument: Instrument, kind: str) -> float:
        default = 10.0 if instrument.is_spot else {"taker": 5.0, "maker": 2.0}[kind]
        return float(self.costs.get(f"{kind}_bps", instrument.rules.get(f"{kind}_bps", default)))

    def cooldown_ns(self, section: str) -> int:
        own = self.source["sections"].get(section) or {}
        return round(own.get("cooldown_min", 0) * 60 * SECOND_NS)


@dataclass
class Instance:
    """One strategy on one instrument."""

    strategy: Strategy
    instrument: Instrument
    place: int
    series: dict[str, Series]
    doubt: Doubt
    state: str = "MONITORING"
    signal_ts: int = 0
    free_ts: int = 0  # no S1 before
    peak: float = 0.0
    base: float | None = None  # of a retracement, when the signal fired
    suppressed: str | None = None
    entry: Order | None = None
    exit: Order | None = None
    stop: Order | None = None
    targets: list[Order] = field(default_factory=list)
    position: Position | None = None
    plan: Plan | None = None
    verdicts: dict[str, bool | None] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)  # at the last evaluation
    values_now: dict[str, float | None] = field(default_factory=dict)  # at the close of the bar that ends
    evaluated_ts: int = -1
    evaluated_price: float | None = None
    is_set_off: bool = False  # its stop order was triggered in the bar that is under way

    def __post_init__(self) -> None:
        self.trees: dict[str, Tree] = {}
        for name, section in self.strategy.source["sections"].items():
            tree = {key: own for key, own in section.items() if key in ("all", "any", "not", "hold", "seq")}
            if tree:
                self.trees[name] = Tree(tree, self.doubt)

    @property
    def has_signal(self) -> bool:
        """Whether it takes a slot and locks its instrument."""
        return self.state != "MONITORING"
