"""Units of indicators: each name is one that there is, and what reads prices is over the price."""

import pytest

from tightloop.core import indicators
from tightloop.model.units import ANY, PLAIN, PRICE, UNITS, unit_of


@pytest.mark.parametrize(("kind", "output"), [named for all_named in UNITS.values() for named in all_named])
def test_an_indicator_with_a_unit_is_one_that_there_is(kind, output):
    found = indicators.load(kind)
    assert output == ANY or output in found.outputs


def test_an_indicator_has_one_unit():
    named = [one for all_named in UNITS.values() for one in all_named]
    assert len(named) == len(set(named))
    assert unit_of("EMA", "value", "close") == PRICE
    assert unit_of("EMA", "value", "volume") == PLAIN
    assert unit_of("BOLLINGER", "middle") == PRICE
    assert unit_of("BOLLINGER", "bandwidth") == PLAIN
    assert unit_of("ROC", "value") == "%"
    assert unit_of("RSI", "value") == PLAIN
