"""A validated carry strategy: legs, bands, costs, flows; all names resolved, all numbers in the core's units.

Built by ``read.py``, consumed by ``plan.py``. Shares and rates are fractions, amounts are in the asset that the field
names, times in ns UTC. None means off or not stated, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tightloop.model.instruments import InstrumentId

STABLE = "USDT"
SHARE_CLASSES = ("USDT", "ETH", "BTC")
LEG_KINDS = ("spot", "lend", "stake", "loop", "perp")


@dataclass(frozen=True, slots=True)
class VenueRules:
    """Fees and margins of a venue as fractions of the notional; ``min_notional`` in USDT.

    ``maintenance_margin``: the venue's liquidation threshold, for reports only; ``Bands.margin_liquidate`` is what
    liquidates.
    """

    kind: str
    spot_rate: float | None = None
    perp_rate: float | None = None
    min_notional: float = 0.0
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    leverage_max: float | None = None


@dataclass(frozen=True, slots=True)
class ShareClass:
    """The currency in which capital is subscribed, reported and redeemed.

    ``loop_leverage_max``: collateral over equity of a loop. ``perp_leverage_max``: notional of a perp over NAV.
    """

    asset: str
    decimals: int
    is_market_neutral: bool
    loop_leverage_max: float
    perp_leverage_max: float


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a leg.

    ``kind``: all (of the source), weight (fraction of NAV), notional (in the share class), units (of the leg's asset),
    match (the amount held by leg ``leg``).
    """

    kind: str
    value: float | None = None
    leg: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Prediction source of a directional leg.

    ``source``: file, http or baseline. ``where``: path or URL. ``confidence``: minimum to act on. ``stop_sd``,
    ``target_sd``: distances in standard deviations; the deviation is clipped to ``sd_floor``..``sd_cap`` (fractions).
    """

    source: str
    where: str | None
    confidence: float
    stop_sd: float
    target_sd: float
    sd_floor: float = 0.001
    sd_cap: float = 0.1


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg; which fields are set depends on ``kind``.

    ``asset``: what it holds or lends, unwrapped (ETH, not WETH).

    lend: ``pool``, ``asset`` (as the pool names it: USDT, WETH), ``borrow`` (asset) with ``ltv``. stake: ``lst``,
    ``staking_venue``, ``exit``, ``queue_h``, ``rewards``. loop: those of stake, and ``pool``, ``debt``, ``ltv``,
    ``flash_bps``. perp: ``side``, ``venues`` with weights that add up to 1, ``margin``, ``signal``.

    ``source``: the leg that funds this one, None for the wallet. A spot leg passes on what it holds, a lending leg what
    it borrowed. For a perp it is the source of the margin.
    """

    name: str
    kind: str
    size: Size
    source: str | None = None
    asset: str | None = None
    instrument: InstrumentId | None = None
    pool: str | None = None
    lst: str | None = None
    staking_venue: str | None = None
    exit: str = "market"
    queue_h: float = 0.0
    rewards: tuple[str, ...] = ()
    debt: str | None = None
    borrow: str | None = None
    is_emode: bool = False
    ltv: float | None = None
    max_ltv: float | None = None
    liquidation_threshold: float | None = None
    liquidation_bonus: float = 0.0
    flash_bps: float = 0.0
    entry_hf_min: float | None = None
    side: str | None = None
    venues: tuple[tuple[InstrumentId, float], ...] = ()
    margin: Size | None = None
    signal: Signal | None = None
    dust: float = 0.002


@dataclass(frozen=True, slots=True)
class Bands:
    """Thresholds that trigger rebalancing; None is off. Margin ratios: margin equity over notional at one venue."""

    equity: float | None = None
    delta: float | None = None
    ltv: float | None = None
    hf_floor: float | None = None
    margin_warn: float | None = None
    margin_resize: float | None = None
    margin_liquidate: float | None = None


@dataclass(frozen=True, slots=True)
class Gas:
    """Gas costs: hourly gas price times ``units`` of each operation times ``multiplier``.

    ``owed_in``: ETH for a liability marked to market; None to pay from the wallet at once.
    """

    multiplier: float = 1.2
    chain: str = "ethereum"
    owed_in: str | None = None
    units: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Costs:
    """Trading and transfer costs. Rates are fractions of the notional (0.0007 is 7 bps).

    ``*_by_venue`` overrides the rate of a venue. ``swap_rate``: LST swaps at market, on top of the market's discount.
    ``transfer_fee``: per transfer, in the share class. ``market_impact``: own supply and borrowing move pool rates.
    """

    spot_rate: float = 0.0
    perp_rate: float = 0.0
    spot_by_venue: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    perp_by_venue: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    swap_rate: float = 0.0
    transfer_delay_h: float = 0.0
    transfer_fee: float = 0.0
    gas: Gas | None = None
    market_impact: bool = False
    spot_by_size: Mapping[str, tuple[float, float, float]] = field(default_factory=lambda: MappingProxyType({}))
    perp_by_size: tuple[float, float, float] | None = None
    """``*_by_size`` replace the other rates: below 50,000 USD, below 500,000 USD, above. Spot by pair (ETH/USDT)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A deposit (positive) or withdrawal in the share class.

    ``speed``: fast (paid from free equity only) or slow (positions are unwound for it).
    """

    ts_ns: int
    amount: float
    speed: str


@dataclass(frozen=True, slots=True)
class Marks:
    """Price sources.

    ``holes``: carry (the last open stays in force) or refuse. ``usd``: the instrument that prices an asset.
    ``proxies``: instruments whose data replace those of another one.
    """

    holes: str = "carry"
    usd: Mapping[str, InstrumentId] = field(default_factory=lambda: MappingProxyType({}))
    proxies: Mapping[InstrumentId, InstrumentId] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Legacy:
    """Deviations of published runs from the exact convention; for reproducing them only."""

    is_on: bool = False
    funding_on_entry: bool = True
    stale_funding: bool = False
    gas_twice: bool = False
    first_rows: bool = True


@dataclass(frozen=True, slots=True)
class Stops:
    """Account stops in percent, None is off: loss since 00:00 UTC, and drawdown. Capital flows count as neither."""

    daily_loss_pct: float | None = None
    max_drawdown_pct: float | None = None


@dataclass(frozen=True, slots=True)
class CarryStrategy:
    """A valid carry strategy file."""

    file: str
    text: str
    name: str
    share_class: str
    capital: float
    timeframe: str
    legs: tuple[Leg, ...]
    bands: Bands
    costs: Costs
    marks: Marks
    flows: tuple[Flow, ...]
    reserve: float
    legacy: Legacy
    parameters: Mapping[str, float]
    warnings: tuple[str, ...]
    config_hash: str
    share: ShareClass
    venues: Mapping[str, VenueRules]
    stops: Stops = field(default_factory=Stops)
    description: str | None = None
    beside: tuple[tuple[str, str], ...] = ()
    """(path, text) of every other file that was read: extended layers, flows, predictions."""
    place: Any = field(compare=False, repr=False, default=None)
    settings: tuple[tuple[str, Any], ...] = field(default=(), compare=False)
    """Overrides in order: those under ``set`` in the file, then options of the run."""

    def leg(self, name: str) -> Leg:
        """Return the leg of a name. Raises KeyError."""
        for leg in self.legs:
            if leg.name == name:
                return leg
        raise KeyError(name)
