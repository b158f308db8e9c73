"""The socket of a session's latest values: all to who comes, then what changes, and nothing waits for who is slow."""

import json
import socket

import pytest

from tightloop.app.runs.live.index import values as values_socket
from tightloop.app.runs.live.index.values import ValuesDoor
from tightloop.runtime.session.read_model.live_values import LiveValue

BID, PNL = LiveValue("100.5", 7, 1_000), LiveValue(None, None, 1_000)


class Screen:
    def __init__(self, path):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(str(path))
        self.link.settimeout(1.0)
        self.lines = self.link.makefile()

    def close(self):
        self.lines.close()
        self.link.close()

    def values(self):
        return json.loads(self.lines.readline())["values"]


@pytest.fixture
def screen(tmp_path):
    """Makes screens that listen, and closes them at the end."""
    found = []

    def made():
        found.append(Screen(tmp_path / "one.vals"))
        return found[-1]

    yield made
    for one in found:
        one.close()


@pytest.fixture
def door(tmp_path):
    found = ValuesDoor(tmp_path / "one.vals")
    yield found
    found.close()


def test_who_comes_gets_all_values_and_then_what_changes(door, screen):
    values = {"bid:x": BID, "pnl:0": PNL}
    first = screen()
    door.tell(3, lambda: values)
    assert first.values() == [["bid:x", "100.5", "7", 1_000], ["pnl:0", None, None, 1_000]]
    values["bid:x"] = LiveValue("101", 9, 1_000)
    second = screen()
    door.tell(4, lambda: values)
    assert first.values() == [["bid:x", "101", "9", 1_000]]
    assert second.values() == [["bid:x", "101", "9", 1_000], ["pnl:0", None, None, 1_000]]
    del values["pnl:0"]
    door.tell(5, lambda: values)
    assert first.values() == second.values() == [["pnl:0", None, None, 1_000]]


def test_values_are_not_computed_when_no_screen_listens(door):
    def computed():
        raise AssertionError("it was asked for")

    door.tell(1, computed)


def test_a_screen_that_does_not_read_is_cut_off_and_the_others_are_not(door, screen, monkeypatch):
    monkeypatch.setattr(values_socket, "UNREAD_BYTES_MAX", 10_000)
    slow, quick = screen(), screen()
    for k in range(400):
        door.tell(k, lambda k=k: {f"indicator:{n}:x": LiveValue(f"{k}.5", k, 1_000) for n in range(40)})
        assert len(quick.values()) == 40
    count = sum(1 for _ in slow.lines)  # up to where it was cut off
    assert 0 < count < 400
    slow.link.close()
    door.tell(400, lambda: {"bid:x": BID})
    assert ["bid:x", "100.5", "7", 1_000] in quick.values()


def test_a_door_that_a_dead_process_left_is_made_anew(door, screen, tmp_path):
    again = ValuesDoor(tmp_path / "one.vals")
    door.close()  # the one that is gone leaves the door of the next alone
    again.tell(0, lambda: {"bid:x": BID})
    again.tell(0, lambda: {"bid:x": BID})
    one = screen()
    again.tell(0, lambda: {"bid:x": BID})
    assert one.values()
    again.close()
