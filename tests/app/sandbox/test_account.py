"""Money: entries, results, isolated margin, liquidation, and what forces the hand of an account."""

import pytest

from app.sandbox.twins import SYMBOL, at, exchange, quote, trade
from tightloop.app.sandbox.records import Declined, No, OrderTold, Standing, Ticket


def market(found, is_buy, lots, client_id="m", **more):
    """Send an order at market."""
    return found.submit(Ticket(client_id, SYMBOL, is_buy, "MARKET", "GTC", lots, **more))


def held(found):
    return found.ledger.holding(SYMBOL)


def test_entry_is_the_mean_and_results_are_realised_by_parts():
    found = exchange(quote(1, 109.99, 110.01))
    market(found, True, 40)
    assert held(found).entry == 100.01
    found.advance(at(1))
    market(found, True, 40)
    assert held(found).entry == pytest.approx(105.01)
    wallet = found.ledger.wallet
    order = market(found, False, 60)
    gain = 6.0 * (109.99 - 105.01)
    assert sum(fill.gain for fill in order.fills) == pytest.approx(gain)
    assert found.ledger.wallet == pytest.approx(wallet + gain - sum(fill.fee for fill in order.fills))
    assert (held(found).lots, held(found).entry) == (20, pytest.approx(105.01))


def test_an_order_through_flat_opens_the_other_side_at_its_price():
    found = exchange()
    market(found, True, 40)
    market(found, False, 70)
    assert (held(found).lots, held(found).entry) == (-30, 99.99)


def test_an_isolated_position_has_its_margin_apart():
    found = exchange()
    found.set_leverage(SYMBOL, 10)
    found.set_shared_margin(SYMBOL, False)
    market(found, True, 100)
    assert held(found).margin == pytest.approx(100.01)
    assert found.ledger.shared == pytest.approx(found.ledger.wallet - 100.01)
    market(found, False, 50)
    assert held(found).margin == pytest.approx(50.005)
    with pytest.raises(Declined) as refused:
        found.set_shared_margin(SYMBOL, True)
    assert refused.value.why is No.HAS_POSITION


def test_margin_that_is_not_there_is_refused_but_closing_needs_none():
    found = exchange()
    found.set_leverage(SYMBOL, 2)
    with pytest.raises(Declined) as refused:
        market(found, True, 2_100)
    assert refused.value.why is No.MARGIN
    market(found, True, 1_900)
    with pytest.raises(Declined):
        market(found, True, 200)
    assert market(found, False, 1_900).standing is Standing.FILLED


def test_resting_entries_reserve_margin():
    found = exchange()
    found.set_leverage(SYMBOL, 2)
    found.submit(Ticket("rests", SYMBOL, True, "LIMIT", "GTC", 1_500, 99.0))
    assert found.reserved == pytest.approx(150 * 99.0 / 2)
    with pytest.raises(Declined):
        market(found, True, 1_000)


def test_an_isolated_position_is_liquidated_by_the_mark_and_loses_no_more_than_its_margin():
    rows = [quote(second, 88.99, 89.01) for second in range(1, 40)]
    found = exchange(trade(0, 100.0, 1), *rows)
    found.set_leverage(SYMBOL, 10)
    found.set_shared_margin(SYMBOL, False)
    market(found, True, 100)
    price = found.ledger.liquidation_price(held(found))
    margin = held(found).margin
    assert price == pytest.approx((10 * 100.01 - margin) / (10 * 0.99), rel=1e-6)
    wallet = found.ledger.wallet
    found.submit(Ticket("rests", SYMBOL, True, "LIMIT", "GTC", 10, 80.0))
    found.drain()
    found.advance(at(39))
    assert found.ledger.open_holdings() == []
    told = [row for row in found.drain() if isinstance(row, OrderTold)]
    assert told[0].what == "CANCELED"
    forced = told[-1].order
    assert forced.ticket.client_id.startswith("autoclose-")
    assert (told[-1].what, forced.ticket.kind) == ("CALCULATED", "LIQUIDATION")
    lost = wallet - found.ledger.wallet - sum(fill.fee for fill in forced.fills)
    assert 0 < lost <= margin + 1e-9


def test_shared_margin_is_liquidated_when_the_whole_account_falls_short():
    rows = [quote(second, 39.99, 40.01) for second in range(1, 120)]
    found = exchange(trade(0, 100.0, 1), *rows)
    found.set_leverage(SYMBOL, 20)
    market(found, True, 3_000)
    found.advance(at(119))
    assert found.ledger.open_holdings() == []


def test_an_outsider_trades_whatever_it_takes():
    found = exchange()
    found.trade_outside(SYMBOL, 9_000, "web_1")
    assert held(found).lots == 9_000
    found.trade_outside(SYMBOL, -9_000, "web_2")
    assert found.ledger.open_holdings() == []


def test_auto_deleveraging_takes_a_part_without_a_fee():
    found = exchange()
    market(found, True, 100)
    order = found.take_over(held(found), "adl_autoclose", "adl", 50)
    assert held(found).lots == 50
    assert [fill.fee for fill in order.fills] == [0.0]


def test_two_positions_a_symbol():
    found = exchange()
    found.set_hedge_mode(True)
    with pytest.raises(Declined) as refused:
        market(found, True, 10)
    assert refused.value.why is No.POSITION_SIDE
    market(found, True, 10, "a", position_side="LONG")
    market(found, False, 20, "b", position_side="SHORT")
    assert [(row.position_side, row.lots) for row in found.ledger.open_holdings()] == [("LONG", 10), ("SHORT", -20)]
    market(found, False, 10, "c", position_side="LONG", is_reduce_only=True)
    assert [row.position_side for row in found.ledger.open_holdings()] == ["SHORT"]


def test_the_wallet_is_the_sum_of_what_was_told():
    found = exchange(quote(1, 101.0, 101.02), quote(2, 99.0, 99.02))
    for second, is_buy in enumerate((True, False, False, True)):
        found.advance(at(second))
        market(found, is_buy, 30, f"o{second}")
    found.move_money(500.0)
    assert found.ledger.wallet == pytest.approx(10_000 + sum(row.amount for row in found.ledger.incomes), abs=1e-9)
