"""Fills of the simulated venue in order books, each case computed by hand."""

import math

import pytest

from sim.tick_venue import Script, ends, fills
from tightloop.core.domain.enums import Reason

BIDS = [(100.0, 5), (99.9, 6), (99.8, 7)]
ASKS = [(100.1, 4), (100.2, 3), (100.4, 10)]


def book(**options):
    """Three levels a side at 0 ms, and at 5 s a change far away that keeps time going."""
    return Script(book=True, **options).snapshot(0, 1, BIDS, ASKS)


def ended(script, seq=2):
    return script.change(5_000, seq, bids=[(90.0, 1)])


# Takers ---------------------------------------------------------------------------------------------------------------


def test_a_market_order_walks_through_three_levels_at_their_average_price():
    said = ended(book().buy(10, 9)).run()
    # 4 at 100.1, 3 at 100.2, 2 at 100.4.
    average = (4 * 100.1 + 3 * 100.2 + 2 * 100.4) / 9
    assert fills(said) == [(10.0, 1, pytest.approx(average), 9, False)]
    assert said[1].slippage == pytest.approx((average - 100.1) * 9)


def test_the_straight_line_of_quotes_is_not_used_in_a_book():
    deep = fills(ended(book(depth_spreads=7.0).buy(10, 7)).run())
    assert deep == [(10.0, 1, pytest.approx((4 * 100.1 + 3 * 100.2) / 7), 7, False)]


def test_what_was_taken_stays_taken_until_its_level_is_told_again():
    script = book().buy(10, 3).buy(20, 2)
    # The second finds 1 left at 100.1 and takes 1 at 100.2; then the best level is told anew, and is there again.
    script.change(30, 2, asks=[(100.1, 4)]).buy(40, 4)
    assert fills(ended(script, 3).run()) == [
        (10.0, 1, 100.1, 3, False),
        (20.0, 2, pytest.approx(100.15), 2, False),
        (40.0, 3, pytest.approx(100.1), 4, False),
    ]


def test_a_change_of_another_level_gives_nothing_back():
    script = book().buy(10, 4).change(20, 2, asks=[(100.3, 1)]).buy(30, 4)
    assert fills(ended(script, 3).run())[1] == (30.0, 2, pytest.approx((3 * 100.2 + 100.3) / 4), 4, False)


def test_a_market_order_that_exhausts_the_book_waits_for_more():
    script = book().buy(10, 20).change(20, 2, asks=[(100.5, 1)]).change(30, 3, asks=[(100.6, 8)])
    whole = (4 * 100.1 + 3 * 100.2 + 10 * 100.4) / 17
    assert fills(ended(script, 4).run()) == [
        (10.0, 1, pytest.approx(whole), 17, False),
        (20.0, 1, 100.5, 1, False),
        (30.0, 1, 100.6, 2, False),
    ]


def test_a_limit_takes_the_levels_it_reaches_and_rests_with_the_rest():
    script = book().buy(10, 9, 100.2).print(20, 100.1, 1, "sell")
    said = fills(ended(script).run())
    assert said == [
        (10.0, 1, pytest.approx((4 * 100.1 + 3 * 100.2) / 7), 7, False),
        (20.0, 1, 100.2, 1, True),
    ]


def test_all_or_nothing_wants_all_within_the_share_of_participation():
    said = ended(book(participation=0.5).buy(10, 4, 100.2, tif="FOK")).run()
    assert len(fills(said)) == 0, "half of 7 are 3.5"
    assert [own[3] for own in ends(said)] == [int(Reason.UNFILLED_FOK)]
    whole = ended(book(participation=0.5).buy(10, 3.5, 100.2, tif="FOK")).run()
    assert [own[3] for own in fills(whole)] == [3.5]


def test_ioc_and_fok_go_by_all_levels_within_the_limit():
    script = book().buy(10, 8, 100.2, tif="FOK").buy(20, 7, 100.2, tif="FOK").buy(30, 11, 100.4, tif="IOC")
    said = ended(script).run()
    assert fills(said) == [
        (20.0, 2, pytest.approx((4 * 100.1 + 3 * 100.2) / 7), 7, False),
        (30.0, 3, 100.4, 10, False),
    ]
    assert ends(said) == [
        (10.0, 1, "canceled", int(Reason.UNFILLED_FOK)),
        (30.0, 3, "canceled", int(Reason.UNFILLED_IOC)),
    ]


def test_a_post_only_order_that_would_take_is_rejected():
    said = ended(book().buy(10, 1, 100.1, post_only=1).buy(20, 1, 100.05, post_only=1)).run()
    assert ends(said) == [(10.0, 1, "rejected", int(Reason.POST_ONLY_WOULD_TAKE))]


def test_participation_leaves_the_rest_of_every_level():
    # Half of 4, of 3 and of 10: 2 at 100.1, 1.5 at 100.2, 1.5 at 100.4.
    assert fills(ended(book(participation=0.5).buy(10, 5)).run())[0] == (
        10.0,
        1,
        pytest.approx((2 * 100.1 + 1.5 * 100.2 + 1.5 * 100.4) / 5),
        5,
        False,
    )


def test_a_stop_is_set_off_by_the_touch_and_walks_the_book():
    script = book().sell(10, 6, kind="stop", stop_price=99.9).change(20, 2, bids=[(100.0, 0)])
    assert fills(ended(script, 3).run()) == [(20.0, 1, 99.9, 6, False)]


def test_an_order_of_ones_own_that_a_walk_would_reach_is_canceled_first():
    script = book().sell(10, 1, 100.3).buy(20, 8)
    said = ended(script).run()
    assert ends(said) == [(20.0, 1, "canceled", int(Reason.SELF_TRADE))]
    assert fills(said) == [(20.0, 2, pytest.approx((4 * 100.1 + 3 * 100.2 + 100.4) / 8), 8, False)]


def test_one_that_the_walk_does_not_reach_stays():
    assert ends(ended(book().sell(10, 1, 100.3).buy(20, 7)).run()) == []


# Makers ---------------------------------------------------------------------------------------------------------------


def test_the_queue_of_a_deeper_level_is_known_from_the_book():
    # 6 stand ahead at 99.9: prints of 4 and 2 use them up, the next reaches the order.
    script = book().buy(10, 2, 99.9)
    for at, qty in ((20, 4), (30, 2), (40, 9)):
        script.print(at, 99.9, qty, "sell")
    assert fills(ended(script).run()) == [(40.0, 1, 99.9, 2, True)]


def test_who_leaves_a_level_can_not_stand_ahead():
    script = book().buy(10, 2, 99.9).change(20, 2, bids=[(99.9, 1)]).print(30, 99.9, 2, "sell")
    assert fills(ended(script, 3).run()) == [(30.0, 1, 99.9, 1, True)]


def test_a_snapshot_can_only_shorten_a_queue():
    script = book().buy(10, 2, 99.9).snapshot(20, 2, [(100.0, 5), (99.9, 50)], ASKS)
    script.print(30, 99.9, 6, "sell").print(40, 99.9, 1, "sell")
    assert fills(ended(script, 3).run()) == [(40.0, 1, 99.9, 1, True)]


def test_levels_that_reach_a_resting_order_are_taken_in_at_its_price():
    script = book().buy(10, 5, 100.0).change(20, 2, bids=[(100.0, 0)], asks=[(99.95, 2), (99.99, 1)]).buy(30, 3)
    said = fills(ended(script, 3).run())
    assert said[:2] == [(20.0, 1, 100.0, 2, True), (20.0, 1, 100.0, 1, True)]
    assert said[2] == (30.0, 2, 100.1, 3, False), "what the resting order took is gone"


def test_an_amend_that_asks_for_more_of_an_order_that_was_filled_is_told_so():
    # The sender has asked for 5 of it, hears of a fill of 3, and would wait for 2 for ever.
    script = book(latency_ms=(10, 10, 10)).buy(10, 3).amend(15, 1, qty=5, price=math.nan)
    said = ended(script).run()
    assert fills(said) == [(20.0, 1, 100.1, 3, False)]
    assert ends(said) == [(25.0, 1, "canceled", int(Reason.TOO_LATE))]


# What is not known ----------------------------------------------------------------------------------------------------


def test_nothing_fills_before_the_first_snapshot():
    script = Script(book=True).change(0, 1, BIDS, ASKS).buy(10, 1).buy(15, 1, 100.2, tif="IOC")
    script.snapshot(20, 5, BIDS, ASKS)
    said = ended(script, 6).run()
    assert fills(said) == [(20.0, 1, 100.1, 1, False)]
    assert ends(said) == [(15.0, 2, "canceled", int(Reason.UNFILLED_IOC))]


def test_a_missing_update_voids_the_book_until_a_snapshot():
    script = book().change(10, 3, asks=[(100.1, 9)]).buy(20, 1).change(30, 4, asks=[(100.1, 9)])
    script.snapshot(40, 9, BIDS, [(100.3, 5)])
    assert fills(ended(script, 10).run()) == [(40.0, 1, 100.3, 1, False)]


def test_an_update_older_than_the_book_is_not_used():
    script = book().snapshot(5, 7, BIDS, ASKS).change(10, 6, asks=[(100.1, 0)])
    script.change(12, 8, bids=[(99.0, 1)]).buy(20, 1)
    assert fills(ended(script, 9).run()) == [(20.0, 1, 100.1, 1, False)]


@pytest.mark.parametrize("bid", [100.1, 100.15])
def test_an_update_that_leaves_the_book_crossed_or_locked_voids_it(bid):
    script = book().change(10, 2, bids=[(bid, 1)]).buy(20, 1).change(30, 3, bids=[(bid, 0)]).snapshot(40, 4, BIDS, ASKS)
    assert fills(ended(script, 5).run()) == [(40.0, 1, 100.1, 1, False)]


def test_rows_of_one_update_may_cross_on_the_way():
    script = book().change(10, 2, bids=[(100.2, 3)], asks=[(100.1, 0), (100.2, 0)]).buy(20, 1)
    assert fills(ended(script, 3).run()) == [(20.0, 1, 100.4, 1, False)]


def test_a_queue_that_nobody_knows_is_not_passed_by_prints_at_its_price():
    # The order joins while the book is lost: a print at its price says nothing, one through it fills.
    script = book().change(10, 9, bids=[(100.0, 1)]).buy(20, 1, 99.9).print(30, 99.9, 50, "sell")
    script.print(40, 99.8, 2, "sell")
    assert fills(ended(script, 10).run()) == [(40.0, 1, 99.9, 1, True)]


def test_after_a_snapshot_such_a_queue_is_what_is_shown():
    script = book().change(10, 9, bids=[(100.0, 1)]).buy(20, 1, 99.9).snapshot(30, 12, BIDS, ASKS)
    script.print(40, 99.9, 6, "sell").print(50, 99.9, 1, "sell")
    assert fills(ended(script, 13).run()) == [(50.0, 1, 99.9, 1, True)]


def test_in_a_halted_market_an_order_waits_for_the_next_sign_of_life():
    script = book(halt_ns=1_000_000_000).buy(2_000, 1)
    assert fills(ended(script).run()) == [(5_000.0, 1, 100.1, 1, False)]


def test_a_position_is_liquidated_through_the_levels_there_are():
    # Bought 4 at 100.1 with leverage 50; at a mark near 97 it is closed: 1 at 97.0, 2 at 96.9 and what is left there.
    script = book().order(10, 1, 4, leverage=50.0)
    script.snapshot(20, 2, [(97.0, 1), (96.9, 2)], [(97.1, 1)])
    said = fills(ended(script, 3).run())
    assert said[1][2] == pytest.approx((1 * 97.0 + 3 * 96.9) / 4)
    assert not math.isnan(said[1][2])
