"""Rule trees as people write them: ``{all: [{fast: crosses_above slow}, {rsi: "< 30"}]}``, read into records.

A condition is one variant, an operator and a number or variant; trees are all, any, not, hold and seq.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from tightloop.core import limits
from tightloop.core.types import Op

Path = tuple[str | int, ...]

OPERATORS = {
    ">": Op.GT, ">=": Op.GE, "<": Op.LT, "<=": Op.LE, "==": Op.EQ, "!=": Op.NE,
    "between": Op.BETWEEN, "in": None, "crosses_above": Op.CROSSES_ABOVE, "crosses_below": Op.CROSSES_BELOW,
}  # fmt: skip
TREE_KEYS = ("all", "any", "not", "hold", "seq")
SPAN_S_MAX = 366 * 86_400

_WORDS = re.compile(r"[^\s,\[\]()]+")


class BadTree(Exception):
    """A tree that can not be read: where, what, and what to write."""

    def __init__(self, path: Path, message: str, remedy: str) -> None:
        super().__init__(message)
        self.path, self.message, self.remedy = path, message, remedy


@dataclass(frozen=True, slots=True)
class Condition:
    """``variant operator operands``; an operand is a number or the name of a variant."""

    variant: str
    operator: str
    operands: tuple[float | str, ...]
    path: Path

    def __str__(self) -> str:
        return f"{self.variant} {self.operator} {' '.join(str(operand) for operand in self.operands)}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A node with parts. ``kind`` is one of TREE_KEYS; ``span_s`` belongs to hold and seq."""

    kind: str
    parts: tuple["Tree | Condition", ...]
    span_s: float
    path: Path


Node = Tree | Condition


def read_tree(data: Any, path: Path) -> Node:
    """Read one tree; raises BadTree."""
    if not isinstance(data, dict):
        raise BadTree(path, f"{data!r} is not a condition", 'write for example {rsi: "< 30"} or {all: [...]}')
    if len(data) != 1:
        names = ", ".join(str(key) for key in data) or "nothing"
        raise BadTree(
            path, f"a condition has one key, not {len(data)} ({names})", "make each key a list item of all: [...]"
        )
    key, value = next(iter(data.items()))
    here = (*path, key)
    if key in ("all", "any"):
        return Tree(key, _parts(value, here), 0.0, here)
    if key == "not":
        return Tree("not", (read_tree(value, here),), 0.0, here)
    if key == "hold":
        return _hold(value, here)
    if key == "seq":
        return _seq(value, here)
    return _condition(str(key), value, here)


def _parts(value: Any, path: Path) -> tuple[Node, ...]:
    if not isinstance(value, list) or not value:
        raise BadTree(path, f"{value!r} is not a list of conditions", "write at least one condition in [...]")
    return tuple(read_tree(item, (*path, index)) for index, item in enumerate(value))


def _span(value: Any, path: Path, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= SPAN_S_MAX:
        raise BadTree(path, f"{value!r} is not a number of seconds", f"write the {what} in seconds, above 0")
    return float(value)


def _hold(value: Any, path: Path) -> Tree:
    if not isinstance(value, list) or len(value) != 2:
        raise BadTree(path, "hold has a condition and a number of seconds", 'write hold: [{spread: "> 3"}, 10]')
    return Tree("hold", (read_tree(value[0], (*path, 0)),), _span(value[1], (*path, 1), "time to hold"), path)


def _seq(value: Any, path: Path) -> Tree:
    remedy = 'write seq: [[{a: "> 1"}, {b: "> 2"}], 60]'
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], list):
        raise BadTree(path, "seq has a list of conditions and the largest gap in seconds", remedy)
    if not 2 <= len(value[0]) <= limits.SEQ_STEPS_MAX:
        raise BadTree(path, f"{len(value[0])} steps are not between 2 and {limits.SEQ_STEPS_MAX}", remedy)
    return Tree("seq", _parts(value[0], (*path, 0)), _span(value[1], (*path, 1), "largest gap"), path)


def _condition(variant: str, value: Any, path: Path) -> Condition:
    remedy = 'write an operator and a number or variant, for example "< 30" or crosses_above slow'
    if not isinstance(value, str):
        raise BadTree(path, f"{value!r} is not a comparison", remedy)
    words = _WORDS.findall(value)
    match = re.match(r"\s*(>=|<=|==|!=|>|<)\s*(.*)\Z", value)
    if match:
        words = [match.group(1), *_WORDS.findall(match.group(2))]
    if not words or words[0] not in OPERATORS:
        raise BadTree(path, f"{value!r} does not begin with an operator", f"begin with one of {' '.join(OPERATORS)}")
    operator, rest = words[0], [w for w in words[1:] if not (words[0] == "between" and w == "and")]
    wanted = {"between": 2}.get(operator, 1)
    if (operator == "in" and not rest) or (operator != "in" and len(rest) != wanted):
        raise BadTree(
            path, f"{operator} takes {wanted if operator != 'in' else 'some'} value(s), not {len(rest)}", remedy
        )
    operands = tuple(_operand(w, path) for w in rest)
    if operator == "between" and all(isinstance(o, float) for o in operands) and operands[0] > operands[1]:  # type: ignore[operator]  # both are floats here
        raise BadTree(path, f"{operands[0]:g} is above {operands[1]:g}", "write the lower bound first")
    if operator == "in" and any(isinstance(o, str) for o in operands):
        raise BadTree(path, "in takes numbers", "write for example in [1, 2, 3]")
    return Condition(variant, operator, operands, path)


def _operand(text: str, path: Path) -> float | str:
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        raise BadTree(path, f"{text} is not a number to compare with", "write a finite number")
    return value


def conditions_of(node: Node) -> list[Condition]:
    """All conditions of a tree, from left to right."""
    if isinstance(node, Condition):
        return [node]
    return [condition for part in node.parts for condition in conditions_of(part)]


def depth(node: Node) -> int:
    """How many values an evaluation holds at once."""
    if isinstance(node, Condition):
        return max(1, len(node.operands)) if node.operator == "in" else 1
    return max((index + depth(part) for index, part in enumerate(node.parts)), default=1)
