"""What `validate` says of conditions that a market which never moved makes TRUE."""

import pytest

from tightloop.model.signal import read as signal_read

TEXT = """
name: flat
family: signal
direction: LONG
instruments: ["test:AAAUSDT-perp"]
timeframe: 1m
variants:
  own: {type: %s}
  price: {type: PRICE}
sections:
  S1: {all: [{own: "%s"}]}
  Z1: {immediate: true, size: {type: fixed, value: 100}}
  ZE1: {all: [{own: "%s"}, {price: "> 0"}]}
costs: {taker_bps: 0, maker_bps: 0, funding: "off"}
"""


def said(kind, first="crosses_above 30", second="crosses_above 30"):
    return [text for text in signal_read.loads(TEXT % (kind, first, second)).warnings if "never moved" in text]


@pytest.mark.parametrize("condition", ["< 30", "<= 0", "between 0 and 30", "> -5", "== 0"])
@pytest.mark.parametrize("kind", ["RSI", "STOCHASTIC", "WILLIAMS_R"])
def test_a_level_that_holds_in_a_flat_market_is_named_with_its_line_and_the_remedy(kind, condition):
    (text,) = said(kind, condition)
    assert text.startswith("line 11, sections.S1.all.0")
    assert f"is TRUE on a market that never moved, where {kind} is 0 as in TA-Lib" in text
    assert text.endswith("write flat: unknown in variants.own")
    assert said(f"{kind}, flat: unknown", condition) == []


@pytest.mark.parametrize("condition", ["> 70", "between 30 and 70", "crosses_below 30", "> price"])
def test_what_does_not_hold_there_or_wants_a_move_is_not(condition):
    assert said("RSI", condition) == []


def test_an_exit_is_named_too_and_each_variant_once():
    (text,) = said("RSI", "> 70", "< 30")
    assert text.startswith("line 13, sections.ZE1.all.0")
    assert len(said("RSI", "< 30", "< 20")) == 1


def test_an_indicator_that_is_honestly_0_there_is_not_named():
    assert said("ROC", "< 1", "> -1") == []
