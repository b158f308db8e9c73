"""Conditions that a market in which nothing ever moved makes TRUE, because an indicator has a number there."""

from collections.abc import Callable, Iterator, Mapping

from tightloop.core.indicators.contract import FLAT
from tightloop.model.files.diagnostics import Place, dotted
from tightloop.model.signal.conditions import Condition, Node, conditions_of
from tightloop.model.signal.variants import Variant

_HOLDS: Mapping[str, Callable[[float, list[float]], bool]] = {
    ">": lambda x, to: x > to[0],
    ">=": lambda x, to: x >= to[0],
    "<": lambda x, to: x < to[0],
    "<=": lambda x, to: x <= to[0],
    "==": lambda x, to: x == to[0],
    "between": lambda x, to: to[0] <= x <= to[1],
}
"""Levels alone: what crosses something has moved."""


def warnings(variants: Mapping[str, Variant], trees: Mapping[str, Node], place: Place) -> list[str]:
    """One line for each variant, about the first such condition on it: where it stands, and what to write."""
    found: dict[str, str] = {}
    for condition, variant in _on_flat(variants, trees):
        if variant.name not in found:
            _, line = place(condition.path)
            where = f"line {line}, " if line else ""
            found[variant.name] = (
                f"{where}{dotted(condition.path)}: {condition} is TRUE on a market that never moved, where "
                f"{variant.type} is 0 as in TA-Lib; write flat: unknown in variants.{variant.name}"
            )
    return list(found.values())


def _on_flat(variants: Mapping[str, Variant], trees: Mapping[str, Node]) -> Iterator[tuple[Condition, Variant]]:
    for tree in trees.values():
        for condition in conditions_of(tree):
            variant = variants.get(condition.variant)
            if variant is None or variant.values.get(FLAT.name) != FLAT.words.index("zero"):
                continue
            numbers = [float(operand) for operand in condition.operands if not isinstance(operand, str)]
            holds = _HOLDS.get(condition.operator)
            if holds is not None and len(numbers) == len(condition.operands) and holds(0.0, numbers):
                yield condition, variant
