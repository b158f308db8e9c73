"""The WebSocket over rows of a read model: snapshots, deltas, places, and clients that come back."""

import asyncio

import pytest
from tests.app.api.served import CHEAP, ORIGIN, SESSION, Served, Socket, write_rows

from tightloop.app.api.security.logins import ACCESS_NS
from tightloop.app.api.streams.messages import SERVER


def order(number, **more):
    return ("orders", {"order_id": f"{number}-1", "submitted_ts": number, "state": "ACCEPTED", "qty": 0.1, **more})


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as found:
        write_rows(tmp_path, order(1), order(2, price=1.5), ("signals", {"n": 0, "ts": 5, "section": "S1"}))
        yield found


@pytest.fixture
def socket(served):
    found = Socket(served.browser("viewer"))
    assert found.read() == {"type": "websocket.accept", "subprotocol": "tightloop.v1", "headers": []}
    assert found.read()["type"] == "hello"
    yield found
    found.close()


def test_a_stream_begins_with_the_true_state_and_goes_on_with_what_changes(served, socket):
    socket.subscribe("orders")
    snapshot = socket.until("snapshot")
    assert {row["id"]: row["price"] for row in snapshot["state"]["orders"]} == {
        f"{SESSION}.1-1": None,
        f"{SESSION}.2-1": "1.5",
    }
    write_rows(served.home, order(2, state="FILLED"), order(3), seq=2)
    delta = socket.until("delta")
    assert [(change["id"], change["row"]["state"]) for change in delta["changes"]] == [
        (f"{SESSION}.2-1", "FILLED"),
        (f"{SESSION}.3-1", "ACCEPTED"),
    ]
    place = int(snapshot["seq"].partition(".")[2])
    assert int(delta["from_seq"].partition(".")[2]) <= place < int(delta["seq"].partition(".")[2])


def test_rows_of_other_streams_do_not_come(served, socket):
    socket.subscribe("fills", "orders")
    assert [socket.until("snapshot")["stream"] for _ in range(2)] == ["fills", "orders"]
    write_rows(served.home, ("signals", {"n": 0, "ts": 6, "section": "Z1"}), order(9), seq=2)
    assert socket.until("delta")["stream"] == "orders"


def test_a_client_that_comes_back_gets_what_it_missed_once(served, socket):
    socket.subscribe("orders")
    seen = socket.until("snapshot")["seq"]
    socket.close()
    for number in range(37):
        write_rows(served.home, order(10 + number), seq=2 + number)
    again = Socket(served.browser("viewer"))
    again.subscribe("orders", after=seen)
    delta = again.until("delta")
    assert [change["row"]["order_id"] for change in delta["changes"]] == [f"{10 + number}-1" for number in range(37)]
    again.send({"type": "unsubscribe", "streams": ["orders"]})
    again.subscribe("orders", after=delta["seq"])
    again.send({"type": "ping", "id": "x"})
    assert again.read()["type"] == "pong", "nothing was missed"
    again.close()


@pytest.mark.parametrize("after", ["0123456789abcdef.1", "{index}.999999"])
def test_a_place_of_another_file_gets_a_snapshot(served, socket, after):
    index = served.parts.reader.index_id()
    socket.subscribe("orders", after=after.format(index=index))
    assert len(socket.until("snapshot")["state"]["orders"]) == 2


def test_a_read_model_that_was_deleted_and_made_again_is_told_as_a_snapshot(served, socket):
    socket.subscribe("orders")
    before = socket.until("snapshot")["seq"]
    for file in served.home.glob("index.db*"):
        file.unlink()
    write_rows(served.home, order(7))
    while not (found := socket.until("snapshot"))["state"]:
        assert found["reason"], "while there is none, that is said"
    assert [row["order_id"] for row in found["state"]["orders"]] == ["7-1"]
    assert found["seq"].partition(".")[0] != before.partition(".")[0]


def test_what_is_not_there_is_said_and_nothing_is_made_up(tmp_path):
    with Served(tmp_path) as empty:
        socket = Socket(empty.browser("viewer"))
        socket.subscribe("orders", "session/paper-9", "status/paper-9", "sessions")
        found = [socket.until("snapshot") for _ in range(4)]
        assert [one["state"] for one in found] == [None, None, None, {"sessions": []}]
        assert all(one["reason"] for one in found[:3])
        socket.close()


@pytest.mark.parametrize(
    "said", ["x", "[]", "{}", '{"type": "kill"}', '{"type": "subscribe", "streams": [{"stream": "users"}]}']
)
def test_what_is_no_message_is_told_and_ends_nothing(socket, said):
    socket.send(said)
    assert socket.until("notice")["code"] == "malformed"
    socket.send({"type": "ping"})
    assert socket.until("pong")["server_time_ns"].isdecimal()


def test_a_client_that_asks_too_often_is_sent_away(socket):
    for _ in range(CHEAP.messages_per_minute + 1):
        socket.send({"type": "ping"})
    bye = socket.until("bye")
    assert (bye["reason"], bye["retry_ms"]) == ("too_many", 60_000)
    assert socket.read()["type"] == "websocket.close"


def test_a_login_that_ended_ends_its_socket_and_a_renewed_token_does_not(served, monkeypatch):
    viewer = served.browser("viewer")
    socket = Socket(viewer)
    socket.subscribe("orders")
    socket.until("snapshot")
    logins = served.parts.keeping.logins
    now_ns = logins._now_ns
    monkeypatch.setattr(logins, "_now_ns", lambda: now_ns() + ACCESS_NS + 10**9)
    assert viewer.ask("POST", "auth/refresh").status_code == 200
    served.run(asyncio.sleep(1.2))
    socket.send({"type": "ping"})
    assert socket.until("pong")
    viewer.csrf = viewer.get("auth/me").json()["csrf"]
    assert viewer.ask("POST", "auth/logout").status_code == 200
    bye = socket.until("bye")
    assert (bye["reason"], bye["retry_ms"]) == ("unauthorized", None)


@pytest.mark.parametrize(
    ("origin", "host", "is_in"),
    [
        (ORIGIN, "127.0.0.1:8600", False),
        ("", "127.0.0.1:8600", True),
        ("http://127.0.0.1:8601", "127.0.0.1:8600", True),
        ("https://127.0.0.1:8600", "127.0.0.1:8600", True),
        ("http://evil.example", "evil.example", True),
    ],
)
def test_a_socket_is_opened_by_our_page_with_a_login_alone(served, origin, host, is_in):
    browser = served.browser("viewer" if is_in else "")
    found = Socket(browser, origin=origin, host=host).read()
    assert (found["type"], found["code"]) == ("websocket.close", 4403), "before it is accepted"


def test_every_message_is_one_of_the_document(served, socket):
    socket.subscribe("orders", "sessions", "system", f"session/{SESSION}")
    seen = [socket.until("snapshot") for _ in range(4)]
    write_rows(served.home, order(4), seq=2)
    for message in (*seen, socket.until("delta")):
        SERVER.validate_python(message)


def test_a_new_client_joins_a_stream_that_others_follow_without_a_hole(served, socket):
    socket.subscribe("orders")
    socket.until("snapshot")
    write_rows(served.home, order(4), seq=2)
    socket.until("delta")
    write_rows(served.home, ("signals", {"n": 0, "ts": 6}), seq=3)
    other = Socket(served.browser("trader"))
    other.subscribe("orders")
    joined = int(other.until("snapshot")["seq"].partition(".")[2])
    write_rows(served.home, order(5), seq=4)
    for client in (socket, other):
        delta = client.until("delta")
        assert int(delta["from_seq"].partition(".")[2]) <= joined < int(delta["seq"].partition(".")[2])
        assert [change["row"]["order_id"] for change in delta["changes"]] == ["5-1"]
    other.close()


def test_a_stream_that_is_named_again_is_given_once(served, socket):
    socket.subscribe(*["orders"] * 25, *["fills"] * 25)
    socket.subscribe("orders", "signals")
    socket.send({"type": "ping", "id": "end"})
    seen = []
    while (found := socket.read())["type"] != "pong":
        seen.append(found["stream"])
    assert seen == ["orders", "fills", "signals"]


def test_a_login_has_so_many_sockets_and_another_has_its_own(served):
    browser, most = served.browser("viewer"), served.parts.keeping.settings.limits.sockets_max
    sockets = [Socket(browser) for _ in range(most)]
    assert all(one.read()["type"] == "websocket.accept" for one in sockets)
    more = Socket(browser)
    assert more.read()["code"] == 4429
    other = Socket(served.browser("viewer"))
    assert other.read()["type"] == "websocket.accept"
    sockets[0].close()
    again = Socket(browser)
    assert again.read()["type"] == "websocket.accept"
    for one in (*sockets, more, other, again):
        one.close()
