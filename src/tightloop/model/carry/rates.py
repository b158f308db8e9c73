"""How pools set their interest: the packaged table of regimes, by pool and asset, from the day each held."""

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from tightloop.model.files import yaml_lines
from tightloop.model.files.fields import Strict, number, optional_number, refuse, shown

PACKAGED = Path(__file__).with_suffix(".yaml")
RATE_MAX = 10.0


def _day_ns(value: Any) -> int:
    """The first nanosecond of a day."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise refuse(f"{shown(value)} is not a day", "write for example 2024-05-12") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


DAY = Annotated[int, BeforeValidator(_day_ns)]
RATE = Annotated[float | None, optional_number(0.0, RATE_MAX)]


class Regime(Strict):
    """Parameters of one asset from a day on, until the next. Borrowing costs ``base`` at a utilisation of 0, ``below``
    more at ``optimal``, ``above`` more again at 1; the pool keeps ``reserve_factor`` of it. Without ``optimal`` nobody
    knows them; an ``above`` of null was never seen."""

    since: Annotated[int, BeforeValidator(_day_ns), Field(alias="from")]
    base: Annotated[float, number(0.0, RATE_MAX)] = 0.0
    below: Annotated[float, number(0.0, RATE_MAX)] = 0.0
    above: RATE = None
    optimal: Annotated[float | None, optional_number(0.0, 1.0, above=True)] = None
    reserve_factor: Annotated[float, number(0.0, 1.0)] = 0.0

    @property
    def is_known(self) -> bool:
        """Whether its parameters are; a day alone says that they are not."""
        return self.optimal is not None

    @model_validator(mode="after")
    def _check(self) -> "Regime":
        """All of it or only the day; the kink lies below 1."""
        written = self.model_fields_set - {"since"}
        if written and written != {"base", "below", "above", "optimal", "reserve_factor"}:
            raise refuse(
                "is neither a whole regime nor a day alone", "write base, below, above, optimal, reserve_factor"
            )
        if self.optimal == 1.0:
            raise refuse("has no room above an optimal utilisation of 1", "write an optimal below 1")
        return self


class PoolRates(Strict):
    """A pool: its regimes by asset, in order of time, known until the day before ``until``."""

    until: DAY
    assets: dict[str, list[Regime]]

    @model_validator(mode="after")
    def _check(self) -> "PoolRates":
        for asset, regimes in self.assets.items():
            days = [own.since for own in regimes]
            if not days or any(a >= b for a, b in zip(days, [*days[1:], self.until], strict=True)):
                raise refuse(f"the days of {asset} do not rise to until", "write regimes in order of time")
        return self


class Rates(Strict):
    """The packaged file."""

    pools: dict[str, PoolRates]


@cache
def packaged_rates() -> Rates:
    """The table, read once."""
    return Rates.model_validate(yaml_lines.load(PACKAGED)[0])
