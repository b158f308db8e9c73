"""Requests as bytes: who may ask, what each endpoint says, and what it costs."""

import gc
import hashlib
import hmac
import json
import re
import weakref

import pytest

from app.sandbox.twins import SYMBOL, Client, at, exchange, quote, trade
from tightloop.model.times import MINUTE_NS


def code(answer):
    """Return the code of a refusal."""
    status, reply = answer
    assert status >= 400, reply
    return reply["code"]


def raw(client, method, path, query="", headers=None, body=b""):
    answer = client.venue.respond(method, path, query, headers or {}, body, client.exchange.now_ns)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**26, "9" * 5_000, "1e3"])
def test_a_whole_number_has_64_bits(number):
    client = Client()
    for asked in (f"historicalTrades?symbol={SYMBOL}&fromId={number}", f"trades?symbol={SYMBOL}&limit={number}"):
        endpoint, _, query = asked.partition("?")
        assert code(raw(client, "GET", f"/fapi/v1/{endpoint}", query, {"X-MBX-APIKEY": "twin"})) == -1102


def test_a_refusal_keeps_nothing_of_the_venue_that_gave_it():
    client = Client()
    key, now_ms = {"X-MBX-APIKEY": "twin"}, client.exchange.now_ns // 1_000_000
    unsigned = f"symbol={SYMBOL}&origClientOrderId=none&timestamp={now_ms}"
    signature = hmac.new(b"twin-secret", unsigned.encode(), hashlib.sha256).hexdigest()
    asked = f"{unsigned}&signature={signature}"
    assert code(raw(client, "GET", "/fapi/v1/order", asked, key)) == -2013
    client.venue.faults.arm({"kind": "http_5xx", "match": "GET order"}, 0, client.exchange.now_ns)
    assert code(raw(client, "GET", "/fapi/v1/order", asked, key)) == -1007
    left = weakref.ref(client.venue)
    del client
    gc.collect()
    assert left() is None


def test_who_may_ask():
    client = Client()
    key = {"X-MBX-APIKEY": "twin"}
    now_ms = client.exchange.now_ns // 1_000_000
    assert code(raw(client, "GET", "/fapi/v3/account")) == -2014
    assert code(raw(client, "GET", "/fapi/v3/account", headers={"x-mbx-apikey": "no"})) == -2015
    assert code(raw(client, "GET", "/fapi/v3/account", headers=key)) == -1102
    assert code(raw(client, "GET", "/fapi/v3/account", f"timestamp={now_ms}", key)) == -1102
    assert code(raw(client, "GET", "/fapi/v3/account", f"timestamp={now_ms}&signature=00", key)) == -1022
    late, early = now_ms - 5_001, now_ms + 1_000
    assert code(raw(client, "GET", "/fapi/v3/account", f"timestamp={late}&signature=00", key)) == -1021
    assert code(raw(client, "GET", "/fapi/v3/account", f"timestamp={early}&signature=00", key)) == -1021
    assert raw(client, "POST", "/fapi/v1/listenKey", headers=key)[0] == 200
    assert code(raw(client, "GET", "/fapi/v1/nothing")) == -5000
    assert code(raw(client, "GET", "/fapi/v1/depth", "symbol=NOSUCH")) == -1121
    assert code(raw(client, "GET", "/fapi/v1/depth")) == -1102


def test_the_time_that_a_request_may_take_is_of_the_client_however_fast_the_market_is_played():
    client = Client()
    key, now_ms = {"X-MBX-APIKEY": "twin"}, client.exchange.now_ns // 1_000_000
    client.venue.speed = 10.0
    for sent_ms, refused in (
        (now_ms - 50_000, -1022),
        (now_ms - 50_001, -1021),
        (now_ms + 9_999, -1022),
        (now_ms + 10_000, -1021),
    ):
        assert code(raw(client, "GET", "/fapi/v3/account", f"timestamp={sent_ms}&signature=00", key)) == refused


def test_an_order_from_its_acceptance_to_its_fills():
    client = Client(exchange(trade(1, 99.90, 30)))
    status, taken = client.order("BUY", "5.0", "99.95", newClientOrderId="tl1")
    assert (status, taken["status"], taken["clientOrderId"], taken["origQty"]) == (200, "NEW", "tl1", "5.0")
    assert client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="tl1")[1]["orderId"] == taken["orderId"]
    _, found = client.ask("GET", "order", 2, symbol=SYMBOL, orderId=taken["orderId"])
    assert (found["status"], found["executedQty"], float(found["avgPrice"])) == ("PARTIALLY_FILLED", "3.0", 99.95)
    (fill,) = client.ask("GET", "userTrades", symbol=SYMBOL)[1]
    assert (fill["qty"], fill["price"], fill["maker"], fill["orderId"]) == ("3.0", "99.95", True, taken["orderId"])
    assert fill["commission"] == f"{3 * 99.95 * 0.0002:.8f}"
    _, amended = client.ask(
        "PUT", "order", symbol=SYMBOL, side="BUY", orderId=taken["orderId"], quantity="6.0", price="99.90"
    )
    assert (amended["origQty"], amended["price"]) == ("6.0", "99.90")
    assert client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="tl1")[1]["status"] == "CANCELED"
    assert code(client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="tl1")) == -2011
    assert client.ask("GET", "openOrders")[1] == []
    assert [row["status"] for row in client.ask("GET", "allOrders", symbol=SYMBOL)[1]] == ["CANCELED"]


def test_an_acknowledgement_says_nothing_of_fills():
    client = Client()
    assert client.order("BUY", "1.0", newOrderRespType="ACK")[1]["status"] == "NEW"
    assert client.order("BUY", "1.0")[1]["status"] == "FILLED"


def test_a_client_id_is_refused_among_open_orders_alone():
    client = Client()
    assert client.order("BUY", "1.0", "99.00", newClientOrderId="same")[0] == 200
    assert code(client.order("BUY", "1.0", "99.00", newClientOrderId="same")) == -4116
    client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="same")
    assert client.order("BUY", "1.0", "98.00", newClientOrderId="same")[0] == 200
    assert client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="same")[1]["price"] == "98.00"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"quantity": "0.05"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "10000.1"}, -4005),
        ({"quantity": "x"}, -1102),
        ({"quantity": "nan"}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "90"}, -4120),
        ({"price": "99.001"}, -1111),
        ({"price": "0"}, -4001),
        ({"price": "106.00"}, -4016),
        ({"side": "SELL", "price": "94.00"}, -4024),
        ({"quantity": "0.1", "price": "10"}, -4164),
        ({"timeInForce": "DAY"}, -1115),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": 1}, -5040),
        ({"timeInForce": "GTX", "price": "100.01"}, -5022),
        ({"newClientOrderId": "a b"}, -4015),
        ({"newClientOrderId": "a" * 37}, -4015),
        ({"positionSide": "LONG"}, -4061),
        ({"reduceOnly": "true"}, -2022),
        ({"reduceOnly": "maybe"}, -1102),
        ({"quantity": "9000.0", "price": "100.00"}, -2019),
        ({"symbol": "NOSUCH"}, -1121),
    ],
)
def test_what_is_wrong_with_an_order(changes, expected):
    client = Client(exchange(quote(0.5, 99.99, 100.01)))
    client.exchange.advance(at(1))
    wanted = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1.0"}
    assert code(client.ask("POST", "order", **{**wanted, "price": "99.99", **changes})) == expected
    assert client.exchange.orders == {}


def test_market_orders_have_a_maximum_of_their_own():
    client = Client()
    assert code(client.order("BUY", "1000.1")) == -4005
    assert client.ask("POST", "order/test", symbol=SYMBOL, side="BUY", type="MARKET", quantity="1")[0] == 200
    assert client.exchange.orders == {}


def test_a_stop_lives_at_algo_order_alone():
    client = Client(exchange(trade(0, 100.0, 1), trade(5, 97.0, 1)))
    client.order("BUY", "5.0")
    status, stop = client.stop("SELL", "5.0", "98.00", clientAlgoId="s1", reduceOnly="true")
    assert (status, stop["algoStatus"], stop["triggerPrice"], stop["reduceOnly"]) == (200, "NEW", "98.00", True)
    assert code(client.ask("GET", "order", symbol=SYMBOL, origClientOrderId="s1")) == -2013
    assert client.ask("GET", "algoOrder", clientAlgoId="s1")[1]["algoId"] == stop["algoId"]
    assert [row["clientAlgoId"] for row in client.ask("GET", "openAlgoOrders")[1]] == ["s1"]
    assert code(client.stop("SELL", "5.0", "98.00", clientAlgoId="s1")) == -4116
    assert code(client.stop("SELL", "5.0", "101.00", clientAlgoId="s2")) == -2021
    _, fired = client.ask("GET", "algoOrder", 6, algoId=stop["algoId"])
    assert fired["algoStatus"] == "FINISHED"
    _, order = client.ask("GET", "order", symbol=SYMBOL, orderId=fired["actualOrderId"])
    assert (order["status"], order["type"]) == ("FILLED", "MARKET")
    assert code(client.ask("DELETE", "algoOrder", clientAlgoId="s1")) == -2011
    assert code(client.ask("GET", "algoOrder", clientAlgoId="absent")) == -2013
    assert [row["algoStatus"] for row in client.ask("GET", "allAlgoOrders", symbol=SYMBOL)[1]] == ["FINISHED"]


def test_closing_stops_have_no_quantity():
    client = Client(exchange(trade(0, 100.0, 1), trade(5, 97.0, 1)))
    client.order("BUY", "5.0")
    wanted = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "triggerPrice": "98.00"}
    both = {**wanted, "algoType": "CONDITIONAL", "closePosition": "true", "quantity": "5.0"}
    assert code(client.ask("POST", "algoOrder", **both)) == -1106
    del both["quantity"]
    assert client.ask("POST", "algoOrder", **both)[1]["closePosition"] is True
    client.exchange.advance(at(6))
    assert client.exchange.ledger.open_holdings() == []


def test_settings_of_the_account():
    client = Client()
    assert client.ask("GET", "symbolConfig", symbol=SYMBOL)[1][0]["marginType"] == "CROSSED"
    assert client.ask("POST", "marginType", symbol=SYMBOL, marginType="ISOLATED")[0] == 200
    assert code(client.ask("POST", "marginType", symbol=SYMBOL, marginType="ISOLATED")) == -4046
    assert client.ask("POST", "leverage", symbol=SYMBOL, leverage=5)[1]["leverage"] == 5
    assert code(client.ask("POST", "leverage", symbol=SYMBOL, leverage=51)) == -4028
    (config,) = client.ask("GET", "symbolConfig", symbol=SYMBOL)[1]
    assert (config["marginType"], config["leverage"]) == ("ISOLATED", 5)
    client.order("BUY", "5.0")
    assert code(client.ask("POST", "marginType", symbol=SYMBOL, marginType="CROSSED")) == -4048
    assert code(client.ask("POST", "positionSide/dual", dualSidePosition="true")) == -4068
    assert code(client.ask("POST", "positionSide/dual", dualSidePosition="false")) == -4059
    assert client.ask("GET", "positionSide/dual")[1] == {"dualSidePosition": False}
    assert client.ask("GET", "multiAssetsMargin")[1] == {"multiAssetsMargin": False}
    assert client.ask("GET", "feeBurn")[1] == {"feeBurn": False}
    (tiers,) = client.ask("GET", "leverageBracket", symbol=SYMBOL)[1]
    assert [(row["notionalCap"], row["cum"]) for row in tiers["brackets"]] == [(50_000, 0.0), (10**15, 500.0)]


def test_key_permissions_are_told_by_the_spot_path():
    client = Client()
    client.exchange.ledger.settings.can_withdraw = True
    now_ms = client.exchange.now_ns // 1_000_000
    text = f"timestamp={now_ms}"
    signature = hmac.new(b"twin-secret", text.encode(), hashlib.sha256).hexdigest()
    path = "/sapi/v1/account/apiRestrictions"
    _, reply = raw(client, "GET", path, f"{text}&signature={signature}", {"X-MBX-APIKEY": "twin"})
    assert reply["enableWithdrawals"] is True


def test_account_and_position_agree_with_the_ledger():
    client = Client(exchange(quote(1, 101.0, 101.02)))
    client.ask("POST", "marginType", symbol=SYMBOL, marginType="ISOLATED")
    client.order("BUY", "5.0")
    client.exchange.advance(at(30))
    ledger = client.exchange.ledger
    (position,) = client.ask("GET", "positionRisk")[1]
    assert (position["positionAmt"], float(position["entryPrice"])) == ("5.0", 100.01)
    assert float(position["unRealizedProfit"]) == pytest.approx(ledger.unrealised(ledger.holding(SYMBOL)), abs=1e-8)
    assert 0 < float(position["liquidationPrice"]) < 100
    _, account = client.ask("GET", "account")
    assert float(account["totalWalletBalance"]) == pytest.approx(ledger.wallet, abs=1e-8)
    assert float(account["availableBalance"]) == pytest.approx(ledger.wallet - 5 * 100.01 / 20, abs=1e-6)
    assert client.ask("GET", "balance")[1][0]["accountAlias"] == "twin"


def test_income_tells_all_that_moved_the_wallet():
    client = Client()
    client.order("BUY", "5.0")
    client.order("SELL", "5.0")
    client.exchange.move_money(250.0)
    rows = client.ask("GET", "income", limit=1000)[1]
    assert [row["incomeType"] for row in rows] == ["COMMISSION", "REALIZED_PNL", "COMMISSION", "TRANSFER"]
    total = sum(float(row["income"]) for row in rows)
    assert client.exchange.ledger.wallet == pytest.approx(10_000 + total, abs=1e-7)
    assert len({row["tranId"] for row in rows}) == 4
    assert [row["incomeType"] for row in client.ask("GET", "income", incomeType="TRANSFER")[1]] == ["TRANSFER"]


def test_the_past_is_served_as_bars_and_trades_that_agree():
    client = Client(exchange(trade(1, 100.5, 30), trade(61, 99.0, 10)))
    client.exchange.advance(at(130))
    start_ms = (at(0) - 10 * MINUTE_NS) // 1_000_000
    bars = client.ask("GET", "klines", symbol=SYMBOL, interval="1m", startTime=start_ms, limit=10)[1]
    assert [bar[0] for bar in bars] == [start_ms + 60_000 * place for place in range(10)]
    rows = client.ask("GET", "aggTrades", symbol=SYMBOL, startTime=start_ms, endTime=start_ms + 59_999, limit=1000)[1]
    prices = [float(row["p"]) for row in rows]
    bar = bars[0]
    assert (prices[0], max(prices), min(prices), prices[-1]) == tuple(float(bar[place]) for place in (1, 2, 3, 4))
    assert sum(float(row["q"]) for row in rows) == pytest.approx(float(bar[5]))
    running = client.ask("GET", "klines", symbol=SYMBOL, interval="1m", limit=3)[1]
    assert [(float(bar[4]), bar[5]) for bar in running] == [(100.5, "3.0"), (99.0, "1.0"), (99.0, "0.0")]
    five = client.ask("GET", "klines", symbol=SYMBOL, interval="5m", limit=2)[1]
    assert [bar[0] % 300_000 for bar in five] == [0, 0]
    assert code(client.ask("GET", "klines", symbol=SYMBOL, interval="7m")) == -1120


def test_trades_are_numbered_without_holes_from_the_past_on():
    client = Client(exchange(trade(1, 100.5, 30), trade(2, 100.0, 10)))
    client.exchange.advance(at(5))
    last = client.ask("GET", "trades", symbol=SYMBOL, limit=20)[1]
    ids = [row["id"] for row in last]
    assert ids == list(range(ids[0], ids[0] + 20))
    again = client.ask("GET", "historicalTrades", symbol=SYMBOL, fromId=ids[3], limit=10)[1]
    assert again == last[3:13]
    numbers = [row["a"] for row in client.ask("GET", "aggTrades", symbol=SYMBOL, limit=20)[1]]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    follow = client.ask("GET", "aggTrades", symbol=SYMBOL, fromId=numbers[5], limit=3)[1]
    assert [row["a"] for row in follow] == numbers[5:8]


def test_public_prices():
    client = Client(exchange(trade(0.5, 100.0, 1)))
    client.exchange.advance(at(1))
    _, premium = client.ask("GET", "premiumIndex", symbol=SYMBOL)
    assert float(premium["markPrice"]) == client.exchange.boards[SYMBOL].mark
    assert premium["nextFundingTime"] * 1_000_000 == client.exchange.next_funding_ns(SYMBOL)
    assert client.ask("GET", "ticker/bookTicker", symbol=SYMBOL)[1]["bidPrice"] == "99.99"
    assert client.ask("GET", "ticker/price")[1][0]["price"] == "100.00"
    assert float(client.ask("GET", "ticker/24hr", symbol=SYMBOL)[1]["lastPrice"]) == 100.0
    _, depth = client.ask("GET", "depth", symbol=SYMBOL, limit=5)
    assert (depth["bids"][0], len(depth["asks"])) == (["99.99", "10.0"], 5)
    assert code(client.ask("GET", "depth", symbol=SYMBOL, limit=7)) == -4021
    assert client.ask("GET", "fundingInfo")[1][0]["fundingIntervalHours"] == 8


def test_weight_and_orders_are_counted_and_bounded():
    client = Client()
    answer = client.venue.respond("GET", "/fapi/v1/depth", f"symbol={SYMBOL}&limit=1000", {}, b"", at(0))
    assert answer.headers["x-mbx-used-weight-1m"] == "20"
    for number in range(300):
        status, _ = client.order("BUY", "1.0", "99.00", newClientOrderId=f"o{number}")
        assert status == 200
    refused = client.order("BUY", "1.0", "99.00", newClientOrderId="more")
    assert (refused[0], code(refused)) == (429, -1015)
    client.exchange.advance(at(10))
    assert client.order("BUY", "1.0", "99.00", newClientOrderId="later")[0] == 200


def test_requests_are_kept_without_signatures():
    client = Client()
    client.order("BUY", "1.0", newClientOrderId="kept")
    seen = client.venue.requests[-1]
    assert (seen.method, seen.path, seen.status) == ("POST", "/fapi/v1/order", 200)
    assert seen.params["newClientOrderId"] == "kept"
    assert not re.search("signature|twin-secret", repr(seen))
