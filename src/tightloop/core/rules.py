"""Rule trees as postfix tables, evaluated in three-valued logic.

Verdicts are FALSE 0, TRUE 1, UNKNOWN 2. A condition with a NaN value is UNKNOWN. ALL is FALSE if any part is FALSE,
else UNKNOWN if any is UNKNOWN; ANY is its dual; NOT UNKNOWN is UNKNOWN (Kleene logic). A section acts on TRUE alone.

Nodes are stored in postfix order: conditions push a verdict, operators pop ``count`` verdicts and push one. The stack
is one 64-bit integer with two bits a verdict, the top in the lowest bits, which limits trees to RULE_DEPTH_MAX.

Crossings, holds and sequences remember earlier evaluations in ``state.memory_ns``, at the instance's ``memory_base``
plus the node's ``memory``. Sections that contain them must be evaluated at every event, or their memory misses a step.
"""

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import Op
from tightloop.core.domain.types import Floats, Record

FALSE, TRUE, UNKNOWN = 0, 1, 2
_BELOW, _EQUAL, _ABOVE = 1, 2, 3


@hot
def value_of(state: Record, arena: Floats, instance: Record, slot: int) -> float:
    """Return the value in one of an instance's value slots; NaN if unknown."""
    return arena[state.value_slots[instance.value_base + slot]]


@hot
def _crosses(state: Record, instance: Record, node: Record, left: float, right: float) -> int:
    """Tell whether ``left`` crossed ``right`` since the previous evaluation, in the operator's direction.

    The first evaluation, and the first after an unknown value, is UNKNOWN. The memory cell holds the current relation
    in its low two bits and the verdict above them, for explanations.
    """
    cell = instance.memory_base + node.memory
    before = state.memory_ns[cell] & 3
    if left != left or right != right:
        state.memory_ns[cell] = UNKNOWN << 2
        return UNKNOWN
    now = _ABOVE if left > right else (_EQUAL if left == right else _BELOW)
    verdict = UNKNOWN
    if before != 0:
        crossed_to = _ABOVE if node.op == Op.CROSSES_ABOVE else _BELOW
        verdict = TRUE if now == crossed_to and before != crossed_to else FALSE
    state.memory_ns[cell] = now | (verdict << 2)
    return verdict


@hot
def _compares(state: Record, arena: Floats, instance: Record, node: Record, left: float, right: float) -> int:
    """Return the verdict of a comparison of two values, or of BETWEEN (bounds included); UNKNOWN if any is NaN."""
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
    """Return the verdict of one condition; a crossing updates its memory."""
    left = value_of(state, arena, instance, node.left)
    right = value_of(state, arena, instance, node.right)
    if node.op == Op.CROSSES_ABOVE or node.op == Op.CROSSES_BELOW:
        return _crosses(state, instance, node, left, right)
    return _compares(state, arena, instance, node, left, right)


@leaf
def last_verdict(state: Record, arena: Floats, instance: Record, node: Record) -> int:
    """Return the verdict a condition had at the current evaluation, without changing any memory."""
    if node.op == Op.CROSSES_ABOVE or node.op == Op.CROSSES_BELOW:
        return state.memory_ns[instance.memory_base + node.memory] >> 2
    left = value_of(state, arena, instance, node.left)
    return _compares(state, arena, instance, node, left, value_of(state, arena, instance, node.right))


@hot
def combine_top(stack: int, count: int, decisive: int) -> int:
    """Combine the top ``count`` verdicts of the stack: ALL if ``decisive`` is FALSE, ANY if it is TRUE."""
    unknown = False
    for k in range(count):
        value = (stack >> (2 * k)) & 3
        if value == decisive:
            return decisive
        unknown = unknown or value == UNKNOWN
    return UNKNOWN if unknown else 1 - decisive


@leaf
def _hold(state: Record, instance: Record, node: Record, value: int, now_ns: int) -> int:
    """Return TRUE once the part below was TRUE at every evaluation for at least ``span_ns``.

    The memory cell holds the time since when it is TRUE, 0 if it is not.
    """
    cell = instance.memory_base + node.memory
    if value != TRUE:
        state.memory_ns[cell] = 0
        return value
    if state.memory_ns[cell] == 0:
        state.memory_ns[cell] = now_ns
    return TRUE if now_ns - state.memory_ns[cell] >= node.span_ns else FALSE


@leaf
def _seq(state: Record, instance: Record, node: Record, stack: int, now_ns: int) -> int:
    """Return TRUE when the parts became TRUE in order, each later than its predecessor by at most ``span_ns``.

    Memory cell k holds the latest time at which parts 0 to k had become TRUE in order, 0 if never. Parts are visited
    last to first, so that one evaluation cannot advance a sequence by two parts.
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
    """Evaluate the tree in ``state.nodes[first : first + count]`` for one instance; return its verdict.

    Updates the memories of crossings, holds and sequences.
    """
    assert now_ns > 0, "an evaluation has a time"
    stack = 0
    for number in range(first, first + count):
        node = state.nodes[number]
        op = node.op
        if op < Op.ALL:
            stack = (stack << 2) | condition(state, arena, instance, node)
        elif op == Op.ALL or op == Op.ANY:
            value = combine_top(stack, node.count, FALSE if op == Op.ALL else TRUE)
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
