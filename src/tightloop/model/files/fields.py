"""Field types of configuration files. Each one refuses a value with what is wrong and what to write instead.

pydantic finds the location; message and remedy come from here, so that all refusals read alike.
"""

import difflib
import itertools
import math
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """An immutable mapping that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refuse(message: str, remedy: str) -> PydanticCustomError:
    """Build the pydantic error that ``diagnostics.problems_of`` turns into a Problem.

    The text is passed as context, not as template: braces in it stay as they are.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


def shown(value: Any) -> str:
    """Format a value as YAML would show it, at most 60 characters, for a message."""
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
    """Format a number without trailing zeros; whole numbers with ``_`` between thousands, as in 1_000_000."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    return f"{value:,.0f}".replace(",", "_") if float(value).is_integer() and abs(value) < 1e15 else f"{value:.12g}"


def check_number(value: Any, low: float, high: float, *, whole: bool = False, above: bool = False) -> float:
    """Return ``value`` as a number in [low, high], or in (low, high] with ``above``; raise the refusal otherwise.

    ``whole`` asks for an integer. Text, booleans and NaN are refused.
    """
    kind = "a whole number" if whole else "a number"
    wanted = f"above {plain(low)} and at most {plain(high)}" if above else f"between {plain(low)} and {plain(high)}"
    remedy = f"write {kind} {wanted}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(f"{shown(value)} is not {kind}", remedy)
    # Compare before converting to float: huge integers overflow a float.
    if not low <= value <= high or (above and value <= low):
        raise refuse(f"{shown(value)} is not {wanted}", remedy)
    if whole and value != int(value):
        raise refuse(f"{shown(value)} is not a whole number", remedy)
    return int(value) if whole else float(value)


def number(low: float, high: float, *, whole: bool = False, above: bool = False) -> BeforeValidator:
    """Return the validator of a number within bounds, for ``Annotated[float, number(0, 1)]``."""

    return BeforeValidator(lambda value: check_number(value, low, high, whole=whole, above=above))


def optional_number(low: float, high: float, *, whole: bool = False, above: bool = False) -> BeforeValidator:
    """Return the validator of a number within bounds; ``null`` and ``off`` both give None."""

    def check(value: Any) -> Any:
        return None if value is None or value == "off" else check_number(value, low, high, whole=whole, above=above)

    return BeforeValidator(check)


def word(*words: str) -> BeforeValidator:
    """Return the validator of a text that must be one of ``words``."""

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
    """Return the validator of a number that is range-checked elsewhere; clamped to +-1e18, beyond every bound."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise refuse(f"{shown(value)} is not a number", remedy)
        return float(max(min(value, 10**18), -(10**18)))

    return BeforeValidator(check)


def later(message: str, remedy: str) -> BeforeValidator:
    """Return a validator that always refuses: for keys of the format that have no effect yet."""

    def check(_: Any) -> Any:
        raise refuse(message, remedy)

    return BeforeValidator(check)


def named(value: Any) -> Any:
    """Validate a mapping whose keys are chosen by the user; null gives an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(f"{shown(value)} is not a mapping", "write a name, a colon and a value for each")
    return value


def flag() -> BeforeValidator:
    """Return the validator of a boolean."""

    def check(value: Any) -> Any:
        if not isinstance(value, bool):
            raise refuse(f"{shown(value)} is not true or false", "write true or false")
        return value

    return BeforeValidator(check)


def text(minimum: int, maximum: int, remedy: str) -> BeforeValidator:
    """Return the validator of a printable text of ``minimum`` to ``maximum`` characters; strips blanks around it."""

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
    """Return the validator of a variant's name; ``signal/read.py`` looks it up."""
    return BeforeValidator(_name)


def optional_name() -> BeforeValidator:
    """Return the validator of a variant's name, or null for None."""
    return BeforeValidator(lambda value: None if value is None else _name(value))


def pairs(
    example: str, first: tuple[float, float], second: tuple[float, float], least: int, most: int, *, above: bool = False
) -> BeforeValidator:
    """Return the validator of a list of [number, number] pairs, strictly ascending by the first number.

    ``first``, ``second``: (low, high) bounds of the two numbers; with ``above`` the low bounds are excluded.
    ``least``, ``most``: bounds of the number of pairs.
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
    """Return the validator of a mapping whose ``type`` selects one of the models ``kinds``.

    A type without other keys may be written as its name alone: ``slippage: none``. ``optional`` allows null.
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
