"""What a strategy looks for, as screens lay it out: the conditions of its sections, and lines of its chart."""

from typing import Any

from tightloop.core.domain.enums import Op, Section
from tightloop.core.indicators.contract import SOURCE
from tightloop.model.signal.branches import Branch, tree_of, walk
from tightloop.model.signal.conditions import Condition
from tightloop.model.signal.plan import Plan
from tightloop.model.signal.variants import Variant
from tightloop.model.times import SECOND_NS
from tightloop.model.units import PRICE, SECONDS, unit_of


def layout_of(plan: Plan, strategy: int) -> dict[str, Any]:
    """Return ``sections``: of each its conditions by place, then its holds and sequences; and ``overlays``."""
    read = plan.strategies[strategy]
    sections = {}
    for section in Section:
        tree = tree_of(plan, strategy, int(section))
        if tree is not None:
            branches = sorted((one for one, _ in walk(tree)), key=lambda one: one.at)
            found = [_condition(plan, one, read.variants) for one in branches if one.op < Op.ALL]
            found += [_memory(one) for one in branches if one.op in (Op.HOLD, Op.SEQ)]
            sections[section.name] = [{"place": place, **one} for place, one in enumerate(found)]
    overlays = [
        {"key": name, "pane": PRICE if (unit := _unit(variant)) == PRICE else name, "unit": unit}
        for name, variant in read.variants.items()
    ]
    return {"sections": sections, "overlays": overlays}


def _unit(variant: Variant) -> str:
    source = SOURCE.words[int(variant.values["source"])] if "source" in variant.values else ""
    return unit_of(variant.type, variant.output, source)


def _condition(plan: Plan, branch: Branch, variants: Any) -> dict[str, Any]:
    condition: Condition = plan.conditions[branch.at]
    numbers = [float(operand) for operand in condition.operands if not isinstance(operand, str)]
    named = next((operand for operand in condition.operands if isinstance(operand, str)), None)
    text = str(condition) if branch.needed else f"not {condition}"
    return {
        "variant": condition.variant, "operator": condition.operator,
        "threshold": numbers[0] if numbers and named is None else None,
        "threshold_high": numbers[1] if len(numbers) > 1 else None, "threshold_variant": named,
        "unit": _unit(variants[condition.variant]) if condition.variant in variants else "", "text": text,
    }  # fmt: skip


def _memory(branch: Branch) -> dict[str, Any]:
    """Return a hold or a sequence: seconds that it has to be held, or parts that have to come in order."""
    is_hold = branch.op is Op.HOLD
    wanted = branch.span_ns / SECOND_NS if is_hold else float(len(branch.parts))
    text = f"held for {wanted:g} s" if is_hold else f"{wanted:g} in order within {branch.span_ns / SECOND_NS:g} s each"
    return {
        "variant": "hold" if is_hold else "seq", "operator": ">=", "threshold": wanted, "threshold_high": None,
        "threshold_variant": None, "unit": SECONDS if is_hold else "", "text": text,
    }  # fmt: skip
