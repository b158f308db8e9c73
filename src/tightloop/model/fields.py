"""Field types of the configuration: each refuses with what is wrong and what to write instead.

pydantic finds the place; the message and the remedy come from here, so that every refusal reads alike.
"""

import math
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A mapping with known keys only, never changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """The error that ``config.problems_of`` turns into a Problem; braces in values are no placeholders."""
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


def _plain(value: float) -> str:
    return f"{value:,.0f}".replace(",", "_") if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


def check_number(value: Any, low: float, high: float, *, whole: bool = False, above: bool = False) -> float:
    """``value`` as a number within [low, high], or (low, high] with ``above``; text, booleans and NaN are no numbers."""
    kind = "a whole number" if whole else "a number"
    wanted = f"above {_plain(low)} and at most {_plain(high)}" if above else f"between {_plain(low)} and {_plain(high)}"
    remedy = f"write {kind} {wanted}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(f"{value!r} is not {kind}", remedy)
    if not math.isfinite(value) or value < low or value > high or (above and value <= low):
        raise refuse(f"{value} is not {wanted}", remedy)
    if whole and value != int(value):
        raise refuse(f"{value} is not a whole number", remedy)
    return int(value) if whole else float(value)


def number(low: float, high: float, *, whole: bool = False, above: bool = False) -> BeforeValidator:
    """A number within bounds; use it as ``Annotated[float, number(0, 1)]``."""

    return BeforeValidator(lambda value: check_number(value, low, high, whole=whole, above=above))


def optional_number(low: float, high: float, *, whole: bool = False, above: bool = False) -> BeforeValidator:
    """A number within bounds, or null for off."""

    def check(value: Any) -> Any:
        return None if value is None or value == "off" else check_number(value, low, high, whole=whole, above=above)

    return BeforeValidator(check)


def word(*words: str) -> BeforeValidator:
    """One of some words."""

    def check(value: Any) -> Any:
        if value not in words:
            raise refuse(f"{value!r} is none of {', '.join(words)}", f"write one of {', '.join(words)}")
        return value

    return BeforeValidator(check)


def flag() -> BeforeValidator:
    """true or false."""

    def check(value: Any) -> Any:
        if not isinstance(value, bool):
            raise refuse(f"{value!r} is not true or false", "write true or false")
        return value

    return BeforeValidator(check)


def text(minimum: int, maximum: int, remedy: str) -> BeforeValidator:
    """Text of some length without control characters."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise refuse(f"{value!r} is not text", remedy)
        if not minimum <= len(value.strip()) <= maximum or any(ord(c) < 32 for c in value):
            raise refuse(f"{value!r} is not a text of {minimum} to {maximum} characters", remedy)
        return value.strip()

    return BeforeValidator(check)


def one_of_kinds(kinds: dict[str, type[Strict]], what: str) -> BeforeValidator:
    """A mapping whose ``type`` says which model it is; a missing or unknown type is refused with those there are."""

    def check(value: Any) -> Any:
        if isinstance(value, tuple(kinds.values())):
            return value
        remedy = f"write {{type: {next(iter(kinds))}, ...}}; types are {', '.join(kinds)}"
        if not isinstance(value, dict):
            raise refuse(f"{value!r} is not a {what}", remedy)
        if "type" not in value:
            raise refuse("has no type", remedy)
        if value["type"] not in kinds:
            raise refuse(f"{value['type']!r} is not a type of {what}", f"write one of {', '.join(kinds)}")
        return kinds[value["type"]].model_validate(value)

    return BeforeValidator(check)
