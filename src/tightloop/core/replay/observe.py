"""A run watched from outside: after every evaluation, what each condition saw and how far it was from its verdict.

The run itself is ``replay.replay`` or ``tick_replay.tick_replay``, called through its address and paused after every
event, so this file knows no feed, no venue and no order, and what it watches is the very code that ran. What it learns
comes from State and from the rows of the log; it changes neither. Its memory is bounded: counts, one nearest approach,
and the NEAREST_KEPT nearest of the times at which a condition alone kept its section from being TRUE.
"""

import math
from typing import Any

import numpy as np

from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import InstanceState, Op, OrderState, Phase, RowKind, Section, WarningCode
from tightloop.core.domain.kinds import Signature, array, int64, void
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.families._signal.sections import is_needed
from tightloop.core.replay import bars as replay_bars
from tightloop.core.rules import FALSE, TRUE, UNKNOWN, _fold, last_verdict, value_of
from tightloop.core.signatures import ARENA, EVENTS, LOG_ARRAY, REPLAY, STATES, TABLE, TICK_REPLAY, call_replay

NEAREST_KEPT = 64
SECTION_COUNT = len(Section)
REASON_COUNT = 8  # guards of S1 have the smallest numbers of Reason

MOMENT = np.dtype([("ts_ns", "i8"), *((name, "f8") for name in ("gap", "value", "threshold", "high"))], align=True)
"""A condition at one evaluation. ``gap``: how far its value is from the verdict it needs, in the unit of the value."""

NODE_SEEN = np.dtype(
    [
        *((name, "i8") for name in ("needed", "verdict", "alone", "alone_unknown", "kept", "has_nearest")),
        *((name, "i8") for name in ("is_choice", "is_alternative")),
        ("counts", "i8", (3,)),  # FALSE, TRUE, UNKNOWN, while its section was listened to
        ("nearest", MOMENT),
        ("last", MOMENT),
    ],
    align=True,
)
"""One node for one instance. ``needed``: the verdict that helps its section to TRUE (FALSE below an odd number of NOT);
``alone``: evaluations at which turning it, and nothing else, would have made its section TRUE, ``alone_unknown``
those where it had no distance; of conditions, holds, sequences and choices. ``is_choice``: one of its parts is enough
(an ANY that has to be TRUE, an ALL that has to be FALSE); what stands below a choice ``is_alternative``: it may be
enough, and is never the only one that is missing. Of a HOLD the value is the seconds held, of a SEQ the parts that came
in order."""

SECTION_SEEN = np.dtype(
    [*((name, "i8") for name in ("verdict", "is_listened", "alone", "true_ns")), ("counts", "i8", (3,))], align=True
)
INSTANCE_SEEN = np.dtype(
    [
        *((name, "i8") for name in ("node_base", "state_after", "state", "is_decided", "ts_ns", "cooling_true")),
        ("in_state", "i8", (len(InstanceState),)),  # evaluations
        ("suppressed", "i8", (REASON_COUNT,)),  # evaluations at which S1 was TRUE and a guard held it
        ("sections", SECTION_SEEN, (SECTION_COUNT,)),
    ],
    align=True,
)
"""``node_base`` plus the index of a node is its place; ``state`` is that at the evaluation, before it acted."""


# What was listened to ----------------------------------------------------------------------------------------------


@leaf
def _is_answer(row: Record) -> bool:
    """A row that only the step of an order event or of a payment writes."""
    if row.kind == RowKind.ORDER:
        return row.code != OrderState.DENIED
    if row.kind == RowKind.WARNING:
        return row.code == WarningCode.UNKNOWN_ORDER or row.code == WarningCode.ILLEGAL_EVENT
    return row.kind == RowKind.FUNDING


@leaf
def _market_seq(state: Record, log: Rows, first: int, seq_before: int, passed: int) -> int:
    """The number of the step that decides: the first of this pause that wrote no answer, after ``passed`` others."""
    seq = seq_before + 1
    at = first
    while seq < state.seq:
        has_answer = False
        while at < log[0].slot and log[at].seq <= seq:
            has_answer = has_answer or (log[at].seq == seq and _is_answer(log[at]))
            at += 1
        if not has_answer:
            if passed == 0:
                break
            passed -= 1
        seq += 1
    return seq


@leaf
def _follow_states(state: Record, log: Rows, first: int, seq_before: int, seen: Rows) -> None:
    """The state of every instance at the evaluation, from its transitions: those before it, not those it made."""
    for at in range(state.instance_count):
        seen[at].state = seen[at].state_after
        seen[at].is_decided = 0
    if log[0].slot == first:
        return
    # With trailing stops by a variant the market event is one step, and what is decided on it another.
    market_seq = _market_seq(state, log, first, seq_before, state.trails_by_variant)
    for at in range(first, log[0].slot):
        row = log[at]
        if row.kind != RowKind.TRANSITION:
            continue
        own = seen[row.instance]
        own.state_after = row.code
        if own.is_decided != 0:
            continue
        rested = row.slot == InstanceState.SIGNAL_CANCELLED or row.slot == InstanceState.EXITED
        if row.seq < market_seq or (row.seq == market_seq and row.ts_ns < state.ts_ns):
            own.state = row.code
        else:
            # A cooldown that ends at the evaluation ends before it; every other transition is its outcome.
            if row.seq == market_seq and rested and row.code == InstanceState.MONITORING:
                own.state = row.code
            own.is_decided = 1


# Verdicts and distances --------------------------------------------------------------------------------------------


@leaf
def _gap(op: int, needed: int, left: float, right: float, high: float) -> float:
    """How far a value is from the verdict that is needed; NaN where no distance says it."""
    if needed == FALSE:
        if op == Op.GT or op == Op.GE:
            return left - right
        if op == Op.LT or op == Op.LE:
            return right - left
        if op == Op.BETWEEN:
            return min(left - right, high - left)
        return abs(left - right) if op == Op.NE else math.nan
    if op == Op.GT or op == Op.GE or op == Op.CROSSES_ABOVE:
        distance = right - left
    elif op == Op.LT or op == Op.LE or op == Op.CROSSES_BELOW:
        distance = left - right
    elif op == Op.BETWEEN:
        distance = right - left if left < right else left - high
    else:
        distance = abs(left - right) if op == Op.EQ else math.nan
    return distance if distance >= 0.0 else math.nan  # beyond a line that was crossed before is no approach


@leaf
def _look(state: Record, arena: Floats, instance: Record, node: Record, own: Record) -> None:
    """What a condition compares now, and its verdict."""
    own.verdict = last_verdict(state, arena, instance, node)
    last = own.last
    last.ts_ns = state.ts_ns
    last.value = value_of(state, arena, instance, node.left)
    last.threshold = value_of(state, arena, instance, node.right)
    last.high = value_of(state, arena, instance, node.right_high) if node.op == Op.BETWEEN else math.nan
    last.gap = math.nan
    if own.verdict == 1 - own.needed:
        last.gap = _gap(node.op, own.needed, last.value, last.threshold, last.high)


@leaf
def _hold_of(value: int, since_ns: int, span_ns: int, now_ns: int) -> int:
    if value != TRUE:
        return value
    since_ns = now_ns if since_ns == 0 else since_ns
    return TRUE if now_ns - since_ns >= span_ns else FALSE


@leaf
def _seq_of(memory: Ints, at: int, node: Record, value: int, now_ns: int) -> int:
    before = memory[at + node.count - 2]
    reached = before != 0 and before < now_ns and now_ns - before <= node.span_ns
    return value if reached else FALSE


@leaf
def _tree(
    state: Record, instance: Record, first: int, count: int, memory: Ints, seen: Rows, base: int, flip: int
) -> int:
    """The verdict of a tree from those of its conditions and the memory before the evaluation, which stays as it is.

    ``flip`` is a node taken as it is needed; with -1 every node keeps its verdict.
    """
    stack, now_ns = 0, state.ts_ns
    for at in range(first, first + count):
        node = state.nodes[at]
        own = seen[base + at]
        op, taken = node.op, node.count
        place = instance.memory_base + node.memory
        if op < Op.ALL:
            value, taken = own.verdict, 0
        elif op == Op.ALL or op == Op.ANY:
            value = _fold(stack, taken, FALSE if op == Op.ALL else TRUE)
        elif op == Op.NOT:
            value = UNKNOWN if stack & 3 == UNKNOWN else 1 - (stack & 3)
        elif op == Op.HOLD:
            value = _hold_of(stack & 3, memory[place], node.span_ns, now_ns)
        else:
            assert op == Op.SEQ, "a node has a known operator"
            value = _seq_of(memory, place, node, stack & 3, now_ns)
        if flip < 0:
            own.verdict = value
        elif at == flip:
            value = own.needed
        stack = ((stack >> (2 * taken)) << 2) | value
    return stack & 3


@leaf
def _progress(state: Record, instance: Record, node: Record, own: Record) -> None:
    """How long a hold has held, how many parts of a sequence have come: as a value, a threshold and a gap."""
    at = instance.memory_base + node.memory
    last = own.last
    last.ts_ns = state.ts_ns
    last.high = math.nan
    if node.op == Op.HOLD:
        since_ns = state.memory_ns[at]
        last.value = (state.ts_ns - since_ns) / 1e9 if since_ns != 0 else 0.0
        last.threshold = node.span_ns / 1e9
    else:
        done = 0
        for k in range(node.count):
            if state.memory_ns[at + k] != 0 and state.ts_ns - state.memory_ns[at + k] <= node.span_ns:
                done = k + 1
        last.value, last.threshold = float(done), float(node.count)
    is_wrong = own.verdict == 1 - own.needed and (node.op == Op.HOLD or own.needed == TRUE)
    last.gap = abs(last.threshold - last.value) if is_wrong else math.nan


# Counting ------------------------------------------------------------------------------------------------------------


@leaf
def _keep_near(nears: Rows, place: int, own: Record) -> None:
    """Keep the nearest, in order; of equal ones the earlier."""
    base = place * NEAREST_KEPT
    gap = own.last.gap
    if own.kept == NEAREST_KEPT and not gap < nears[base + NEAREST_KEPT - 1].gap:
        return
    if own.kept < NEAREST_KEPT:
        own.kept += 1
    at = own.kept - 1
    while at > 0 and nears[base + at - 1].gap > gap:
        nears[base + at] = nears[base + at - 1]
        at -= 1
    nears[base + at] = own.last


@leaf
def _count(
    state: Record, instance: Record, first: int, count: int, memory: Ints, seen: Rows, base: int, nears: Rows,
    section: Record,
) -> None:  # fmt: skip
    """One evaluation of a section that was listened to."""
    verdict = section.verdict
    section.counts[verdict] += 1
    if verdict == TRUE:
        section.true_ns = state.ts_ns
    is_alone = False
    for at in range(first, first + count):
        node, place = state.nodes[at], base + at
        own = seen[place]
        own.counts[own.verdict] += 1
        is_joint = node.op >= Op.ALL and node.op < Op.HOLD
        if is_joint and own.is_choice == 0:
            continue
        if not is_joint and own.last.gap == own.last.gap:
            if own.has_nearest == 0 or own.last.gap < own.nearest.gap:
                own.has_nearest = 1
                own.nearest = own.last
        if verdict == TRUE or own.verdict == own.needed:
            continue
        if _tree(state, instance, first, count, memory, seen, base, at) == TRUE:
            is_alone = is_alone or own.is_alternative == 0
            own.alone += 1
            has_begun = node.op != Op.HOLD or own.last.value > 0.0  # no shorter hold has held before it begins
            if not is_joint and own.last.gap == own.last.gap and has_begun:
                _keep_near(nears, place, own)
            else:
                own.alone_unknown += 1
    if is_alone:
        section.alone += 1


@leaf
def _observe(state: Record, arena: Floats, at: int, memory: Ints, seen: Rows, nears: Rows, own: Record) -> None:
    """One instance after an evaluation."""
    instance = state.instances[at]
    strategy = state.strategies[instance.strategy]
    own.ts_ns = state.ts_ns
    own.in_state[own.state] += 1
    base = own.node_base
    for k in range(SECTION_COUNT):
        first, count = strategy.section_first[k], strategy.section_count[k]
        if count == 0:
            continue
        section = own.sections[k]
        for n in range(first, first + count):
            if state.nodes[n].op < Op.ALL:
                _look(state, arena, instance, state.nodes[n], seen[base + n])
        section.verdict = _tree(state, instance, first, count, memory, seen, base, -1)
        for n in range(first, first + count):
            if state.nodes[n].op >= Op.HOLD:
                _progress(state, instance, state.nodes[n], seen[base + n])
        section.is_listened = 1 if is_needed(own.state, k) else 0
        if section.is_listened != 0:
            assert section.verdict == instance.verdicts[k], "what is explained is what the step saw"
            _count(state, instance, first, count, memory, seen, base, nears, section)
    first_verdict = own.sections[0].verdict
    if own.sections[0].is_listened != 0 and first_verdict == TRUE:
        own.suppressed[instance.suppressed_for] += 1
    if own.state == InstanceState.SIGNAL_CANCELLED or own.state == InstanceState.EXITED:
        own.cooling_true += 1 if first_verdict == TRUE else 0


@leaf
def _after(
    state: Record, arena: Floats, event: Record, log: Rows, first: int, seq_before: int, is_market: bool,
    is_ticks: bool, seen: Rows, nears: Rows, instances: Rows, memory: Ints,
) -> None:  # fmt: skip
    """What every instance saw of the event that was just taken in; its rows of the log begin at ``first``."""
    assert first <= log[0].slot, "the rows of an event come after those before it"
    is_decided = is_market and event.phase & Phase.DECIDE_ON_CLOSE != 0
    if log[0].slot > first or is_decided:
        _follow_states(state, log, first, seq_before, instances)
    if not is_decided:
        return
    for k in range(state.instance_count):
        is_own = not is_ticks or state.instances[k].instrument == event.instrument
        if is_own and instances[k].state != InstanceState.INACTIVE:
            _observe(state, arena, k, memory, seen, nears, instances[k])
    for k in range(state.memory_count):
        memory[k] = state.memory_ns[k]


@compiled(void(
    STATES, ARENA, EVENTS, LOG_ARRAY, TABLE, array(NODE_SEEN), array(MOMENT), array(INSTANCE_SEEN),
    TABLE,
))  # fmt: skip
def observe(
    states: Rows, arena: Floats, events: Rows, log: Rows, at: Ints, seen: Rows, nears: Rows, instances: Rows,
    memory: Ints,
) -> None:  # fmt: skip
    """The same, for who runs a replay event by event from outside (``events[0]``): a run with strategies in Python.

    ``at``: [first row of the log that is of the event, ``seq`` of State before it, 1 for a market event, 1 for ticks].
    """
    _after(
        states[0], arena, events[0], log, at[0], at[1], at[2] != 0, at[3] != 0, seen, nears, instances, memory
    )  # fmt: skip


def _watching(run: Signature) -> Signature:
    return int64(int64, *run.arguments, array(NODE_SEEN), array(MOMENT), array(INSTANCE_SEEN), TABLE)


def _watch(
    address: Any,
    states: Rows,
    arena: Floats,
    venues: Rows,
    streams: Rows,
    heap: Ints,
    bars: Rows,
    rates: Rows,
    events: Rows,
    log: Rows,
    equity: Rows,
    table: Table,
    control: Ints,
    seen: Rows,
    nears: Rows,
    instances: Rows,
    memory: Ints,
) -> int:
    """A replay for ``control[2]`` market events, with an eye on every evaluation. Returns what the replay did.

    ``address`` is that of the replay, the next twelve are its arguments; ``memory`` has room for that of State.
    ``control`` has four more numbers: [7] a time, [8] the events at or before it, [9] 1 for ticks, [10] the ``seq`` of
    State from which on events are not counted.
    """
    state = states[0]
    assert len(instances) >= state.instance_count, "every instance is watched"
    assert len(memory) >= state.memory_count, "memories are kept from one evaluation to the next"
    left = control[2]
    while left > 0:
        control[1] = 0
        control[2] = 1
        first, seq_before, taken_before = log[0].slot, state.seq, control[5]
        status = call_replay(
            address, states, arena, venues, streams, heap, bars, rates, events, log, equity, table, control
        )  # fmt: skip
        if state.seq == seq_before:
            control[2] = left
            return status
        # A replay of ticks may also pause when it has only told what the venue said.
        is_market = control[9] == 0 or control[5] != taken_before
        left -= 1 if is_market else 0
        control[8] += 1 if is_market and state.ts_ns <= control[7] and seq_before < control[10] else 0
        _after(
            state, arena, events[0], log, first, seq_before, is_market, control[9] != 0, seen, nears, instances, memory
        )  # fmt: skip
        if status != replay_bars.PAUSED and status != replay_bars.FINISHED:
            control[2] = left
            return status
    control[2] = 0
    return replay_bars.PAUSED


watch = compiled(_watching(REPLAY), nogil=True)(_watch)
watch_ticks = compiled(_watching(TICK_REPLAY), nogil=True)(_watch)
