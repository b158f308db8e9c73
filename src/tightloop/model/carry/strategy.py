"""A carry strategy as it was understood: legs, bands, costs, flows; every name resolved, every number in core units.

Made by ``read.py`` from a file, read by ``plan.py``. Shares and rates are fractions, amounts are in the
asset that the field names, times in nanoseconds UTC. None is off or not said; never 0 for it.
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
    """What a venue demands: fees as shares of the notional, margins as shares of it too, ``min_notional`` in USDT.

    ``maintenance_margin`` is where the venue would liquidate: reported; acted on only where ``Bands.margin_liquidate``
    says so.
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
    """A currency in which capital is subscribed, reported and redeemed."""

    asset: str
    decimals: int
    is_market_neutral: bool
    loop_leverage_max: float
    perp_leverage_max: float


@dataclass(frozen=True, slots=True)
class Size:
    """How much: ``kind`` all (of what is there), weight (of NAV), notional (share class), units (of the leg's asset),
    match (the amount that leg ``leg`` holds)."""

    kind: str
    value: float | None = None
    leg: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Where a directional leg hears what to do: ``source`` file, http or baseline; bounds in standard deviations."""

    source: str
    where: str | None
    confidence: float
    stop_sd: float
    target_sd: float
    sd_floor: float = 0.001
    sd_cap: float = 0.1


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg. Which fields are set depends on ``kind``; ``asset`` is what it holds or lends, without wrapping.

    lend: ``pool``, ``asset`` (as the pool names it: USDT, WETH), ``borrow`` (asset) with ``ltv``. stake: ``lst``,
    ``staking_venue``, ``exit``, ``queue_h``, ``rewards``. loop: those of stake, and ``pool``, ``debt``, ``ltv``,
    ``flash_bps``. perp: ``side``, ``venues`` with weights that add up to 1, ``margin``, ``signal``.

    ``source`` is the leg that what goes into this one comes from, the wallet when None: a spot leg gives what it holds,
    a lending leg that borrows gives what it borrowed. Of a perp it is where the margin comes from.
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
    """When something is done; None is off. Margin ratios are margin equity over notional of a venue."""

    equity: float | None = None
    delta: float | None = None
    ltv: float | None = None
    hf_floor: float | None = None
    margin_warn: float | None = None
    margin_resize: float | None = None
    margin_liquidate: float | None = None


@dataclass(frozen=True, slots=True)
class Gas:
    """Gas of the hourly series times the units of each operation. ``owed_in`` ETH: a debt that is re-marked; None: paid
    at once out of the wallet."""

    multiplier: float = 1.2
    chain: str = "ethereum"
    owed_in: str | None = None
    units: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Costs:
    """Of trades, as a share of the notional (0.0007 is 7 bps), by venue where the venue has its own, else ``default``;
    swaps of an LST at market pay ``swap_rate`` beside the market's own discount. ``market_impact``: what we supply and
    borrow moves the rates of the pool."""

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
    """By pair (ETH/USDT): below 50,000 USD, below 500,000 USD, above. They replace the rates where there are some."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Capital that comes (positive) or goes, in the share class; ``speed`` fast (free equity alone) or slow."""

    ts_ns: int
    amount: float
    speed: str


@dataclass(frozen=True, slots=True)
class Marks:
    """``holes`` carry (the last open stays in force) or refuse; ``usd`` says which instrument prices an asset;
    ``proxies`` which instrument stands in for another, by name and never silently."""

    holes: str = "carry"
    usd: Mapping[str, InstrumentId] = field(default_factory=lambda: MappingProxyType({}))
    proxies: Mapping[InstrumentId, InstrumentId] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Legacy:
    """What published runs did and the exact convention does not; for reproductions alone."""

    is_on: bool = False
    funding_on_entry: bool = True
    stale_funding: bool = False
    gas_twice: bool = False
    first_rows: bool = True


@dataclass(frozen=True, slots=True)
class Stops:
    """The account's stops, in percent: of the equity at 00:00 UTC, and from the peak; None is off. A flow is neither a
    gain nor a loss."""

    daily_loss_pct: float | None = None
    max_drawdown_pct: float | None = None


@dataclass(frozen=True, slots=True)
class CarryStrategy:
    """A carry strategy file that holds together."""

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
    """Path and content of every other file that was read: layers it extends, flows, predictions."""
    place: Any = field(compare=False, repr=False, default=None)
    settings: tuple[tuple[str, Any], ...] = field(default=(), compare=False)
    """What ``set`` in the file and the options of the run wrote over it, in this order."""

    def leg(self, name: str) -> Leg:
        """The leg of that name; KeyError without one."""
        for leg in self.legs:
            if leg.name == name:
                return leg
        raise KeyError(name)
