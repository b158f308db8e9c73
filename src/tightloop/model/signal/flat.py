"""Warnings about conditions that hold on a market that never moved, because the indicator is 0 there."""

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
"""Operators that compare with a level. Crossings need a move, so they never hold on a flat market."""


def warnings(variants: Mapping[str, Variant], trees: Mapping[str, Node], place: Place) -> list[str]:
    """Return one warning per variant, for the first condition on it that is TRUE on a flat market."""
    by_variant: dict[str, str] = {}
    for condition, variant in _on_flat(variants, trees):
        if variant.name not in by_variant:
            _, line = place(condition.path)
            where = f"line {line}, " if line else ""
            by_variant[variant.name] = (
                f"{where}{dotted(condition.path)}: {condition} is TRUE on a market that never moved, where "
                f"{variant.type} is 0 as in TA-Lib; write flat: unknown in variants.{variant.name}"
            )
    return list(by_variant.values())


def _on_flat(variants: Mapping[str, Variant], trees: Mapping[str, Node]) -> Iterator[tuple[Condition, Variant]]:
    """Yield conditions on variants with ``flat: zero`` that hold at the value 0."""
    for tree in trees.values():
        for condition in conditions_of(tree):
            variant = variants.get(condition.variant)
            if variant is None or variant.values.get(FLAT.name) != FLAT.words.index("zero"):
                continue
            numbers = [float(operand) for operand in condition.operands if not isinstance(operand, str)]
            compare = _HOLDS.get(condition.operator)
            if compare is not None and len(numbers) == len(condition.operands) and compare(0.0, numbers):
                yield condition, variant
