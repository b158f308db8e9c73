"""Fills of the simulated venue on ticks, each case computed by hand."""

import math

import pytest

from sim.tick_venue import Script, ends, fills
from tightloop.core.domain.enums import Reason


def book(**options):
    """A quiet market: 100.0 for 5 against 100.1 for 4, and a second quote at the end that keeps time going."""
    return Script(**options).quote(0, 100.0, 5, 100.1, 4).quote(5_000, 100.0, 5, 100.1, 4)


# Takers ---------------------------------------------------------------------------------------------------------------


def test_a_market_order_takes_the_touch_in_force_when_it_arrives():
    script = book(latency_ms=(20, 20, 30)).quote(15, 100.2, 5, 100.3, 4)
    said = script.buy(10, 2).run()
    assert fills(said) == [(30.0, 1, 100.3, 2, False)]
    assert [own.at for own in said] == [60.0, 60.0]


def test_what_is_more_than_the_touch_costs_ever_more_spreads():
    # 4 at 100.1; the next 4 cost up to one spread more in a straight line: 0.05 on average, over 8 in all 0.025.
    said = book().buy(10, 8).run()
    assert fills(said)[0][2] == pytest.approx(100.1 + 0.1 * (4 / 4) / 2 * (4 / 8))
    assert said[1].slippage == pytest.approx((fills(said)[0][2] - 100.1) * 8)


def test_depth_can_be_switched_off():
    assert fills(book(depth_spreads=0.0).buy(10, 8).run()) == [(10.0, 1, 100.1, 8, False)]


def test_a_limit_that_reaches_takes_what_the_touch_shows_and_rests_with_the_rest():
    script = book().sell(10, 7, 100.0).print(20, 100.1, 1, "buy")
    # The bid that is shown again at the end takes the rest.
    assert fills(script.run()) == [(10.0, 1, 100.0, 5, False), (20.0, 1, 100.0, 1, True), (5_000.0, 1, 100.0, 1, True)]


def test_ioc_leaves_nothing_and_fok_takes_all_or_nothing():
    script = book().sell(10, 7, 100.0, tif="IOC").sell(20, 7, 100.0, tif="FOK").sell(30, 5, 100.0, tif="FOK")
    said = script.run()
    assert fills(said) == [(10.0, 1, 100.0, 5, False), (30.0, 3, 100.0, 5, False)]
    assert ends(said) == [
        (10.0, 1, "canceled", int(Reason.UNFILLED_IOC)),
        (20.0, 2, "canceled", int(Reason.UNFILLED_FOK)),
    ]


# 5 are shown at 100.0; each 5 more lie a spread of 0.1 lower, in a straight line: the price of the seventh is 99.96.
SEVEN_SOLD = 100.0 - 0.1 * (2 / 5) / 2 * (2 / 7)
EIGHT_BOUGHT = 100.1 + 0.1 * (4 / 4) / 2 * (4 / 8)


@pytest.mark.parametrize("tif", ["GTC", "IOC", "FOK"])
@pytest.mark.parametrize(
    ("side", "qty", "limit", "price"),
    [(-1, 7, None, SEVEN_SOLD), (-1, 7, 99.96, SEVEN_SOLD), (1, 8, None, EIGHT_BOUGHT), (1, 8, 100.2, EIGHT_BOUGHT)],
)
def test_one_depth_serves_every_order_that_takes(tif, side, qty, limit, price):
    fields = {"tif": tif} | ({} if limit is None else {"price": limit})
    said = book().order(10, side, qty, **fields).run()
    assert ends(said) == []
    assert [(at, own, taken, maker) for at, own, _, taken, maker in fills(said)] == [(10.0, 1, qty, False)]
    assert fills(said)[0][2] == pytest.approx(price, rel=1e-12)


@pytest.mark.parametrize(("side", "qty", "limit", "takes"), [(-1, 7, 99.98, 6), (1, 8, 100.15, 6)])
def test_a_limit_takes_what_lies_before_its_price_and_all_or_nothing_is_nothing_when_that_is_less(
    side, qty, limit, takes
):
    # A tenth of a spread is a tenth of the touch: 5 + 5 x 0.02 / 0.1 = 6 sold, 4 + 4 x 0.05 / 0.1 = 6 bought.
    said = book(tick=0.01).order(10, side, qty, price=limit, tif="IOC").run()
    touch, shown = (100.0, 5) if side < 0 else (100.1, 4)
    more = takes - shown
    assert fills(said)[0][2:4] == (pytest.approx(touch + side * 0.1 * (more / shown) / 2 * (more / takes)), takes)
    assert ends(said) == [(10.0, 1, "canceled", int(Reason.UNFILLED_IOC))]
    said = book(tick=0.01).order(10, side, qty, price=limit, tif="FOK").run()
    assert fills(said) == []
    assert ends(said) == [(10.0, 1, "canceled", int(Reason.UNFILLED_FOK))]
    assert fills(book(tick=0.01).order(10, side, takes, price=limit, tif="FOK").run())[0][3] == takes


@pytest.mark.parametrize("options", [{"depth_spreads": 0.0}, {"partial": False}])
def test_all_or_nothing_is_all_where_depth_has_no_end(options):
    for tif in ("IOC", "FOK"):
        assert fills(book(**options).sell(10, 700, 100.0, tif=tif).run()) == [(10.0, 1, 100.0, 700, False)]


def test_all_or_nothing_wants_all_within_the_share_of_participation():
    def sold(qty, tif):
        said = book(participation=0.2, depth_spreads=0.0).sell(10, qty, tif=tif).run()
        return [own[3] for own in fills(said)], [own[3] for own in ends(said)]

    assert sold(1, "FOK") == ([1], [])
    assert sold(2, "FOK") == ([], [int(Reason.UNFILLED_FOK)])
    assert sold(2, "IOC") == ([1], [int(Reason.UNFILLED_IOC)])


def test_without_quotes_ioc_and_fok_go_by_the_next_print():
    def bought(qty, tif, **options):
        said = Script(**options).print(0, 100.0, 1, "buy").print(50, 101.0, 3, "sell").buy(10, qty, tif=tif).run()
        return [own[3] for own in fills(said)], [own[3] for own in ends(said)]

    assert bought(3, "FOK") == ([3], [])
    assert bought(4, "FOK") == ([], [int(Reason.UNFILLED_FOK)])
    assert bought(4, "IOC") == ([3], [int(Reason.UNFILLED_IOC)])
    assert bought(4, "FOK", partial=False) == ([4], [])


def test_without_quotes_a_market_order_waits_for_the_next_print():
    script = Script().print(0, 100.0, 1, "buy").print(50, 101.0, 3, "sell").print(60, 102.0, 3, "sell")
    assert fills(script.buy(10, 2).run()) == [(50.0, 1, 101.0, 2, False)]


# Makers ---------------------------------------------------------------------------------------------------------------


def test_a_post_only_order_that_would_take_is_rejected():
    said = book().buy(10, 1, 100.1, post_only=1).run()
    assert ends(said) == [(10.0, 1, "rejected", int(Reason.POST_ONLY_WOULD_TAKE))]


def test_an_order_waits_for_the_queue_ahead_of_it():
    # 5 stand ahead: prints of 3 and 2 use them up, the next one reaches the order.
    script = book().buy(10, 2, 100.0)
    for at, qty in ((20, 3), (30, 2), (40, 1.5), (50, 9)):
        script.print(at, 100.0, qty, "sell")
    assert fills(script.run()) == [(40.0, 1, 100.0, 1.5, True), (50.0, 1, 100.0, 0.5, True)]


def test_a_print_that_reaches_past_the_queue_fills_what_is_left_of_it():
    script = book().buy(10, 2, 100.0).print(20, 100.0, 6.5, "sell")
    assert fills(script.run()) == [(20.0, 1, 100.0, 1.5, True)]


def test_a_limit_that_is_traded_through_fills_at_its_price():
    script = book().buy(10, 2, 100.0).print(20, 99.9, 3, "sell")
    assert fills(script.run()) == [(20.0, 1, 100.0, 2, True)]


def test_a_print_of_the_other_side_does_not_touch_an_order():
    assert fills(book().buy(10, 2, 100.0).print(20, 100.0, 50, "buy").run()) == []


def test_one_print_is_used_once_over_all_our_orders():
    script = book().buy(10, 2, 100.0).buy(11, 2, 99.9).print(20, 99.8, 3, "sell")
    assert fills(script.run()) == [(20.0, 1, 100.0, 2, True), (20.0, 2, 99.9, 1, True)]


def test_whole_fills_ignore_what_a_print_has():
    script = book(partial=False).buy(10, 2, 100.0).print(20, 100.0, 5.001, "sell")
    assert fills(script.run()) == [(20.0, 1, 100.0, 2, True)]
    script = book(partial=False).buy(10, 2, 100.0).print(20, 100.0, 5.0, "sell")
    assert fills(script.run()) == [], "the queue is used up, and nothing was left for the order"


def test_the_other_side_reaching_an_order_fills_it():
    script = book().buy(10, 2, 100.0).quote(20, 99.8, 5, 99.9, 1.25)
    assert fills(script.run()) == [(20.0, 1, 100.0, 1.25, True)]


def test_participation_caps_what_a_print_fills():
    script = book(participation=0.1).buy(10, 2, 100.0).print(20, 99.9, 5, "sell")
    assert fills(script.run()) == [(20.0, 1, 100.0, 0.5, True)]


# Queues ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "ahead"),
    [
        # 10 ahead, then 10 more join behind, then 8 of the 20 are canceled.
        ("risk_averse", 10.0),
        # ln(1 + 10) / ln(1 + 20) of the 8 stood behind.
        ("log2", 10 - 8 * (1 - math.log(11) / math.log(21))),
        # 1 - (10 / 20)^3 of the 8 stood behind.
        ("power3", 10 - 8 * 0.125),
    ],
)
def test_cancels_ahead_of_an_order_by_the_model_of_the_queue(queue, ahead):
    script = Script(queue=queue).quote(0, 100.0, 10, 100.1, 4).buy(10, 1, 100.0)
    script.quote(20, 100.0, 20, 100.1, 4).quote(30, 100.0, 12, 100.1, 4)
    script.run()
    assert script.plan.venues[0]["queue_ahead"][0] == pytest.approx(ahead, abs=1e-6)


def test_what_printed_was_not_canceled():
    script = Script(queue="power3").quote(0, 100.0, 10, 100.1, 4).buy(10, 1, 100.0)
    script.print(20, 100.0, 3, "sell").quote(30, 100.0, 7, 100.1, 4)
    script.run()
    assert script.plan.venues[0]["queue_ahead"][0] == 7.0


def test_a_better_best_price_does_not_move_an_order_to_the_front():
    script = book().buy(10, 2, 100.0).quote(20, 100.05, 1, 100.1, 4).quote(30, 100.0, 5, 100.1, 4)
    assert fills(script.print(40, 100.0, 4, "sell").run()) == []
    assert script.plan.venues[0]["queue_ahead"][0] == 1.0


def test_a_best_price_that_falls_behind_an_order_leaves_nothing_ahead_of_it():
    script = book().buy(10, 2, 100.0).quote(20, 99.9, 5, 100.1, 4).print(30, 100.0, 0.5, "sell")
    assert fills(script.run()) == [(30.0, 1, 100.0, 0.5, True)]


def test_an_amend_to_another_price_or_to_more_goes_to_the_end_of_the_queue():
    script = book().buy(10, 2, 100.0).print(20, 100.0, 4, "sell").amend(30, 1, qty=3, price=100.0)
    script.run()
    assert script.plan.venues[0]["queue_ahead"][0] == 5.0
    script = book().buy(10, 2, 100.0).print(20, 100.0, 4, "sell").amend(30, 1, qty=1, price=100.0)
    script.run()
    assert script.plan.venues[0]["queue_ahead"][0] == 1.0


# Time -----------------------------------------------------------------------------------------------------------------


def test_a_cancel_that_comes_too_late_changes_nothing():
    script = book(latency_ms=(5, 20, 5)).buy(10, 2, 100.0).cancel(20, 1).print(39, 99.9, 5, "sell")
    said = script.run()
    assert fills(said) == [(39.0, 1, 100.0, 2, True)]
    assert ends(said) == []


def test_a_cancel_in_time_leaves_what_was_filled():
    script = book(latency_ms=(5, 20, 5)).buy(10, 2, 100.0).print(30, 99.9, 0.5, "sell").cancel(20, 1)
    said = script.print(41, 99.9, 5, "sell").run()
    assert fills(said) == [(30.0, 1, 100.0, 0.5, True)]
    assert ends(said) == [(40.0, 1, "canceled", 0)]


def test_an_order_expires_at_its_time_in_a_silent_market():
    said = book(latency_ms=(0, 0, 7)).buy(10, 2, 99.0, tif="GTT", expires=1_234).run()
    assert ends(said) == [(1234.0, 1, "expired", int(Reason.TTL))]
    assert said[-1].at == 1241.0


def test_what_arrives_in_a_halt_waits_for_a_sign_of_life():
    script = (
        Script(halt_ns=60_000_000_000).quote(0, 100.0, 5, 100.1, 4).buy(70_000, 1).quote(90_000, 110.0, 5, 110.2, 4)
    )
    assert fills(script.run()) == [(90_000.0, 1, 110.2, 1, False)]


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
@pytest.mark.parametrize(("limit", "filled"), [(111.0, [(90_000.0, 1, 110.2, 1, False)]), (105.0, [])])
def test_what_may_not_rest_does_not_rest_through_a_halt(tif, limit, filled):
    script = Script(halt_ns=60_000_000_000).quote(0, 100.0, 5, 100.1, 4).buy(70_000, 1, limit, tif=tif)
    said = script.quote(90_000, 110.0, 5, 110.2, 4).quote(95_000, 104.0, 5, 104.5, 4).run()
    assert fills(said) == filled
    reason = Reason.UNFILLED_IOC if tif == "IOC" else Reason.UNFILLED_FOK
    assert ends(said) == ([] if filled else [(90_000.0, 1, "canceled", int(reason))])


# Stops ----------------------------------------------------------------------------------------------------------------


def held(**options):
    return book(**options).buy(1, 2)


@pytest.mark.parametrize(
    ("trigger", "at"), [("TOUCH", 20.0), ("MARK", 30.0), ("LAST", 40.0)], ids=["touch", "mark", "last"]
)
def test_a_stop_is_set_off_by_its_own_price(trigger, at):
    script = held().print(5, 100.0, 1, "sell")
    script.sell(10, 2, kind="stop", stop_price=99.0, trigger=trigger, reduce_only=1)
    script.quote(20, 98.9, 5, 100.1, 4).quote(30, 98.8, 5, 99.1, 4).print(40, 98.95, 1, "sell")
    price = 98.9 if trigger == "TOUCH" else 98.8
    assert fills(script.run())[1:] == [(at, 2, price, 2, False)]


def test_a_trailing_stop_follows_the_touch_and_never_loosens():
    script = held().sell(10, 2, kind="trailing", trail_distance=1.0, arm_price=100.0, value=100.1, reduce_only=1)
    script.quote(20, 103.0, 5, 103.1, 4).quote(30, 102.5, 5, 102.6, 4).quote(40, 102.0, 5, 102.1, 4)
    assert fills(script.run())[1:] == [(40.0, 2, 102.0, 2, False)]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("trigger", ["TOUCH", "MARK", "LAST"])
def test_a_stop_sent_at_a_price_already_passed_is_set_off_at_once_by_its_own_price(side, trigger):
    # The touches are 100.0 and 100.1, the mark 100.05, the last print 100.02.
    passed, ahead = {"TOUCH": (0.0, 0.1), "MARK": (0.05, 0.06), "LAST": (0.02, 0.03)}[trigger]
    passed, ahead = (100.0 + passed, 100.0 + ahead) if side > 0 else (100.0 + passed, 99.99)
    if side > 0 and trigger == "TOUCH":
        passed, ahead = 100.1, 100.11
    for stop, is_filled in ((passed, True), (ahead, False)):
        script = book(tick=0.01).print(1, 100.02, 1, "sell")
        said = script.order(10, side, 2, kind="stop", stop_price=stop, trigger=trigger).run()
        price = 100.1 if side > 0 else 100.0
        assert fills(said) == ([(10.0, 1, price, 2, False)] if is_filled else [])


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("gap", "is_stop"), [(5.0, True), (50.0, False)])
def test_a_stop_before_the_liquidation_price_fills_and_one_beyond_it_never_does(side, gap, is_stop):
    # Leverage 10: a long at 100.1 is liquidated at 90.54, a short at 100.0 at 109.45; the market jumps by 60.
    entry = 100.1 if side > 0 else 100.0
    script = book().order(1, side, 2, leverage=10.0)
    script.order(10, -side, 2, kind="stop", stop_price=entry - side * gap, reduce_only=1)
    jumped = 100.0 - side * 60.0
    said = script.quote(20, jumped, 5, jumped + 0.1, 4).run()
    price = jumped if side > 0 else jumped + 0.1
    assert fills(said)[1:] == [(20.0, 2 if is_stop else 0, price, 2, False)]


def test_a_stop_at_the_liquidation_price_itself_comes_first():
    def sold(stop):
        script = book(tick=0.0).buy(1, 2, leverage=10.0)
        script.sell(10, 2, kind="stop", stop_price=stop, reduce_only=1)
        return fills(script.quote(20, 90.0, 5, 90.1, 4).run())[1][1]

    at = 100.1 * 0.9 / 0.995
    assert sold(at + 1e-9) == 2
    assert sold(at - 1e-6) == 0


def test_a_nearer_distance_of_a_trail_is_taken_at_once_and_a_wider_one_never_loosens_it():
    def sold(distance):
        script = held().sell(10, 2, kind="trailing", trail_distance=1.0, value=100.1, reduce_only=1)
        script.quote(20, 103.0, 5, 103.1, 4).quote(30, 102.4, 5, 102.5, 4)
        script.amend(40, 2, qty=2, trail_distance=distance, arm_price=math.nan)
        return fills(script.quote(50, 102.0, 5, 102.1, 4).run())[1:]

    assert sold(0.5) == [(40.0, 2, 102.4, 2, False)]
    assert sold(5.0) == [(50.0, 2, 102.0, 2, False)]


def test_less_of_a_position_does_not_reset_its_trail():
    script = held().sell(10, 2, kind="trailing", trail_distance=1.0, value=100.1, reduce_only=1)
    script.quote(20, 103.0, 5, 103.1, 4).sell(25, 1, reduce_only=1)
    script.amend(30, 2, qty=1, trail_distance=1.0, arm_price=math.nan)
    script.quote(40, 102.3, 5, 102.4, 4).quote(50, 102.0, 5, 102.1, 4)
    assert fills(script.run())[1:] == [(25.0, 3, 103.0, 1, False), (50.0, 2, 102.0, 1, False)]


def test_an_exit_of_nothing_is_canceled():
    said = book().sell(10, 2, reduce_only=1).run()
    assert ends(said) == [(10.0, 1, "canceled", int(Reason.NOTHING_TO_REDUCE))]


def test_our_own_resting_order_is_canceled_before_we_take_it():
    script = book().sell(10, 2, 100.1).buy(20, 1)
    said = script.run()
    assert ends(said) == [(20.0, 1, "canceled", int(Reason.SELF_TRADE))]
    assert fills(said) == [(20.0, 2, 100.1, 1, False)]


def test_a_filled_leg_of_a_pair_cancels_the_other_at_once():
    script = held().sell(10, 2, kind="stop", stop_price=99.0, reduce_only=1, oco=7)
    script.sell(11, 2, 101.0, reduce_only=1, oco=7).print(20, 101.5, 2, "buy").quote(30, 98.0, 5, 98.1, 5)
    said = script.run()
    assert fills(said)[1:] == [(20.0, 3, 101.0, 2, True)]
    assert ends(said) == [(20.0, 2, "canceled", int(Reason.OCO))]
