"""Whatever is written into a carry strategy file: it is a strategy, or it is refused with places and remedies."""

import copy
import re

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from model.carry.test_carry_file import FULL
from model.signal.test_any_strategy import SHAPE, VALUES, places
from tightloop.model.carry import read as carry_read
from tightloop.model.carry import schema as carry_schema
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import InputError
from tightloop.model.files.fields import Strict

GOOD_TREE = yaml.safe_load(re.sub(r"(\d)_(\d)", r"\1\2", FULL))
MODELS = [own for own in vars(carry_schema).values() if isinstance(own, type) and issubclass(own, Strict)]
NAMES = sorted({field.alias or name for model in MODELS for name, field in model.model_fields.items()})
WORDS = sorted({*NAMES, *re.findall(r"[\w:$-]+", FULL), "", "venue", "all", "$", "default", "extends"})
ANY = st.one_of(VALUES, st.sampled_from(WORDS))


@st.composite
def changed(draw):
    """The full file with up to four keys or values deleted, replaced, renamed or moved."""
    tree = copy.deepcopy(GOOD_TREE)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(tree))))
        if not path:
            continue
        at = tree
        for key in path[:-1]:
            at = at[key]
        how = draw(st.sampled_from(["delete", "replace", "rename"]))
        if how == "delete":
            del at[path[-1]]
        elif how == "replace":
            at[path[-1]] = draw(ANY)
        elif isinstance(at, dict):
            at[draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)))] = at.pop(path[-1])
    return tree


@settings(max_examples=examples(400), deadline=None)
@given(changed())
def test_a_carry_file_is_a_strategy_or_is_refused_in_words_of_this_product(tree):
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    try:
        own = carry_read.loads(text, "changed.yaml")
    except InputError as error:
        for problem in error.problems:
            assert problem.message, problem
            assert problem.remedy, problem
            assert not SHAPE.search(str(problem)), problem
        return
    assert isinstance(own, CarryStrategy)
    assert own.legs
    assert len(own.config_hash) == 16
