"""Rules: trees of conditions as postfix tables, in three-valued logic.

FALSE 0, TRUE 1, UNKNOWN 2. A condition with an unknown value is UNKNOWN; ALL is FALSE when any part is FALSE, else
UNKNOWN when any is UNKNOWN; ANY is its dual; NOT UNKNOWN is UNKNOWN. A section acts on TRUE alone. The stack of an
evaluation is one 64-bit word of two bits a value, so no tree is deeper than RULE_DEPTH_MAX.
"""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import Op
from tightloop.core.domain.types import Floats, Record

FALSE, TRUE, UNKNOWN = 0, 1, 2
_BELOW, _EQUAL, _ABOVE = 1, 2, 3


@hot
def value_of(state: Record, arena: Floats, instance: Record, slot: int) -> float:
    """The value an instance sees in one of its slots; NaN when unknown."""
    return arena[state.value_slots[instance.value_base + slot]]


@hot
def _crosses(state: Record, instance: Record, node: Record, left: float, right: float) -> int:
    """Compare with the relation at the evaluation before; remember this one's, and the verdict for explanations."""
    at = instance.memory_base + node.memory
    before = state.memory_ns[at] & 3
    if left != left or right != right:
        state.memory_ns[at] = UNKNOWN << 2
        return UNKNOWN
    now = _ABOVE if left > right else (_EQUAL if left == right else _BELOW)
    verdict = UNKNOWN
    if before != 0:
        wanted = _ABOVE if node.op == Op.CROSSES_ABOVE else _BELOW
        verdict = TRUE if now == wanted and before != wanted else FALSE
    state.memory_ns[at] = now | (verdict << 2)
    return verdict


@hot
def _compares(state: Record, arena: Floats, instance: Record, node: Record, left: float, right: float) -> int:
    if left != left or right != right:
        return UNKNOWN
    op = node.op
    if op == Op.GT:
        verdict = left > right
    elif op == Op.GE:
        verdict = left >= right
    elif op == Op.LT:
        verdict = left < right
    elif op == Op.LE:
        verdict = left <= right
    elif op == Op.EQ:
        verdict = left == right
    elif op == Op.NE:
        verdict = left != right
    else:
        assert op == Op.BETWEEN, "a condition has a known operator"
        high = value_of(state, arena, instance, node.right_high)
        if high != high:
            return UNKNOWN
        verdict = right <= left <= high
    return TRUE if verdict else FALSE


@hot
def condition(state: Record, arena: Floats, instance: Record, node: Record) -> int:
    """The verdict of one condition; updates the memory of a crossing."""
    left = value_of(state, arena, instance, node.left)
    right = value_of(state, arena, instance, node.right)
    if node.op == Op.CROSSES_ABOVE or node.op == Op.CROSSES_BELOW:
        return _crosses(state, instance, node, left, right)
    return _compares(state, arena, instance, node, left, right)


@leaf
def last_verdict(state: Record, arena: Floats, instance: Record, node: Record) -> int:
    """The verdict a condition had at the evaluation in hand; changes nothing."""
    if node.op == Op.CROSSES_ABOVE or node.op == Op.CROSSES_BELOW:
        return state.memory_ns[instance.memory_base + node.memory] >> 2
    left = value_of(state, arena, instance, node.left)
    return _compares(state, arena, instance, node, left, value_of(state, arena, instance, node.right))


@hot
def _fold(stack: int, count: int, decisive: int) -> int:
    """ALL (decisive FALSE) or ANY (decisive TRUE) of the top ``count`` values."""
    unknown = False
    for k in range(count):
        value = (stack >> (2 * k)) & 3
        if value == decisive:
            return decisive
        unknown = unknown or value == UNKNOWN
    return UNKNOWN if unknown else 1 - decisive


@leaf
def _hold(state: Record, instance: Record, node: Record, value: int, now_ns: int) -> int:
    """TRUE when the part below was TRUE at every evaluation since ``span_ns`` ago or earlier."""
    at = instance.memory_base + node.memory
    if value != TRUE:
        state.memory_ns[at] = 0
        return value
    if state.memory_ns[at] == 0:
        state.memory_ns[at] = now_ns
    return TRUE if now_ns - state.memory_ns[at] >= node.span_ns else FALSE


@leaf
def _seq(state: Record, instance: Record, node: Record, stack: int, now_ns: int) -> int:
    """TRUE when the parts became TRUE one after another, each at most ``span_ns`` after the one before.

    Memory k is the last time at which the first k + 1 parts had come in order.
    """
    base = instance.memory_base + node.memory
    n = node.count
    last = FALSE
    for k in range(n - 1, -1, -1):
        value = (stack >> (2 * (n - 1 - k))) & 3
        reached = k == 0
        if k > 0:
            before = state.memory_ns[base + k - 1]
            reached = before != 0 and before < now_ns and now_ns - before <= node.span_ns
        if reached and value == TRUE:
            state.memory_ns[base + k] = now_ns
        if k == n - 1 and reached:
            last = value
    return last


@hot
def evaluate(state: Record, arena: Floats, instance: Record, first: int, count: int, now_ns: int) -> int:
    """The verdict of a tree for one instance; memories of crossings, holds and sequences move on."""
    assert now_ns > 0, "an evaluation has a time"
    stack = 0
    for at in range(first, first + count):
        node = state.nodes[at]
        op = node.op
        if op < Op.ALL:
            stack = (stack << 2) | condition(state, arena, instance, node)
        elif op == Op.ALL or op == Op.ANY:
            value = _fold(stack, node.count, FALSE if op == Op.ALL else TRUE)
            stack = ((stack >> (2 * node.count)) << 2) | value
        elif op == Op.NOT:
            value = stack & 3
            stack = ((stack >> 2) << 2) | (UNKNOWN if value == UNKNOWN else 1 - value)
        elif op == Op.HOLD:
            value = _hold(state, instance, node, stack & 3, now_ns)
            stack = ((stack >> 2) << 2) | value
        else:
            assert op == Op.SEQ, "a node has a known operator"
            assert node.count <= limits.SEQ_STEPS_MAX, "SEQ_STEPS_MAX: a sequence is short"
            value = _seq(state, instance, node, stack, now_ns)
            stack = ((stack >> (2 * node.count)) << 2) | value
    return stack & 3
