"""Frames of sockets: who gets which, how books and reports are to be put together."""

import json

from app.sandbox.twins import SYMBOL, Client, at, exchange, quote, trade
from tightloop.app.sandbox.binance_usdm.streams import Streams
from tightloop.app.sandbox.records import BookMoved

LOW = SYMBOL.lower()
ROWS = [trade(0, 100.0, 1), *(quote(0.3 * n, 99.9 + 0.01 * n, 99.95 + 0.01 * n) for n in range(1, 60))]


def opened(client, path, query=""):
    """Open a socket and return (streams, subscriber)."""
    streams = Streams(client.venue)
    return streams, streams.open(path, query)


def told(streams, event=None):
    """Return the frames of one kind that are due."""
    found = [json.loads(frame.text) for frame in streams.frames()]
    return [frame for frame in found if event is None or frame["e"] == event]


def test_streams_are_named_in_the_path_in_the_query_or_by_a_frame():
    client = Client(exchange(trade(1, 100.0, 5)))
    streams, by_path = opened(client, f"/public/ws/{LOW}@trade")
    assert by_path.streams == {f"{LOW}@trade"}
    by_query = streams.open("/stream", f"streams={LOW}@trade/{LOW}@bookTicker")
    assert by_query.streams == {f"{LOW}@trade", f"{LOW}@bookTicker"}
    by_frame = streams.open("/public/ws/3", "")
    asked = json.dumps({"method": "SUBSCRIBE", "params": [f"{LOW}@trade"], "id": 7})
    assert json.loads(streams.receive(by_frame, asked)) == {"result": None, "id": 7}
    assert streams.open("/nowhere", "") is None
    client.exchange.advance(at(2))
    frames = [frame for frame in streams.frames() if '"e":"trade"' in frame.text]
    assert [frame.feed for frame in frames] == [by_path, by_query, by_frame]
    plain, combined = json.loads(frames[0].text), json.loads(frames[1].text)
    assert combined == {"stream": f"{LOW}@trade", "data": plain}
    assert (plain["s"], plain["p"], plain["q"], plain["m"]) == (SYMBOL, "100.00", "0.5", True)
    streams.receive(by_frame, json.dumps({"method": "UNSUBSCRIBE", "params": [f"{LOW}@trade"], "id": 8}))
    assert by_frame.streams == set()
    for broken in ("{", "[" * 5_000):
        assert "error" in json.loads(streams.receive(by_frame, broken))
    assert "error" in json.loads(streams.receive(by_frame, '{"method": "SET", "id": 1}'))


def test_a_snapshot_and_the_changes_after_it_are_the_book():
    client = Client(exchange(*ROWS))
    streams, _feed = opened(client, f"/public/ws/{LOW}@depth@100ms")
    client.exchange.advance(at(2))
    streams.frames()
    _, snapshot = client.ask("GET", "depth", symbol=SYMBOL, limit=1000)
    book = {side: dict(snapshot[name]) for side, name in (("b", "bids"), ("a", "asks"))}
    last = snapshot["lastUpdateId"]
    client.exchange.advance(at(12))
    changes = told(streams, "depthUpdate")
    assert len(changes) > 20
    for change in changes:
        assert change["pu"] == last
        assert change["U"] == last + 1
        last = change["u"]
        for side in ("b", "a"):
            for price, qty in change[side]:
                book[side][price] = qty
    assert last == client.exchange.boards[SYMBOL].book_id
    left = {side: {price: qty for price, qty in rows.items() if float(qty)} for side, rows in book.items()}
    _, again = client.ask("GET", "depth", symbol=SYMBOL, limit=1000)
    assert (left["b"], left["a"]) == (dict(again["bids"]), dict(again["asks"]))
    assert max(map(float, left["b"])) < min(map(float, left["a"]))


def test_books_that_nobody_follows_are_not_published():
    client = Client(exchange(*ROWS))
    client.exchange.advance(at(5))
    assert not any(isinstance(row, BookMoved) for row in client.exchange.drain())
    streams, feed = opened(client, f"/public/ws/{LOW}@depth")
    assert client.exchange.watched == {SYMBOL}
    streams.close(feed)
    assert client.exchange.watched == set()


def test_reports_go_to_who_has_the_key_and_tell_an_order_in_order():
    client = Client()
    _, reply = client.ask("POST", "listenKey")
    streams, _mine = opened(client, "/private/ws", f"listenKey={reply['listenKey']}")
    by_path = streams.open(f"/private/ws/{reply['listenKey']}", "")
    other = streams.open("/private/ws", "listenKey=absent")
    client.order("BUY", "13.0", newClientOrderId="tl1")
    frames = streams.frames()
    assert {frame.feed for frame in frames} == {_mine, by_path}
    assert other not in {frame.feed for frame in frames}
    mine = [json.loads(frame.text) for frame in frames if frame.feed is _mine]
    reports = [frame["o"] for frame in mine if frame["e"] == "ORDER_TRADE_UPDATE"]
    assert [row["x"] for row in reports] == ["NEW", *["TRADE"] * (len(reports) - 1)]
    assert [row["X"] for row in (reports[0], reports[-1])] == ["NEW", "FILLED"]
    assert reports[-1]["z"] == "13.0"
    assert sum(float(row["l"]) for row in reports) == 13.0
    assert all(row["c"] == "tl1" and row["ps"] == "BOTH" for row in reports)
    account = [frame["a"] for frame in mine if frame["e"] == "ACCOUNT_UPDATE"]
    assert (account[-1]["m"], account[-1]["P"][0]["pa"]) == ("ORDER", "13.0")
    assert float(account[-1]["B"][0]["wb"]) == round(client.exchange.ledger.wallet, 8)


def test_a_key_expires_after_an_hour_without_renewal():
    client = Client()
    _, reply = client.ask("POST", "listenKey")
    streams, _feed = opened(client, "/private/ws", f"listenKey={reply['listenKey']}")
    client.ask("PUT", "listenKey", 3_000)
    client.exchange.advance(at(4_000))
    assert told(streams, "listenKeyExpired") == []
    client.exchange.advance(at(6_601))
    assert [frame["listenKey"] for frame in told(streams, "listenKeyExpired")] == [reply["listenKey"]]
    client.order("BUY", "1.0")
    assert told(streams, "ORDER_TRADE_UPDATE") == []
    assert client.ask("PUT", "listenKey")[1]["code"] == -1125


def test_stops_and_settings_are_told():
    client = Client(exchange(trade(0, 100.0, 1), trade(1, 97.0, 1)))
    _, reply = client.ask("POST", "listenKey")
    streams, _feed = opened(client, "/private/ws", f"listenKey={reply['listenKey']}")
    client.ask("POST", "leverage", symbol=SYMBOL, leverage=3)
    client.order("BUY", "5.0")
    client.stop("SELL", "5.0", "98.00", clientAlgoId="s1", reduceOnly="true")
    client.exchange.advance(at(2))
    frames = told(streams)
    assert next(frame["ac"] for frame in frames if frame["e"] == "ACCOUNT_CONFIG_UPDATE") == {"s": SYMBOL, "l": 3}
    algos = [frame["o"] for frame in frames if frame["e"] == "ALGO_UPDATE"]
    assert {row["X"] for row in algos} == {"NEW", "TRIGGERING", "TRIGGERED", "FINISHED"}
    assert (algos[-1]["caid"], algos[-1]["tp"], algos[-1]["aq"]) == ("s1", "98.00", "5.0")
    order_id = int(algos[-1]["ai"])
    fills = [frame["o"] for frame in frames if frame["e"] == "ORDER_TRADE_UPDATE" and frame["o"]["i"] == order_id]
    assert fills[-1]["X"] == "FILLED"


def test_bars_marks_and_aggregates_are_streamed():
    client = Client(exchange(trade(0.2, 100.0, 5), trade(3, 101.0, 5), trade(3, 101.0, 7), trade(70, 99.0, 1)))
    streams, _feed = opened(
        client, "/market/ws", f"streams={LOW}@kline_1m/{LOW}@markPrice@1s/{LOW}@markPrice/{LOW}@aggTrade"
    )
    client.exchange.advance(at(1))
    streams.frames()
    client.exchange.advance(at(62))
    frames = told(streams)
    aggregates = [frame for frame in frames if frame["e"] == "aggTrade"]
    assert [(row["p"], row["q"], row["l"] - row["f"]) for row in aggregates] == [("101.00", "1.2", 1)]
    bars = [frame["k"] for frame in frames if frame["e"] == "kline"]
    (closed,) = [bar for bar in bars if bar["x"]]
    assert (closed["o"], closed["h"], closed["c"], closed["v"]) == ("100.00", "101.00", "101.00", "1.7")
    _, rows = client.ask("GET", "klines", symbol=SYMBOL, interval="1m", startTime=closed["t"], limit=1)
    assert rows[0][:6] == [closed["t"], closed["o"], closed["h"], closed["l"], closed["c"], closed["v"]]
    marks = [frame for frame in frames if frame["e"] == "markPriceUpdate"]
    assert len(marks) == 61 + len([second for second in range(2, 63) if at(second) // 10**9 % 3 == 0])


def test_a_fill_is_told_first_with_less():
    client = Client()
    streams = Streams(client.venue)
    streams.open("/private/ws", f"listenKey={client.venue.open_listen_key()}")
    client.order("BUY", "1.0", newClientOrderId="lite")
    frames = told(streams)
    assert [frame["e"] for frame in frames] == [
        "ORDER_TRADE_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE",
    ]  # fmt: skip
    lite, report = frames[1], frames[2]["o"]
    assert (lite["c"], lite["t"], lite["l"], lite["L"]) == (report["c"], report["t"], report["l"], report["L"])
    assert "z" not in lite
