"""The money of a run in plain Python: wallet, equity, what is promised, sizes, and every check before an entry."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from differential.domain import (
    ACCOUNT_DEFAULTS,
    TIE,
    Instance,
    Instrument,
    Order,
    Position,
    Strategy,
    floor_to,
    is_above,
    slack,
)
from differential.trees import Doubt


@dataclass
class Account:
    """Wallet and limits; equity is the wallet and the result of what is held at the marks."""

    instances: Sequence[Instance]
    strategies: Sequence[Strategy]
    wallet: float
    doubt: Doubt = field(default_factory=Doubt)
    limits: dict[str, float | None] = field(default_factory=dict)
    peak: float = 0.0
    day_equity: float = 0.0
    is_day_lost: bool = False
    is_drawn_down: bool = False
    is_ruined: bool = False
    fees: float = 0.0
    funding: float = 0.0
    slippage: float = 0.0
    turnover: float = 0.0

    def __post_init__(self) -> None:
        self.peak = self.day_equity = self.initial = self.wallet
        self.limits = dict(ACCOUNT_DEFAULTS)
        for strategy in self.strategies:
            self.limits |= strategy.source.get("account") or {}

    # What is held and promised

    def held(self) -> Iterator[tuple[Instance, Position]]:
        for own in self.instances:
            if own.position:
                yield own, own.position

    def waiting(self, besides: Instance | None = None) -> Iterator[tuple[Instance, float]]:
        """Entries that wait, with the price they were asked at: what they hold is theirs until they fill."""
        for own in self.instances:
            is_waiting = own.entry and (own.entry.is_open or own.state == "RELEASING")
            if own is not besides and own.entry and is_waiting:
                yield own, own.entry.asked_price

    def result(self, own: Instance, position: Position) -> float:
        mark = own.instrument.mark
        assert mark is not None, "what is held has a price"
        return position.side * (mark - position.entry) * position.qty * own.instrument.multiplier

    def equity(self) -> float:
        return self.wallet + sum(self.result(own, position) for own, position in self.held())

    def margin_used(self, besides: Instance | None = None) -> float:
        """Margins of what is held and of what waits."""
        held = sum(p.qty * p.entry * own.instrument.multiplier / p.leverage for own, p in self.held())
        return held + sum(
            own.entry.qty * price * own.instrument.multiplier / own.strategy.leverage
            for own, price in self.waiting(besides)
            if own.entry
        )

    def cost_of(self, strategy: Strategy, instrument: Instrument, price: float) -> float:
        """What one unit at this price costs in money: all of it (spot) or its margin, with fee and fixed slippage."""
        slippage = strategy.costs.get("slippage") or {}
        slip = slippage["bps"] / 1e4 if slippage.get("type") == "fixed" else 0.0
        paid = price * (1.0 + strategy.side * slip) * instrument.multiplier
        share = 1.0 / strategy.leverage if instrument.has_margin else 1.0
        return paid * (share + strategy.fee_bps(instrument, "taker") / 1e4)

    def free(self, instrument: Instrument, besides: Instance | None = None) -> float:
        """The money that an entry may use; a remainder within 1e-9 of all there is counts as none."""
        if instrument.has_margin:
            left, whole = self.equity() - self.margin_used(besides), self.equity()
            return left if abs(left) > abs(whole) * TIE else 0.0
        held = sum(p.qty * p.entry * own.instrument.multiplier for own, p in self.held())
        promised = sum(
            own.entry.qty * self.cost_of(own.strategy, own.instrument, price)
            for own, price in self.waiting(besides)
            if own.entry
        )
        left = self.wallet - held - promised
        return left if abs(left) > abs(self.equity()) * TIE else 0.0

    # Sizes

    def size(self, own: Instance, price: float, stop: float | None) -> float | None:
        """The quantity of an entry, None when something of it is not known."""
        strategy, instrument = own.strategy, own.instrument
        size = strategy.z1.get("size") or {}
        value, unit = size["value"], price * instrument.multiplier
        if size["type"] == "fixed":
            notional = value
        elif size["type"] == "units":
            notional = value * unit
        elif size["type"] == "percentage":
            notional = (self.equity() - self.margin_used()) * value / 100.0
        else:
            assert stop is not None, "a risk has a stop"
            notional = self.equity() * value / 100.0 / (abs(price - stop) * instrument.multiplier) * unit
        if "scale" in size:
            known = own.values[size["scale"]["variant"]]
            if known is None:
                return None
            notional *= interpolate(size["scale"]["points"], known)
        if "clamp" in size:
            low, high = size["clamp"]
            notional = min(max(notional, low), high)
        qty = value if size["type"] == "units" and not {"scale", "clamp"} & set(size) else notional / unit
        if size["type"] == "percentage":
            most = floor_to(self.free(instrument) / self.cost_of(strategy, instrument, price), instrument.lot)
            least = size["clamp"][0] / unit if "clamp" in size else 0.0
            if 0 < most < qty and not is_above(least, most):  # what is less than the clamp allows is denied instead
                qty = most
        if instrument.lot:
            lots = qty / instrument.lot
            self.doubt.near(lots + slack(lots), round(lots))  # where floor_to draws its line
        return floor_to(qty, instrument.lot)

    # Checks

    def has_nothing(self) -> bool:
        """Whether the account is ruined, or is about to be."""
        return self.is_ruined or self.equity() <= 0

    def refusals(self, own: Instance, price: float, qty: float) -> set[str]:
        """The names of all checks that deny this entry."""
        instrument, strategy = own.instrument, own.strategy
        equity, unit = self.equity(), instrument.multiplier
        notional = qty * price * unit
        mark = instrument.mark
        assert mark is not None
        found: set[str] = set()

        def need(name: str, is_denied: bool) -> None:
            if is_denied:
                found.add(name)

        def above(limit: str, value: float) -> bool:
            most = self.limits[limit]
            return most is not None and is_above(value, most)

        def share_above(limit: str, value: float) -> bool:
            most = self.limits[limit]
            return most is not None and is_above(value, equity * most / 100.0)

        need("ruined", self.has_nothing())
        need("below_min_notional", is_above(instrument.rules.get("min_notional", 0), notional))
        need("max_position", share_above("max_position_pct", notional))
        need("max_symbol", share_above("max_symbol_pct", notional + self._in_symbol(instrument)))
        need("max_portfolio", share_above("max_portfolio_pct", notional + self._in_portfolio()))
        need("max_order_notional", above("max_order_notional", notional))
        need("price_band", above("price_band_pct", abs(price - mark) / mark * 100.0))
        positions = sum(1 for _ in self.held()) + sum(1 for other, _ in self.waiting() if not other.position)
        most = self.limits["max_positions"]
        need("max_positions", most is not None and positions >= most)
        tier_most = instrument.leverage_max(notional)
        need("max_leverage", above("max_leverage", strategy.leverage))
        need("max_leverage", tier_most is not None and is_above(strategy.leverage, tier_most))
        share = self.limits["max_margin_pct"]
        used = self.margin_used() + notional / strategy.leverage
        need("max_margin", share is not None and not is_above(equity * share / 100.0, used))
        need("insufficient_cash", is_above(qty * self.cost_of(strategy, instrument, price), self.free(instrument)))
        self._account_stops(need, equity)
        return found

    def _in_symbol(self, instrument: Instrument) -> float:
        held = sum(p.qty * (o.instrument.mark or 0) for o, p in self.held() if o.instrument is instrument)
        promised = sum(o.entry.qty * p for o, p in self.waiting() if o.instrument is instrument and o.entry)
        return (held + promised) * instrument.multiplier

    def _in_portfolio(self) -> float:
        held = sum(p.qty * (own.instrument.mark or 0) * own.instrument.multiplier for own, p in self.held())
        return held + sum(o.entry.qty * p * o.instrument.multiplier for o, p in self.waiting() if o.entry)

    def _account_stops(self, need: Any, equity: float) -> None:
        need("daily_loss", self.is_day_lost or self._loses_day(equity))
        need("max_drawdown", self.is_drawn_down or self._draws_down(equity))

    def _loses_day(self, equity: float) -> bool:
        most = self.limits["daily_loss_pct"]
        return most is not None and is_above(self.day_equity - equity, self.day_equity * most / 100.0)

    def _draws_down(self, equity: float) -> bool:
        most = self.limits["max_drawdown_pct"]
        return most is not None and not is_above(self.peak * most / 100.0, self.peak - equity)

    def strategy_refusals(self, own: Instance, now_ns: int) -> set[str]:
        """The names of the strategy's own limits that deny an entry."""
        strategy, limits = own.strategy, own.strategy.limits
        found = set()
        waiting = sum(1 for other, _ in self.waiting() if other.strategy is strategy and not other.position)
        if "max_daily_trades" in limits and strategy.entries_today + waiting >= limits["max_daily_trades"]:
            found.add("max_daily_trades")
        if "max_losses_in_row" in limits and strategy.losses_in_row >= limits["max_losses_in_row"]:
            found.add("loss_streak")
        if "loss_cooldown_min" in limits and strategy.last_loss_ts is not None:
            if now_ns < strategy.last_loss_ts + limits["loss_cooldown_min"] * 60 * 1_000_000_000:
                found.add("loss_cooldown")
        if "daily_loss_pct" in limits:
            loss = strategy.day_result - self.result_of(strategy)
            if is_above(loss, self.day_equity * limits["daily_loss_pct"] / 100.0):
                found.add("strategy_daily_loss")
        return found

    def result_of(self, strategy: Strategy) -> float:
        """All that a strategy gained, with what it holds."""
        return strategy.result + sum(self.result(own, p) for own, p in self.held() if own.strategy is strategy)

    # Time

    def begin_day(self) -> None:
        self.day_equity = self.equity()
        self.is_day_lost = False
        for strategy in self.strategies:
            strategy.losses_in_row = 0
            strategy.entries_today = 0
            strategy.day_result = self.result_of(strategy)

    def watch(self) -> float:
        """Set the stops of the account that the equity of now asks for; that equity."""
        equity = self.equity()
        self.is_day_lost |= self._loses_day(equity)
        self.is_drawn_down |= self._draws_down(equity)
        return equity

    def record(self) -> tuple[float, float, float]:
        """Equity, cash and drawdown in percent at the end of an instant."""
        equity = self.watch()
        self.peak = max(self.peak, equity)
        self.doubt.of(self.initial + equity, self.initial)
        self.is_ruined |= equity <= 0
        return equity, self.wallet, (self.peak - equity) / self.peak * 100.0


def price_of(order: Order, instrument: Instrument) -> float:
    """The price at which an entry is sized and judged: its stop, its own price, or the mark."""
    found = order.stop_price if order.stop_price is not None else order.price
    found = instrument.mark if found is None else found
    assert found is not None
    return found


def interpolate(points: Sequence[Sequence[float]], x: float) -> float:
    """Linear between the points, flat outside."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y0 + (x - x0) / (x1 - x0) * (y1 - y0)
    return points[-1][1]
