"""Packaged defaults of carry strategies: venues, pools, staking tokens, share classes, gas."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from tightloop.core import limits
from tightloop.model.files import yaml_lines
from tightloop.model.files.fields import Strict, flag, number, optional_number, refuse, shown, text, word

PACKAGED = Path(__file__).with_suffix(".yaml")
UNWRAPPED = {"WETH": "ETH", "WBTC": "BTC"}
"""Wrapped tokens, convertible one to one into another asset."""

SHARE = Annotated[float, number(0.0, 1.0, above=True)]
NAME = Annotated[str, text(2, 40, "write a name")]


def unwrapped(asset: str) -> str:
    """Return the asset behind a wrapped token (WETH: ETH); other assets as they are."""
    return UNWRAPPED.get(asset, asset)


def _names(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise refuse(f"{shown(value)} is not a list of names", "write for example [WETH]")
    return value


NAMES = Annotated[list[str], BeforeValidator(_names)]


class VenueKeys(Strict):
    """Keys of a venue; those a strategy leaves out keep their packaged values."""

    kind: Annotated[str, word("exchange", "chain")] = "exchange"
    spot_bps: Annotated[float | None, optional_number(0.0, 1_000.0)] = None
    perp_bps: Annotated[float | None, optional_number(0.0, 1_000.0)] = None
    min_notional: Annotated[float, number(0.0, limits.NOTIONAL_MAX)] = 0.0
    initial_margin: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    maintenance_margin: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    leverage_max: Annotated[float | None, optional_number(1.0, 1_000.0)] = None


class Loan(Strict):
    """Terms of a loan against one collateral.

    ``threshold``: LTV at which it is liquidated. ``bonus``: a liquidator takes collateral worth the repaid debt times
    (1 + bonus).
    """

    max_ltv: SHARE
    threshold: SHARE
    bonus: Annotated[float, number(0.0, 0.5)]


class Emode(Strict):
    """Efficiency mode: higher LTVs between assets whose prices move together."""

    assets: NAMES
    debts: NAMES
    max_ltv: SHARE
    threshold: SHARE
    bonus: Annotated[float, number(0.0, 0.5)]


class Pool(Strict):
    """A lending pool; ``standard`` has the loan terms by collateral."""

    chain: NAME
    emode: Emode
    standard: dict[str, Loan]

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets that can be supplied."""
        return tuple(self.standard)


class Lst(Strict):
    """A liquid staking token. ``queue_h``: hours of the withdrawal queue. ``swap_bps``: fee of a swap at market."""

    venue: NAME
    queue_h: Annotated[float, number(0.0, 8_784.0)]
    swap_bps: Annotated[float, number(0.0, 1_000.0)]
    rewards: NAMES


class ShareClassKeys(Strict):
    """Rules of a share class."""

    decimals: Annotated[int, number(0, 18, whole=True)]
    is_market_neutral: Annotated[bool, flag()]
    loop_leverage_max: Annotated[float, number(1.0, 100.0)]
    perp_leverage_max: Annotated[float, number(1.0, 100.0)]


class Packaged(Strict):
    """Structure of the packaged venues.yaml."""

    venues: dict[str, VenueKeys]
    pools: dict[str, Pool]
    lsts: dict[str, Lst]
    share_classes: dict[str, ShareClassKeys]
    gas_units: dict[str, Annotated[float, number(0.0, 30e6, above=True)]]
    trade_bps: dict[str, tuple[float, float, float]]


@cache
def packaged() -> Packaged:
    """Read the packaged tables; cached."""
    return Packaged.model_validate(yaml_lines.load(PACKAGED)[0])
