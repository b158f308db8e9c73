"""The script that measures the bus: it publishes what it says, and finds what was lost."""

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    for name in ("bus", "children"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("bus")


def test_all_messages_arrive_and_the_one_that_sleeps_resumes_from_the_journal(bench, monkeypatch, capsys):
    monkeypatch.setattr(bench, "SLEEP_S", 0.3)
    monkeypatch.setattr("tightloop.runtime.session.bus.BEHIND_MAX", 1_000)
    monkeypatch.setattr(bench, "SLEEP_AT", 100)
    measured = asyncio.run(bench.measure(5_000, 0.5, {"asleep": True, "raises": False}))
    assert measured.faults() == []
    assert "asleep is 1000 messages behind: disconnected, served up to seq 99" in measured.reported
    assert [text for text in measured.reported if text.startswith("message")] == [
        f"message {seq}" for seq in (500, 1_000, 2_000)
    ]
    bench.print_run("one", measured)
    printed = capsys.readouterr().out
    assert "2,500 events" in printed
    assert "| asleep | 2,500 |" in printed


def test_a_lost_message_and_a_disconnected_subscriber_are_faults(bench):
    followers = [bench.Follower(name, int, 3, name == "asleep", numbers) for name, numbers in (
        ("whole", [0, 1, 2]), ("short", [0, 1]), ("twice", [0, 1, 1, 2]), ("asleep", [0, 1, 2]),
    )]  # fmt: skip
    measured = bench.Measured(3, 1.0, 1.0, 1.0, followers, ["whole is behind", "asleep is behind"])
    assert measured.faults() == [
        "whole was disconnected",
        "short has lost messages, or has them in another order",
        "twice has lost messages, or has them in another order",
    ]
