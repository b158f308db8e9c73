"""An indicator over a frame, arrays or a run, and what it refuses."""

import numpy as np
import polars as pl
import pytest
from tests.sim.market import A, B, bars, run

import tightloop
from tightloop.core.domain.types import BAR
from tightloop.model.errors import InputError

CLOSES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
SMA = [None, None, 2.0, 3.0, 4.0, 5.0]
FRAME = pl.DataFrame(dict.fromkeys(("open", "high", "low", "close", "volume"), CLOSES))
QUIET = """
name: quiet
family: signal
direction: LONG
instruments: [{}]
timeframe: 1m
capital: 1000
variants: {{p: {{type: SMA, period: 1}}}}
sections:
  S1: {{all: [{{p: "< 0"}}]}}
  Z1: {{immediate: true, size: {{type: units, value: 1}}}}
  ZE1: {{all: [{{p: "< 0"}}]}}
"""


def records():
    rows = np.zeros(6, BAR)
    for name in FRAME.columns:
        rows[name] = CLOSES
    return rows


FORMS = {
    "a frame": FRAME,
    "a table": FRAME.to_arrow(),
    "a mapping": {name: np.array(CLOSES) for name in FRAME.columns},
    "a list": CLOSES,
    "an array": np.array(CLOSES),
    "whole numbers": np.arange(1, 7),
    "records": records(),
    "text": {name: ["1", "2", "3", "4", "5", "6"] for name in FRAME.columns},
}


@pytest.mark.parametrize("name", FORMS)
def test_an_indicator_takes_frames_and_arrays(name):
    found = tightloop.indicator("SMA", FORMS[name], period=3)
    assert found.shape == (6, 1)
    assert [None if np.isnan(value) else value for value in found[:, 0].tolist()] == SMA


def test_an_indicator_takes_a_run():
    one = run(QUIET.format(A), {A: bars("1\n2\n3\n4\n5\n6")})
    np.testing.assert_array_equal(tightloop.indicator("SMA", one, period=3)[2:, 0], SMA[2:])
    two = run(QUIET.format(f"{A}, {B}"), {A: bars("1\n2\n3\n4\n5\n6"), B: bars("2\n2\n2\n2\n2\n2")})
    with pytest.raises(InputError, match="the run has 2 instruments; write instrument= one of"):
        tightloop.indicator("SMA", two, period=3)
    assert tightloop.indicator("SMA", two, instrument=B, period=3)[5, 0] == 2.0
    with pytest.raises(InputError, match="is not in the run"):
        tightloop.indicator("SMA", two, instrument="x:Y-perp", period=3)


REFUSED = {
    "nothing": (("SMA", None), {}, "is of type NoneType"),
    "a text": (("SMA", "BTCUSDT"), {}, "is of type str"),
    "words": (("SMA", ["a", "b"]), {}, r"'a' \(row 1\) is not a number"),
    "two dimensions": (("SMA", np.ones((3, 3))), {}, "has 2 dimensions"),
    "no column close": (("SMA", FRAME.drop("close")), {}, "close: there is no such column"),
    "a missing price": (("SMA", FRAME.with_columns(low=pl.Series([1.0, None, 3.0, 4.0, 5.0, 6.0]))), {}, "low: row 2"),
    "an infinite price": (("SMA", [1.0, float("inf")]), {}, "close: row 2 is not finite"),
    "a high below the close": (("ATR", FRAME.with_columns(high=0.5)), {}, "row 1 has a high or low"),
    "closes without a volume": (("OBV", CLOSES), {}, "volume: OBV needs volumes"),
    "a volume below 0": (("OBV", FRAME.with_columns(volume=-1.0)), {}, "volume: row 1 is below 0"),
    "a carry run": (("SMA", type("CarryRun", (), {"summary": 1, "metrics": 2})()), {}, "is a carry run"),
    "no time": (("VWAP", FRAME), {"anchor": "day"}, "give a column ts"),
    "a type that is none": (("SNA", CLOSES), {}, "did you mean SMA"),
    "a parameter that is none": (("SMA", CLOSES), {"perod": 3}, "'?perod'? is not a parameter of SMA"),
    "a period below the bounds": (("SMA", CLOSES), {"period": 0}, "is not between"),
    "an instrument without a run": (("SMA", CLOSES), {"instrument": A}, "belongs to a run"),
    "one of ticks": (("TRADE_COUNT", CLOSES), {}, "not from bars|is not an indicator type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_with_what_to_give(name):
    given, options, wrong = REFUSED[name]
    with pytest.raises(InputError, match=wrong) as refusal:
        tightloop.indicator(*given, **options)
    assert refusal.value.problems[0].remedy
