"""200 random strategies, each through the product and through the plain simulator: every row of every table is equal.

The simulator was written from the outer contract and shares no code with the product. Where both differ, `python3
dev.py fuzz --seed SEED --count 1` makes the case small and writes it into a folder.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from differential import fuzz
from differential.account import Account
from differential.books import Books
from differential.compare import Refused, Verdict, judge, run_plain
from differential.decisions import Decisions
from differential.domain import ACCOUNT_DEFAULTS, STEPS_NS, Instrument
from differential.indicators import Bar
from differential.strategies import START_NS, Case, make_case
from differential.trees import Tree
from differential.venue import Venue

SEEDS = 200
CHUNK = 20
PLANTED_SEEDS = 60


def _judge(seed: int) -> Verdict | None:
    try:
        return judge(make_case(seed))
    except Refused:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_row_of_random_strategies_is_that_of_the_plain_simulator(first: int) -> None:
    found = {seed: _judge(seed) for seed in range(first, first + CHUNK)}
    differing = {
        seed: str(own.difference) for seed, own in found.items() if own and own.difference and not own.is_doubtful
    }
    assert differing == {}
    assert sum(own is None for own in found.values()) <= 1, "hardly a strategy is refused"
    assert sum(bool(own and own.is_doubtful) for own in found.values()) <= 2, (
        "hardly a case hangs on a float's last bits"
    )


@pytest.mark.slow
def test_the_random_strategies_reach_every_way_in_and_out() -> None:
    roles: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for seed in range(PLANTED_SEEDS):
        verdict = _judge(seed)
        if verdict:
            roles += verdict.roles
            reasons += verdict.reasons
    assert set(roles) == {"entry", "ze1", "e1", "stop_loss", "trailing", "take_profit", "time", "liquidation"}
    wanted = {
        "liquidated",
        "ttl",
        "post_only_would_take",
        "unfilled_ioc",
        "insufficient_cash",
        "stop_beyond_liquidation",
    }
    assert wanted <= set(reasons)


# A comparison that can not fail is none


def _fill_price(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Books.fill

    def shifted(self: Books, instance: Any, order: Any, qty: float, price: float, *rest: Any) -> None:
        own(self, instance, order, qty, price * (1 + 1e-7), *rest)

    monkeypatch.setattr(Books, "fill", shifted)


def _touch_of_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Venue.adverse

    def untouched(self: Venue, instance: Any, reached: float, *rest: Any, **named: Any) -> bool:
        return own(self, instance, reached + instance.position.side * 1e-9, *rest, **named)

    monkeypatch.setattr(Venue, "adverse", untouched)


def _liquidation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Instrument, "liquidation_price", lambda *_: None)


def _maker_fees(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Venue.make

    def taken(self: Venue, instance: Any, order: Any, price: float, now_ns: int) -> None:
        self.take(instance, order, price, now_ns, at_open=False)

    assert own is not taken
    monkeypatch.setattr(Venue, "make", taken)


def _cash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "free", lambda *_: 1e12)


def _holds(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Tree._hold
    monkeypatch.setattr(
        Tree, "_hold", lambda self, place, inner, now, seconds: own(self, place, inner, now, seconds + 1)
    )


def _cooldowns(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Decisions._detect

    def eager(self: Decisions, instance: Any, now_ns: int) -> None:
        instance.free_ts = 0
        own(self, instance, now_ns)

    monkeypatch.setattr(Decisions, "_detect", eager)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plant",
    [_fill_price, _touch_of_a_stop, _liquidation, _maker_fees, _cash, _holds, _cooldowns],
    ids=lambda own: own.__name__,
)
def test_a_planted_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for seed in range(PLANTED_SEEDS):
        verdict = _judge(seed)
        if verdict and verdict.difference:
            return
    pytest.fail("nobody saw it")


def test_the_command_writes_each_difference_as_a_small_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuzz.main(["--count", "2", "--seed", "0", "--jobs", "1", "--out", str(tmp_path / "none")]) == 0
    assert not (tmp_path / "none").exists()
    _fill_price(monkeypatch)
    assert fuzz.main(["--count", "1", "--seed", "1", "--jobs", "1", "--out", str(tmp_path)]) == 1
    folder = tmp_path / "1"
    assert "tightloop backtest" in (folder / "README.txt").read_text(encoding="utf-8")
    assert {file.suffix for file in folder.iterdir()} >= {".yaml", ".csv", ".txt"}
    assert fuzz.main(["--again", str(folder)]) == 1
    monkeypatch.undo()
    assert fuzz.main(["--again", str(folder)]) == 0
    assert "seed 1" in capsys.readouterr().out


# Cases that once differed


def _bars(*rows: tuple[float, float, float, float]) -> list[Bar]:
    return [Bar(START_NS + at * STEPS_NS["1h"], *map(float, row), 1000.0) for at, row in enumerate(rows)]


def _strategy(name: str, instrument: str, direction: str, capital: float, **z1: Any) -> dict[str, Any]:
    return {
        "name": name, "family": "signal", "direction": direction, "instruments": [instrument], "timeframe": "1h",
        "capital": capital,
        "variants": {"px": {"type": "PRICE"}, "before": {"type": "DONCHIAN", "period": 1, "output": "upper"}},
        "sections": {"S1": {"all": [{"px": "> 0"}]}, "Z1": {"immediate": True, "leverage": 1} | z1},
        "costs": {"taker_bps": 0, "maker_bps": 0},
        "limits": {"max_daily_trades": 1},
        "account": dict.fromkeys(name for name in ACCOUNT_DEFAULTS if name != "max_leverage"),
    }  # fmt: skip


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_entries_at_one_open_the_one_whose_price_has_risen_is_cut(is_first: bool) -> None:
    """1,000 of cash: 50 at 10 by market wait beside 50 at 10 by a stop that the market stands at. One opens at 10, the
    other at 10.4: 48 of it are paid for by what the first one left."""
    waits, risen = "test:AAAUSDT-spot", "test:CCCUSDT-spot"
    size = {"type": "units", "value": 50}
    strategies = [
        _strategy("risen", risen, "LONG", 500, order={"type": "market"}, size=size),
        _strategy("waits", waits, "LONG", 500, order={"type": "stop", "price": "close"}, size=size),
    ]
    case = Case(
        1,
        strategies if is_first else strategies[::-1],
        {waits: _bars((10,) * 4, (10,) * 4, (10,) * 4), risen: _bars((10,) * 4, (10.4,) * 4, (10.4,) * 4)},
        {},
        {name: {"lot_size": 1} for name in (waits, risen)},
    )
    verdict = judge(case)
    assert verdict.difference is None
    fills = {row["strategy"]: row["qty"] for row in run_plain(case).fills}
    assert fills == {"waits": 50, "risen": 48}


@pytest.mark.parametrize(("direction", "limit"), [("SHORT", 12), ("LONG", 8)])
def test_a_retracement_of_no_move_is_denied_by_both(direction: str, limit: float) -> None:
    ladder = {"type": "ladder", "of": "pump_retracement", "base": "before", "steps": [[30, 50], [50, 50]]}
    z1 = {"order": {"type": "limit", "price": limit}, "size": {"type": "units", "value": 2}, "take_profit": ladder}
    before = 11 if direction == "SHORT" else 9
    case = Case(
        1, [_strategy("fade", "test:AAAUSDT-perp", direction, 1_000, **z1)],
        {"test:AAAUSDT-perp": _bars((before,) * 4, (10,) * 4, (10, 12.5, 7.5, 10), (10,) * 4)}, {}, {},
    )  # fmt: skip
    assert judge(case).difference is None
    assert "base_beyond_peak" in run_plain(case).orders[1]["reasons"]


def test_a_folder_without_a_case_is_refused(tmp_path: Path) -> None:
    assert fuzz.main(["--again", str(tmp_path)]) == 2
