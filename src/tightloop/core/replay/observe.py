"""Instrumented replay: after every evaluation, records each condition's value and its distance from flipping.

The run itself is ``bars.replay`` or ``ticks.tick_replay``, called through its address and paused after every event, so
what is observed is the very code that runs, and this file knows no feed, venue or order. All it records is read from
State and from rows of the log; it changes neither. Its memory is bounded: counts, the one nearest approach, and the
NEAREST_KEPT nearest of the times at which one condition alone kept its section from being TRUE.
"""

import math
from typing import Any

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.enums import InstanceState, Op, OrderState, Phase, RowKind, Section, WarningCode
from tightloop.core.domain.types import Floats, Ints, Record, Rows, Table
from tightloop.core.families._signal.sections import is_needed
from tightloop.core.kinds import Signature, array, int64, void
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.core.rules import FALSE, TRUE, UNKNOWN, combine_top, last_verdict, value_of
from tightloop.core.signatures import ARENA, EVENTS, LOG_ARRAY, REPLAY, STATES, TABLE, TICK_REPLAY, call_replay

NEAREST_KEPT = 64
CONTROL_COUNT = 15
UNTIL_NS, COUNTED, IS_TICKS, UNTIL_SEQ = 7, 8, 9, 10
"""Places in ``control`` of ``watch``, after those of the replay: a time; market events at or before it; 1 for ticks;
the ``seq`` of State from which on events are not counted. The last four are places of ``at``, written here."""
_AT = 11
FIRST_ROW, SEQ_BEFORE, IS_MARKET, OF_TICKS = range(4)
"""Places in ``at``: first row of the log that an event wrote; ``seq`` of State before it; 1 for a market event; 1 for
ticks."""
SECTION_COUNT = len(Section)
REASON_COUNT = 8  # guards of S1 have the smallest numbers of Reason

MOMENT = np.dtype([("ts_ns", "i8"), *((name, "f8") for name in ("gap", "value", "threshold", "high"))], align=True)
"""A condition at one evaluation. ``gap``: distance of its value from the verdict it needs, in its unit."""

NODE_SEEN = np.dtype(
    [
        *((name, "i8") for name in ("needed", "verdict", "alone", "alone_unknown", "kept", "has_nearest")),
        *((name, "i8") for name in ("is_choice", "is_alternative")),
        ("counts", "i8", (3,)),  # FALSE, TRUE, UNKNOWN, while its section was evaluated to act
        ("nearest", MOMENT),
        ("last", MOMENT),
    ],
    align=True,
)
"""One node of a rule for one instance. ``needed``: the verdict that helps its section to TRUE (FALSE below an odd
number
of NOT). ``alone``: evaluations at which flipping it, and nothing else, would have made its section TRUE, counted for
conditions, holds, sequences and choices; ``alone_unknown``: those of them without a distance. ``is_choice``: one of its
parts is enough (an ANY that must be TRUE, an ALL that must be FALSE). ``is_alternative``: it is below a choice, so it
may be enough but is never the only one missing. The value of a HOLD is the seconds held, of a SEQ the parts that came
in order."""

SECTION_SEEN = np.dtype(
    [*((name, "i8") for name in ("verdict", "is_listened", "alone", "true_ns")), ("counts", "i8", (3,))], align=True
)
INSTANCE_SEEN = np.dtype(
    [
        *((name, "i8") for name in ("node_base", "state_after", "state", "is_decided", "ts_ns", "cooling_true")),
        ("in_state", "i8", (len(InstanceState),)),  # evaluations
        ("suppressed", "i8", (REASON_COUNT,)),  # by guard: evaluations at which S1 was TRUE and the guard suppressed it
        ("sections", SECTION_SEEN, (SECTION_COUNT,)),
    ],
    align=True,
)
"""``node_base`` plus the index of a node is its row of NODE_SEEN; ``state``: at the evaluation, before it acted."""


# State at the evaluation ----------------------------------------------------------------------------------------------


@leaf
def _is_answer(row: Record) -> bool:
    """Return whether only the step of an order event or of a funding payment writes such a row."""
    if row.kind == RowKind.ORDER:
        return row.code != OrderState.DENIED
    if row.kind == RowKind.WARNING:
        return row.code == WarningCode.UNKNOWN_ORDER or row.code == WarningCode.ILLEGAL_EVENT
    return row.kind == RowKind.FUNDING


@leaf
def _market_seq(state: Record, log: Rows, first: int, seq_before: int, passed: int) -> int:
    """Return the ``seq`` of the deciding step: since the pause, the first without an answer row, after ``passed``."""
    seq = seq_before + 1
    at = first
    while seq < state.seq:
        has_answer = False
        while at < core_log.end(log) and log[at].seq <= seq:
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
    """Follow each instance to its state at the evaluation: transitions before it, not those it caused."""
    for instance in range(state.instance_count):
        seen[instance].state = seen[instance].state_after
        seen[instance].is_decided = 0
    if core_log.end(log) == first:
        return
    # With trailing stops by a variant the market event is one step, and what is decided on it another.
    market_seq = _market_seq(state, log, first, seq_before, state.trails_by_variant)
    for at in range(first, core_log.end(log)):
        row = log[at]
        if row.kind != RowKind.TRANSITION:
            continue
        watched = seen[row.instance]
        watched.state_after = row.code
        if watched.is_decided != 0:
            continue
        rested = row.slot == InstanceState.SIGNAL_CANCELLED or row.slot == InstanceState.EXITED
        if row.seq < market_seq or (row.seq == market_seq and row.ts_ns < state.ts_ns):
            watched.state = row.code
        else:
            # A cooldown that ends at the evaluation ends before it; every other transition is its outcome.
            if row.seq == market_seq and rested and row.code == InstanceState.MONITORING:
                watched.state = row.code
            watched.is_decided = 1


# Verdicts and distances --------------------------------------------------------------------------------------------


@leaf
def _gap(op: int, needed: int, left: float, right: float, high: float) -> float:
    """Return the distance of a value from the verdict it needs; NaN if there is no such distance."""
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
    return distance if distance >= 0.0 else math.nan  # already past a line it needs to cross: not an approach


@leaf
def _look(state: Record, arena: Floats, instance: Record, node: Record, node_seen: Record) -> None:
    """Record what a condition compares now, and its verdict."""
    node_seen.verdict = last_verdict(state, arena, instance, node)
    last = node_seen.last
    last.ts_ns = state.ts_ns
    last.value = value_of(state, arena, instance, node.left)
    last.threshold = value_of(state, arena, instance, node.right)
    last.high = value_of(state, arena, instance, node.right_high) if node.op == Op.BETWEEN else math.nan
    last.gap = math.nan
    if node_seen.verdict == 1 - node_seen.needed:
        last.gap = _gap(node.op, node_seen.needed, last.value, last.threshold, last.high)


@leaf
def _hold_of(value: int, since_ns: int, span_ns: int, now_ns: int) -> int:
    """Return the verdict of a HOLD whose part has the verdict ``value``, TRUE since ``since_ns`` (0: not yet)."""
    if value != TRUE:
        return value
    since_ns = now_ns if since_ns == 0 else since_ns
    return TRUE if now_ns - since_ns >= span_ns else FALSE


@leaf
def _seq_of(memory: Ints, at: int, node: Record, value: int, now_ns: int) -> int:
    """Return the verdict of a SEQ whose last part has the verdict ``value``; its memory begins at ``at``."""
    before = memory[at + node.count - 2]
    reached = before != 0 and before < now_ns and now_ns - before <= node.span_ns
    return value if reached else FALSE


@leaf
def _tree(
    state: Record, instance: Record, first: int, count: int, memory: Ints, seen: Rows, base: int, flip: int
) -> int:
    """Return the verdict of a tree from those of its conditions and the memory before the evaluation, left unchanged.

    ``flip``: the index of a node whose verdict is taken to be the one it needs; with -1 verdicts are recorded instead.
    """
    stack, now_ns = 0, state.ts_ns
    for at in range(first, first + count):
        node = state.nodes[at]
        node_seen = seen[base + at]
        op, taken = node.op, node.count
        place = instance.memory_base + node.memory
        if op < Op.ALL:
            value, taken = node_seen.verdict, 0
        elif op == Op.ALL or op == Op.ANY:
            value = combine_top(stack, taken, FALSE if op == Op.ALL else TRUE)
        elif op == Op.NOT:
            value = UNKNOWN if stack & 3 == UNKNOWN else 1 - (stack & 3)
        elif op == Op.HOLD:
            value = _hold_of(stack & 3, memory[place], node.span_ns, now_ns)
        else:
            assert op == Op.SEQ, "a node has a known operator"
            value = _seq_of(memory, place, node, stack & 3, now_ns)
        if flip < 0:
            node_seen.verdict = value
        elif at == flip:
            value = node_seen.needed
        stack = ((stack >> (2 * taken)) << 2) | value
    return stack & 3


@leaf
def _progress(state: Record, instance: Record, node: Record, node_seen: Record) -> None:
    """Record how long a HOLD has held (s), or how many parts of a SEQ have come, as value, threshold and gap."""
    at = instance.memory_base + node.memory
    last = node_seen.last
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
    is_wrong = node_seen.verdict == 1 - node_seen.needed and (node.op == Op.HOLD or node_seen.needed == TRUE)
    last.gap = abs(last.threshold - last.value) if is_wrong else math.nan


# Counting ------------------------------------------------------------------------------------------------------------


@leaf
def _keep_near(nears: Rows, place: int, node_seen: Record) -> None:
    """Insert the last moment among the nearest, by gap; of equal ones the earlier comes first."""
    base = place * NEAREST_KEPT
    gap = node_seen.last.gap
    if node_seen.kept == NEAREST_KEPT and not gap < nears[base + NEAREST_KEPT - 1].gap:
        return
    if node_seen.kept < NEAREST_KEPT:
        node_seen.kept += 1
    at = node_seen.kept - 1
    while at > 0 and nears[base + at - 1].gap > gap:
        nears[base + at] = nears[base + at - 1]
        at -= 1
    nears[base + at] = node_seen.last


@leaf
def _count(
    state: Record, instance: Record, first: int, count: int, memory: Ints, seen: Rows, base: int, nears: Rows,
    section: Record,
) -> None:  # fmt: skip
    """Count one evaluation of a section that could act."""
    verdict = section.verdict
    section.counts[verdict] += 1
    if verdict == TRUE:
        section.true_ns = state.ts_ns
    is_alone = False
    for at in range(first, first + count):
        node, place = state.nodes[at], base + at
        node_seen = seen[place]
        node_seen.counts[node_seen.verdict] += 1
        is_joint = node.op >= Op.ALL and node.op < Op.HOLD
        if is_joint and node_seen.is_choice == 0:
            continue
        if not is_joint and node_seen.last.gap == node_seen.last.gap:
            if node_seen.has_nearest == 0 or node_seen.last.gap < node_seen.nearest.gap:
                node_seen.has_nearest = 1
                node_seen.nearest = node_seen.last
        if verdict == TRUE or node_seen.verdict == node_seen.needed:
            continue
        if _tree(state, instance, first, count, memory, seen, base, at) == TRUE:
            is_alone = is_alone or node_seen.is_alternative == 0
            node_seen.alone += 1
            has_begun = node.op != Op.HOLD or node_seen.last.value > 0.0  # no shorter hold has held before it begins
            if not is_joint and node_seen.last.gap == node_seen.last.gap and has_begun:
                _keep_near(nears, place, node_seen)
            else:
                node_seen.alone_unknown += 1
    if is_alone:
        section.alone += 1


@leaf
def _observe(state: Record, arena: Floats, at: int, memory: Ints, seen: Rows, nears: Rows, watched: Record) -> None:
    """Record one instance after an evaluation."""
    instance = state.instances[at]
    strategy = state.strategies[instance.strategy]
    watched.ts_ns = state.ts_ns
    watched.in_state[watched.state] += 1
    base = watched.node_base
    for k in range(SECTION_COUNT):
        first, count = strategy.section_first[k], strategy.section_count[k]
        if count == 0:
            continue
        section = watched.sections[k]
        for n in range(first, first + count):
            if state.nodes[n].op < Op.ALL:
                _look(state, arena, instance, state.nodes[n], seen[base + n])
        section.verdict = _tree(state, instance, first, count, memory, seen, base, -1)
        for n in range(first, first + count):
            if state.nodes[n].op >= Op.HOLD:
                _progress(state, instance, state.nodes[n], seen[base + n])
        section.is_listened = 1 if is_needed(watched.state, k) else 0
        if section.is_listened != 0:
            assert section.verdict == instance.verdicts[k], "the observed verdict is that of the step"
            _count(state, instance, first, count, memory, seen, base, nears, section)
    first_verdict = watched.sections[0].verdict
    if watched.sections[0].is_listened != 0 and first_verdict == TRUE:
        watched.suppressed[instance.suppressed_for] += 1
    if watched.state == InstanceState.SIGNAL_CANCELLED or watched.state == InstanceState.EXITED:
        watched.cooling_true += 1 if first_verdict == TRUE else 0


@leaf
def _after(
    state: Record, arena: Floats, event: Record, log: Rows, at: Ints, seen: Rows, nears: Rows, instances: Rows,
    memory: Ints,
) -> None:  # fmt: skip
    """Record what every instance saw of the event that was just applied; ``at``: places as named above."""
    first = at[FIRST_ROW]
    assert first <= core_log.end(log), "the rows of an event come after those before it"
    is_decided = at[IS_MARKET] != 0 and event.phase & Phase.DECIDE_ON_CLOSE != 0
    if core_log.end(log) > first or is_decided:
        _follow_states(state, log, first, at[SEQ_BEFORE], instances)
    if not is_decided:
        return
    for k in range(state.instance_count):
        is_concerned = at[OF_TICKS] == 0 or state.instances[k].instrument == event.instrument
        if is_concerned and instances[k].state != InstanceState.INACTIVE:
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
    """Record what every instance saw of ``events[0]``, for a driver that steps event by event: Python strategies."""
    _after(states[0], arena, events[0], log, at, seen, nears, instances, memory)


def _watching(run: Signature) -> Signature:
    """Return the signature of ``watch`` for a replay's: its address first, what was seen last."""
    return int64(int64, *run.arguments, array(NODE_SEEN), array(MOMENT), array(INSTANCE_SEEN), TABLE)


def _compiled_for(run: Signature) -> Any:
    """Compile ``watch`` for one of the two replays."""

    @compiled(_watching(run), nogil=True)
    def watch(
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
        """Run a replay for ``control[LEFT]`` market events and record every evaluation; return what the replay did.

        ``address`` is that of the replay, the next twelve are its arguments; ``memory`` has room for that of State.
        """
        state, at = states[0], control[_AT:]
        assert len(instances) >= state.instance_count, "every instance is watched"
        assert len(memory) >= state.memory_count, "memories are kept from one evaluation to the next"
        left = control[replay_status.LEFT]
        at[OF_TICKS] = control[IS_TICKS]
        while left > 0:
            control[replay_status.EQUITY_COUNT] = 0
            control[replay_status.LEFT] = 1
            at[FIRST_ROW], at[SEQ_BEFORE] = core_log.end(log), state.seq
            taken_before = control[replay_ticks.DONE]
            status = call_replay(
                address, states, arena, venues, streams, heap, bars, rates, events, log, equity, table, control
            )  # fmt: skip
            if state.seq == at[SEQ_BEFORE]:
                control[replay_status.LEFT] = left
                return status
            # A replay of ticks may also pause after an answer of the venue alone, which is no market event.
            is_market = control[IS_TICKS] == 0 or control[replay_ticks.DONE] != taken_before
            at[IS_MARKET] = 1 if is_market else 0
            left -= 1 if is_market else 0
            is_counted = is_market and state.ts_ns <= control[UNTIL_NS] and at[SEQ_BEFORE] < control[UNTIL_SEQ]
            control[COUNTED] += 1 if is_counted else 0
            _after(state, arena, events[0], log, at, seen, nears, instances, memory)
            if status != replay_status.PAUSED and status != replay_status.FINISHED:
                control[replay_status.LEFT] = left
                return status
        control[replay_status.LEFT] = 0
        return replay_status.PAUSED

    return watch


watch, watch_ticks = _compiled_for(REPLAY), _compiled_for(TICK_REPLAY)
