"""Replay of a plan under observation: the value of every condition, and how near it came to flipping."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import address_of
from tightloop.core.domain.enums import Op
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.limits import NEVER_NS
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import observe as replay_observe
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime import observe
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed

if TYPE_CHECKING:
    from tightloop.runtime.observe.python import Notes

EVENTS_AT_ONCE = 4_000_000
"""Events per call of the compiled loop, between which Ctrl-C is noticed."""
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


@dataclass(slots=True)
class Watched:
    """An observed run, to its end or to a number of events. Rows as in ``core.replay.observe``.

    ``listener``: the record of strategies in Python; None of a run without.
    """

    plan: Plan
    nodes: Rows
    nears: Rows
    instances: Rows
    events: int
    events_until: int
    """Market events at or before ``until_ns`` and before step ``until_seq``."""
    listener: "Notes | None" = None

    def node(self, instance: int, at: int) -> Rows:
        """Return the row (NODE_SEEN) of node ``at`` of an instance."""
        row: Rows = self.nodes[int(self.instances[instance]["node_base"]) + at]
        return row

    def nearest(self, instance: int, at: int) -> Rows:
        """Return the moments (MOMENT) at which flipping a node would have made its section TRUE, nearest first."""
        place = int(self.instances[instance]["node_base"]) + at
        begin = place * replay_observe.NEAREST_KEPT
        return self.nears[begin : begin + int(self.nodes[place]["kept"])]


def _laid_out(plan: Plan) -> tuple[Rows, Rows, Rows]:
    """Allocate the rows of nodes, moments and instances that the replay fills."""
    state = plan.states[0]
    instances = np.zeros(int(state["instance_count"]), replay_observe.INSTANCE_SEEN)
    place = 0
    needed: list[list[int]] = []
    for at in range(len(instances)):
        strategy = int(state["instances"][at]["strategy"])
        instances[at]["state_after"] = state["instances"][at]["state"]
        trees = [tree for k in range(replay_observe.SECTION_COUNT) if (tree := tree_of(plan, strategy, k)) is not None]
        node_kinds = sorted(
            (part.at, int(part.needed), int(part.is_choice), int(part.is_alternative))
            for tree in trees for part, _ in walk(tree)
        )  # fmt: skip
        if node_kinds:
            assert node_kinds[-1][0] - node_kinds[0][0] + 1 == len(node_kinds), (
                "the nodes of a strategy stand side by side"
            )
            instances[at]["node_base"] = place - node_kinds[0][0]
        needed += [kinds for _, *kinds in node_kinds]
        place += len(node_kinds)
    nodes = np.zeros(max(place, 1), replay_observe.NODE_SEEN)
    for k, name in enumerate(("needed", "is_choice", "is_alternative")):
        nodes[name][:place] = [kinds[k] for kinds in needed]
    return nodes, np.zeros(len(nodes) * replay_observe.NEAREST_KEPT, replay_observe.MOMENT), instances


def watch(
    plan: Plan, feed: Feed | TickFeed, *, until_ns: int = NEVER_NS, until_seq: int = NEVER_NS, events: int = NEVER_NS,
    order_id: int | None = None, may_fail: bool = False,
) -> Watched:  # fmt: skip
    """Run a fresh plan over a fresh feed and observe every condition.

    The run ends with the feed or after ``events`` market events; ``until_ns`` and ``until_seq`` bound the events
    counted in ``events_until``. ``order_id``: an order of a strategy in Python whose request is kept. ``may_fail``: if
    such a strategy fails, return what was seen until then instead of raising StrategyError.
    """
    nodes, nears, instances = _laid_out(plan)
    if plan.has_code:
        bounds = observe.python.Bounds(until_ns, until_seq, events)
        eye = observe.python.watch(plan, feed, (nodes, nears, instances), bounds, order_id, may_fail=may_fail)
        return Watched(plan, nodes, nears, instances, eye.done, eye.until, eye.listener)
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    taken, equity = np.zeros(1, EVENT), np.zeros(2, EQUITY)
    memory = np.zeros(max(int(plan.states[0]["memory_count"]), 1), np.int64)
    is_ticks = isinstance(feed, TickFeed)
    control = np.zeros(replay_observe.CONTROL_COUNT, np.int64)
    control[replay_status.RESERVE], control[replay_observe.IS_TICKS] = plan.rows_per_step, int(is_ticks)
    if is_ticks:
        control[replay_ticks.PERIOD_NS], control[replay_ticks.PERIOD_END] = 1, -1
    control[replay_observe.UNTIL_NS], control[replay_observe.UNTIL_SEQ] = until_ns, until_seq
    address = address_of(replay_ticks.tick_replay if is_ticks else replay_bars.replay)
    replay = replay_observe.watch_ticks if is_ticks else replay_observe.watch
    done = 0
    while done < events:
        control[replay_status.LEFT] = asked = min(EVENTS_AT_ONCE, events - done)
        rows = feed.ticks if isinstance(feed, TickFeed) else feed.bars
        status = replay(
            address, plan.states, plan.arena, plan.venues, feed.streams, feed.heap, rows, feed.rates, taken, log,
            equity, plan.table, control, nodes, nears, instances, memory,
        )  # fmt: skip
        done += asked - int(control[replay_status.LEFT])
        core_log.empty(log)
        if status == replay_status.FINISHED:
            break
        if isinstance(feed, TickFeed):
            if status == replay_status.STARVED:
                feed.refill()
            elif status == replay_status.CROWDED:
                tape_room.grow(plan, int(control[replay_ticks.NUMBER]))
    return Watched(plan, nodes, nears, instances, done, int(control[replay_observe.COUNTED]))
