"""Time at the exchange: conditional orders, mark price, funding, and that equal calls give equal happenings."""

import pytest

from app.sandbox.twins import SYMBOL, Client, at, exchange, quote, trade
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.markets.sample import SampleMarket
from tightloop.app.sandbox.records import (
    AccountTold,
    ConditionalTold,
    Declined,
    Marked,
    No,
    OrderTold,
    Standing,
    Ticket,
)
from tightloop.model.times import HOUR_NS


def waiting(found, trigger, is_buy=False, lots=50, kind="STOP_MARKET", by_mark=False, **more):
    """Let a conditional order wait."""
    wanted = Ticket(more.pop("client_id", "stop"), SYMBOL, is_buy, "MARKET", "GTC", lots, is_reduce_only=True)
    return found.wait(ticket=wanted, kind=kind, trigger=trigger, by_mark=by_mark, closes_position=False, **more)


def bought(*rows, lots=50):
    """Return an exchange with a long position."""
    found = exchange(trade(0, 100.0, 1), *rows)
    found.submit(Ticket("in", SYMBOL, True, "MARKET", "GTC", lots))
    found.drain()
    return found


def test_a_stop_sends_a_new_order_when_a_print_reaches_its_price():
    found = bought(trade(1, 98.01, 1), quote(1.5, 97.98, 98.02), trade(2, 98.00, 1))
    stop = waiting(found, 98.0)
    found.advance(at(1.8))
    assert stop.standing is Standing.NEW
    found.advance(at(2))
    order = found.orders[stop.order_id]
    assert (stop.standing, order.standing) == (Standing.FINISHED, Standing.FILLED)
    assert order.order_id != stop.algo_id
    assert order.fills[0].price == 97.98
    assert found.ledger.open_holdings() == []
    told = [row for row in found.drain() if isinstance(row, (ConditionalTold, OrderTold))]
    words = [row.standing.value if isinstance(row, ConditionalTold) else row.what for row in told]
    assert words[:2] == ["NEW", "TRIGGERING"]
    assert words[-1] == "FINISHED"


def test_of_every_other_stop_the_fill_is_told_before_the_trigger():
    orders = []
    for skipped in (0, 1):
        found = bought(trade(1, 97.0, 1))
        for number in range(skipped):
            found.withdraw(waiting(found, 90.0, client_id=f"skipped{number}"))
        stop = waiting(found, 98.0)
        found.drain()
        found.advance(at(2))
        words = [
            row.standing.value if isinstance(row, ConditionalTold) else row.what
            for row in found.drain()
            if isinstance(row, (ConditionalTold, OrderTold))
        ]
        orders.append(words.index("TRADE") < words.index("TRIGGERED"))
        assert stop.standing is Standing.FINISHED
    assert sorted(orders) == [False, True]


def test_a_stop_by_mark_ignores_prints():
    found = bought(trade(1, 97.0, 1))
    stop = waiting(found, 98.0, by_mark=True)
    found.advance(at(5))
    assert stop.standing is Standing.NEW
    falling = bought(quote(1, 96.98, 97.0), trade(1, 97.0, 1))
    stop = waiting(falling, 98.0, by_mark=True)
    falling.advance(at(60))
    assert stop.standing is Standing.FINISHED


def test_targets_fire_on_the_other_side_and_trailing_stops_follow():
    rises = bought(trade(1, 101.99, 1), trade(2, 102.0, 1))
    target = waiting(rises, 102.0, kind="TAKE_PROFIT_MARKET")
    rises.advance(at(1))
    assert target.standing is Standing.NEW
    rises.advance(at(2))
    assert target.standing is Standing.FINISHED
    turns = bought(trade(1, 105.0, 1), trade(2, 104.0, 1), trade(3, 103.9, 1))
    trailing = waiting(turns, 0.0, kind="TRAILING_STOP_MARKET", callback=0.01)
    turns.advance(at(2))
    assert (trailing.standing, trailing.extreme) == (Standing.NEW, 105.0)
    turns.advance(at(3))
    assert trailing.standing is Standing.FINISHED


def test_a_stop_beyond_the_price_is_refused_and_one_without_a_position_is_rejected_at_its_trigger():
    found = exchange(trade(0, 100.0, 1), trade(1, 97.0, 1))
    with pytest.raises(Declined) as refused:
        waiting(found, 100.0)
    assert refused.value.why is No.WOULD_TRIGGER
    stop = waiting(found, 98.0)
    found.advance(at(2))
    assert (stop.standing, stop.note, stop.order_id) == (Standing.REJECTED, "reduce_only", None)


def test_funding_is_paid_on_the_grid_of_eight_hours_at_the_mark():
    found = bought()
    due_ns = found.next_funding_ns(SYMBOL)
    assert due_ns % (8 * HOUR_NS) == 0
    before = found.ledger.wallet
    found.advance(due_ns - 1)
    assert found.ledger.wallet == before
    found.advance(due_ns)
    paid = before - found.ledger.wallet
    assert paid == pytest.approx(5.0 * found.boards[SYMBOL].mark * 0.0001, abs=1e-8)
    told = [row for row in found.drain() if isinstance(row, AccountTold)]
    assert (told[-1].why, told[-1].change) == ("FUNDING_FEE", pytest.approx(-paid))
    assert found.settled(SYMBOL)[-1] == (due_ns, 0.0001, found.boards[SYMBOL].mark)


def test_the_mark_is_told_each_second():
    found = exchange()
    found.advance(at(3.5))
    assert [row.ts_ns for row in found.drain() if isinstance(row, Marked)] == [at(1), at(2), at(3)]


def test_steps_of_time_do_not_matter():
    def happened(steps):
        found = Exchange(SampleMarket("pump", 3, at(0)), 3)
        found.submit(Ticket("a", "PUMPAUSDT", True, "LIMIT", "GTC", 5_000, found.boards["PUMPAUSDT"].bid))
        for step in range(1, steps + 1):
            found.advance(at(30 * step / steps))
        return found.drain(), found.ledger.wallet

    assert happened(1) == happened(37)


def test_equal_seeds_and_requests_get_equal_answers_and_other_seeds_do_not():
    def said(seed):
        client = Client(Exchange(SampleMarket("pump", seed, at(0)), seed), seed)
        answers = [
            client.ask("POST", "order", 1, symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.05"),
            client.ask("GET", "userTrades", 2, symbol="BTCUSDT"),
            client.ask("GET", "depth", 2, symbol="ETHUSDT", limit=50),
            client.ask("GET", "klines", 2, symbol="PUMPAUSDT", interval="5m", limit=20),
        ]
        client.exchange.advance(at(20))
        return answers, [repr(row) for row in client.exchange.drain()]

    first = said(5)
    assert said(5) == first
    assert said(6) != first
