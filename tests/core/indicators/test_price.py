from tests.core.indicators.reference import bars_of

from tightloop.core.indicators import load, series


def test_the_outputs_are_the_numbers_of_the_bar_and_the_first_is_the_close():
    bars = bars_of("walk")
    values = series("PRICE", bars)
    outputs = load("PRICE").outputs
    assert outputs[0] == "close"
    assert sorted(outputs) == ["close", "high", "low", "open", "volume"]
    for place, name in enumerate(outputs):
        assert (values[:, place] == bars[name]).all()
