"""Replay of a plan under observation: the value of every condition, and how near it came to flipping."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tightloop.core import log as core_log
from tightloop.core.compiled import address_of
from tightloop.core.domain.types import EQUITY, EVENT, Rows
from tightloop.core.limits import NEVER_NS
from tightloop.core.replay import bars as replay_bars
from tightloop.core.replay import observe as replay_observe
from tightloop.core.replay import status as replay_status
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.signal.branches import tree_of, walk
from tightloop.model.signal.plan import Plan
from tightloop.runtime import observe
from tightloop.runtime.feeds import tape_room
from tightloop.runtime.feeds.bars import Feed
from tightloop.runtime.feeds.ticks import TickFeed

if TYPE_CHECKING:
    from tightloop.runtime.observe.python import Notes

EVENTS_AT_ONCE = 4_000_000
"""Events per call of the compiled loop, between which Ctrl-C is noticed."""


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
