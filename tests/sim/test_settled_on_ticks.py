"""What the contract settles for ticks too, by hand: stops that are past, trails, liquidation, funding that is off."""

import pytest

from sim.tick_market import A, run, strategy
from sim.tick_market import rows_of as rows
from sim.tick_venue import Script, fills


def held(leverage=1.0):
    """Long 2, bought at 100.1."""
    script = Script().quote(0, 100.0, 5, 100.1, 4).quote(5_000, 100.0, 5, 100.1, 4)
    return script.buy(1, 2, leverage=leverage)


@pytest.mark.parametrize("trigger", ["TOUCH", "LAST", "MARK"])
def test_a_stop_sent_where_the_market_has_left_it_behind_is_triggered_at_once(trigger):
    script = held().print(5, 100.0, 1, "sell")
    script.sell(10, 2, kind="stop", stop_price=101.0, trigger=trigger, reduce_only=1)
    assert fills(script.run())[1:] == [(10.0, 2, 100.0, 2, False)]


def test_a_trail_by_a_variant_follows_the_distance_of_each_evaluation_and_a_partial_target_does_not_reset_it():
    spread = "wide: {type: SPREAD_PCT}"
    done = run(
        strategy(
            variants=spread,
            size="{type: units, value: 2}",
            stop="{type: trailing, variant: wide, multiple: 1.5}",  # in units of price: the spread in percent
            target="{type: ladder, of: percent, steps: [[1, 50], [50, 50]]}",
        ),
        (
            # A spread of 4 around 100 is 4 percent; bought at 102, the trail 6 away at 96. From then on it is about 16
            # away, and stays. At 104 half is sold at 103.02; 6 away again it would lie at 98, and be set off by 97.5.
            [(0, 98, 102, "S1"), (1, 98.5, 110), (2, 104, 116), (3, 97.5, 108), (4, 95.9, 107), (5, 95, 107)],
            [(0.5, 100, 1)],
        ),
    )
    sold = [(fill.ts, fill.qty, fill.price, fill.role) for fill in rows(done.fills, side="SELL")]
    assert sold == [(2, 1, 103.02, "take_profit"), (4, 1, 95.9, "trailing")]


@pytest.mark.parametrize(("order", "paid"), [(("off",), 0), (("on", "off"), 0), (("off", "on"), 0)])
def test_funding_off_is_of_the_strategy_that_says_it(order, paid):
    costs = '{{taker_bps: 0, maker_bps: 0, funding: "{}"}}'
    texts = {
        "off": strategy(name="without", costs=costs.format("off")),
        "on": strategy(name="with", costs=costs.format("on"), s1='all: [{vol: "< 0"}]'),
    }
    quotes = [(0, 99, 101, "S1"), *((second, 99, 101) for second in range(1, 10))]
    done = run([texts[name] for name in order], {A: (quotes, [(0.5, 100, 1)])}, funding={5: 0.01})
    assert done.metrics["funding"] == paid
    both = [text.replace('funding: "off"', 'funding: "on"') for text in texts.values()]
    done = run(both, {A: (quotes, [(0.5, 100, 1)])}, funding={5: 0.01})
    assert done.metrics["funding"] == pytest.approx(-1)  # 1 unit at a mark of 100


@pytest.mark.parametrize(("stop", "who"), [(70.0, 0), (90.0, 2)])
def test_when_the_mark_passes_both_at_once_a_stop_beyond_the_liquidation_price_does_not_fill(stop, who):
    # With leverage 5 the liquidation price is 100.1 x 0.8 / 0.995 = 80.482412.
    script = held(leverage=5.0).sell(10, 2, kind="stop", stop_price=stop, reduce_only=1).quote(20, 60.0, 5, 61.0, 4)
    assert fills(script.run())[1:] == [(20.0, who, 60.0, 2, False)]
