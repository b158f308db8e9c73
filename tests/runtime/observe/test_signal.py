"""What a watched run says of every condition, against a plain evaluation that remembers everything."""

import math
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest

from sim.market import ACCEPT, MINUTE_NS, START_NS, A, B, C, strategy
from tightloop.app.markets import bars as markets_bars
from tightloop.app.runs import strategies as runs_strategies
from tightloop.core.domain.enums import InstanceState, Op, Phase, Section
from tightloop.core.replay.observe import NEAREST_KEPT
from tightloop.core.state import state_hash
from tightloop.model.signal.branches import tree_of, walk
from tightloop.model.signal.conditions import Condition, conditions_of
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.backtest.one_by_one import bars as bars_one_by_one
from tightloop.runtime.backtest.one_by_one.loop import Loop
from tightloop.runtime.observe.signal import watch
from tightloop.runtime.results.recorder import Recorder

FALSE, TRUE, UNKNOWN = 0, 1, 2
LISTENS = {
    "MONITORING": ("S1",),
    "SIGNAL_DETECTED": ("O1", "Z1"),
    "ENTRY_PENDING": ("O1", "E1"),
    "POSITION_ACTIVE": ("ZE1", "E1"),
    "EXIT_PENDING": ("E1",),
}
BUSY = {
    "s1": 'all: [{move: "> 0.3"}, {fast: crosses_above slow}, {not: {move: ">= 1.2"}}]',
    "o1": 'timeout_s: 360, any: [{move: "< -0.4"}], cooldown_min: 1.5',
    "z1": 'any: [{all: [{move: "> 0.1"}, {px: "> fast"}]}, {seq: [[{move: "< 0"}, {move: "> 0.2"}], 120]}]',
    "ze1": 'any: [{hold: [{move: "< 0"}, 120]}, {move: between 0.8 2}], cooldown_min: 2',
    "e1": 'all: [{pnl: "<= -0.6"}, {move: "!= 0"}], cooldown_min: 3',
}
VARIANTS = (
    "move: {type: ROC, period: 2}, fast: {type: EMA, period: 3}, slow: {type: EMA, period: 9}, "
    "pnl: {type: UNREALIZED_PNL_PCT}"
)
TREES = {
    "all_of": BUSY,
    "only_s1": {"s1": 'all: [{move: ">= 7"}, {px: "> slow"}, {fast: "< 1e9"}]'},
    "short_of_one": {"s1": 'any: [{all: [{move: "> 9"}, {px: "> fast"}]}, {not: {all: [{move: "< 8"}, {px: "> 0"}]}}]'},
    "memory": {"s1": 'any: [{hold: [{move: "> 0"}, 600]}, {seq: [[{move: "> 0.9"}, {move: "< -0.9"}], 60]}]'},
}


def random_bars(seed, count=1_500):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.003, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = 1.0 + np.abs(rng.normal(0, 0.001, count))
    return pl.DataFrame(
        {
            "ts": pl.Series(START_NS + MINUTE_NS * np.arange(count)).cast(pl.Datetime("ns", "UTC")),
            "open": opened,
            "high": np.maximum(opened, close) * spread,
            "low": np.minimum(opened, close) / spread,
            "close": close,
            "volume": 1_000.0 + rng.integers(0, 50, count),
        }
    )


def memories_of(tree):
    """The holds and sequences of a tree, from above."""
    if isinstance(tree, Condition):
        return []
    below = [own for part in tree.parts for own in memories_of(part)]
    return [tree, *below] if tree.kind in ("hold", "seq") else below


class Plain:
    """A tree evaluated from its definition, for one instance."""

    def __init__(self):
        self.relation, self.since, self.reached = {}, {}, defaultdict(dict)

    def condition(self, own, value):
        left, *right = (value(name) if isinstance(name, str) else name for name in (own.variant, *own.operands))
        if any(math.isnan(number) for number in (left, *right)):
            self.relation.pop(own.path, None)
            return UNKNOWN
        if own.operator.startswith("crosses"):
            sign = 1 if own.operator == "crosses_above" else -1
            before, now = self.relation.get(own.path), np.sign(left - right[0])
            self.relation[own.path] = now
            return UNKNOWN if before is None else int(now == sign and before != sign)
        if own.operator == "between":
            return int(right[0] <= left <= right[1])
        compare = {">": left > right[0], ">=": left >= right[0], "<": left < right[0], "<=": left <= right[0]}
        return int(compare[own.operator] if own.operator in compare else left != right[0])

    def fold(self, node, verdicts, now, *, keeps):
        """The verdict of a tree from those of its conditions, or of a node turned; ``keeps``: memories move on."""
        if isinstance(node, Condition) or node.path in verdicts:
            return verdicts[node.path]
        parts = [self.fold(part, verdicts, now, keeps=keeps) for part in node.parts]
        if node.kind in ("all", "any"):
            decisive = FALSE if node.kind == "all" else TRUE
            return decisive if decisive in parts else UNKNOWN if UNKNOWN in parts else 1 - decisive
        if node.kind == "not":
            return UNKNOWN if parts[0] == UNKNOWN else 1 - parts[0]
        if node.kind == "hold":
            since = self.since.get(node.path, now) if parts[0] == TRUE else None
            if keeps:
                self.since.pop(node.path, None)
                if since is not None:
                    self.since[node.path] = since
            return parts[0] if since is None else int(now - since >= node.span_s * 1e9)
        before = dict(self.reached[node.path])
        verdict = FALSE
        for k, part in enumerate(parts):
            reached = k == 0 or (k - 1 in before and before[k - 1] < now and now - before[k - 1] <= node.span_s * 1e9)
            if keeps and reached and part == TRUE:
                self.reached[node.path][k] = now
            if k == len(parts) - 1 and reached:
                verdict = part
        return verdict


class Spy(Loop):
    """A run one event at a time that counts what each section's conditions were at every evaluation."""

    def __init__(self, plan):
        recorder = Recorder()
        super().__init__(
            plan, bars_one_by_one.SimulatedExecutor(plan), recorder, bars_one_by_one.BarMoments(plan, recorder)
        )
        self.plain, self.counts, self.gaps = defaultdict(Plain), defaultdict(Counter), defaultdict(list)

    def _step(self, event):
        state = self._plan.states[0]
        instances = state["instances"][: int(state["instance_count"])]
        now = int(event[0]["ts_init_ns"])
        before = [self._state(own, now) for own in instances]
        super()._step(event)
        if int(event[0]["phase"]) & Phase.DECIDE_ON_CLOSE:
            for at in range(len(instances)):
                self._evaluated(at, before[at], now)

    def _state(self, own, now):
        state, rests = InstanceState(int(own["state"])).name, ("SIGNAL_CANCELLED", "EXITED")
        if state == "SIGNAL_DETECTED":
            assert now <= int(own["signal_ns"]) + 360 * 10**9, "the timeout of these strategies falls on a close"
        return "MONITORING" if state in rests and own["cooldown_until_ns"] <= now else state

    def _evaluated(self, at, state, now):
        plan = self._plan
        own = plan.states[0]["instances"][at]
        strategy = plan.strategies[int(own["strategy"])]
        slots = plan.states[0]["value_slots"][int(own["value_base"]) :]
        value = {name: float(plan.arena[slots[k]]) for k, name in enumerate(strategy.variants)}.__getitem__
        for name, tree in strategy.trees.items():
            key = at, name
            plain = self.plain[key]
            own_conditions = conditions_of(tree)
            verdicts = {part.path: plain.condition(part, value) for part in own_conditions}
            if name in LISTENS.get(state, ()):
                self._count(key, plain, tree, own_conditions, verdicts, now, value)
            plain.fold(tree, verdicts, now, keeps=True)

    def _count(self, key, plain, tree, own_conditions, verdicts, now, value):
        root = plain.fold(tree, verdicts, now, keeps=False)
        self.counts[key][root] += 1
        alone = False
        for part in (*own_conditions, *memories_of(tree)):
            seen = plain.fold(part, verdicts, now, keeps=False)
            self.counts[(*key, part.path)][seen] += 1
            needed = FALSE if "not" in part.path else TRUE
            if root != TRUE and seen != needed:
                turned = plain.fold(tree, verdicts | {part.path: needed}, now, keeps=False)
                alone = alone or turned == TRUE
                self.counts[(*key, part.path, "alone")][turned == TRUE] += 1
            if isinstance(part, Condition) and seen == 1 - needed and part.operator in (">", ">="):
                gap = value(part.operands[0]) if isinstance(part.operands[0], str) else part.operands[0]
                gap = abs(gap - value(part.variant))
                self.gaps[(*key, part.path)].append((gap, now))
        self.counts[(*key, "alone")][alone] += 1


def plans(sections):
    text = strategy(instruments=(A, B, C), variants=VARIANTS, limits="{max_concurrent_positions: 2}",
                    **({"o1": "", "ze1": "", "e1": ""} | sections))  # fmt: skip
    loaded = runs_strategies.load_strategies([text])
    frames = {name: random_bars(seed) for seed, name in enumerate((A, B, C))}
    market = markets_bars.load_market(loaded, frames, accepted=frozenset(ACCEPT))
    plan = make_plan(loaded, market.rules)
    return plan, make_plan(loaded, market.rules), market.feed(plan)


@pytest.mark.parametrize("name", TREES)
def test_counts_and_distances_are_those_of_a_plain_evaluation(name):
    plan, other, feed = plans(TREES[name])
    spy = Spy(other)
    events = np.zeros(1, bars_one_by_one.EVENT)
    again = feed.fresh()
    while bars_one_by_one.replay_bars.feed_next(again.streams, again.heap, again.bars, again.rates, events):
        spy.take(events)
    seen = watch(plan, feed)
    assert state_hash(plan.states, plan.arena) == state_hash(other.states, other.arena), "watching changes nothing"
    compared = 0
    for at in range(3):
        for section in plan.strategies[0].trees:
            own = seen.instances[at]["sections"][Section[section]]
            counts = spy.counts[at, section]
            assert own["counts"].tolist() == [counts[FALSE], counts[TRUE], counts[UNKNOWN]], (at, section)
            assert own["alone"] == spy.counts[at, section, "alone"][True]
            memories = iter(memories_of(plan.strategies[0].trees[section]))
            for branch, _ in walk(tree_of(plan, 0, Section[section])):
                if branch.op in (Op.ALL, Op.ANY, Op.NOT):
                    continue
                is_condition = branch.op < Op.ALL
                key = at, section, plan.conditions[branch.at].path if is_condition else next(memories).path
                node = seen.node(at, branch.at)
                assert node["counts"].tolist() == [spy.counts[key][k] for k in (FALSE, TRUE, UNKNOWN)], key
                assert node["alone"] == spy.counts[(*key, "alone")][True], key
                if spy.gaps[key]:
                    nearest = min(spy.gaps[key])
                    assert (node["nearest"]["gap"], node["nearest"]["ts_ns"]) == pytest.approx(nearest)
                    compared += 1
                kept = seen.nearest(at, branch.at)
                assert len(kept) == min(NEAREST_KEPT, node["alone"] - node["alone_unknown"])
                assert np.all(np.diff(kept["gap"]) >= 0)
                compared += len(kept) > 0
    assert compared > 0
    if name == "all_of":
        assert all(seen.instances["sections"]["counts"][:, k].sum() > 0 for k in range(5)), "every section had its turn"


def test_a_run_that_is_stopped_is_the_beginning_of_the_whole():
    plan, other, feed = plans(BUSY)
    cut_ns = START_NS + 700 * MINUTE_NS
    again = feed.fresh()
    whole = watch(plan, feed, until_ns=cut_ns)
    part = watch(other, again, events=whole.events_until)
    assert whole.events == feed.event_count
    assert part.plan.states[0]["ts_ns"] == cut_ns
    assert part.instances["ts_ns"].tolist() == [cut_ns] * 3
