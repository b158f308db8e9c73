"""Strategies on bars in a session, exported and run again with ``--fills ticks``: the same, of both families."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.app.runs.live.test_export import columns_of, listed, recorded
from tests.app.runs.live.trading import TIGHTLOOP
from tests.parity.test_live_facts import facts_of
from tests.runtime.session.driver.told import Told
from tests.sim import walkthrough

from tightloop.adapters.stores.disk import LocalDisk
from tightloop.adapters.stores.home import Home
from tightloop.app.cli.commands.home.replay import replay
from tightloop.app.markets.ticks import load_tick_market
from tightloop.app.runs import backtest as runs_backtest
from tightloop.app.runs import strategies as runs_strategies
from tightloop.app.runs.job import RunOptions
from tightloop.app.runs.live import files, outside
from tightloop.app.runs.live.recorded import RecordedJob
from tightloop.app.runs.signal import strategy_names, texts_of
from tightloop.core.domain.enums import EventKind, RowKind
from tightloop.model.errors import InputError
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.plan import make_plan
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal import Journal
from tightloop.runtime.session.market.bars import MadeBars, opened_event
from tightloop.runtime.session.market.intake import Intake

ROOT = Path(__file__).resolve().parents[4]
NAMES = (walkthrough.PUMPED, *walkthrough.CALM)
SIGNAL = f"""
name: crossing
family: signal
direction: LONG
instruments: [{", ".join(NAMES)}]
timeframe: 1s
capital: 10_000
variants:
  fast: {{type: EMA, period: 3}}
  slow: {{type: EMA, period: 8}}
sections:
  S1: {{all: [{{fast: crosses_above slow}}]}}
  Z1:
    immediate: true
    order: {{type: market}}
    size: {{type: fixed, value: 500}}
    stop_loss: {{type: percent, value: 1}}
  ZE1: {{all: [{{fast: crosses_below slow}}], cooldown_min: 0}}
costs: {{taker_bps: 5, maker_bps: 2}}
account: {{max_position_pct: 100, max_symbol_pct: 100}}
"""


def file_of(family, folder):
    path = folder / f"{family}.yaml"
    if family == "signal":
        path.write_text(SIGNAL)
        return path
    text = (ROOT / "strategies" / "python_ema_cross.yaml").read_text()
    for old, new in (
        ("ftx:BTCUSD-perp", ", ".join(NAMES)), ("timeframe: 1m", "timeframe: 1s"), ("period: 10}", "period: 3}"),
        ("period: 50}", "period: 8}"), ("notional: 10_000", "notional: 500"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    (folder / "python_ema_cross.py").write_bytes((ROOT / "strategies" / "python_ema_cross.py").read_bytes())
    return path


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """Prints and quotes of the walkthrough, and the rules of its catalog."""
    catalog = walkthrough.write_catalog(tmp_path_factory.mktemp("ticks"), delay_ns=5_000_000)
    path = tmp_path_factory.mktemp("file") / "plain.yaml"
    path.write_text(SIGNAL.replace("timeframe: 1s", "feed: [trades, quotes]").replace("EMA, period", "TWPA, t1"))
    strategies = runs_strategies.load_strategies([path])
    market = load_tick_market(strategies, catalog)
    return facts_of(market, make_plan(strategies, market.rules)), market.rules


@pytest.fixture(scope="module", params=["signal", "python"])
def session(request, facts, tmp_path_factory):
    """The home of a session on bars of a second that was told the walkthrough, and its file."""
    tmp_path = tmp_path_factory.mktemp(request.param)
    file = file_of(request.param, tmp_path)
    strategies = runs_strategies.load_strategies([file])
    told, rules = facts
    stated = ("price_increment", "lot_size", "contract_size", "min_notional", "settle_asset")
    about = {
        "mode": "paper", "state": "STOPPED", "venue": "binance-usdm", "url": None, "key": "k", "lease": "l",
        "instruments": [], "strategies": strategy_names(strategies), "account": None, "seed": 0, "made_ns": 0,
        "config_hash": [one.config_hash for one in strategies],
        "rules": {str(name): {key: getattr(rules[name], key) for key in stated} for name in rules},
    }  # fmt: skip
    home = Home(tmp_path / "home")
    home.make()
    about["id"] = home.make_session(about, texts_of(strategies))
    plan = files.plan_of(strategies, about)
    world, period_ns = Told(told), TIMEFRAMES["1s"]
    world.now_ns = int(told["ts_init_ns"][0])
    bars = MadeBars(len(plan.instruments), period_ns, world.now_ns)
    journal = Journal.create(LocalDisk(home.folder(about["id"])), files.JOURNAL, about["id"], 1)
    live = Session(plan, journal, Intake(world.clock), world.clock, bars)
    while world.at < len(told):
        fact = told[world.at]
        world.now_ns = max(world.now_ns, min(int(fact["ts_init_ns"]), live.due_ns()))
        if int(fact["ts_init_ns"]) > world.now_ns:
            while live.take_batch():
                pass
            live.advance()
        else:
            if fact["kind"] == int(EventKind.TRADE):
                at, price = int(fact["instrument"]), float(fact["price"])
                if bars.take(at, price, float(fact["qty"]), int(fact["ts_event_ns"])):
                    live.intake.put_event(opened_event(at, price, bars.open_ns))
            world.tell(live.intake, 1)
    live.finish()
    journal.close()
    home.write_session(about["id"], about)
    return home.root, file


def test_a_session_on_bars_is_run_again_as_it_ran(session, tmp_path):
    home, file = session
    counts = outside.export(home, "last", tmp_path / "catalog")
    assert counts["trades"] > 1_000
    told, rows = recorded(home)
    last_ns = int(told["ts_init_ns"][told["kind"] != 0][-1])
    job = RecordedJob(RunOptions(data=tmp_path / "catalog"), runs_strategies.load_strategies([file]))
    job.make()
    assert repr(listed(job.recorder, last_ns)) == repr(columns_of(rows[rows["ts_ns"] <= last_ns]))
    assert len(job.recorder.columns(RowKind.FILL)["ts_ns"]) > 1
    assert (np.diff(job.recorder.equity()["ts_ns"]) > 0).all()


def test_a_replay_at_any_speed_gives_the_same_hash_and_shows_the_fills(session):
    home, _ = session
    said = []
    found = outside.replayed(home, "last", 1e9, said.append)
    fills = outside.shown(home, "last")["fills"]
    assert len([line for line in said if " fill: " in line]) == len(fills) > 1
    assert any("trade ended" in line for line in said)
    run = CliRunner().invoke(replay, ["last", "--home", str(home), "--speed", "max"])
    assert run.output == f"state_hash {found['state_hash']} after {found['facts']} facts\n"


def test_the_command_writes_the_run_and_explain_says_why_it_cannot_make_it_again(session, tmp_path):
    home, file = session
    outside.export(home, "last", tmp_path / "catalog")
    out = tmp_path / "run"
    said = ["backtest", str(file), "--data", str(tmp_path / "catalog"), "--fills", "ticks", "--out", str(out)]
    run = subprocess.run([*TIGHTLOOP, *said], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (out / "report.html").exists()
    assert json.loads((out / "result.json").read_text())["inputs"]["fills"] == "ticks"
    again = subprocess.run([*TIGHTLOOP, "explain", str(out)], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "--fills ticks" in again.stderr


def test_what_is_no_recording_of_bars_is_refused(facts, tmp_path):
    file = file_of("signal", tmp_path)
    catalog = walkthrough.write_catalog(tmp_path / "plain", delay_ns=5_000_000)
    with pytest.raises(InputError, match="is no recording of a session"):
        runs_backtest.backtest(file, data=catalog, fills="ticks")
