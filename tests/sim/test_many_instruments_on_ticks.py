"""Many instruments in one run on ticks: slots, locks and the account are shared, and nothing else is."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from sim.market import NO_ACCOUNT_LIMITS
from sim.tick_market import ACCEPT, rows_of, run, steady, strategy
from tightloop.adapters.data.tick_sample.writing import write_tick_sample
from tightloop.app.runs import backtest as runs_backtest

COUNT, SLOTS, POSITIONS_MAX, END_S = 20, 3, 5, 240
NAMES = [f"lab:C{k:02}USDT-perp" for k in range(COUNT)]
FIRST, SECOND = NAMES[:13], NAMES[7:]  # six of them in both
FLASH = Path(__file__).resolve().parents[2] / "strategies" / "ticks" / "flash_pump_long.yaml"


def episodes(seed):
    """Flags of each instrument: (second, sections), each in force for a tenth of a second, no two at one time."""
    draw = random.Random(seed)
    times = draw.sample(range(END_S * 4), 900)
    found = {}
    for k, name in enumerate(NAMES):
        rows = [
            (round(t // 4 + 0.15 + 0.2 * (t % 4), 2), draw.choice(("S1", "S1", "ZE1", "S1+ZE1")))
            for t in times[k::COUNT]
        ]
        found[name] = sorted(rows)
    return found


def tape_of(name, flags):
    """A price of its own that climbs by a cent a second."""
    base = 100.0 + NAMES.index(name)
    quotes = []
    for at, *word in sorted([*steady(0.0, END_S, 1.0), *flags, *((at + 0.1,) for at, _ in flags)]):
        price = round(base + 0.01 * int(at), 2)
        quotes.append((at, price, round(price + 0.05, 2), *word))
    return quotes, steady(0.05, END_S, 1.0, base, 1)


@dataclass
class Book:
    """What the rules say of two strategies on one account: who may enter when, by hand."""

    held: dict[tuple[str, str], float] = field(default_factory=dict)
    trades: list[tuple[str, str, float, float | None]] = field(default_factory=list)
    said: Counter[tuple[str, str]] = field(default_factory=Counter)

    def see(self, at, name, flags):
        own = [strategy for strategy, names in (("one", FIRST), ("two", SECOND)) if name in names]
        was_held = [strategy for strategy in own if (strategy, name) in self.held]
        if "ZE1" in flags:
            for strategy in was_held:
                self.trades.append((strategy, name, self.held.pop((strategy, name)), at))
        for strategy in own:
            # An exit that is asked for at an evaluation is filled after it: slot and symbol are free at the next one.
            if "S1" in flags and strategy not in was_held:
                self.enter(at, strategy, name, was_held if "ZE1" in flags else [])

    def enter(self, at, strategy, name, leaving):
        slots = sum(own == strategy for own, _ in self.held) + leaving.count(strategy)
        others = [own for own, held in self.held if held == name] + leaving
        if slots >= SLOTS:
            self.said[strategy, "slots_full"] += 1
        elif others:
            self.said[strategy, "symbol_locked"] += 1
        elif len(self.held) + len(leaving) >= POSITIONS_MAX:
            self.said[strategy, "max_positions"] += 1
        else:
            self.held[strategy, name] = at


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 4))])
def test_slots_locks_and_the_account_are_shared_by_twenty_instruments_as_the_rules_say(seed):
    flags = episodes(seed)
    account = NO_ACCOUNT_LIMITS.replace("max_positions: null", f"max_positions: {POSITIONS_MAX}")
    own = {"account": account, "limits": f"{{max_concurrent_positions: {SLOTS}}}", "e1": "", "o1": ""}
    texts = [strategy(name=name, instruments=names, **own) for name, names in (("one", FIRST), ("two", SECOND))]
    done = run(texts, {name: tape_of(name, own) for name, own in flags.items()})
    book = Book()
    for at, name, words in sorted((at, name, words) for name, own in flags.items() for at, words in own):
        book.see(at, name, words.split("+"))
    left = [(strategy, name, at, None) for (strategy, name), at in book.held.items()]
    found = {(t.strategy, t.instrument, t.entry_ts, t.exit_ts) for t in rows_of(done.trades)}
    assert found == {*book.trades, *left}
    assert len(book.trades) > 30
    said = Counter((own.strategy, own.reason) for own in rows_of(done.signals, event="suppressed"))
    said += Counter((own.strategy, own.reason) for own in rows_of(done.orders, state="DENIED"))
    assert said == book.said
    assert len({reason for _, reason in said}) == 3, "each of the three held something back"
    assert len({t.instrument for t in rows_of(done.trades)}) == COUNT, "every instrument had its turn"
    for trade in rows_of(done.trades):
        base = 100.0 + NAMES.index(trade.instrument)
        assert trade.entry_price == pytest.approx(base + 0.01 * int(trade.entry_ts) + 0.05)
        if trade.exit_ts is not None:
            assert trade.exit_price == pytest.approx(base + 0.01 * int(trade.exit_ts))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    root = tmp_path_factory.mktemp("laboratory")
    write_tick_sample(root, ["pump", "dump", "thin", "halt"], seed=1)
    return root


def twenty_of(root):
    names = sorted(f"lab:{path.name}" for path in (root / "trades" / "lab").iterdir())
    assert len(names) >= COUNT
    return names[-COUNT:]


def test_twenty_instruments_of_the_laboratory_trade_together_as_each_does_alone(laboratory):
    names = twenty_of(laboratory)
    settings = ["sections.Z1.size={type: fixed, value: 200}", "account={max_positions: null, max_symbol_pct: null}",
                "limits={max_hold_min: 10}"]  # fmt: skip
    options = {"data": laboratory, "settings": settings, "accept": ACCEPT}
    together = runs_backtest.backtest(FLASH, instruments=names, **options)
    assert together.trades["instrument"].n_unique() >= 5
    columns = ["instrument", "side", "qty", "entry_ts", "entry_price", "exit_ts", "exit_price", "pnl", "exit_reason"]
    for name in names:
        alone = runs_backtest.backtest(FLASH, instruments=[name], **options).trades.select(columns)
        assert together.trades.filter(pl.col("instrument") == name).select(columns).equals(alone), name
    total = together.summary["final_equity"] - together.summary["initial_equity"]
    assert together.trades["pnl"].sum() == pytest.approx(total, abs=1e-6)


def test_no_more_than_its_slots_are_held_at_once_among_twenty_instruments(laboratory):
    names = twenty_of(laboratory)
    done = runs_backtest.backtest(
        FLASH, data=laboratory, instruments=names, accept=ACCEPT, settings=["limits.max_concurrent_positions=1"]
    )
    spans = sorted(done.trades.select("entry_ts", "exit_ts").rows())
    assert len(spans) > 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    held_back = done.signals.filter(pl.col("event") == "suppressed")
    assert set(held_back["reason"]) == {"slots_full"}
    for at, name in held_back.select("ts", "instrument").rows():
        # Something else was watched or held then.
        taken = done.signals.filter((pl.col("event") == "fired") & (pl.col("section") == "S1") & (pl.col("ts") <= at))
        assert taken["instrument"][-1] != name
