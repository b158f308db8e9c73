"""What a carry strategy need not write: the packaged tables of venues, pools, staking tokens, share classes and gas."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from tightloop.core import limits
from tightloop.model.files import yaml_lines
from tightloop.model.files.fields import Strict, flag, number, optional_number, refuse, shown, text, word

PACKAGED = Path(__file__).with_suffix(".yaml")
UNWRAPPED = {"WETH": "ETH", "WBTC": "BTC"}
"""Tokens that are another asset one to one."""

SHARE = Annotated[float, number(0.0, 1.0, above=True)]
NAME = Annotated[str, text(2, 40, "write a name")]


def unwrapped(asset: str) -> str:
    """The asset a token stands for one to one: ETH of WETH."""
    return UNWRAPPED.get(asset, asset)


def _names(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(own, str) for own in value):
        raise refuse(f"{shown(value)} is not a list of names", "write for example [WETH]")
    return value


NAMES = Annotated[list[str], BeforeValidator(_names)]


class VenueKeys(Strict):
    """A venue. What a strategy leaves out is as packaged."""

    kind: Annotated[str, word("exchange", "chain")] = "exchange"
    spot_bps: Annotated[float | None, optional_number(0.0, 1_000.0)] = None
    perp_bps: Annotated[float | None, optional_number(0.0, 1_000.0)] = None
    min_notional: Annotated[float, number(0.0, limits.NOTIONAL_MAX)] = 0.0
    initial_margin: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    maintenance_margin: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    leverage_max: Annotated[float | None, optional_number(1.0, 1_000.0)] = None


class Loan(Strict):
    """What may be borrowed against a collateral, and when it is liquidated."""

    max_ltv: SHARE
    threshold: SHARE
    bonus: Annotated[float, number(0.0, 0.5)]


class Emode(Strict):
    """Assets that move together, and what may be borrowed against them."""

    assets: NAMES
    debts: NAMES
    max_ltv: SHARE
    threshold: SHARE
    bonus: Annotated[float, number(0.0, 0.5)]


class Pool(Strict):
    """A lending pool: what it takes, by collateral."""

    chain: NAME
    emode: Emode
    standard: dict[str, Loan]

    @property
    def assets(self) -> tuple[str, ...]:
        """What can be supplied."""
        return tuple(self.standard)


class Lst(Strict):
    """A liquid staking token."""

    venue: NAME
    queue_h: Annotated[float, number(0.0, 8_784.0)]
    swap_bps: Annotated[float, number(0.0, 1_000.0)]
    rewards: NAMES


class ShareClassKeys(Strict):
    """The rules of a share class."""

    decimals: Annotated[int, number(0, 18, whole=True)]
    is_market_neutral: Annotated[bool, flag()]
    loop_leverage_max: Annotated[float, number(1.0, 100.0)]
    perp_leverage_max: Annotated[float, number(1.0, 100.0)]


class Packaged(Strict):
    """The packaged file."""

    venues: dict[str, VenueKeys]
    pools: dict[str, Pool]
    lsts: dict[str, Lst]
    share_classes: dict[str, ShareClassKeys]
    gas_units: dict[str, Annotated[float, number(0.0, 30e6, above=True)]]
    trade_bps: dict[str, tuple[float, float, float]]


@cache
def packaged() -> Packaged:
    """The tables, read once."""
    return Packaged.model_validate(yaml_lines.load(PACKAGED)[0])
