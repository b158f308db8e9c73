"""Field types of the configuration: each refuses with what is wrong and what to write instead.

pydantic finds the place; the message and the remedy come from here, so that every refusal reads alike.
"""

import difflib
import itertools
import math
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A mapping with known keys only, never changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """The error that ``refusals.problems_of`` turns into a Problem; braces in values are no placeholders."""
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


def shown(value: Any) -> str:
    """A value as people write it in YAML, short enough for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a number of more than 18 digits"
    if isinstance(value, int | float):
        return plain(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def plain(value: float) -> str:
    """A number without needless digits; 1_000_000 with the separators that a file may have."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    return f"{value:,.0f}".replace(",", "_") if float(value).is_integer() and abs(value) < 1e15 else f"{value:.12g}"


def check_number(value: Any, low: float, high: float, *, whole: bool = False, above: bool = False) -> float:
    """``value`` as a number within [low, high], or (low, high] with ``above``; text, booleans, NaN are no numbers."""
    kind = "a whole number" if whole else "a number"
    wanted = f"above {plain(low)} and at most {plain(high)}" if above else f"between {plain(low)} and {plain(high)}"
    remedy = f"write {kind} {wanted}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(f"{shown(value)} is not {kind}", remedy)
    # Compared before it becomes a float: an int may have more digits than a float has room for.
    if not low <= value <= high or (above and value <= low):
        raise refuse(f"{shown(value)} is not {wanted}", remedy)
    if whole and value != int(value):
        raise refuse(f"{shown(value)} is not a whole number", remedy)
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

    names = ", ".join(words)

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            near = (
                difflib.get_close_matches(value.lower(), [w.lower() for w in words], 1)
                if isinstance(value, str)
                else []
            )
            meant = [w for w in words if w.lower() in near]
            raise refuse(
                f"{shown(value)} is none of {names}", f"did you mean {meant[0]}?" if meant else f"write one of {names}"
            )
        return value

    return BeforeValidator(check)


def finite(remedy: str) -> BeforeValidator:
    """A number whose bounds depend on something else; beyond 10^18 it is 10^18, which no bound allows."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise refuse(f"{shown(value)} is not a number", remedy)
        return float(max(min(value, 10**18), -(10**18)))

    return BeforeValidator(check)


def later(message: str, remedy: str) -> BeforeValidator:
    """A key of the format that nothing obeys yet: refused, because a strategy does what it says."""

    def check(_: Any) -> Any:
        raise refuse(message, remedy)

    return BeforeValidator(check)


def named(value: Any) -> Any:
    """A mapping of names that the file gives; empty when nothing is written."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(f"{shown(value)} is not a mapping", "write a name, a colon and a value for each")
    return value


def flag() -> BeforeValidator:
    """true or false."""

    def check(value: Any) -> Any:
        if not isinstance(value, bool):
            raise refuse(f"{shown(value)} is not true or false", "write true or false")
        return value

    return BeforeValidator(check)


def text(minimum: int, maximum: int, remedy: str) -> BeforeValidator:
    """Text of some length without characters that can not be shown."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise refuse(f"{shown(value)} is not text", remedy)
        if not minimum <= len(value.strip()) <= maximum or not value.strip().isprintable():
            raise refuse(f"{shown(value)} is not a text of {minimum} to {maximum} characters that can be shown", remedy)
        return value.strip()

    return BeforeValidator(check)


def _name(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise refuse(f"{shown(value)} is not the name of a variant", "write the name of a variant of this file")
    return value


def variant_name() -> BeforeValidator:
    """The name of a variant, which ``config`` looks up."""
    return BeforeValidator(_name)


def optional_name() -> BeforeValidator:
    """The name of a variant, or null for none."""
    return BeforeValidator(lambda value: None if value is None else _name(value))


def pairs(
    example: str, first: tuple[float, float], second: tuple[float, float], least: int, most: int, *, above: bool = False
) -> BeforeValidator:
    """A list of [number, number], ascending by the first; with ``above``, lower bounds themselves are refused.

    ``least`` pairs at least, ``most`` at most.
    """

    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise refuse(f"{shown(value)} is not a list", example)
        if not least <= len(value) <= most:
            raise refuse(f"has {len(value)} entries, not {least} to {most}", example)
        for pair in value:
            if not isinstance(pair, list) or len(pair) != 2:
                raise refuse(f"{shown(pair)} is not a pair of numbers", example)
            check_number(pair[0], *first, above=above)
            check_number(pair[1], *second, above=above)
        if any(later[0] <= earlier[0] for earlier, later in itertools.pairwise(value)):
            raise refuse("the first numbers are not in ascending order", f"order them, each once: {example}")
        return [[float(a), float(b)] for a, b in value]

    return BeforeValidator(check)


def one_of_kinds(kinds: dict[str, type[Strict]], what: str, *, optional: bool = False) -> BeforeValidator:
    """A mapping whose ``type`` says which model it is; a missing or unknown type is refused with those there are.

    A kind that needs nothing else may be written as its name alone: ``slippage: none``.
    """

    def check(value: Any) -> Any:
        if isinstance(value, tuple(kinds.values())) or (value is None and optional):
            return value
        names = ", ".join(kinds)
        if isinstance(value, str) and value in kinds:
            value = {"type": value}
        if not isinstance(value, dict):
            raise refuse(f"{shown(value)} is not a {what}", f"write {{type: ..., ...}}; types are {names}")
        if "type" not in value:
            raise refuse("has no type", f"write {{type: ..., ...}}; types are {names}")
        kind = value["type"]
        if not isinstance(kind, str) or kind not in kinds:
            raise refuse(f"{shown(kind)} is not a type of {what}", f"write one of {names}")
        return kinds[kind].model_validate(value)

    return BeforeValidator(check)
