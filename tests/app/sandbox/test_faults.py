"""Each class of faults that a twin plays without a network strikes as its name says, and is counted."""

import itertools
import json
from pathlib import Path

import pytest

from app.sandbox.twins import START_NS, SYMBOL, Client, at, exchange, quote, trade
from tightloop.app.sandbox.binance_usdm.streams import Streams
from tightloop.app.sandbox.faults import KINDS, Faults
from tightloop.model.errors import InputError

LOW = SYMBOL.lower()


def private(client):
    """Open a private socket."""
    streams = Streams(client.venue)
    streams.open("/private/ws", f"listenKey={client.venue.open_listen_key()}")
    return streams


def reports(streams):
    """Return the reports of orders that are due."""
    frames = [json.loads(frame.text) for frame in streams.frames()]
    return [frame["o"] for frame in frames if frame["e"] == "ORDER_TRADE_UPDATE"]


def public(rows, *names):
    """Return a client of a market and a socket that follows streams."""
    client = Client(exchange(*rows))
    streams = Streams(client.venue)
    streams.open("/public/ws", "streams=" + "/".join(f"{LOW}@{name}" for name in names))
    return client, streams


def frames(client, streams, second):
    client.exchange.advance(at(second))
    return [json.loads(frame.text) for frame in streams.frames()]


def test_a_fault_strikes_by_count_by_share_for_a_time_and_from_a_time_on():
    faults = Faults(1)
    faults.arm({"kind": "ack_lost", "count": 2}, START_NS, START_NS)
    assert [faults.strikes("ack_lost", START_NS) is not None for _ in range(4)] == [True, True, False, False]
    faults.arm({"kind": "reset", "rate": 0.5}, START_NS, START_NS)
    assert 20 < sum(faults.strikes("reset", START_NS) is not None for _ in range(100)) < 80
    faults.arm({"kind": "ws_silent", "at_s": 10, "for_s": 5}, START_NS, START_NS)
    struck = [faults.strikes("ws_silent", at(second)) is not None for second in (9, 10, 14, 15)]
    assert struck == [False, True, True, False]
    assert faults.hits["ack_lost"] == 2
    assert faults.hits["ws_silent"] == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "meteor"}, "kind"),
        ({}, "kind"),
        ({"kind": "reset", "rate": 2}, "rate"),
        ({"kind": "reset", "count": "many"}, "count"),
        ({"kind": "reset", "colour": 1}, "colour"),
    ],
)
def test_what_is_wrong_with_a_fault_is_said(body, field):
    with pytest.raises(InputError) as refused:
        Faults(1).arm(body, START_NS, START_NS)
    assert refused.value.problems[0].field == field


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("rate_429", 429, -1003),
        ("ban_418", 418, -1003),
        ("maintenance", 503, -1008),
        ("http_5xx", 503, -1007),
        ("signature_refused", 400, -1022),
        ("key_no_permission", 401, -2015),
        ("order_refused", 400, -4131),
        ("margin_refused", 400, -2019),
    ],
)
def test_answers_that_refuse_an_order_execute_nothing(kind, status, code):
    client = Client()
    client.arm(kind)
    got, reply = client.order("BUY", "1.0")
    assert (got, reply["code"]) == (status, code)
    assert client.exchange.orders == {}
    assert client.venue.faults.hits == {kind: 1}
    assert client.order("BUY", "1.0")[0] == 200


def test_of_two_answers_without_an_outcome_one_was_executed():
    client = Client()
    client.arm("http_5xx", count=2)
    assert [client.order("BUY", "1.0", newClientOrderId=name)[0] for name in ("a", "b")] == [503, 503]
    assert [order.ticket.client_id for order in client.exchange.orders.values()] == ["b"]


def test_a_clock_that_is_wrong_refuses_what_is_signed_by_the_right_one():
    client = Client()
    client.arm("clock_skew", for_s=60, value=7_000)
    assert client.order("BUY", "1.0")[1]["code"] == -1021
    stamp = client.ask("GET", "time")[1]["serverTime"]
    assert stamp == client.exchange.now_ns // 1_000_000 + 7_000


def test_refusals_of_reducing_orders_stops_and_cancels():
    client = Client(exchange(trade(0, 100.0, 1)))
    client.order("BUY", "5.0")
    client.arm("reduce_refused")
    assert client.order("SELL", "5.0", reduceOnly="true")[1]["code"] == -2022
    client.arm("would_trigger")
    assert client.stop("SELL", "5.0", "98.00", reduceOnly="true")[1]["code"] == -2021
    client.order("BUY", "5.0", "99.00", newClientOrderId="rests")
    client.arm("cancel_refused")
    assert client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="rests")[1]["code"] == -2011
    assert client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="rests")[1]["status"] == "NEW"


def test_an_id_may_be_accepted_twice():
    client = Client()
    client.order("BUY", "5.0", "99.00", newClientOrderId="same")
    client.arm("id_repeated_accepted")
    assert client.order("BUY", "5.0", "99.00", newClientOrderId="same")[0] == 200
    assert len(client.exchange.open_orders()) == 2


def test_reports_are_repeated_lost_late_or_out_of_order():
    client = Client()
    streams = private(client)
    client.arm("fill_twice")
    client.order("BUY", "1.0")
    assert [row["x"] for row in reports(streams)] == ["NEW", "TRADE", "TRADE"]
    client.arm("fill_missing")
    client.order("BUY", "1.0")
    assert [row["x"] for row in reports(streams)] == ["NEW"]
    client.arm("fill_out_of_order")
    client.order("BUY", "1.0", newClientOrderId="first")
    client.order("BUY", "1.0", newClientOrderId="second")
    assert [(row["c"], row["x"]) for row in reports(streams)] == [
        ("first", "NEW"), ("second", "NEW"), ("first", "TRADE"), ("second", "TRADE"),
    ]  # fmt: skip
    client.arm("report_after_end")
    client.order("BUY", "1.0")
    assert [row["x"] for row in reports(streams)] == ["NEW", "TRADE", "NEW"]


def test_a_cancel_may_come_after_the_fill():
    client = Client()
    client.order("BUY", "5.0", "99.00", newClientOrderId="race")
    client.arm("cancel_fill_race")
    assert client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="race")[1]["code"] == -2011
    assert client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="race")[1]["status"] == "FILLED"


def test_snapshots_may_be_stale_and_histories_lag():
    client = Client()
    assert client.ask("GET", "openOrders")[1] == []
    client.order("BUY", "5.0", "99.00", newClientOrderId="new")
    client.arm("stale_snapshot")
    assert client.ask("GET", "openOrders")[1] == []
    assert len(client.ask("GET", "openOrders")[1]) == 1
    client.arm("history_lags", for_s=60)
    assert client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="new")[1]["code"] == -2013
    assert client.ask("GET", "order", 6, symbol=SYMBOL, origClientOrderId="new")[0] == 200


def test_a_stop_may_be_refused_at_its_trigger_and_a_target_knocked_out():
    client = Client(exchange(trade(0, 100.0, 1), trade(1, 97.0, 1)))
    client.order("BUY", "5.0")
    client.order("SELL", "5.0", "105.00", reduceOnly="true", newClientOrderId="target")
    streams = private(client)
    client.stop("SELL", "5.0", "98.00", clientAlgoId="s1", reduceOnly="true")
    client.arm("stop_refused_at_trigger")
    client.exchange.advance(at(2))
    _, stop = client.ask("GET", "algoOrder", clientAlgoId="s1")
    assert stop["algoStatus"] == "REJECTED"
    streams.frames()
    client.arm("knocked_out")
    (report,) = reports(streams)
    assert (report["c"], report["X"], report["er"]) == ("target", "EXPIRED", "4")


MOVES = [quote(0.3 * n, 99.9 + 0.01 * n, 99.95 + 0.01 * n) for n in range(1, 40)]


def test_the_book_may_have_gaps_be_crossed_or_stand_still():
    client, streams = public(MOVES, "depth@100ms")
    frames(client, streams, 1)
    client.arm("book_gap")
    told = list(frames(client, streams, 4))
    assert [b["pu"] == a["u"] for a, b in itertools.pairwise(told)].count(False) <= 1
    assert client.venue.faults.hits == {"book_gap": 1}
    client.arm("book_crossed")
    crossed = frames(client, streams, 6)[0]
    ask = 99.95 + 0.01 * int((crossed["E"] * 1_000_000 - START_NS) / 0.3e9 + 1e-6)
    assert float(crossed["b"][-1][0]) > ask
    client.arm("book_stale", for_s=2)
    assert all(frame["E"] * 1_000_000 >= at(6) for frame in frames(client, streams, 9))


def test_trades_may_miss_repeat_go_back_in_time_or_cease():
    client, streams = public([trade(n, 100.0, 1) for n in range(1, 30)], "trade")
    client.arm("trade_id_gap")
    ids = [frame["t"] for frame in frames(client, streams, 4)]
    assert len(ids) == 3
    client.arm("print_repeated")
    repeated = [frame["t"] for frame in frames(client, streams, 6)]
    assert (len(repeated), len(set(repeated))) == (3, 2)
    client.arm("time_backwards")
    back = frames(client, streams, 8)
    assert back[0]["T"] < at(7) // 1_000_000 - 4_000
    client.arm("feed_silent", for_s=10)
    assert frames(client, streams, 12) == []


def test_frames_may_be_cut_or_held_back_by_the_network():
    client, streams = public([trade(n, 100.0, 1) for n in range(1, 30)], "trade")
    client.arm("partial_frame")
    client.exchange.advance(at(1))
    (torn,) = streams.frames()
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn.text)
    client.arm("ws_silent", for_s=5)
    assert frames(client, streams, 3) == []


def test_prices_may_spike_and_come_back():
    rows = [row for n in range(1, 40) for row in (quote(n, 99.99, 100.01), trade(n + 0.5, 100.0, 1))]
    client, streams = public(rows, "trade")
    client.arm("price_spike", value=1.2, for_s=5)
    streams.frames()
    prices = [float(frame["p"]) for frame in frames(client, streams, 10)]
    assert prices[0] == 120.0
    assert prices[-1] == 100.0


def test_the_account_may_be_moved_by_others():
    client = Client(exchange(trade(0, 100.0, 1)))
    streams = private(client)
    client.arm("liquidated")
    streams.frames()
    assert client.venue.faults.hits == {}, "without a position there is nothing to liquidate"
    client.order("BUY", "5.0")
    streams.frames()
    assert client.exchange.ledger.open_holdings() == []
    client.arm("opened_by_hand", value=3.0)
    (first, *_rest) = reports(streams)
    assert first["c"].startswith("web_")
    client.arm("adl")
    streams.frames()
    assert client.exchange.ledger.holding(SYMBOL).lots == 15
    client.arm("closed_by_hand")
    streams.frames()
    assert client.exchange.ledger.open_holdings() == []
    before = client.exchange.ledger.wallet
    client.arm("balance_moved", value=-250)
    client.arm("leverage_changed", value=7)
    client.arm("funding_interval_changed", value=4)
    streams.frames()
    assert client.exchange.ledger.wallet == before - 250
    assert client.exchange.ledger.leverage(SYMBOL) == 7
    assert client.exchange.funding_hours[SYMBOL] == 4
    assert {"liquidated", "opened_by_hand", "adl", "closed_by_hand", "balance_moved"} <= set(client.venue.faults.hits)


def test_rules_may_change_and_symbols_halt_or_leave():
    client = Client(exchange(*[trade(n, 100.0, 1) for n in range(30)]))
    client.arm("increments_changed")
    _, told = client.ask("GET", "exchangeInfo")
    assert told["symbols"][0]["filters"][0]["tickSize"] == "0.10"
    assert client.order("BUY", "1.0", "99.95")[1]["code"] == -4014
    assert client.order("BUY", "1.0", "99.90", newClientOrderId="rests")[0] == 200
    client.order("BUY", "5.0")
    client.arm("halted")
    assert client.order("BUY", "1.0")[1]["code"] == -4108
    client.arm("delisted")
    _, told = client.ask("GET", "exchangeInfo")
    assert told["symbols"][0]["status"] == "SETTLING"
    assert client.exchange.ledger.open_holdings() == []
    (forced,) = [order for order in client.exchange.orders.values() if order.origin == "settlement"]
    assert forced.ticket.client_id.startswith("settlement_autoclose-")


def test_every_class_of_the_list_is_played_here_or_by_the_server():
    here = Path(__file__).read_text(encoding="utf-8")
    server = Path(__file__).with_name("test_server.py").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in here + server] == []
