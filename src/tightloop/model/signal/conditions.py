"""Rule trees as written in YAML, ``{all: [{fast: crosses_above slow}, {rsi: "< 30"}]}``, parsed into records.

A condition is a variant, an operator and operands (numbers or variants). Trees: all, any, not, hold, seq.
"""

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any

from tightloop.core import limits
from tightloop.core.domain.enums import Op
from tightloop.model.files.fields import shown

Path = tuple[str | int, ...]

OPERATORS = {
    ">": Op.GT, ">=": Op.GE, "<": Op.LT, "<=": Op.LE, "==": Op.EQ, "!=": Op.NE,
    "between": Op.BETWEEN, "in": None, "crosses_above": Op.CROSSES_ABOVE, "crosses_below": Op.CROSSES_BELOW,
}  # fmt: skip
TREE_KEYS = ("all", "any", "not", "hold", "seq")
SPAN_S_MAX = 366 * 86_400

_WORDS = re.compile(r"[^\s,\[\]()]+")


class BadTree(Exception):
    """A tree with faults. ``faults``: every (path, fault, remedy); ``conditions``: those that were valid."""

    def __init__(self, faults: list[tuple[Path, str, str]], conditions: "list[Condition]") -> None:
        super().__init__(faults[0][1])
        self.faults, self.conditions = faults, conditions


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
    """An inner node. ``kind``: one of TREE_KEYS. ``span_s``: seconds of hold and seq, else 0."""

    kind: str
    parts: tuple["Tree | Condition", ...]
    span_s: float
    path: Path


Node = Tree | Condition


def read_tree(written: Any, path: Path) -> Node:
    """Parse one tree. Raises BadTree with every fault."""
    reader = _TreeReader()
    node = reader.node(written, path)
    if reader.faults:
        raise BadTree(reader.faults, [condition for condition in conditions_of(node) if condition is not _NOTHING])
    return node


_NOTHING = Condition("", "", (), ())
"""Placeholder for an invalid node; a tree with faults is never evaluated."""


class _TreeReader:
    """Parses trees and collects their faults."""

    def __init__(self) -> None:
        self.faults: list[tuple[Path, str, str]] = []

    def _refuse(self, path: Path, message: str, remedy: str) -> Condition:
        self.faults.append((path, message, remedy))
        return _NOTHING

    def node(self, written: Any, path: Path) -> Node:
        """Parse a tree or a condition; after a fault, which is kept in ``faults``, return ``_NOTHING`` and go on."""
        if not isinstance(written, dict):
            remedy = 'write for example {rsi: "< 30"} or {all: [...]}'
            return self._refuse(path, f"{shown(written)} is not a condition", remedy)
        if len(written) != 1:
            names = ", ".join(written) or "nothing"
            remedy = "make each key an entry of all: [...]"
            return self._refuse(path, f"a condition has one key, not {len(written)} ({names})", remedy)
        key, value = next(iter(written.items()))
        here = (*path, key)
        if key in ("all", "any"):
            return Tree(key, self._parts(value, here), 0.0, here)
        if key == "not":
            return Tree("not", (self.node(value, here),), 0.0, here)
        if key == "hold":
            return self._hold(value, here)
        if key == "seq":
            return self._seq(value, here)
        return self._condition(key, value, here)

    def _parts(self, value: Any, path: Path) -> tuple[Node, ...]:
        if not isinstance(value, list) or not value:
            fault = "has no condition" if isinstance(value, list) else f"{shown(value)} is not a list of conditions"
            return (self._refuse(path, fault, 'write at least one, for example [{rsi: "< 30"}]'),)
        return tuple(self.node(part, (*path, index)) for index, part in enumerate(value))

    def _span(self, value: Any, path: Path, what: str) -> float:
        """Return a duration in seconds; 0 after reporting a fault. ``what``: its meaning, for the message."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= SPAN_S_MAX:
            remedy = f"write the {what} in seconds, above 0 and at most {SPAN_S_MAX}"
            self._refuse(path, f"{shown(value)} is not a number of seconds", remedy)
            return 0.0
        return float(value)

    def _hold(self, value: Any, path: Path) -> Node:
        if not isinstance(value, list) or len(value) != 2:
            remedy = 'write hold: [{spread: "> 3"}, 10]'
            return self._refuse(path, "hold has a condition and a number of seconds", remedy)
        part = self.node(value[0], (*path, 0))
        return Tree("hold", (part,), self._span(value[1], (*path, 1), "time to hold"), path)

    def _seq(self, value: Any, path: Path) -> Node:
        remedy = 'write seq: [[{a: "> 1"}, {b: "> 2"}], 60]'
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], list):
            return self._refuse(path, "seq has a list of conditions and the largest gap in seconds", remedy)
        if not 2 <= len(value[0]) <= limits.SEQ_STEPS_MAX:
            return self._refuse(path, f"{len(value[0])} steps are not 2 to {limits.SEQ_STEPS_MAX}", remedy)
        parts = self._parts(value[0], (*path, 0))
        return Tree("seq", parts, self._span(value[1], (*path, 1), "largest gap"), path)

    def _condition(self, variant: str, value: Any, path: Path) -> Condition:
        """Parse ``variant: "operator operands"``, with or without blanks around the operator."""
        remedy = 'write an operator and a number or variant, for example "< 30" or crosses_above slow'
        if not isinstance(value, str):
            return self._refuse(path, f"{shown(value)} is not a comparison", remedy)
        words = _WORDS.findall(value)
        match = re.match(r"\s*(>=|<=|==|!=|>|<)\s*(.*)\Z", value, re.DOTALL)
        if match:
            words = [match.group(1), *_WORDS.findall(match.group(2))]
        if not words or words[0] not in OPERATORS:
            near = difflib.get_close_matches(words[0], OPERATORS, 1) if words else []
            begin = f"did you mean {near[0]}?" if near else f"begin with one of {' '.join(OPERATORS)}"
            return self._refuse(path, f"{shown(value)} does not begin with an operator", begin)
        operator, rest = words[0], [w for w in words[1:] if not (words[0] == "between" and w == "and")]
        if operator == "in":
            wanted, right = f"1 to {limits.RULE_DEPTH_MAX}", 1 <= len(rest) <= limits.RULE_DEPTH_MAX
        else:
            count = 2 if operator == "between" else 1
            wanted, right = str(count), len(rest) == count
        if not right:
            values = "value" if wanted == "1" else "values"
            example = _EXAMPLES.get(operator, remedy)
            return self._refuse(path, f"{operator} takes {wanted} {values}, not {len(rest)}", example)
        return self._compared(variant, operator, tuple(self._operand(w, path) for w in rest), path)

    def _compared(self, variant: str, operator: str, operands: tuple[float | str, ...], path: Path) -> Condition:
        numbers = [operand for operand in operands if isinstance(operand, float)]
        if operator == "in" and len(numbers) < len(operands):
            return self._refuse(path, "in takes numbers", _EXAMPLES["in"])
        if operator == "between" and len(numbers) == 2 and numbers[0] > numbers[1]:
            message = f"{numbers[0]:g} is above {numbers[1]:g}"
            return self._refuse(path, message, "write the lower bound first")
        return Condition(variant, operator, operands, path)

    def _operand(self, word: str, path: Path) -> float | str:
        try:
            value = float(word)
        except ValueError:
            return word
        if not math.isfinite(value):
            self._refuse(path, f"{word} is not a finite number", "write a finite number")
        return value


_EXAMPLES = {"between": 'write "between 40 80"', "in": 'write "in [1, 2, 3]"'}


def conditions_of(node: Node) -> list[Condition]:
    """Return all conditions of a tree, left to right."""
    if isinstance(node, Condition):
        return [node]
    return [condition for part in node.parts for condition in conditions_of(part)]


def depth(node: Node) -> int:
    """Return the evaluation stack depth that a tree needs in postfix order."""
    if isinstance(node, Condition):
        return max(1, len(node.operands)) if node.operator == "in" else 1
    return max((index + depth(part) for index, part in enumerate(node.parts)), default=1)
