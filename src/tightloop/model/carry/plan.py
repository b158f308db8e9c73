"""Builds the arrays that compiled code runs on from a carry strategy: balances, holdings, legs, series.

Balances are created on demand, each (venue, kind, token) once, so that legs share the wallet and the cash of an
exchange as they do in reality. Indices of -1 mean none; NaN means unknown or off.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tightloop.core import families, limits
from tightloop.core.carry import apply as carry_apply
from tightloop.core.compiled import DISABLE_JIT, address_of
from tightloop.core.domain.carry import RESERVES, BalanceKind, LegKind, LegSize, SeriesKind
from tightloop.core.domain.types import Floats, Rows
from tightloop.core.limits import HOUR_NS
from tightloop.core.replay.carry import empty_venue
from tightloop.core.state import new_state
from tightloop.model.carry.strategy import STABLE, CarryStrategy, Leg, Size
from tightloop.model.carry.venues import packaged, unwrapped
from tightloop.model.errors import CapacityError, InputError
from tightloop.model.instruments import InstrumentId, base_and_quote

Key = tuple[str, str]
"""A series: (kind, name), such as ("price", "bybit:ETHUSDT-spot")."""

ROWS_PER_STEP = 2_048
DEXES = ("uniswap_v3", "curve")
"""On-chain exchanges: they trade from the wallet and keep no cash."""
KINDS = {kind.name.lower(): kind for kind in SeriesKind}
LEGS = {"spot": LegKind.SPOT, "lend": LegKind.LEND, "stake": LegKind.STAKE, "loop": LegKind.LOOP, "perp": LegKind.PERP}
SIZES = {
    "all": LegSize.ALL, "weight": LegSize.WEIGHT, "notional": LegSize.NOTIONAL, "units": LegSize.UNITS,
    "match": LegSize.MATCH,
}  # fmt: skip
INDICES = ("liquidity_index", "borrow_index")
TOTALS = ("supplied", "borrowed")
MODEL = {
    "rate_base": "base", "rate_below": "below", "rate_above": "above", "rate_optimal": "optimal",
    "reserve_factor": "reserve_factor",
}  # fmt: skip
"""Series of a pool's interest-rate model, and the RESERVE field of each."""


@dataclass(frozen=True, slots=True)
class BalanceName:
    """Name of a balance in result files; ``asset`` is the token."""

    venue: str
    kind: str
    asset: str


@dataclass(slots=True)
class CarryPlan:
    """All inputs of a carry run.

    ``series``: feed columns, in the core's order. ``states``, ``venues``: one record each. ``table``: function
    addresses. ``balances``, ``holdings``: names by number. ``rewards``: balance number by (leg, reward).
    """

    strategy: CarryStrategy
    series: tuple[Key, ...]
    states: Rows
    arena: Floats
    venues: Rows
    table: Any
    balances: tuple[BalanceName, ...]
    holdings: tuple[InstrumentId, ...]
    rewards: dict[tuple[str, str], int]
    rows_per_step: int = ROWS_PER_STEP

    @property
    def instruments(self) -> tuple[InstrumentId, ...]:
        """Traded instruments by the number that a kill switch uses: those of spot legs, then perpetuals."""
        spot = [leg.instrument for leg in self.strategy.legs if leg.instrument is not None]
        return tuple(dict.fromkeys([*spot, *self.holdings]))

    @property
    def cash(self) -> int:
        """Number of the balance that receives deposits."""
        return int(self.states[0]["carry"]["cash"])


def reserves_of(leg: Leg) -> Iterator[tuple[str, str]]:
    """Yield (pool, asset) for what a leg supplies and borrows."""
    supplied = leg.lst if leg.kind == "loop" else leg.asset if leg.kind == "lend" else None
    for asset in (supplied, leg.borrow, leg.debt):
        if leg.pool is not None and asset is not None:
            yield leg.pool, asset


def make_carry_plan(strategy: CarryStrategy, series: Sequence[Key]) -> CarryPlan:
    """Build the plan over the available series. Raises InputError if a leg lacks one, CapacityError at a limit."""
    return _Layout(strategy, series).plan()


class _Layout:
    """Fills the records of one plan; ``plan`` is called once."""

    def __init__(self, strategy: CarryStrategy, series: Sequence[Key]) -> None:
        self.strategy = strategy
        self.series = tuple(sorted((key for key in series if key[0] in KINDS), key=lambda key: int(KINDS[key[0]])))
        self._at = {key: at for at, key in enumerate(self.series)}
        self.states, self.venues = new_state(), empty_venue()
        self.state, self.carry, self.venue = self.states[0], self.states[0]["carry"], self.venues[0]
        self.books = self.carry["books"]
        self.assets: list[str] = []
        self.tokens: list[str] = []
        self.balances: list[BalanceName] = []
        self.places: list[str] = []
        self.holdings: list[InstrumentId] = []
        self.rewards: dict[tuple[str, str], int] = {}
        self._accounts: dict[tuple[str, str], bool] = {}

    def plan(self) -> CarryPlan:
        """Fill all records: legs create assets, tokens and balances on the way, so counts are written last."""
        strategy = self.strategy
        self._capacity("SERIES_MAX", len(self.series))
        self._capacity("LEGS_MAX", len(strategy.legs))
        for index, (kind, _) in enumerate(self.series):
            self.books["series"][index] = (int(KINDS[kind]), math.nan)
        self.books["series_count"] = len(self.series)
        self.books["share"] = self._asset(strategy.share_class)
        self._asset(STABLE)
        self.carry["cash"] = self._balance("wallet", BalanceKind.WALLET, strategy.share_class)
        for index, leg in enumerate(strategy.legs):
            self._leg(index, leg)
        self.carry["leg_count"] = len(strategy.legs)
        for pool, asset in dict.fromkeys(reserve for leg in strategy.legs for reserve in reserves_of(leg)):
            self._reserve(f"{pool}/{asset}")
        self._numbers()
        self._gas()
        if strategy.costs.transfer_delay_h > 0:
            for token in [t for t in self.tokens if t in self.assets]:
                self._balance("transit", BalanceKind.TRANSIT, token)
        self._counts()
        self._venue()
        functions = [address_of(carry_apply.apply), address_of(families.load("carry").decide)]
        self.carry["address"], self.carry["family"] = 0, 1
        return CarryPlan(
            strategy, self.series, self.states, np.full(1, math.nan), self.venues,
            functions if DISABLE_JIT else np.array(functions, np.int64), tuple(self.balances), tuple(self.holdings),
            self.rewards,
        )  # fmt: skip

    # Indices of names; each is created on first use

    def _capacity(self, name: str, wanted: int) -> None:
        allowed = getattr(limits, name)
        if wanted > allowed:
            raise CapacityError(f"{name}: this run needs {wanted}, and the limit is {allowed}; use fewer legs")

    def _series(self, kind: str, name: str) -> int:
        """Return the number of a series. Raises InputError if it is not available."""
        if (kind, name) not in self._at:
            message = f"no source provides the {kind.replace('_', ' ')} of {name}"
            remedy = "add it to the catalog, or name an instrument that prices it under marks.usd"
            raise InputError.one(self.strategy.file, None, "legs", message, remedy)
        return self._at[kind, name]

    def _maybe(self, kind: str, name: str) -> int:
        """Return the number of a series, or -1."""
        return self._at.get((kind, name), -1)

    def _asset(self, name: str) -> int:
        """Return the number of an asset, created on first use together with its price source."""
        if name in self.assets:
            return self.assets.index(name)
        self._capacity("ASSETS_MAX", len(self.assets) + 1)
        index = len(self.assets)
        self.assets.append(name)
        row = self.books["assets"][index]
        row["price_series"] = -1
        # If nothing prices the share class in USD, it is the unit of account, and USD assets have no price.
        in_share = self.strategy.share_class != STABLE and self.strategy.share_class not in self.strategy.marks.usd
        row["usd"] = 1.0 if name == (self.strategy.share_class if in_share else STABLE) else math.nan
        row["price"] = 1.0 if name == self.strategy.share_class else math.nan
        if name != STABLE:
            priced_by = self.strategy.marks.usd.get(name)
            if priced_by is not None:
                kind = "mark" if priced_by.market == "perp" else "price"
                row["price_series"] = self._series(kind, str(priced_by))
            elif ("price", name) in self._at:
                row["price_series"] = self._at["price", name]
        return index

    def _token(self, name: str) -> int:
        if name not in self.tokens:
            self._capacity("TOKENS_MAX", len(self.tokens) + 1)
            self.tokens.append(name)
        return self.tokens.index(name)

    def _balance(self, place: str, kind: BalanceKind, token: str, asset: str | None = None, **numbers: int) -> int:
        """Return the number of a balance, created on first use; ``numbers`` sets fields of its record.

        ``token``: what is held (aUSDT). ``asset``: what prices it (USDT), the token itself if None.
        """
        name = BalanceName(place, kind.name.lower(), token)
        if name in self.balances:
            index = self.balances.index(name)
            for field, value in numbers.items():
                self.books["balances"][index][field] = value
            return index
        self._capacity("BALANCES_MAX", len(self.balances) + 1)
        row = self.books["balances"][len(self.balances)]
        row["venue"] = self._place(place)
        row["kind"], row["token"] = int(kind), self._token(token)
        row["asset"] = self._asset(asset or token)
        row["index_series"] = row["rate_series"] = -1
        row["sign"] = 1
        for field, value in numbers.items():
            row[field] = value
        self.balances.append(name)
        return len(self.balances) - 1

    def _place(self, name: str) -> int:
        if name not in self.places:
            self.places.append(name)
        return self.places.index(name)

    # Legs

    def _leg(self, index: int, leg: Leg) -> None:
        row = self.carry["legs"][index]
        for field in (
            "match", "source", "price_series", "input", "venue_cash", "coin", "product", "debt", "borrowed", "flash",
            "base", "weth", "lst", "queue", "market_series", "supplied_series", "borrowed_series", "unwrapped",
        ):  # fmt: skip
            row[field] = -1
        row["kind"] = int(LEGS[leg.kind])
        row["wanted_side"] = math.nan
        names = [other.name for other in self.strategy.legs]
        row["size_kind"], row["size"] = self._size(leg.size)
        if leg.size.leg is not None:
            row["match"] = names.index(leg.size.leg)
        if leg.source is not None:
            row["source"] = names.index(leg.source)
        row["swap_rate"] = self.strategy.costs.swap_rate
        getattr(self, f"_{leg.kind}")(row, index, leg)

    @staticmethod
    def _size(size: Size | None) -> tuple[int, float]:
        """Return kind and value of a size; NaN where the kind has no value."""
        if size is None:
            return int(LegSize.NOTIONAL), 0.0
        return int(SIZES[size.kind]), math.nan if size.value is None else size.value

    def _spot(self, row: Any, _: int, leg: Leg) -> None:
        """Write a spot leg. On an on-chain exchange it trades from the wallet."""
        assert leg.instrument is not None, "a spot leg has an instrument"
        base, quote = base_and_quote(leg.instrument)
        venue = leg.instrument.venue
        row["price_series"] = self._series("price", str(leg.instrument))
        rate = self.strategy.costs.spot_by_venue.get(venue, self.strategy.costs.spot_rate)
        sizes = self.strategy.costs.spot_by_size.get(f"{base}/{quote}", (rate, rate, rate))
        row["rate_small"], row["rate_medium"], row["fee_rate"] = sizes
        if venue in DEXES:
            row["venue_cash"] = self._balance("wallet", BalanceKind.WALLET, quote)
            row["coin"] = self._balance("wallet", BalanceKind.WALLET, base)
            if self.strategy.legacy.is_on:
                row["coin"] = self._balance(venue, BalanceKind.VENUE, base)
        else:
            row["venue_cash"] = self._balance(venue, BalanceKind.VENUE, quote)
            row["coin"] = self._balance(venue, BalanceKind.VENUE, base)

    def _lend(self, row: Any, _: int, leg: Leg) -> None:
        """Write a lending leg: supply, and with ``borrow`` a loan against it."""
        assert leg.pool, "a lending leg has a pool"
        assert leg.asset, "a lending leg has an asset"
        name = f"{leg.pool}/{leg.asset}"
        priced = unwrapped(leg.asset)
        index = self._series("liquidity_index", name)
        place = self._account(leg, f"a{leg.asset}", None if leg.borrow is None else f"debt{leg.borrow}")
        row["product"] = self._balance(place, BalanceKind.SUPPLIED, f"a{leg.asset}", priced, index_series=index)
        row["input"] = self._balance("wallet", BalanceKind.WALLET, leg.asset, priced)
        row["gas_enter"], row["gas_exit"] = self._gas_of("supply"), self._gas_of("withdraw")
        if priced != leg.asset:
            row["wraps"] = 1
            row["base"] = self._balance("wallet", BalanceKind.WALLET, priced)
            row["weth"] = row["input"]
            row["gas_enter"] += self._gas_of("wrap")
            row["gas_exit"] += self._gas_of("wrap")
        else:
            row["base"] = row["input"]
        if leg.borrow is not None:
            assert leg.ltv is not None, "a leg that borrows has a loan to value"
            self._borrow(row, leg, leg.borrow, place)
            self._debt(row, leg)

    def _borrow(self, row: Any, leg: Leg, borrow: str, place: str) -> None:
        """Create the debt and the borrowed balance of a lending leg.

        A borrowed staking token is worth its rate in ETH. Borrowed WETH is unwrapped if a later leg takes it.
        """
        owed = self._series("borrow_index", f"{leg.pool}/{borrow}")
        priced, worth = unwrapped(borrow), {}
        if borrow in packaged().lsts:
            priced, worth = "ETH", {"rate_series": self._series("rate", borrow)}
        token = f"debt{borrow}"
        row["debt"] = self._balance(place, BalanceKind.DEBT, token, priced, index_series=owed, sign=-1, **worth)
        row["borrowed"] = self._balance("wallet", BalanceKind.WALLET, borrow, priced, **worth)
        row["gas_borrow"] = self._gas_of("borrow")
        if priced != borrow and not worth and any(other.source == leg.name for other in self.strategy.legs):
            row["unwrapped"] = self._balance("wallet", BalanceKind.WALLET, priced)
            row["gas_borrow"] += self._gas_of("wrap")

    def _account(self, leg: Leg, product: str, debt: str | None) -> str:
        """Return the pool account of a leg: the pool itself, or one of its own.

        A leg that borrows shares its tokens with no other leg, so that its collateral secures its own debt only.
        """
        assert leg.pool, "a leg on a pool names it"
        tokens = [product] if debt is None else [product, debt]
        for place in (leg.pool, f"{leg.pool}/{leg.name}"):
            used = [self._accounts[place, token] for token in tokens if (place, token) in self._accounts]
            if not used or (debt is None and not any(used)):
                break
        for token in tokens:
            self._accounts[place, token] = debt is not None
        return place

    def _debt(self, row: Any, leg: Leg) -> None:
        """Write loan terms and targets of a leg that borrows."""
        row["supplied_series"] = self._maybe("supplied", f"{leg.pool}/{leg.debt or leg.borrow}")
        row["borrowed_series"] = self._maybe("borrowed", f"{leg.pool}/{leg.debt or leg.borrow}")
        row["ltv"] = leg.ltv
        row["max_ltv"] = math.inf if leg.max_ltv is None else leg.max_ltv
        row["threshold"] = math.nan if leg.liquidation_threshold is None else leg.liquidation_threshold
        row["bonus"] = leg.liquidation_bonus
        row["entry_hf_min"] = leg.entry_hf_min or 0.0

    def _reserve(self, name: str) -> None:
        """Write the pool reserve of an asset, if its totals are known; with market impact, its rate model too."""
        has_impact = self.strategy.costs.market_impact
        totals = [self._series(kind, name) if has_impact else self._maybe(kind, name) for kind in TOTALS]
        if -1 in totals:
            return
        index = int(self.books["reserve_count"])
        assert index < RESERVES, "a reserve has an index and two totals, so there are three times as many series"
        row = self.books["reserves"][index]
        self.books["reserve_count"], self.books["has_impact"] = index + 1, int(has_impact)
        for kind in (*INDICES, *TOTALS):
            row[kind] = self._maybe(kind, name)
        for kind, field in MODEL.items():
            row[field] = self._series(kind, name) if has_impact else -1

    def _gas_of(self, operation: str) -> int:
        gas = self.strategy.costs.gas
        return 0 if gas is None else int(gas.units[operation])

    def _staked(self, row: Any, leg: Leg) -> int:
        """Write what stake and loop legs share; return the series of the LST's rate."""
        assert leg.lst is not None, "a leg that stakes names its LST"
        rate = self._series("rate", leg.lst)
        row["base"] = self._balance("wallet", BalanceKind.WALLET, "ETH")
        row["lst"] = self._balance("wallet", BalanceKind.LST, leg.lst, "ETH", rate_series=rate)
        row["market_series"] = self._maybe("market_rate", leg.lst)
        row["exit"] = int(leg.exit == "queue")
        row["queue_ns"] = int(leg.queue_h * HOUR_NS)
        if leg.exit == "queue":
            row["queue"] = self._balance(leg.staking_venue or leg.lst, BalanceKind.QUEUE, "ETH")
        for reward in leg.rewards:
            self.rewards[leg.name, reward.upper()] = -1
        self.carry["dust"] = leg.dust
        return rate

    def _stake(self, row: Any, _: int, leg: Leg) -> None:
        self._staked(row, leg)
        row["product"] = row["lst"]
        row["gas_enter"] = self._gas_of("stake")
        row["gas_exit"] = self._gas_of("unstake" if leg.exit == "queue" else "swap")

    def _loop(self, row: Any, _: int, leg: Leg) -> None:
        assert leg.pool, "a loop has a pool"
        assert leg.debt, "a loop has a debt"
        assert leg.ltv is not None, "a loop has a loan to value"
        rate = self._staked(row, leg)
        supplied = self._series("liquidity_index", f"{leg.pool}/{leg.lst}")
        borrowed = self._series("borrow_index", f"{leg.pool}/{leg.debt}")
        place = self._account(leg, f"a{leg.lst}", f"debt{leg.debt}")
        row["product"] = self._balance(
            place, BalanceKind.SUPPLIED, f"a{leg.lst}", "ETH", index_series=supplied, rate_series=rate
        )
        row["debt"] = self._balance(place, BalanceKind.DEBT, f"debt{leg.debt}", "ETH", index_series=borrowed, sign=-1)
        row["weth"] = self._balance("wallet", BalanceKind.WALLET, leg.debt, "ETH")
        row["flash"] = self._balance("flash", BalanceKind.FLASH, leg.debt, "ETH", sign=-1)
        row["flash_rate"] = leg.flash_bps / 1e4
        self._debt(row, leg)
        row["gas_enter"], row["gas_exit"] = self._gas_of("atomic_entry"), self._gas_of("atomic_deleverage")

    def _perp(self, row: Any, leg_index: int, leg: Leg) -> None:
        """Write a perp leg and one holding for each of its venues."""
        row["side"] = -1 if leg.side == "short" else 1
        row["margin_kind"], row["margin_size"] = self._size(leg.margin)
        row["holding_first"], row["holding_count"] = len(self.holdings), len(leg.venues)
        self._capacity("HOLDINGS_MAX", len(self.holdings) + len(leg.venues))
        if leg.signal is not None:
            row["is_signal"] = 1
            row["confidence_min"] = leg.signal.confidence
            row["stop_sd"], row["target_sd"] = leg.signal.stop_sd, leg.signal.target_sd
            row["sd_floor"], row["sd_cap"] = leg.signal.sd_floor, leg.signal.sd_cap
        for instrument, weight in leg.venues:
            base, quote = base_and_quote(instrument)
            holding = self.books["holdings"][len(self.holdings)]
            margin = quote if self.strategy.share_class == "ETH" else self.strategy.share_class
            holding["margin_account"] = self._balance(instrument.venue, BalanceKind.VENUE, margin, may_be_negative=1)
            holding["venue"] = self._place(instrument.venue)
            holding["base"], holding["quote"] = self._asset(base), self._asset(quote)
            holding["mark_series"] = self._series("mark", str(instrument))
            holding["high_series"], holding["low_series"] = -1, -1
            if leg.signal is not None:
                holding["high_series"] = self._series("high", str(instrument))
                holding["low_series"] = self._series("low", str(instrument))
            holding["leg"], holding["weight"] = leg_index, weight
            rate = self.strategy.costs.perp_by_venue.get(instrument.venue, self.strategy.costs.perp_rate)
            sizes = self.strategy.costs.perp_by_size or (rate, rate, rate)
            holding["rate_small"], holding["rate_medium"], holding["fee_rate"] = sizes
            holding["mark"] = holding["spot"] = holding["stop"] = holding["target"] = holding["before"] = math.nan
            asset = self.books["assets"][int(holding["base"])]
            if asset["price_series"] < 0 and base != self.strategy.share_class:
                asset["price_series"] = holding["mark_series"]
            self.holdings.append(instrument)

    # Scalar settings of the run

    def _numbers(self) -> None:
        """Write bands, costs, stops and initial values; NaN is off or unknown."""
        carry, bands, costs = self.carry, self.strategy.bands, self.strategy.costs
        for field, value in (
            ("equity_band", bands.equity), ("delta_band", bands.delta), ("ltv_band", bands.ltv),
            ("hf_floor", bands.hf_floor), ("margin_warn", bands.margin_warn), ("margin_resize", bands.margin_resize),
        ):  # fmt: skip
            carry[field] = math.nan if value is None else value
        carry["margin_low"] = self._maintenance() if bands.margin_liquidate is None else bands.margin_liquidate
        carry["reserve"] = self.strategy.reserve
        carry["transfer_fee"] = costs.transfer_fee
        carry["delay_ns"] = int(costs.transfer_delay_h * HOUR_NS)
        carry["is_legacy"] = int(self.strategy.legacy.is_on)
        carry["gas_twice"] = int(self.strategy.legacy.is_on and self.strategy.legacy.gas_twice)
        carry["fee_in_amount"] = int(self.strategy.legacy.is_on)
        for field in (
            "margin_min", "hf_min", "hf_start", "hf", "margin_ratio", "delta", "nav", "unit_price", "funding_rate",
            "hf_low", "ltv_high", "used_high", "margin_worst",
        ):  # fmt: skip
            carry[field] = math.nan
        for field in self.state["limits"].dtype.names:
            if field != "max_positions":
                self.state["limits"][field] = math.nan
        for field, limit in (
            ("daily_loss_pct", self.strategy.stops.daily_loss_pct),
            ("max_drawdown_pct", self.strategy.stops.max_drawdown_pct),
        ):
            self.state["limits"][field] = math.nan if limit is None else limit
        carry["monitors"] = math.nan
        self.state["alarm_equity"] = -math.inf
        self.state["capital"] = self.strategy.capital

    def _maintenance(self) -> float:
        """Return the highest maintenance margin of the venues with perpetuals; NaN if none is known."""
        rules = [self.strategy.venues[perp.venue] for perp in self.holdings if perp.venue in self.strategy.venues]
        return max((rule.maintenance_margin for rule in rules if rule.maintenance_margin is not None), default=math.nan)

    def _gas(self) -> None:
        carry, gas = self.carry, self.strategy.costs.gas
        carry["gas_series"] = carry["gas_balance"] = -1
        if gas is None:
            return
        carry["gas_series"] = self._series("gas", gas.chain)
        carry["gas_asset"] = self._asset("ETH")
        carry["gas_multiplier"] = gas.multiplier
        carry["gas_transfer"] = self._gas_of("transfer")
        if gas.owed_in is not None:
            carry["gas_balance"] = self._balance("gas", BalanceKind.GAS, "ETH", sign=-1)

    def _counts(self) -> None:
        for leg, reward in self.rewards:
            self.rewards[leg, reward] = self._balance("wallet", BalanceKind.REWARD, reward)
        self.books["asset_count"], self.books["token_count"] = len(self.assets), len(self.tokens)
        self.books["balance_count"], self.books["holding_count"] = len(self.balances), len(self.holdings)

    def _venue(self) -> None:
        self.venue["books"] = self.books
        self.venue["legs"] = self.carry["legs"]
        for field in ("leg_count", "cash", "delay_ns", "fee_in_amount", "transfer_fee"):
            self.venue[field] = self.carry[field]
        legacy, bands = self.strategy.legacy, self.strategy.bands
        self.venue["funding_on_entry"] = int(legacy.is_on and legacy.funding_on_entry)
        self.venue["margin_liquidate"] = bands.margin_liquidate or 0.0
        self.venue["has_rewards"] = int(bool(self.rewards))
