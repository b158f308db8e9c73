"""A run that Ctrl-C ended, or a strategy in Python that failed, is explained as far as it went."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from sim import tick_market
from sim.market import MINUTE_NS, START_NS, A, bars, strategy
from tightloop.adapters.data.carry_sample import write_carry_sample
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main
from tightloop.app.runs import driving
from tightloop.app.runs.interrupts import Interrupts, Stopped
from tightloop.runtime.backtest import bars as bar_driver
from tightloop.runtime.backtest import bars_python, ticks_python
from tightloop.runtime.backtest import carry as carry_backtest
from tightloop.runtime.backtest import ticks as ticks_backtest

ACCEPT = "holes,cadence,units,straight_line,outliers"
TABLE = "\n".join(f"{100 + k % 7} {'S1' if k % 5 == 0 else 'ZE1'}" for k in range(60))
QUOTES = [(k / 2, 100 + k % 7, 101 + k % 7, *{0: ["S1"], 5: ["ZE1"]}.get(k % 10, [])) for k in range(120)]
PYTHON = f"""
name: coded
family: python
class: own.py:Own
instruments: ["{A}"]
timeframe: 1m
capital: 10_000
variants: {{mean: {{type: SMA, period: 2}}}}
account: {{max_position_pct: null, max_symbol_pct: null}}
"""
CODE = """
class Own:
    def __init__(self):
        self.count = 0

    def on_bar(self, view, bar):
        self.count += 1
        if self.count % 4 == 1:
            view.buy(1)
        elif self.count % 4 == 3:
            view.close()
        view.note(f"call {self.count}")
        assert self.count < FAILS, "enough"
"""
TICK_CODE = CODE.replace("on_bar(self, view, bar)", "on_quote(self, view, quote)")
CARRY = Path(__file__).resolve().parents[3] / "strategies" / "carry" / "btc_basis.yaml"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pressed(monkeypatch):
    """Ctrl-C at the fourth look of a driver that looks often."""
    for driver in (bar_driver, carry_backtest, bars_python, ticks_python, ticks_backtest):
        monkeypatch.setattr(driver, "EVENTS_AT_ONCE", 13)
    looks = iter(range(10**9))

    def check(self):
        if next(looks) == 3:
            self.asked = True
            raise Stopped

    monkeypatch.setattr(Interrupts, "check", check)
    assert driving.Interrupts is Interrupts


def tightloop(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_bars(table=TABLE):
    path = Path("data/bars/test/AAAUSDT-perp-1m.parquet")
    path.parent.mkdir(parents=True)
    bars(table).write_parquet(path)


def write_ticks():
    tick_market.write_catalog(Path("data"), {tick_market.A: (QUOTES, [(k + 0.25, 100.5, 1) for k in range(60)])})


def signal_bars():
    write_bars()
    return strategy(capital=1e6)


def signal_ticks():
    write_ticks()
    return tick_market.strategy()


def python_bars(fails=10**9):
    write_bars()
    Path("own.py").write_text(CODE.replace("FAILS", str(fails)))
    return PYTHON


def python_ticks(fails=10**9):
    write_ticks()
    Path("own.py").write_text(TICK_CODE.replace("FAILS", str(fails)))
    text = PYTHON.replace(A, tick_market.A).replace("timeframe: 1m", "feed: [trades, quotes]")
    return text.replace("{type: SMA, period: 2}", "{type: BID_QTY}")


def carry():
    write_carry_sample(Path("data"), days=14)
    return CARRY


def part(text, code):
    name = text if isinstance(text, Path) else Path("s.yaml")
    if name is not text:
        name.write_text(text)
    done = tightloop("backtest", name, "--out", "run", "--accept", ACCEPT)
    assert done.exit_code == code, done.output
    return json.loads(Path("run/result.json").read_text())


def said(*arguments):
    done = tightloop("explain", *arguments)
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("made", [signal_bars, signal_ticks, python_bars, python_ticks, carry])
def test_a_run_that_was_interrupted_is_explained_as_far_as_it_went(place, pressed, made):
    result = part(made(), 130)
    assert result["inputs"]["is_part"]
    facts = explain("run")
    assert (facts["run"]["is_part"], facts["run"]["state_hash"]) == (True, result["state_hash"])
    assert (
        facts["run"]["cut_short"]
        == f"interrupted: the run went until {result['to']}; every figure covers that part only"
    )
    assert f"Partial interrupted: the run went until {result['to']}" in said("run")
    assert explain("run", at=result["to"])["at"]["equity"] == pytest.approx(result["final_equity"], rel=1e-12)
    late = tightloop("explain", "run", "--at", "2030-01-01")
    assert (late.exit_code, f"to {result['to']}" in late.stderr) == (2, True)


@pytest.mark.parametrize("made", [python_bars, python_ticks])
def test_a_run_that_a_class_ended_by_failing_is_explained_up_to_there(place, made):
    result = part(made(11), 1)
    assert "own.py:13: Own.on_" in result["inputs"]["failure"]
    facts = explain("run")
    assert (facts["run"]["is_part"], facts["run"]["state_hash"]) == (True, result["state_hash"])
    assert "AssertionError: enough" in facts["run"]["cut_short"]
    assert sum(facts["python"][0]["calls"].values()) == 11
    assert facts["python"][0]["notes"][-1]["text"] == "call 11", "the call that failed is told, too"
    assert "Partial failed (" in said("run")
    orders = pl.read_parquet("run/orders.parquet")
    own = explain("run", order=orders["order_id"][0])["order"]
    assert own["asked"]["callback"].startswith("on_")
    assert explain("run", at=result["to"])["at"]["equity"] == pytest.approx(result["final_equity"], rel=1e-12)


def test_a_class_that_was_mended_since_is_not_the_one_that_failed(place):
    part(python_bars(11), 1)
    code = Path("run/own.py")
    code.write_text(code.read_text().replace("< 11", "< 10**9"))
    done = tightloop("explain", "run")
    assert done.exit_code == 2
    assert "is not the one that ran" in done.stderr


def test_a_part_of_an_older_version_is_refused_with_what_to_do(place, pressed):
    result = part(signal_bars(), 130)
    del result["inputs"]["steps"]
    Path("run/result.json").write_text(json.dumps(result))
    done = tightloop("explain", "run")
    assert done.exit_code == 2
    assert "the version that made it did not record where; run the backtest again" in done.stderr


def test_a_run_that_was_interrupted_at_once_is_refused_with_what_to_do(place, monkeypatch):
    result = part(signal_bars(), 0)
    result["inputs"] |= {"is_part": True, "steps": 0}
    Path("run/result.json").write_text(json.dumps(result))
    done = tightloop("explain", "run")
    assert (done.exit_code, "before its first event; run the backtest again" in done.stderr) == (2, True)
    assert START_NS % MINUTE_NS == 0
