"""Lanes: when a request may leave.

Four lanes, the most urgent first: exits and look-ups, cancels, entries, queries. A request leaves when

- the venue has not told us to wait: the Retry-After of an order, a cancel or an amend, and any ban, bind all lanes;
  that of a question, the desk's or another about the account, binds entries and questions, and exits go on,
- the breaker of its lane is closed,
- the budget of requests has room: the last fifth of it is kept for the exit lane.

A breaker opens after 5 failures of its lane within 60 s (no answer, outcome unknown, overload, rate limit). While it is
open, the lane is probed by asking the venue's time, which changes nothing whatever becomes of it: after 30 s; while an
exit waits, all the time, because it has to leave within a second of the venue being reachable. An answer closes it, but
for one more failure.
"""

import math

from tightloop.ports.execution import (
    Malformed,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    ReadServerTime,
)
from tightloop.ports.transport import Lane, NoAnswer, NotSent
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Reply, Urgency
from tightloop.runtime.session.desk.state import DeskOrder, Lanes, LaneState, Purpose, State, Turn

FAILURES_MAX = 5
FAILURES_SPAN_NS = 60 * SECOND_NS
PROBE_AFTER_NS = 30 * SECOND_NS
PROBE_EXIT_NS = SECOND_NS // 4
PROBE_EXIT_AWAITED_NS = SECOND_NS // 2  # an answer that comes later still closes the breaker
EXIT_SHARE = 0.2
SHORT_NS = 2 * SECOND_NS  # how long exits, cancels and look-ups are awaited
LONG_NS = 10 * SECOND_NS
WAITS_NS = tuple(int(seconds * SECOND_NS) for seconds in (0.25, 0.5, 1, 2, 4, 8))
PAUSE_MIN_S = 1.0


def wait_ns(waits: int) -> int:
    """Return the wait before try number ``waits`` (from 0): 0.25, 0.5, 1, 2, 4, 8, 8, .. s."""
    return WAITS_NS[min(waits, len(WAITS_NS) - 1)]


def timeout_ns(lane: Lane) -> int:
    """Return how long an answer is awaited."""
    return SHORT_NS if lane in (Lane.EXIT, Lane.CANCEL) else LONG_NS


def may_leave(turn: Turn, lane: Lane) -> bool:
    """Return whether a request of a lane may leave now, and take its place in the budget."""
    state = turn.state
    lanes = state.lanes
    lane_state = lanes.lanes[lane]
    if lane_state.opened_ns:
        lane_state.is_wanted = True
        return False
    if state.now_ns < _paused_ns(lanes, lane):
        return False
    _refill(state)
    if lanes.tokens - 1.0 < _kept(state, lane) - 1e-9:
        return False
    lanes.tokens -= 1.0
    return True


def may_ask(turn: Turn, order: DeskOrder) -> bool:
    """Return whether a question about an order may leave now: it goes by the exit lane.

    About an entry it waits as questions do; about an exit as exits do, since the next attempt may wait for the answer.
    """
    is_held = turn.state.now_ns < turn.state.lanes.held_ns and not order.wanted.is_exit
    return not is_held and may_leave(turn, Lane.EXIT)


def asked_ns(state: State, order: DeskOrder) -> int:
    """Return when a question that may not leave should try again; NEVER_NS: when its breaker closes."""
    free = free_ns(state, Lane.EXIT)
    return free if order.wanted.is_exit else max(free, state.lanes.held_ns)


def free_ns(state: State, lane: Lane) -> int:
    """Return when a request that may not leave should try again; NEVER_NS: when its breaker closes."""
    lanes = state.lanes
    if lanes.lanes[lane].opened_ns:
        return NEVER_NS
    if state.now_ns < _paused_ns(lanes, lane):
        return _paused_ns(lanes, lane)
    _refill(state)  # a process that has asked nothing yet has a full budget
    missing = _kept(state, lane) + 1.0 - lanes.tokens
    return state.now_ns + max(1, math.ceil(missing / _rate(state) * SECOND_NS))


def _paused_ns(lanes: Lanes, lane: Lane) -> int:
    """Return until when the venue has told a lane to wait."""
    return max(lanes.paused_ns, lanes.held_ns) if lane in (Lane.ENTRY, Lane.QUERY) else lanes.paused_ns


def hold(state: State, until_ns: int) -> None:
    """Hold entries and questions until a time: the venue limits the account, whoever asked."""
    state.lanes.held_ns = max(state.lanes.held_ns, until_ns)


def _kept(state: State, lane: Lane) -> float:
    return 0.0 if lane == Lane.EXIT else EXIT_SHARE * state.terms.requests_max


def _rate(state: State) -> float:
    """Return how many requests a second the budget allows."""
    return state.terms.requests_max / state.terms.requests_window_s


def _refill(state: State) -> None:
    """Add to the budget what time has brought."""
    lanes = state.lanes
    full = float(state.terms.requests_max)
    if math.isnan(lanes.tokens):
        lanes.tokens = full
    else:
        lanes.tokens = min(full, lanes.tokens + (state.now_ns - lanes.refilled_ns) / SECOND_NS * _rate(state))
    lanes.refilled_ns = state.now_ns


def is_failure(reply: Reply) -> bool:
    """Return whether a reply counts against the breaker: the venue was not reached, or does not work now."""
    return isinstance(reply, NotSent | NoAnswer | OutcomeUnknown | Overloaded | RateLimited | Malformed)


def on_reply(turn: Turn, lane: Lane, reply: Reply, *, is_probe: bool, is_question: bool) -> None:
    """Count a reply of a lane; a rate limit makes requests wait for as long as the venue says.

    That a question was one too many is no failure of its lane: the venue is reached, and an exit must not wait for it.
    """
    state = turn.state
    is_held = False
    if isinstance(reply, RateLimited):
        until_ns = state.now_ns + int(max(PAUSE_MIN_S, reply.retry_after_s) * SECOND_NS)
        is_held = is_question and not reply.is_banned
        if is_held:
            hold(state, until_ns)
        else:
            state.lanes.paused_ns = max(state.lanes.paused_ns, until_ns)
    lane_state = state.lanes.lanes[lane]
    if is_probe:
        lane_state.probe_ask_id = 0
    if is_failure(reply) and not is_held:
        _fail(turn, lane, lane_state)
        return
    if lane_state.opened_ns:
        lane_state.opened_ns = 0
        lane_state.is_wanted = False
        lane_state.failures_ns = [state.now_ns] * (FAILURES_MAX - 1)
        turn.note(NoteKind.BREAKER_CLOSED, Urgency.INFO, f"the venue answers again: lane {lane.name}")
        wake(state)
    elif not is_probe:
        lane_state.failures_ns.clear()
    reached(state)


def reached(state: State) -> None:
    """Note that the venue can be reached: a breaker of the exit lane that is open is probed at once."""
    exits = state.lanes.lanes[Lane.EXIT]
    if exits.opened_ns:
        exits.probe_ns = min(exits.probe_ns, state.now_ns)


def _fail(turn: Turn, lane: Lane, lane_state: LaneState) -> None:
    """Count a failure; open the breaker, or put its next probe off."""
    now_ns = turn.state.now_ns
    lane_state.failures_ns = [ns for ns in lane_state.failures_ns if now_ns - ns < FAILURES_SPAN_NS][-FAILURES_MAX:]
    lane_state.failures_ns.append(now_ns)
    if not lane_state.opened_ns and len(lane_state.failures_ns) >= FAILURES_MAX:
        lane_state.opened_ns = now_ns
        level = Urgency.CRITICAL if lane == Lane.EXIT else Urgency.WARNING
        turn.note(NoteKind.BREAKER_OPENED, level, f"5 failures in 60 s: lane {lane.name} waits")
    if lane_state.opened_ns:
        lane_state.probe_ns = now_ns + (PROBE_EXIT_NS if lane == Lane.EXIT else PROBE_AFTER_NS)


def wake(state: State) -> None:
    """Make every order look again at what it waits for."""
    for order_id in state.open_ids:
        state.orders[order_id].due_ns = 0


def advance(turn: Turn) -> int:
    """Send the probes that are due. Return when the next one is."""
    state = turn.state
    lanes: Lanes = state.lanes
    next_ns = NEVER_NS
    for lane in Lane:
        lane_state = lanes.lanes[lane]
        if not lane_state.opened_ns or not lane_state.is_wanted or lane_state.probe_ask_id:
            continue
        due_ns = max(lane_state.probe_ns, lanes.paused_ns)
        if state.now_ns >= due_ns:
            awaited_ns = PROBE_EXIT_AWAITED_NS if lane == Lane.EXIT else SHORT_NS
            lane_state.probe_ask_id = turn.ask(ReadServerTime(), Purpose.PROBE, lane, awaited_ns, None)
        else:
            next_ns = min(next_ns, due_ns)
    return next_ns
