"""Keys of a carry strategy file, with types and bounds; names are resolved later by ``read.py`` and ``legs.py``."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tightloop.core import limits
from tightloop.model.carry.strategy import LEG_KINDS, SHARE_CLASSES
from tightloop.model.carry.venues import VenueKeys
from tightloop.model.files.fields import (
    Strict,
    check_number,
    flag,
    named,
    number,
    optional_number,
    plain,
    refuse,
    shown,
    text,
    word,
)
from tightloop.model.instruments import TIMEFRAMES, InstrumentId

LEGS_MAX = 16
FLOWS_MAX = 10_000
BPS_MAX = 1_000.0
OF_VENUE = "venue"
BY_SIZE = "by_size"
"""Words that replace a number of basis points: the packaged fee of the venue, or packaged costs by trade size."""
ALL = "all"
SIZE_KINDS = ("weight", "notional", "units", "match")
SIZE_EXAMPLE = "write all, {weight: 0.5}, {notional: 10_000}, {units: 1} or {match: LEG}"
SIZE_MAX = {"weight": 100.0, "notional": limits.NOTIONAL_MAX, "units": limits.QUANTITY_MAX}
LEG_NAME = re.compile(r"[A-Za-z_]\w{0,39}\Z", re.ASCII)

SHARE = Annotated[float | None, optional_number(0.0, 1.0, above=True)]
LTV = Annotated[float, number(0.0, 0.99, above=True)]
RATIO = Annotated[float | None, optional_number(0.0, 10.0, above=True)]
HEALTH = Annotated[float | None, optional_number(1.0, 10.0)]


def _mapping(value: Any) -> Any:
    """Validate a block; null is an empty one."""
    return {} if value is None else value


def _word(what: str, example: str) -> BeforeValidator:
    """Return the validator of a required name that is resolved later."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not value:
            raise refuse(f"{shown(value)} is not {what}", f"write for example {example}")
        return value

    return BeforeValidator(check)


def _maybe(what: str, example: str) -> BeforeValidator:
    """Return the validator of a name that is resolved later, or null."""

    def check(value: Any) -> Any:
        if value is not None and (not isinstance(value, str) or not value):
            raise refuse(f"{shown(value)} is not {what}", f"write for example {example}")
        return value

    return BeforeValidator(check)


def read_instrument(value: Any, market: str | None) -> InstrumentId:
    """Parse an instrument, of one market if ``market`` is given. Raises the refusal."""
    example = f"binance:BTCUSDT-{market or 'spot'}"
    if not isinstance(value, str):
        raise refuse(f"{shown(value)} is not an instrument", f"write for example {example}")
    try:
        instrument = InstrumentId.parse(value)
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        raise refuse(message, remedy) from None
    if market is not None and instrument.market != market:
        raise refuse(f"{instrument} is a {instrument.market}, not a {market}", f"write for example {example}")
    return instrument


def _size(value: Any) -> Any:
    if isinstance(value, SizeKeys):
        return value
    if value == ALL:
        return SizeKeys.model_construct(weight=None, notional=None, units=None, match=None)
    if not isinstance(value, dict):
        raise refuse(f"{shown(value)} is not a size", SIZE_EXAMPLE)
    if set(value) <= set(SIZE_KINDS) and len(value) != 1:
        raise refuse(f"has {len(value) or 'no'} kinds of size", SIZE_EXAMPLE)
    return value


class SizeKeys(Strict):
    """One of four sizes; none of them means all."""

    weight: Annotated[float | None, number(0.0, SIZE_MAX["weight"], above=True)] = None
    notional: Annotated[float | None, number(0.0, SIZE_MAX["notional"], above=True)] = None
    units: Annotated[float | None, number(0.0, SIZE_MAX["units"], above=True)] = None
    match: Annotated[str | None, _word("the name of a leg", "match: eth")] = None


SIZE = Annotated[SizeKeys, BeforeValidator(_size)]
SOURCE = Annotated[str | None, _maybe("the name of a leg", "from: eth")]
EVERYTHING = SizeKeys()


class SpotKeys(Strict):
    """A spot purchase that is kept, or passed on to another leg."""

    kind: str
    instrument: Annotated[Any, BeforeValidator(lambda value: read_instrument(value, "spot"))]
    size: SIZE
    source: SOURCE = Field(default=None, alias="from")


class LendKeys(Strict):
    """An asset supplied to a pool; with ``borrow``, another asset borrowed against it."""

    kind: str
    pool: Annotated[str, _word("the name of a pool", "pool: aave_v3")]
    asset: Annotated[str, _word("an asset", "asset: USDT")]
    size: SIZE = EVERYTHING
    source: SOURCE = Field(default=None, alias="from")
    borrow: Annotated[str | None, _maybe("an asset", "borrow: USDT")] = None
    ltv: Annotated[float | None, optional_number(0.0, 0.99, above=True)] = None


def _rewards(value: Any) -> Any:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refuse(f"{shown(value)} is not a list of rewards", "write for example [eigen], or [] for none")
    return names


class StakeKeys(Strict):
    """ETH staked for a liquid staking token."""

    kind: str
    lst: Annotated[str, _word("a liquid staking token", "lst: weETH")]
    size: SIZE = EVERYTHING
    source: SOURCE = Field(default=None, alias="from")
    exit: Annotated[str, word("market", "queue")] = "market"
    rewards: Annotated[list[str], BeforeValidator(_rewards)] = Field(default_factory=list)
    dust: Annotated[float, number(0.0, 1.0)] = 0.002


class FlashKeys(Strict):
    """Flash loan that enters and unwinds a loop."""

    bps: Annotated[float, number(0.0, BPS_MAX)] = 0.0


class LoopKeys(StakeKeys):
    """Leveraged staking: the LST as collateral, ETH borrowed against it and staked again, in one transaction."""

    pool: Annotated[str, _word("the name of a pool", "pool: aave_v3")]
    debt: Annotated[str, _word("an asset", "debt: WETH")]
    ltv: LTV
    emode: Annotated[bool, flag()] = False
    flash: Annotated[FlashKeys, BeforeValidator(_mapping)] = FlashKeys()
    entry_hf_min: HEALTH = None


class SignalKeys(Strict):
    """Prediction source of a directional leg, and the distances of its stop and target."""

    source: Annotated[str, word("file", "http", "baseline")]
    path: Annotated[str | None, _maybe("a path", "path: predictions.csv")] = None
    url: Annotated[str | None, _maybe("an address", "url: https://host/predictions")] = None
    confidence: Annotated[float, number(0.0, 1.0)] = 0.7
    stop_sd: Annotated[float, number(0.0, 100.0, above=True)] = 2.0
    target_sd: Annotated[float, number(0.0, 100.0, above=True)] = 2.0
    sd_floor_bps: Annotated[float, number(0.0, 10_000.0)] = 10.0
    sd_cap_bps: Annotated[float, number(0.0, 10_000.0, above=True)] = 1_000.0

    def model_post_init(self, _: Any) -> None:
        """Require the location that fits the source, and a cap above the floor."""
        wanted = {"file": "path", "http": "url"}.get(self.source)
        for key in ("path", "url"):
            if key != wanted and getattr(self, key) is not None:
                raise refuse(f"the source {self.source} has no {key}", f"remove {key}")
        if wanted is not None and getattr(self, wanted) is None:
            raise refuse(f"the source {self.source} has no {wanted}", f"write {wanted}:")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise refuse(f"{shown(self.url)} is not an address", "write for example url: https://host/predictions")
        if self.sd_cap_bps <= self.sd_floor_bps:
            bounds = f"a floor of {plain(self.sd_floor_bps)} bps and a cap of {plain(self.sd_cap_bps)} bps"
            raise refuse(
                f"{bounds} leave no range between them", "write a cap above the floor, for example 10 and 1000"
            )


def _weights(value: Any) -> Any:
    if not isinstance(value, dict):
        raise refuse(f"{shown(value)} is not a mapping", "write for example {binance:BTCUSDT-perp: 1.0}")
    if not value:
        raise refuse("names no venue", "write for example {binance:BTCUSDT-perp: 1.0}")
    return value


class PerpKeys(Strict):
    """A perpetual position over one or several venues, and its margin."""

    kind: str
    side: Annotated[str, word("short", "long", "signal")]
    size: SIZE
    venues: Annotated[dict[str, Annotated[float, number(0.0, 1.0)]], BeforeValidator(_weights)]
    margin: SIZE
    source: SOURCE = Field(default=None, alias="from")
    signal: SignalKeys | None = None


LEGS: dict[str, type[Strict]] = {
    "spot": SpotKeys, "lend": LendKeys, "stake": StakeKeys, "loop": LoopKeys, "perp": PerpKeys,
}  # fmt: skip
"""Model of a leg by ``kind``."""
assert tuple(LEGS) == LEG_KINDS, "every kind of leg has keys"


class MarksKeys(Strict):
    """Price sources. ``open`` is the only price: carry strategies decide on the opens of bars."""

    price: Annotated[str, word("open")] = "open"
    holes: Annotated[str, word("carry", "refuse")] = "carry"
    usd: Annotated[
        dict[str, Annotated[Any, BeforeValidator(lambda value: read_instrument(value, "spot"))]],
        BeforeValidator(named),
    ] = Field(default_factory=dict)
    proxy: Annotated[
        dict[str, Annotated[Any, BeforeValidator(lambda value: read_instrument(value, None))]], BeforeValidator(named)
    ] = Field(default_factory=dict)


class MarginKeys(Strict):
    """Thresholds on margin equity over notional."""

    warn: RATIO = 0.20
    resize: RATIO = None
    liquidate: RATIO = None


class BandsKeys(Strict):
    """Rebalancing thresholds; null is off."""

    equity: SHARE = None
    delta: SHARE = None
    ltv: Annotated[float | None, optional_number(0.0, 0.5, above=True)] = None
    hf_floor: HEALTH = None
    margin: Annotated[MarginKeys, BeforeValidator(lambda value: MarginKeys(warn=None) if value is None else value)] = (
        MarginKeys()
    )


def _bps(value: Any) -> Any:
    """Validate basis points: a number, a number by venue, or a word for packaged costs."""
    if value in (OF_VENUE, BY_SIZE):
        return value
    if not isinstance(value, dict):
        return check_number(value, 0.0, BPS_MAX)
    for venue, bps in value.items():
        if not re.fullmatch(r"[a-z0-9_]+", venue):
            raise refuse(f"{venue!r} is not a venue", "write for example {binance: 5, default: 7}")
        check_number(bps, 0.0, BPS_MAX)
    return {venue: float(bps) for venue, bps in value.items()}


BPS = Annotated[Any, BeforeValidator(_bps)]


def _swap(value: Any) -> Any:
    return value if value == OF_VENUE else check_number(value, 0.0, BPS_MAX)


class TransferKeys(Strict):
    """Costs of moving funds between venues: hours, and a fee in the share class per transfer."""

    delay_h: Annotated[float, number(0.0, 720.0)] = 0.0
    fee: Annotated[float, number(0.0, limits.NOTIONAL_MAX)] = 0.0


class GasKeys(Strict):
    """Gas costs. ``owed_in``: ETH for a liability marked to market; null to pay at once."""

    multiplier: Annotated[float, number(0.0, 100.0, above=True)] = 1.2
    owed_in: Annotated[str | None, BeforeValidator(lambda value: None if value is None else _eth(value))] = None
    chain: Annotated[str, _word("a chain", "chain: ethereum")] = "ethereum"


def _eth(value: Any) -> str:
    if value != "ETH":
        raise refuse(f"{shown(value)} is not what gas is paid in", "write ETH, or null to pay it at once")
    return "ETH"


def _gas(value: Any) -> Any:
    if isinstance(value, bool):
        raise refuse(f"{shown(value)} is not a mapping", "write {multiplier: 1.2}, or null for no gas")
    return value


class CostsKeys(Strict):
    """Costs of trades, swaps, transfers and transactions; those left out are zero."""

    spot_bps: BPS = 0.0
    perp_bps: BPS = 0.0
    swap_bps: Annotated[Any, BeforeValidator(_swap)] = 0.0
    transfer: Annotated[TransferKeys, BeforeValidator(_mapping)] = TransferKeys()
    gas: Annotated[GasKeys | None, BeforeValidator(_gas)] = None
    market_impact: Annotated[bool, flag()] = False


class LegacyKeys(Strict):
    """Deviations of published runs; for reproducing them only."""

    stale_funding: Annotated[bool, flag()] = False
    gas_twice: Annotated[bool, flag()] = False
    funding_on_entry: Annotated[bool, flag()] = True
    first_rows: Annotated[bool, flag()] = True


class FlowKeys(Strict):
    """A deposit or withdrawal. ``ts`` is parsed by ``flows.py``."""

    ts: Any
    amount: Annotated[float, number(-limits.NOTIONAL_MAX, limits.NOTIONAL_MAX)]
    speed: Annotated[str, word("fast", "slow")] = "slow"


def _flows(value: Any) -> Any:
    if value is None:
        return []
    if not isinstance(value, list | str) or value == "":
        example = "write a list of {ts: 2024-07-01T00:00:00Z, amount: -25_000, speed: slow}, or the path of a file"
        raise refuse(f"{shown(value)} is not a list of flows", example)
    return value


def _legs(value: Any) -> Any:
    example = "write for example legs: {supply: {kind: lend, pool: aave_v3, asset: USDT, size: all}}"
    if not isinstance(value, dict):
        raise refuse("is empty" if value is None else f"{shown(value)} is not a mapping of legs", example)
    if not value:
        raise refuse("is empty", example)
    if len(value) > LEGS_MAX:
        raise refuse(f"{len(value)} legs are more than {LEGS_MAX}", "write fewer")
    return value


def _label(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise refuse(f"{shown(value)} is not text", "write a text or a number")
    return None if value is None else str(value)


NOT_ASKED = {
    "max_position_pct": "write the size of the leg", "max_positions": "write fewer legs",
    "max_symbol_pct": "write sizes of legs", "max_margin_pct": "write margin: into the leg",
    "max_leverage": "write ltv: or margin: into the leg", "max_order_notional": "write sizes of legs",
    "price_band_pct": "remove it", "max_portfolio_pct": "write sizes of legs",
}  # fmt: skip
"""Account limits that do not apply to carry strategies, and the remedy for each."""


def _stops(value: Any) -> Any:
    """Validate the account's stops; its other limits are refused, so that none seems to be enforced."""
    value = _mapping(value)
    if isinstance(value, dict):
        for key in value:
            if key in NOT_ASKED:
                raise refuse(f"{key} is not checked for a carry strategy: its legs have sizes", NOT_ASKED[key])
    return value


class StopsKeys(Strict):
    """Stops of the account; null is off."""

    daily_loss_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = 5.0
    max_drawdown_pct: Annotated[float | None, optional_number(0.0, 100.0, above=True)] = 15.0


class CarryKeys(Strict):
    """Keys of a carry strategy. ``legs.py`` reads its legs, each by the model of its kind."""

    name: Annotated[str, text(3, 100, "write a name of 3 to 100 characters")]
    family: Annotated[str, word("carry")]
    description: Annotated[str | None, BeforeValidator(_label)] = None
    share_class: Annotated[str, word(*SHARE_CLASSES)]
    capital: Annotated[float, number(0.0, limits.NOTIONAL_MAX, above=True)]
    timeframe: Annotated[str, word(*TIMEFRAMES)] = "1h"
    params: Annotated[dict[str, Annotated[float, number(-1e18, 1e18)]], BeforeValidator(named)] = Field(
        default_factory=dict
    )
    extends: Any = None
    flows: Annotated[Any, BeforeValidator(_flows)] = Field(default_factory=list)
    marks: Annotated[MarksKeys, BeforeValidator(_mapping)] = MarksKeys()
    legs: Annotated[dict[str, Any], BeforeValidator(_legs)]
    bands: Annotated[BandsKeys, BeforeValidator(_mapping)] = BandsKeys()
    reserve: Annotated[float, number(0.0, 0.95)] = 0.0
    account: Annotated[StopsKeys, BeforeValidator(_stops)] = StopsKeys()
    costs: Annotated[CostsKeys, BeforeValidator(_mapping)] = CostsKeys()
    venues: Annotated[dict[str, VenueKeys], BeforeValidator(named)] = Field(default_factory=dict)
    convention: Annotated[str, word("exact", "legacy")] = "exact"
    legacy: Annotated[LegacyKeys | None, BeforeValidator(lambda value: value)] = None


REMEDIES = {
    "sections": "a carry strategy has legs: instead, and one allocator decides",
    "variants": "remove it: a carry strategy has no indicators",
    "direction": "write side: short or long in a leg of kind perp",
    "instruments": "each leg names its own: instrument: or venues:",
    "feed": "write timeframe: 1h; carry strategies are decided on opens of bars",
    "latency": "remove it: bars have no latency",
    "confidence": "write it under signal: of a leg",
    "limits": "write bands: instead",
    "class": "write family: python for a class",
    "module": "write family: python for a class",
    "mode": "remove it: the legs say what the strategy does",
}
"""Remedies for keys that belong to other families."""
EXAMPLES = {
    "name": "my_carry", "family": "carry", "share_class": "USDT", "capital": "100_000", "kind": "lend",
    "legs": "{supply: {kind: lend, pool: aave_v3, asset: USDT, size: all}}", "instrument": "bybit:ETHUSDT-spot",
    "size": "{weight: 0.5}", "pool": "aave_v3", "asset": "USDT", "lst": "weETH", "debt": "WETH", "ltv": "0.65",
    "side": "short", "venues": "{bybit:ETHUSDT-perp: 1.0}", "margin": "{weight: 0.5}", "source": "baseline",
    "ts": "2024-07-01T00:00:00Z", "amount": "-25_000",
}  # fmt: skip
"""Example values shown in remedies for missing keys."""
