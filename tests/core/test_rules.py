"""Three-valued logic: truth tables, and the compiled evaluation against a plain evaluator that remembers everything."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples import examples
from tightloop.core import rules
from tightloop.core.compiled import compiled
from tightloop.core.domain.types import Floats, Rows
from tightloop.core.kinds import int64
from tightloop.core.rules import FALSE, TRUE, UNKNOWN
from tightloop.core.signatures import ARENA, STATES
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.plan import Plan, make_plan

NAMES = ("a", "b", "c")
SECOND_NS = 1_000_000_000
VALUES = {FALSE: 0.0, TRUE: 1.0, UNKNOWN: math.nan}
Tree = dict[str, Any]


@compiled(int64(STATES, ARENA, int64))
def _evaluate_s1(states: Rows, arena: Floats, now_ns: int) -> int:
    state = states[0]
    strategy = state.strategies[0]
    return rules.evaluate(
        state, arena, state.instances[0], strategy.section_first[0], strategy.section_count[0], now_ns
    )


class Compiled:
    """The S1 of a strategy whose three variants are given by hand."""

    def __init__(self, tree: Tree) -> None:
        # Three outputs of one indicator: cells of the arena that nobody else writes.
        variants = dict(zip(NAMES, ({"type": "PRICE", "output": o} for o in ("open", "high", "low")), strict=True))
        text = {
            "name": "rules", "family": "signal", "direction": "LONG", "instruments": ["test:AAAUSDT-perp"],
            "timeframe": "1m", "variants": variants,
            "sections": {"S1": tree, "Z1": {"immediate": True, "size": {"type": "units", "value": 1}}},
        }  # fmt: skip
        strategy = signal_read.loads(json.dumps(text))
        self.plan: Plan = make_plan([strategy], {i: default_rules(i) for i in strategy.instruments})
        base = int(self.plan.states[0]["instances"][0]["value_base"])
        self.cells = np.array(self.plan.states[0]["value_slots"][base : base + len(NAMES)])

    def __call__(self, values: tuple[float, ...], now_s: float) -> int:
        self.plan.arena[self.cells] = values
        return int(_evaluate_s1(self.plan.states, self.plan.arena, round(now_s * SECOND_NS)))


class Plain:
    """The same from the definitions: every evaluation so far is kept, and looked through again each time."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.history: list[tuple[float, dict[str, float]]] = []

    def __call__(self, values: tuple[float, ...], now_s: float) -> int:
        self.history.append((now_s, dict(zip(NAMES, values, strict=True))))
        return self._at(self.tree, len(self.history) - 1)

    def _at(self, tree: Tree, k: int) -> int:
        ((key, value),) = tree.items()
        if key in ("all", "any"):
            return self._fold([self._at(part, k) for part in value], FALSE if key == "all" else TRUE)
        if key == "not":
            return {FALSE: TRUE, TRUE: FALSE, UNKNOWN: UNKNOWN}[self._at(value, k)]
        if key == "hold":
            return self._hold(value[0], value[1], k)
        if key == "seq":
            return self._seq(value[0], value[1], k)
        return self._condition(key, value, k)

    @staticmethod
    def _fold(parts: list[int], decisive: int) -> int:
        if decisive in parts:
            return decisive
        return UNKNOWN if UNKNOWN in parts else 1 - decisive

    def _hold(self, tree: Tree, span_s: float, k: int) -> int:
        verdict = self._at(tree, k)
        if verdict != TRUE:
            return verdict
        since = k
        while since > 0 and self._at(tree, since - 1) == TRUE:
            since -= 1
        return TRUE if self.history[k][0] - self.history[since][0] >= span_s else FALSE

    def _seq(self, trees: list[Tree], gap_s: float, k: int) -> int:
        """Which evaluations end the first n parts in order; the last part speaks where the others came in time."""
        reached = [j for j in range(k) if self._at(trees[0], j) == TRUE]
        for n, tree in enumerate(trees[1:], 1):
            follows = [
                j
                for j in range(k + 1)
                if any(i < j and self.history[j][0] - self.history[i][0] <= gap_s for i in reached)
            ]
            if n == len(trees) - 1:
                return self._at(tree, k) if k in follows else FALSE
            reached = [j for j in follows if j < k and self._at(tree, j) == TRUE]
        raise AssertionError("a sequence has two parts at least")

    def _condition(self, name: str, text: str, k: int) -> int:
        op, *operands = text.split()
        left, *right = [self._value(word, k) for word in (name, *operands)]
        if any(math.isnan(value) for value in (left, *right)):
            return UNKNOWN
        if op.startswith("crosses"):
            if k == 0:
                return UNKNOWN
            before = self._value(name, k - 1), self._value(operands[0], k - 1)
            if any(math.isnan(value) for value in before):
                return UNKNOWN
            above, was_above = (left > right[0], before[0] > before[1])
            below, was_below = (left < right[0], before[0] < before[1])
            return int(above and not was_above) if op == "crosses_above" else int(below and not was_below)
        verdicts = {
            ">": left > right[0], ">=": left >= right[0], "<": left < right[0], "<=": left <= right[0],
            "==": left == right[0], "!=": left != right[0], "in": left in right,
            "between": right[0] <= left <= right[-1],
        }  # fmt: skip
        return int(verdicts[op])

    def _value(self, word: str, k: int) -> float:
        return self.history[k][1][word] if word in NAMES else float(word)


# Truth tables


def _is_true(name: str) -> Tree:
    return {name: "== 1"}


@pytest.mark.parametrize(("key", "decisive"), [("all", FALSE), ("any", TRUE)])
def test_all_and_any_are_duals_over_three_values(key: str, decisive: int) -> None:
    verdict = Compiled({key: [_is_true(name) for name in NAMES]})
    for parts in itertools.product((FALSE, TRUE, UNKNOWN), repeat=3):
        wanted = decisive if decisive in parts else UNKNOWN if UNKNOWN in parts else 1 - decisive
        assert verdict(tuple(VALUES[part] for part in parts), 1) == wanted, parts


def test_not_turns_what_is_known_and_leaves_the_unknown() -> None:
    verdict = Compiled({"not": _is_true("a")})
    assert [verdict((VALUES[part], 0, 0), 1) for part in (FALSE, TRUE, UNKNOWN)] == [TRUE, FALSE, UNKNOWN]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("> 1", (False, False, True)), (">= 1", (False, True, True)), ("< 1", (True, False, False)),
        ("<= 1", (True, True, False)), ("== 1", (False, True, False)), ("!= 1", (True, False, True)),
        ("between 0 1", (True, True, False)), ("in 0, 2", (True, False, True)),
    ],
)  # fmt: skip
def test_each_operator_of_a_condition(text: str, holds: tuple[bool, ...]) -> None:
    verdict = Compiled({"all": [{"a": text}]})
    assert [verdict((float(value), 0, 0), 1) for value in range(3)] == [int(own) for own in holds]
    assert verdict((math.nan, 0, 0), 1) == UNKNOWN


@pytest.mark.parametrize("text", ["> b", "between b c", "between 0 b", "crosses_above b", "== b"])
def test_a_condition_with_an_unknown_operand_is_unknown(text: str) -> None:
    verdict = Compiled({"all": [{"a": text}]})
    assert verdict((1.0, math.nan, math.nan), 1) == UNKNOWN


def test_a_crossing_is_from_at_or_below_to_above() -> None:
    up, down = Compiled({"all": [{"a": "crosses_above b"}]}), Compiled({"all": [{"a": "crosses_below b"}]})
    path = [0, 1, 2, 2, 1, 0, 2, 0, math.nan, 2, 2]
    seen = [(up((value, 1, 0), k), down((value, 1, 0), k)) for k, value in enumerate(map(float, path), 1)]
    rises = [UNKNOWN, 0, 1, 0, 0, 0, 1, 0, UNKNOWN, UNKNOWN, 0]
    falls = [UNKNOWN, 0, 0, 0, 0, 1, 0, 1, UNKNOWN, UNKNOWN, 0]
    assert seen == list(zip(rises, falls, strict=True))


# Any tree over any history

numbers = st.sampled_from(["0", "1", "2"])
operands = st.one_of(numbers, st.sampled_from(NAMES))
comparisons = st.builds(
    lambda name, op, right: {name: f"{op} {right}"},
    st.sampled_from(NAMES),
    st.sampled_from([">", ">=", "<", "<=", "==", "!=", "crosses_above", "crosses_below", "in"]),
    numbers,
)
between = st.builds(
    lambda name, low, high: {name: f"between {low} {high}"}, st.sampled_from(NAMES), st.sampled_from(NAMES), operands
)
crossings = st.builds(
    lambda name, op, right: {name: f"{op} {right}"},
    st.sampled_from(NAMES),
    st.sampled_from(["crosses_above", "crosses_below", ">", "=="]),
    st.sampled_from(NAMES),
)


def _branches(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    spans = st.integers(1, 8)
    return st.one_of(
        st.builds(
            lambda key, parts: {key: parts}, st.sampled_from(["all", "any"]), st.lists(trees, min_size=1, max_size=3)
        ),
        st.builds(lambda part: {"not": part}, trees),
        st.builds(lambda part, span: {"hold": [part, span]}, trees, spans),
        st.builds(lambda parts, gap: {"seq": [parts, gap]}, st.lists(trees, min_size=2, max_size=3), spans),
    )


leaves = st.one_of(comparisons, between, crossings)
trees = _branches(st.recursive(leaves, _branches, max_leaves=8))
values = st.tuples(*(st.sampled_from([0.0, 1.0, 2.0, math.nan]) for _ in NAMES))
histories = st.lists(st.tuples(values, st.integers(1, 4)), min_size=1, max_size=12)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, histories)
def test_the_compiled_evaluation_says_what_the_definitions_say(
    tree: Tree, history: list[tuple[tuple[float, ...], int]]
) -> None:
    compiled_verdict, plain_verdict = Compiled(tree), Plain(tree)
    now_s = 0
    for own, step_s in history:
        now_s += step_s
        assert compiled_verdict(own, now_s) == plain_verdict(own, now_s), now_s
