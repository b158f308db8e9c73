"""Strategies in Python: what they are told, may say and can not know, and what becomes of their errors."""

import gc
import json
import tempfile
import types
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity import runs
from tests.parity.test_no_look_ahead import is_blind_to_the_future

from tightloop.app.cli.main import main
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import sweep as runs_sweep
from tightloop.core import limits
from tightloop.model.errors import InputError, StrategyError
from tightloop.model.signal import read as signal_read
from tightloop.runtime.python import strategies as python_strategies

ROOT = Path(__file__).resolve().parents[3]
TICKS = ROOT.parent / "shared" / "data"
A, B = runs.NAMES[:2]
HEAD = f"""
name: own
family: python
instruments: [{A}]
timeframe: 1m
capital: 100_000
variants: {{fast: {{type: EMA, period: 3}}, slow: {{type: EMA, period: 9}}}}
costs: {{taker_bps: 5, maker_bps: 2}}
account: {{max_position_pct: 100, max_symbol_pct: 200, max_drawdown_pct: null, daily_loss_pct: null}}
"""
QUIET = "class Own:\n    def on_bar(self, view, bar): pass\n"
EVERYTHING = """
class Own:
    def __init__(self, size=1_000):
        self.size, self.seen, self.calls = size, [], 0

    def on_start(self, view):
        view.set_timer(600)

    def on_timer(self, view):
        view.set_timer(600)
        for order in view.orders():
            if order.role == "entry":
                view.cancel(order.order_id)

    def on_fill(self, view, fill):
        self.seen.append(fill)
        if fill.role == "entry" and len(self.seen) % 3 == 0:
            view.protect(stop_loss_pct=0.5)

    def on_bar(self, view, bar):
        self.calls += 1
        assert bar.close_ns == view.time_ns
        assert view.history(1)[-1] == bar
        mean = view.history(20).close.mean()
        kind = self.calls % 7
        if kind == 0 and bar.close > mean:
            view.buy(notional=self.size, stop_loss_pct=1, take_profit=bar.close * 1.02)
        elif kind == 1:
            view.sell(2.5, type="limit", price=bar.close * 1.003, ttl_s=300)
        elif kind == 2 and view.value("fast") < view.value("slow"):
            view.close()
        elif kind == 3:
            view.buy(notional=self.size, type="stop", price=bar.high * 1.001, stop_loss=bar.low * 0.99)
        elif kind == 4:
            view.sell(abs(view.position()) / 2 or 1, instrument=view.instruments[-1])
        elif kind == 5 and self.calls % 5 == 0:
            view.cancel_all()
"""


def strategy(folder, code, more="", head=HEAD):
    """A strategy whose class stands in a file of its own."""
    path = folder / f"own{abs(hash(code)) % 10**8}.py"
    path.write_text(code, encoding="utf-8")
    yaml = folder / "own.yaml"
    yaml.write_text(f"{head}class: {path.name}:Own\n{more}", encoding="utf-8")
    return signal_read.load(yaml)


def setting(folder, code, *, instruments=1, seed=3, count=500, more=""):
    head = HEAD.replace(f"[{A}]", f"[{', '.join(runs.NAMES[:instruments])}]")
    own = strategy(folder, code, more, head)
    bars = {i: runs.random_bars(seed + k, count) for k, i in enumerate(own.instruments)}
    funding = {i: runs.random_funding(seed + k, bars[i]) for k, i in enumerate(own.instruments)}
    return runs.Setting((own,), bars, funding, seed=seed)


# The same machine -----------------------------------------------------------------------------------------------------


def test_the_example_makes_the_trades_of_the_one_without_code_bar_for_bar():
    names = ("ema_cross.yaml", "python_ema_cross.yaml")
    rows = runs.random_bars(5, 20_000, price=20_000.0)
    tables = []
    for name in names:
        own = signal_read.load(ROOT / "strategies" / name)
        tables.append(runs.Setting((own,), {own.instruments[0]: rows}).run().run.trades)
    unlike = ["strategy", "session_id", "signal_id", "exit_reason"]
    assert len(tables[0]) > 100
    assert tables[0].drop(unlike).equals(tables[1].drop(unlike))


@pytest.mark.parametrize("instruments", [1, 3])
def test_both_drivers_leave_the_same_bytes(tmp_path, instruments):
    own = setting(tmp_path, EVERYTHING, instruments=instruments)
    array, single = own.run(), own.run(one_by_one=True)
    assert array.state_hash == single.state_hash
    assert array.files(tmp_path / "array") == single.files(tmp_path / "single")
    roles = set(array.run.orders["role"])
    assert {"entry", "strategy", "stop_loss", "take_profit"} <= roles
    assert {"FILLED", "CANCELED", "EXPIRED"} <= set(array.run.orders["state"])


def test_where_the_log_is_drained_changes_nothing(tmp_path, monkeypatch):
    own = setting(tmp_path, EVERYTHING, instruments=2)
    usual = own.run()
    monkeypatch.setattr(python_strategies.core_log, "ROWS", 0)
    monkeypatch.setattr(runs.bars_backtest, "EQUITY_ROWS", 1)
    drained = own.run()
    assert drained.state_hash == usual.state_hash
    assert drained.run.fills.equals(usual.run.fills)
    assert drained.run.equity.equals(usual.run.equity)


@pytest.mark.real_data
@pytest.mark.parametrize("clock", ["receive", "exchange"])
def test_ticks_are_the_same_in_both_drivers(tmp_path, clock):
    if not TICKS.is_dir():
        pytest.skip("the catalog of real data does not lie beside the repository")
    path = ROOT / "strategies" / "ticks" / "python_quoting.yaml"
    options = {"data": TICKS, "settings": [f"latency.clock={clock}"], "end": "2024-08-08T23:56:00Z"}
    one, other = runs_backtest.backtest(path, **options), runs_backtest.backtest(path, one_by_one=True, **options)
    assert len(one.fills) > 5
    assert one.summary == other.summary
    assert one.orders.equals(other.orders)


# No future ------------------------------------------------------------------------------------------------------------

SKIPPED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, str, bytes, int)
SKIPPED += (float, np.generic, np.dtype)


def reachable(root):
    """Every object that attributes, containers and referents lead to, but for code."""
    seen, waiting = {}, [root]
    while waiting:
        own = waiting.pop()
        if id(own) in seen or isinstance(own, SKIPPED):
            continue
        seen[id(own)] = own
        waiting += gc.get_referents(own)
        if isinstance(own, np.ndarray | memoryview):
            waiting.append(own.base if isinstance(own, np.ndarray) else own.obj)
            continue
        for name in dir(own) if type(own).__module__.startswith("tightloop") else ():
            if not name.startswith("__"):
                try:
                    waiting.append(getattr(own, name))
                except (AttributeError, ValueError, KeyError, RuntimeError):
                    continue
    return seen.values()


def words_of(objects):
    """All 64-bit words in the arrays among them."""
    found = set()
    for own in objects:
        if isinstance(own, np.ndarray) and own.dtype != object and own.flags.c_contiguous and own.size:
            plain = own.view(np.uint8).reshape(-1)
            found.update(plain[: len(plain) // 8 * 8].view(np.uint64).tolist())
    return found


def test_no_attribute_of_a_view_leads_to_a_later_price(tmp_path):
    code = """
class Own:
    looks = []

    def on_bar(self, view, bar):
        view.buy(notional=1000)
        self.looks.append(1)
        if len(self.looks) in (40, 150):
            self.spy(view, bar)
"""
    own = setting(tmp_path, code, instruments=2, count=200)
    made = own.strategies[0].code.made
    rows = np.concatenate(list(own.bars.values()))
    results = []

    def spy(_, view, bar):
        words = words_of(reachable(view))
        later, earlier = rows[rows["close_ns"] > view.time_ns], rows[rows["close_ns"] <= view.time_ns]
        known = set(earlier["close"].tolist()) | set(earlier["high"].tolist()) | set(earlier["low"].tolist())
        for name in ("close", "high", "low"):
            unknown = [value for value in later[name].tolist() if value not in known]
            results.append(len(words.intersection(np.array(unknown).view(np.uint64).tolist())))
        results.append(-1 if np.float64(bar.close).view(np.uint64).item() in words else 1)

    made.spy = spy
    own.run()
    assert results == [0, 0, 0, -1] * 2, "no later price is there, and the one in hand is found"


def test_an_index_beyond_now_is_a_look_ahead(tmp_path):
    for look in ("view.history(3)[3]", "view.history(3)[10]", "view.history(-1)"):
        code = f"class Own:\n    def on_bar(self, view, bar):\n        {look}\n"
        with pytest.raises(StrategyError, match="LookAheadError"):
            runs_backtest.backtest(strategy(tmp_path, code), data=market())


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9), st.integers(0, 10_000))
def test_what_was_done_before_a_cut_does_not_depend_on_what_comes_after_it(seed, share, other):
    with tempfile.TemporaryDirectory() as folder:
        is_blind_to_the_future(setting(Path(folder), EVERYTHING, instruments=2, seed=seed, count=300), share, other)


# What it says ---------------------------------------------------------------------------------------------------------


def market(count=60):
    rows = runs.random_bars(1, count, hole_share=0.0)
    columns = {name: rows[name] for name in ("open", "high", "low", "close", "volume")}
    return {A: pl.DataFrame({"ts": rows["open_ns"], **columns})}


def answers(folder, lines, more=""):
    """What a strategy wrote down while it ran."""
    body = "\n        ".join(lines)
    code = (
        f"class Own:\n    said = []\n    def on_bar(self, view, bar):\n        say = self.said.append\n        {body}\n"
    )
    own = strategy(folder, code, more)
    own.code.made.said.clear()
    run = runs_backtest.backtest(own, data=market())
    return own.code.made.said, run


def test_the_answer_of_an_order_is_its_id_or_the_reason_of_its_denial(tmp_path):
    said, run = answers(tmp_path, ["say(view.buy(notional=1_000_000))", "say(view.buy(1, stop_loss=1e6))"])
    assert {(bool(a), a.reason) for a in said} == {(False, "MAX_POSITION"), (False, "STOP_BEYOND_ENTRY")}
    assert set(run.orders["state"]) == {"DENIED"}
    said, run = answers(tmp_path, ["if len(self.said) == 0:", "    say(view.buy(1))"])
    assert said[0]
    assert run.orders["order_id"].to_list() != []
    assert run.fills["ts"][0] > run.orders["submitted_ts"][0] - 1
    said, _ = answers(tmp_path, ["say(view.close().reason)", "say(view.sell(1, reduce_only=True).reason)"])
    assert set(said) == {"NOTHING_TO_REDUCE"}


def test_limits_of_the_file_hold(tmp_path):
    more = "limits: {max_daily_trades: 1}\n"
    lines = ["say(view.close() if view.position() else view.buy(1))"]
    said, run = answers(tmp_path, lines, more)
    assert len(run.trades) <= 2
    assert "MAX_DAILY_TRADES" in {a.reason for a in said}


def test_what_only_reduces_passes_no_check_and_a_larger_order_turns_the_position(tmp_path):
    lines = ["at = len(self.said)", "say(view.position())", "if at == 0: view.buy(2)", "if at == 3: view.sell(5)"]
    said, run = answers(tmp_path, lines)
    assert said[2] == 2.0
    assert said[5] == -3.0
    assert run.trades["side"].to_list() == ["LONG", "SHORT"]


def test_a_stop_that_is_canceled_stays_away(tmp_path):
    lines = [
        "say(sum(o.role == 'stop_loss' for o in view.orders()))",
        "if len(self.said) == 1: view.buy(1, stop_loss_pct=50)",
        "if len(self.said) == 4: [view.cancel(o.order_id) for o in view.orders()]",
    ]
    said, _ = answers(tmp_path, lines)
    assert said[2:4] == [1, 1]
    assert set(said[5:]) == {0}


# What is wrong --------------------------------------------------------------------------------------------------------


def test_an_error_names_file_line_time_and_strategy_and_what_was_done_is_kept(tmp_path):
    code = "class Own:\n    n = 0\n    def on_bar(self, view, bar):\n        self.n += 1\n        1 / (30 - self.n)\n"
    own = strategy(tmp_path, code)
    with pytest.raises(StrategyError) as caught:
        runs_backtest.backtest(own, data=market())
    text = str(caught.value)
    assert f"{own.code.file}:5: Own.on_bar failed at 2023-12-31T23:" in text
    assert "(strategy own): ZeroDivisionError" in text
    assert 28 <= len(caught.value.run.equity) <= 33
    assert any("failed" in warning for warning in caught.value.run.summary["warnings"])


@pytest.mark.parametrize("does", ["view.buy(0.001, type='limit', price=1)", "view.set_timer(60)"])
def test_more_than_wanted_max_in_one_call_is_an_error_that_names_it(tmp_path, does):
    loop = f"        for _ in range({limits.CALL_REQUESTS_MAX + 1}):\n            {does}\n"
    code = f"class Own:\n    def on_bar(self, view, bar):\n{loop}"
    with pytest.raises(StrategyError, match=f"more than {limits.CALL_REQUESTS_MAX} "):
        runs_backtest.backtest(strategy(tmp_path, code), data=market())


def test_more_bars_than_are_kept_are_an_error_that_says_how_many_there_are(tmp_path):
    code = f"class Own:\n    def on_bar(self, view, bar): view.history({limits.HISTORY_BARS_MAX + 1})\n"
    with pytest.raises(StrategyError, match=f"between 1 and {limits.HISTORY_BARS_MAX} bars"):
        runs_backtest.backtest(strategy(tmp_path, code), data=market())


def test_the_command_writes_what_was_done_and_ends_with_1(tmp_path, monkeypatch, capsys):
    from tightloop.adapters.data.sample import write_sample

    write_sample(tmp_path / "data", seed=1, days=1)
    code = "class Own:\n    n = 0\n    def on_bar(self, view, bar):\n        self.n += 1\n        assert self.n < 50\n"
    strategy(tmp_path, code, head=HEAD.replace(A, "sample:BTCUSDT-perp"))
    arguments = ["backtest", str(tmp_path / "own.yaml"), "--data", str(tmp_path / "data"), "--no-report", "--out"]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, str(tmp_path / "out")], standalone_mode=False)
    assert caught.value.code == 1
    assert "Own.on_bar failed at" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "result.json").read_text())["strategy"] == "own"
    assert list((tmp_path / "out").glob("own*.py"))


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        ("class Own:\n    def on_bar(self, view)\n", "", ":2: class: is not valid Python"),
        ("import nothing_of_this_name\n", "", ":1: class: cannot be loaded: ModuleNotFoundError"),
        ("class Other:\n    def on_bar(self, view, bar): pass\n", "", "has no class Own; write one of Other"),
        ("class Own:\n    def on_bar(self, view): pass\n", "", ":2: class: Own.on_bar does not take self, view, bar"),
        ("class Own:\n    def on_bars(self, view, bar): pass\n", "", "would never be called; did you mean on_bar?"),
        ("class Own:\n    pass\n", "", "has no callback"),
        ("class Own:\n    def on_trade(self, view, trade): pass\n", "", "Own.on_trade needs trades"),
        (
            "class Own:\n    def on_bar(self, view, bar): pass\n",
            "params: {size: 1}\n",
            "'size' is not a parameter of Own",
        ),
        ("class Own:\n    def on_bar(self, view, bar): pass\n", "direction: LONG\n", "has no direction"),
        (
            QUIET + "    def __init__(self):\n        raise ValueError('no')\n",
            "",
            ":4: params: cannot be loaded: ValueError: no",
        ),
    ],
)
def test_a_class_that_can_not_be_used_is_refused_with_its_place(tmp_path, code, more, said):
    with pytest.raises(InputError) as caught:
        strategy(tmp_path, code, more)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_and_a_class_that_is_not_named_are_refused():
    for line, said in (
        ("class: nowhere.py:Own", "no such file"),
        ("class: own.py", "names no class"),
        ("", "is missing"),
    ):
        with pytest.raises(InputError, match=said):
            signal_read.loads(f"{HEAD}{line}\n")


def test_the_hash_of_the_configuration_covers_source_and_parameters(tmp_path):
    first = strategy(tmp_path, EVERYTHING)
    assert strategy(tmp_path, EVERYTHING).config_hash == first.config_hash
    assert strategy(tmp_path, EVERYTHING + "\n# another line\n").config_hash != first.config_hash
    assert strategy(tmp_path, EVERYTHING, "params: {size: 5}\n").config_hash != first.config_hash


def test_a_sweep_runs_a_class_for_each_set(tmp_path):
    strategy(tmp_path, EVERYTHING)
    done = runs_sweep.sweep(
        tmp_path / "own.yaml", parameters={"params.size": [500, 1_000]}, data=market(300), threads=2
    )
    assert len({row.in_sample["turnover"] for row in done.rows}) == 2
