"""Interest-rate models of lending pools: the packaged table by pool and asset, each from its first day."""

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from tightloop.core.limits import SECOND_NS
from tightloop.model.files import yaml_lines
from tightloop.model.files.fields import Strict, number, optional_number, refuse, shown

PACKAGED = Path(__file__).with_suffix(".yaml")
RATE_MAX = 10.0


def _day_ns(value: Any) -> int:
    """Parse a date to ns UTC of its first instant."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise refuse(f"{shown(value)} is not a day", "write for example 2024-05-12") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND_NS


DAY = Annotated[int, BeforeValidator(_day_ns)]
RATE = Annotated[float | None, optional_number(0.0, RATE_MAX)]


class Regime(Strict):
    """Kinked interest-rate model of one asset, in force until the next regime. Rates are fractions per year.

    Borrow rate: ``base`` at utilisation 0, ``base + below`` at ``optimal``, ``base + below + above`` at 1, linear
    between. Suppliers earn it times utilisation, less ``reserve_factor``. Without ``optimal`` the model is unknown.
    ``above`` None: utilisation beyond the kink was never observed.
    """

    since: Annotated[int, BeforeValidator(_day_ns), Field(alias="from")]
    base: Annotated[float, number(0.0, RATE_MAX)] = 0.0
    below: Annotated[float, number(0.0, RATE_MAX)] = 0.0
    above: RATE = None
    optimal: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    reserve_factor: Annotated[float, number(0.0, 1.0)] = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the model's parameters are known."""
        return self.optimal is not None

    @model_validator(mode="after")
    def _check(self) -> "Regime":
        """Require all parameters or only the day, and a kink below 1."""
        written = self.model_fields_set - {"since"}
        if written and written != {"base", "below", "above", "optimal", "reserve_factor"}:
            raise refuse(
                "is neither a complete regime nor a day only", "write base, below, above, optimal, reserve_factor"
            )
        if self.optimal == 1.0:
            raise refuse("has no room above an optimal utilisation of 1", "write an optimal below 1")
        return self


class PoolRates(Strict):
    """Regimes of a pool by asset, ascending; known until the day before ``until`` (ns UTC)."""

    until: DAY
    assets: dict[str, list[Regime]]

    @model_validator(mode="after")
    def _check(self) -> "PoolRates":
        for asset, regimes in self.assets.items():
            days = [regime.since for regime in regimes]
            if not days or any(a >= b for a, b in zip(days, [*days[1:], self.until], strict=True)):
                raise refuse(f"the days of {asset} do not ascend up to until", "write regimes in order of time")
        return self


class Rates(Strict):
    """Structure of the packaged rates.yaml."""

    pools: dict[str, PoolRates]


@cache
def packaged_rates() -> Rates:
    """Read the packaged table; cached."""
    return Rates.model_validate(yaml_lines.load(PACKAGED)[0])
