"""The condition tree of a section as the plan has laid it out: its nodes, and the verdict that each of them needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from tightloop.core.domain.enums import Op
from tightloop.model.signal.plan import Plan

MOVABLE = frozenset((Op.GT, Op.GE, Op.LT, Op.LE, Op.BETWEEN, Op.HOLD))
MEMORIES = frozenset((Op.HOLD, Op.SEQ))


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of a section's condition tree with its parts. ``at``: its index in State.

    ``needed``: the verdict that helps the section to become TRUE. ``below``: the nearest hold or seq above it.
    ``is_alternative``: it is below a node of which one part suffices.
    """

    at: int
    op: Op
    needed: bool
    below: Op | None
    span_ns: int
    is_alternative: bool
    parts: tuple["Branch", ...]

    @property
    def is_choice(self) -> bool:
        """Whether one part suffices: an any that must be TRUE, an all that must be FALSE."""
        return len(self.parts) > 1 and self.op is (Op.ANY if self.needed else Op.ALL)

    @property
    def is_movable(self) -> bool:
        """Whether its threshold can be changed without changing what the section remembers."""
        return self.below is None and self.op in MOVABLE


def tree_of(plan: Plan, strategy: int, section: int) -> Branch | None:
    """Return the condition tree of a section; None when it has none."""
    row = plan.states[0]["strategies"][strategy]
    first, count = int(row["section_first"][section]), int(row["section_count"][section])
    if count == 0:
        return None
    nodes = plan.states[0]["nodes"]

    def branch(end: int, needed: bool, below: Op | None, is_alternative: bool) -> tuple[Branch, int]:
        """Return the tree whose last node is ``end``, and its first node: nodes are stored in postfix order."""
        op = Op(int(nodes[end]["op"]))
        parts: list[Branch] = []
        begin = end
        joined = 0 if op < Op.ALL else 1 if op in (Op.NOT, Op.HOLD) else int(nodes[end]["count"])
        is_choice = joined > 1 and op is (Op.ANY if needed else Op.ALL)
        for _ in range(joined):
            part, begin = branch(
                begin - 1, needed != (op is Op.NOT), op if op in MEMORIES else below, is_alternative or is_choice
            )
            parts.insert(0, part)
        return Branch(end, op, needed, below, int(nodes[end]["span_ns"]), is_alternative, tuple(parts)), begin

    root, begin = branch(first + count - 1, True, None, False)
    assert begin == first, "a tree is all nodes of its section"
    return root


def walk(branch: Branch, depth: int = 0) -> Iterator[tuple[Branch, int]]:
    """Yield the nodes of a tree from the root down, with their depth."""
    yield branch, depth
    for part in branch.parts:
        yield from walk(part, depth + 1)
