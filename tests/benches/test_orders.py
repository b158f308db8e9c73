"""What the bench of orders finds wrong at the end: orders that were lost, doubled or are nobody's."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASKED = ["tl1", "tl2", "tl3"]
SHOWN = {"wallet": 9_990.0, "positions": [], "fills": [{"symbol": "A", "trade_id": "7"}]}


@pytest.fixture
def orders(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benches"))
    for name in ("orders", "children"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("orders")


def truth(names, **other):
    said = [{"client_id": name} for name in names]
    return {"orders": said, "fills": [{"symbol": "A", "trade_id": 7}], "wallet": 9_990.0, "positions": [], **other}


def test_orders_that_are_there_once_are_well(orders):
    assert orders.differences(ASKED, truth(ASKED), SHOWN) == []


@pytest.mark.parametrize(
    ("asked", "there", "word"),
    [
        (ASKED, truth(ASKED[:2]), "lost: tl3"),
        (ASKED, truth([*ASKED, "tl2"]), "at the venue 2 times: tl2"),
        ([*ASKED, "tl1"], truth(ASKED), "asked for twice: tl1"),
        (ASKED, truth([*ASKED, "tl9"]), "not asked for: tl9"),
        (ASKED, truth(ASKED, fills=[]), "not executed"),
        (ASKED, truth(ASKED, wallet=9_989.0), "wallet"),
        (ASKED, truth(ASKED, positions=[{"symbol": "A"}]), "left"),
    ],
)
def test_whatever_else_is_named(orders, asked, there, word):
    (wrong,) = orders.differences(asked, there, SHOWN)
    assert word in wrong
