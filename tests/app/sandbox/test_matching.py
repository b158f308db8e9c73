"""What fills, at which price and when, of orders against a market that is written down."""

import pytest

from app.sandbox.twins import SYMBOL, Client, at, exchange, quote, trade
from tightloop.app.sandbox.records import Declined, No, OrderTold, Printed, Standing, Ticket

DEEP = 100_000


def ticket(is_buy, lots, price=None, **more):
    kind = "MARKET" if price is None else "LIMIT"
    options = {"client_id": f"c{lots}", "kind": kind, "tif": "GTC", **more}
    return Ticket(symbol=SYMBOL, is_buy=is_buy, lots=lots, price=price, **options)


def test_a_market_order_walks_the_levels_and_prints_what_it_takes():
    found = exchange()
    order = found.submit(ticket(True, 130))
    assert order.standing is Standing.FILLED
    assert next(fill.lots for fill in order.fills) == 100
    prices = [fill.price for fill in order.fills]
    assert prices[:2] == [100.01, 100.02]
    assert prices == sorted(prices)
    printed = [told for told in found.drain() if isinstance(told, Printed)]
    assert [told.trade_id for told in printed] == [fill.trade_id for fill in order.fills]
    assert not any(told.is_buyer_maker for told in printed)
    assert found.ledger.holding(SYMBOL).lots == 130
    fees = sum(fill.fee for fill in order.fills)
    assert fees == pytest.approx(sum(fill.price * fill.lots / 10 for fill in order.fills) * 0.0005, abs=1e-7)
    assert found.ledger.wallet == pytest.approx(10_000 - fees, abs=1e-9)


def test_what_was_taken_is_missing_until_the_next_quote():
    found = exchange(quote(5, 99.99, 100.01))
    found.submit(ticket(True, 100))
    second = found.submit(ticket(True, 10, client_id="again"))
    assert second.fills[0].price == 100.02
    found.advance(at(6))
    assert found.submit(ticket(True, 10, client_id="later")).fills[0].price == 100.01


def test_a_resting_order_waits_for_what_stands_before_it():
    found = exchange(trade(1, 99.99, 60), trade(2, 99.99, 60), trade(3, 99.99, 60))
    order = found.submit(ticket(True, 50, 99.99))
    assert order.ahead == 100
    found.advance(at(1.5))
    assert (order.ahead, order.filled) == (40, 0)
    found.advance(at(2.5))
    assert (order.filled, order.standing) == (20, Standing.PARTIALLY_FILLED)
    found.advance(at(3.5))
    assert (order.filled, order.standing) == (50, Standing.FILLED)
    assert all(fill.is_maker and fill.price == 99.99 for fill in order.fills)
    told = [happened for happened in found.drain() if isinstance(happened, Printed)]
    assert [row.lots for row in told] == [60, 40, 20, 30, 30]
    ids = [row.trade_id for row in told]
    assert ids == list(range(ids[0], ids[0] + len(ids))), "a hole in the numbers of trades"


def test_a_print_beyond_the_price_of_an_order_reaches_it_at_once():
    found = exchange(trade(1, 99.90, 30))
    order = found.submit(ticket(True, 50, 99.95))
    found.advance(at(2))
    assert [(fill.lots, fill.price) for fill in order.fills] == [(30, 99.95)]


def test_takers_of_the_other_side_do_not_fill_an_order():
    found = exchange(trade(1, 99.90, 30, seller=False))
    order = found.submit(ticket(True, 50, 99.95))
    found.advance(at(2))
    assert order.filled == 0


def test_a_quote_that_crosses_an_order_fills_it_at_its_price_up_to_its_quantity():
    found = exchange(quote(1, 99.80, 99.90, ask_lots=20), quote(2, 99.80, 99.92, ask_lots=DEEP))
    order = found.submit(ticket(True, 50, 99.95))
    found.advance(at(1.5))
    assert [(fill.lots, fill.price, fill.is_maker) for fill in order.fills] == [(20, 99.95, True)]
    found.advance(at(3))
    assert order.standing is Standing.FILLED


def test_better_prices_fill_first_and_then_older_orders():
    found = exchange(trade(1, 99.90, 30))
    late = found.submit(ticket(True, 20, 99.95, client_id="a"))
    later = found.submit(ticket(True, 20, 99.95, client_id="b"))
    best = found.submit(ticket(True, 20, 99.97, client_id="c"))
    late.ahead = later.ahead = best.ahead = 0
    found.advance(at(2))
    assert (best.filled, late.filled, later.filled) == (20, 10, 0)


def test_ioc_fok_and_post_only():
    found = exchange()
    part = found.submit(ticket(True, 130, 100.01, tif="IOC"))
    assert (part.filled, part.standing) == (100, Standing.EXPIRED)
    none = found.submit(ticket(True, 130, 100.01, tif="FOK", client_id="fok"))
    assert (none.filled, none.standing) == (0, Standing.EXPIRED)
    with pytest.raises(Declined) as refused:
        found.submit(ticket(True, 10, 100.01, tif="GTX", client_id="gtx"))
    assert refused.value.why is No.WOULD_TAKE
    assert found.submit(ticket(True, 10, 100.00, tif="GTX", client_id="gtx")).standing is Standing.NEW


def test_an_order_expires_at_its_time():
    found = exchange()
    order = found.submit(ticket(True, 10, 99.0, tif="GTD", expires_ns=at(700)))
    found.advance(at(699))
    assert order.is_open
    found.advance(at(700))
    assert order.standing is Standing.EXPIRED


def test_reducing_orders_cannot_pass_flat_and_are_knocked_out():
    found = exchange()
    with pytest.raises(Declined) as refused:
        found.submit(ticket(False, 10, is_reduce_only=True))
    assert refused.value.why is No.REDUCE_ONLY
    found.submit(ticket(True, 50))
    rests = found.submit(ticket(False, 50, 101.0, is_reduce_only=True, client_id="target"))
    closes = found.submit(ticket(False, 80, is_reduce_only=True, client_id="exit"))
    assert (closes.filled, closes.standing) == (50, Standing.EXPIRED)
    assert (rests.standing, rests.is_knocked_out) == (Standing.EXPIRED, True)
    assert found.ledger.open_holdings() == []


def test_an_amended_order_goes_to_the_end_of_its_queue():
    found = exchange(trade(1, 99.99, 60))
    order = found.submit(ticket(True, 50, 99.99))
    found.advance(at(2))
    assert order.ahead == 40
    found.amend(order, 60, 99.99)
    assert (order.ahead, order.ticket.lots) == (100, 60)
    found.amend(order, 60, 100.01)
    assert order.standing is Standing.FILLED
    with pytest.raises(Declined):
        found.amend(order, 70, 99.0)


def test_reports_carry_figures_of_their_moment():
    client = Client()
    client.order("BUY", "13.0")
    told = [happened for happened in client.exchange.drain() if isinstance(happened, OrderTold)]
    assert [row.what for row in told][:2] == ["NEW", "TRADE"]
    assert [row.filled for row in told][:2] == [0, 100]
    assert told[-1].filled == 130
