"""Whatever is written into a strategy file: it is a strategy, or it is refused with places and remedies."""

import copy
import json
import re

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bad_files import BAD, GOOD
from examples import examples
from tightloop.model.errors import InputError
from tightloop.model.files.fields import Strict
from tightloop.model.instruments import default_rules
from tightloop.model.signal import read as signal_read
from tightloop.model.signal import schema as signal_schema
from tightloop.model.signal.plan import make_plan

GOOD_TREE = yaml.safe_load(GOOD.replace("1_000", "1000").replace("5_000", "5000").replace("100_000", "100000"))
MODELS = [own for own in vars(signal_schema).values() if isinstance(own, type) and issubclass(own, Strict)]
FIELDS = sorted({name for model in MODELS for name in model.model_fields})
WORDS = sorted(
    {
        *FIELDS,
        *re.findall(r"[\\w:-]+", GOOD),
        "all",
        "any",
        "not",
        "hold",
        "seq",
        "percent",
        "absolute",
        "indicator",
        "atr",
    }
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0, 1, -1, 10**30, -(10**400), 2**63, 0.5, 1e308, -1e-300, float("inf"), float("nan")]),
    st.floats(),
    st.sampled_from(WORDS),
    st.sampled_from(
        ["> 3", "<slow", "between 1 2", "in [1, 2]", "crosses_above fast", "crosses_below 7", "<", "> nan", ""]
    ),
    st.text(max_size=12),
)
KEYS = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)
SHAPE = re.compile(r"pydantic|validation error|Input should|Traceback|NoneType|<class|object at 0x")


def places(tree, path=()):
    """Every path of a tree."""
    yield path
    if isinstance(tree, dict | list):
        for key, inner in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            yield from places(inner, (*path, key))


@st.composite
def changed(draw):
    """The good file with up to four keys or values deleted, replaced or inserted."""
    tree = copy.deepcopy(GOOD_TREE)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(tree))))
        if not path:
            continue
        at = tree
        for key in path[:-1]:
            at = at[key]
        how = draw(st.sampled_from(["delete", "replace", "insert", "rename"]))
        if how == "delete":
            del at[path[-1]]
        elif how == "replace":
            at[path[-1]] = draw(VALUES)
        elif isinstance(at, dict):
            at[draw(KEYS)] = at.pop(path[-1]) if how == "rename" else draw(VALUES)
        else:
            at.insert(0, draw(VALUES))
    return tree


def outcome(job):
    """A strategy, or None for one that was refused as it should be."""
    try:
        return job()
    except InputError as error:
        for problem in error.problems:
            assert problem.message, problem
            assert problem.remedy, problem
            assert problem.line is None or problem.line >= 1
            assert not SHAPE.search(str(problem)), str(problem)
        return None


def judged(strategy):
    """What is valid makes a plan, unless its instruments do not fit together, and has a hash that stays."""
    if strategy is None or not strategy.instruments:
        return
    rules = {instrument: default_rules(instrument) for instrument in strategy.instruments}
    outcome(lambda: make_plan([strategy], rules))


@given(changed())
@settings(max_examples=examples(600), deadline=None)
def test_any_change_of_a_good_file_is_valid_or_refused(tree):
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    judged(outcome(lambda: signal_read.loads(text, "any.yaml")))


@given(changed())
@settings(max_examples=examples(300), deadline=None)
def test_any_data_are_valid_or_refused(tree):
    """The same without YAML between: numbers that no text of this product gives."""
    judged(outcome(lambda: signal_read.read(tree, lambda _: 1, "any.yaml", "")))


@given(st.sampled_from(sorted(BAD)), st.sampled_from(sorted(BAD)))
@settings(max_examples=examples(200), deadline=None)
def test_two_faults_are_refused_as_one_is(first, second):
    text = GOOD
    for name in (first, second):
        text = text.replace(BAD[name].old, BAD[name].new, 1)
    outcome(lambda: signal_read.loads(text, "any.yaml"))


PATHS = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from("012"), st.text(max_size=3)), min_size=1, max_size=5)


@given(st.lists(st.tuples(PATHS.map(".".join), st.one_of(SCALARS, VALUES)), min_size=1, max_size=3))
@settings(max_examples=examples(300), deadline=None)
def test_any_setting_is_valid_or_refused(pairs):
    options = [f"{path}={json.dumps(value)}" for path, value in pairs]
    judged(outcome(lambda: signal_read.loads(GOOD, "any.yaml", settings=options)))
    judged(outcome(lambda: signal_read.loads(GOOD, "any.yaml", settings=pairs)))


@given(st.text(max_size=40))
@settings(max_examples=examples(200), deadline=None)
def test_any_text_of_a_setting_is_valid_or_refused(text):
    outcome(lambda: signal_read.loads(GOOD, "any.yaml", settings=[text]))
    outcome(lambda: signal_read.loads(GOOD, "any.yaml", settings=[f"capital={text}"]))
    outcome(lambda: signal_read.loads(GOOD, "any.yaml", instruments=[text]))
