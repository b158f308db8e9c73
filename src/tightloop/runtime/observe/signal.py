"""A plan run again under observation: what every condition of every instance saw, and how near it came."""

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
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.plan import Plan
from tightloop.runtime import observe
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed

if TYPE_CHECKING:
    from tightloop.runtime.observe.python import Notes

EVENTS_AT_ONCE = 4_000_000
"""Events between two looks at the outside."""
MOVABLE = frozenset((Op.GT, Op.GE, Op.LT, Op.LE, Op.BETWEEN, Op.HOLD))
MEMORIES = frozenset((Op.HOLD, Op.SEQ))
_UNTIL = 8


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of a section's tree with its parts. ``at``: its index in State.

    ``needed`` is the verdict that helps the section to TRUE, ``below`` the nearest hold or seq that it stands below;
    ``is_alternative``: it stands below a node of which one part is enough.
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
        """Whether one of its parts is enough: an any that has to be TRUE, an all that has to be FALSE."""
        return len(self.parts) > 1 and self.op is (Op.ANY if self.needed else Op.ALL)

    @property
    def is_movable(self) -> bool:
        """Whether its number can be changed without changing what the section remembers."""
        return self.below is None and self.op in MOVABLE


def tree_of(plan: Plan, strategy: int, section: int) -> Branch | None:
    """The tree of a section; None when it has none."""
    row = plan.states[0]["strategies"][strategy]
    first, count = int(row["section_first"][section]), int(row["section_count"][section])
    if count == 0:
        return None
    nodes = plan.states[0]["nodes"]

    def branch(end: int, needed: bool, below: Op | None, is_alternative: bool) -> tuple[Branch, int]:
        """The tree whose last node is ``end``, and its first node: parts stand before what joins them."""
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
    """A tree from above, with the depth of each node."""
    yield branch, depth
    for part in branch.parts:
        yield from walk(part, depth + 1)


@dataclass(slots=True)
class Watched:
    """A run that was watched, to its end or to a number of events. Rows as in ``core.probe``.

    ``listener`` has the notes of strategies in Python; None of a run without.
    """

    plan: Plan
    nodes: Rows
    nears: Rows
    instances: Rows
    events: int
    events_until: int
    """Market events at or before the time, and before the number of a step, that were asked for."""
    listener: "Notes | None" = None

    def node(self, instance: int, at: int) -> Rows:
        """What an instance's node ``at`` saw (a row of NODE_SEEN)."""
        row: Rows = self.nodes[int(self.instances[instance]["node_base"]) + at]
        return row

    def nearest(self, instance: int, at: int) -> Rows:
        """The times at which turning a node was enough for its section to be TRUE, nearest first (rows of MOMENT)."""
        place = int(self.instances[instance]["node_base"]) + at
        begin = place * replay_observe.NEAREST_KEPT
        return self.nears[begin : begin + int(self.nodes[place]["kept"])]


def _laid_out(plan: Plan) -> tuple[Rows, Rows, Rows]:
    """Room for what every instance's nodes see."""
    state = plan.states[0]
    instances = np.zeros(int(state["instance_count"]), replay_observe.INSTANCE_SEEN)
    place = 0
    needed: list[list[int]] = []
    for at in range(len(instances)):
        strategy = int(state["instances"][at]["strategy"])
        instances[at]["state_after"] = state["instances"][at]["state"]
        trees = [tree for k in range(replay_observe.SECTION_COUNT) if (tree := tree_of(plan, strategy, k)) is not None]
        own = sorted(
            (part.at, int(part.needed), int(part.is_choice), int(part.is_alternative))
            for tree in trees for part, _ in walk(tree)
        )  # fmt: skip
        if own:
            assert own[-1][0] - own[0][0] + 1 == len(own), "the nodes of a strategy stand side by side"
            instances[at]["node_base"] = place - own[0][0]
        needed += [kinds for _, *kinds in own]
        place += len(own)
    nodes = np.zeros(max(place, 1), replay_observe.NODE_SEEN)
    for k, name in enumerate(("needed", "is_choice", "is_alternative")):
        nodes[name][:place] = [kinds[k] for kinds in needed]
    return nodes, np.zeros(len(nodes) * replay_observe.NEAREST_KEPT, replay_observe.MOMENT), instances


def watch(
    plan: Plan, feed: Feed | TickFeed, *, until_ns: int = NEVER_NS, until_seq: int = NEVER_NS, events: int = NEVER_NS,
    order_id: int | None = None, may_fail: bool = False,
) -> Watched:  # fmt: skip
    """Run a fresh plan over a fresh feed, to its end or for a number of market events, and count those until a time and
    until the step of a number. ``order_id``: an order of a strategy in Python whose wish is kept; ``may_fail``: where
    one of them fails, the run ends there."""
    nodes, nears, instances = _laid_out(plan)
    if plan.has_code:
        bounds = observe.python.Bounds(until_ns, until_seq, events)
        eye = observe.python.watch(plan, feed, (nodes, nears, instances), bounds, order_id, may_fail=may_fail)
        return Watched(plan, nodes, nears, instances, eye.done, eye.until, eye.listener)
    log = core_log.new_log(max(2 * plan.rows_per_step, core_log.ROWS))
    taken, equity = np.zeros(1, EVENT), np.zeros(2, EQUITY)
    memory = np.zeros(max(int(plan.states[0]["memory_count"]), 1), np.int64)
    is_ticks = isinstance(feed, TickFeed)
    control = np.array(
        [plan.rows_per_step, 0, 0, int(is_ticks), -1, 0, -1, until_ns, 0, int(is_ticks), until_seq], np.int64
    )  # fmt: skip
    address = address_of(replay_ticks.tick_replay if is_ticks else replay_bars.replay)
    own = replay_observe.watch_ticks if is_ticks else replay_observe.watch
    done = 0
    while done < events:
        control[2] = asked = min(EVENTS_AT_ONCE, events - done)
        rows = feed.ticks if isinstance(feed, TickFeed) else feed.bars
        status = own(
            address, plan.states, plan.arena, plan.venues, feed.streams, feed.heap, rows, feed.rates, taken, log,
            equity, plan.table, control, nodes, nears, instances, memory,
        )  # fmt: skip
        done += asked - int(control[2])
        core_log.empty(log)
        if status == replay_bars.FINISHED:
            break
        if isinstance(feed, TickFeed):
            if status == replay_ticks.STARVED:
                feed.refill()
            elif status == replay_ticks.CROWDED:
                tape_room.grow(plan, int(control[6]))
    return Watched(plan, nodes, nears, instances, done, int(control[_UNTIL]))
