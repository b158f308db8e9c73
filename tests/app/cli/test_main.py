"""The commands as a user meets them: what they print, which files they write with what in them, and how they end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from adapters.data import planted
from app.bad_files import GOOD
from tightloop.app.cli import commands
from tightloop.app.cli.main import main
from tightloop.core import compiled
from tightloop.core import indicators as found_indicators
from tightloop.runtime.backtest import bars as array_driver

CROSS = """\
name: cross
family: signal
direction: LONG
instruments: [binance:BTCUSDT-perp]
timeframe: 1m
capital: 100_000
variants:
  fast: {type: EMA, period: 5}
  slow: {type: EMA, period: 20}
sections:
  S1: {all: [{fast: crosses_above slow}]}
  Z1: {immediate: true, size: {type: fixed, value: 1_000}, stop_loss: {type: percent, value: 0.2}}
  ZE1: {all: [{fast: crosses_below slow}]}
costs: {taker_bps: 5, maker_bps: 2}
"""
RESULT_KEYS = {
    "strategy", "config_hash", "data_hash", "engine_version", "seed", "from", "to", "initial_equity", "final_equity",
    "state_hash", "metrics", "attribution", "account", "warnings",
}  # fmt: skip
METRICS = [
    "total_return_pct", "cagr_pct", "sharpe", "sortino", "calmar", "max_drawdown_pct", "max_drawdown_days",
    "volatility_pct", "trades", "win_rate_pct", "profit_factor", "expectancy", "avg_hold_s", "exposure_pct", "turnover",
    "fees", "funding", "slippage",
]  # fmt: skip
TEXT, INT, FLOAT = pl.String, pl.Int64, pl.Float64
TRADES = {
    "trade_id": INT, "instrument": TEXT, "side": TEXT, "qty": FLOAT, "entry_ts": INT, "entry_price": FLOAT,
    "exit_ts": INT, "exit_price": FLOAT, "pnl": FLOAT, "fees": FLOAT, "funding": FLOAT, "exit_reason": TEXT,
    "signal_id": TEXT, "session_id": TEXT,
}  # fmt: skip
EQUITY = {"ts": INT, "equity": FLOAT, "cash": FLOAT, "drawdown_pct": FLOAT}
FILES = {
    "result.json", "trades.parquet", "orders.parquet", "fills.parquet", "equity.parquet", "signals.parquet",
    "report.html",
}  # fmt: skip
BESIDE = {"transitions.parquet", "quality.json", "strategy.yaml"}
"""Beside the contract's: what `explain` and `report` read again."""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(autouse=True)
def sigint_is_heard():
    """A shell that starts the tests in the background has them, and their children, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cross.yaml").write_text(CROSS, encoding="utf-8")
    planted.write(tmp_path / "data/bars/binance/BTCUSDT-perp-1m.parquet", planted.bars(4_000))
    planted.write(tmp_path / "data/bars/binance/ETHUSDT-perp-1m.parquet", planted.bars(4_000, seed=8))
    return tmp_path


def summary(folder):
    return json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))


def table(folder, name):
    return pl.read_parquet(Path(folder) / f"{name}.parquet")


# Help and start-up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["backtest", "--help"], ["sweep", "-h"], ["data", "--help"], ["--version"]]
)
def test_help_imports_nothing_that_is_slow(arguments):
    script = (
        "import sys\n"
        "from tightloop.app.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    code = end.code\n"
        "slow = sorted({'numpy', 'numba', 'polars', 'pyarrow', 'pydantic', 'rich', 'yaml'} & set(sys.modules))\n"
        "print('SLOW', slow, 'CODE', code)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "SLOW [] CODE 0"


def test_the_help_names_every_command_and_no_other():
    text = done("--help").stdout
    for name in ("backtest", "data", "explain", "indicators", "report", "sweep", "validate"):
        assert f"\n  {name} " in text
    assert "..." not in text.split("Commands:")[1], "what a command does is cut"


def test_every_option_has_a_word_of_help():
    for name in commands.command_names():
        command = commands.load(name)
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or parameter.help, f"{name} {parameter.name}"


# validate and indicators ----------------------------------------------------------------------------------------------


def test_validate_says_the_hash_and_what_is_odd(place):
    assert done("validate", "cross.yaml").stdout.startswith("cross.yaml: cross is valid (config ")
    Path("odd.yaml").write_text(CROSS.replace("{all: [{fast: crosses_above slow}]}", ""), encoding="utf-8")
    result = done("validate", "odd.yaml")
    assert "warning: odd.yaml: S1 has no conditions: the strategy never trades" in result.stderr


def test_validate_judges_every_file(place):
    Path("bad.yaml").write_text(CROSS.replace("LONG", "BOTH"), encoding="utf-8")
    result = run("validate", "bad.yaml", "cross.yaml")
    assert result.exit_code == 2
    assert "cross.yaml: cross is valid" in result.stdout
    assert "bad.yaml:3: direction" in result.stderr


def test_indicators_lists_every_type_with_its_parameters_outputs_and_formula():
    text = done("indicators").stdout
    for kind in found_indicators.types_found():
        assert any(line.split()[0] == kind for line in text.splitlines() if line.strip()), kind
    one = done("indicators", "bollinger").stdout
    assert "outputs     upper, middle, lower, bandwidth, percent_b" in one
    assert "period = 20 (whole, " in one
    assert "SMA" not in one.split()[0]


# backtest -------------------------------------------------------------------------------------------------------------


def test_backtest_writes_the_files_of_the_contract_with_its_columns_and_types(place):
    done("backtest", "cross.yaml", "--out", "out")
    assert {path.name for path in Path("out").iterdir()} == FILES | BESIDE
    trades, equity = table("out", "trades"), table("out", "equity")
    assert {name: trades.schema[name] for name in TRADES} == TRADES
    assert dict(equity.schema) == EQUITY
    for name in ("orders", "fills", "signals", "trades", "equity"):
        for column, kind in table("out", name).schema.items():
            if column == "ts" or column.endswith("_ts"):
                assert kind == INT, f"{name}.{column}"
    assert set(trades["exit_reason"].drop_nulls()) <= {
        "ZE1", "E1", "stop_loss", "take_profit", "trailing", "time", "liquidation", "manual"
    }  # fmt: skip
    assert {"state", "reason"} <= set(table("out", "orders").columns)
    opens = planted.START_NS + np.arange(4_000) * planted.MINUTE_NS
    assert np.isin(trades["entry_ts"].to_numpy(), opens).all(), "entries lie at the open of the bar of the fill"
    assert np.isin(trades["exit_ts"].drop_nulls().to_numpy(), opens).all()


def test_an_open_trade_has_null_exits_and_no_result(place):
    done(
        "backtest",
        "cross.yaml",
        "--out",
        "out",
        "--set",
        "sections.ZE1.all.0.fast=< 0",
        "--set",
        "sections.Z1.stop_loss=null",
    )
    open_ones = table("out", "trades").filter(pl.col("exit_ts").is_null())
    assert len(open_ones) == 1
    row = open_ones.row(0, named=True)
    assert [row[name] for name in ("exit_ts", "exit_price", "pnl", "exit_reason")] == [None] * 4
    assert summary("out")["metrics"]["trades"] == 0
    assert summary("out")["metrics"]["exposure_pct"] > 0


def test_result_json_has_every_key_and_null_for_what_is_not_known(place):
    done("backtest", "cross.yaml", "--out", "out", "--seed", "7")
    result = summary("out")
    assert set(result) >= RESULT_KEYS
    assert set(result["metrics"]) == set(METRICS)
    assert result["seed"] == 7
    assert result["strategy"] == "cross"
    assert result["initial_equity"] == 100_000
    assert result["account"]["max_positions"] == 3
    change = result["final_equity"] - result["initial_equity"]
    assert sum(result["attribution"].values()) == pytest.approx(change, abs=1e-6)
    done("backtest", "cross.yaml", "--out", "quiet", "--set", "sections.S1.all.0.fast=< 0")
    quiet = summary("quiet")["metrics"]
    assert quiet["trades"] == 0
    unknown = ("sharpe", "sortino", "calmar", "win_rate_pct", "profit_factor", "expectancy", "avg_hold_s")
    assert [quiet[name] for name in unknown] == [None] * len(unknown)
    for name in ("trades", "orders", "fills"):
        assert len(table("quiet", name)) == 0
    assert {name: table("quiet", "trades").schema[name] for name in TRADES} == TRADES, "an empty table keeps its types"


def test_the_window_is_from_to_without_its_end(place):
    done("backtest", "cross.yaml", "--out", "out", "--from", "2024-01-01T10:00:00Z", "--to", "2024-01-01 12:00")
    equity = table("out", "equity")
    begin = planted.START_NS + 600 * planted.MINUTE_NS
    assert equity["ts"].min() == begin
    assert equity["ts"].max() == begin + 120 * planted.MINUTE_NS
    by_number = done(
        "backtest", "cross.yaml", "--out", "same", "--from", begin, "--to", begin + 120 * planted.MINUTE_NS
    )
    assert by_number.exit_code == 0
    assert table("same", "equity").equals(equity)


def test_the_folder_is_named_by_the_strategy_and_the_hash(place):
    done("backtest", "cross.yaml", "--no-report")
    (folder,) = Path("runs").iterdir()
    assert folder.name == f"cross-{summary(folder)['config_hash']}"
    assert not (folder / "report.html").exists()


def test_timing_ends_with_one_line_of_json(place):
    last = json.loads(done("backtest", "cross.yaml", "--out", "out", "--timing").stdout.splitlines()[-1])
    assert {"load", "compile", "run", "write", "events"} <= set(last)
    assert last["events"] == 8_000
    assert all(last[name] >= 0 for name in ("load", "compile", "run", "write"))


def test_several_strategies_share_one_account(place):
    Path("other.yaml").write_text(
        CROSS.replace("name: cross", "name: other").replace("BTCUSDT", "ETHUSDT"), encoding="utf-8"
    )
    done("backtest", "cross.yaml", "other.yaml", "--out", "both")
    both = summary("both")
    assert both["strategy"] == "cross + other"
    assert both["initial_equity"] == 200_000
    assert set(table("both", "trades")["strategy"]) == {"cross", "other"}
    assert {path.name for path in Path("both").glob("strategy*.yaml")} == {
        f"strategy-{name}.yaml" for name in _hashes("cross.yaml", "other.yaml")
    }
    Path("account.yaml").write_text("max_positions: 1\n", encoding="utf-8")
    done("backtest", "cross.yaml", "other.yaml", "--out", "one", "--account", "account.yaml")
    assert summary("one")["account"]["max_positions"] == 1
    reasons = set(table("one", "orders").filter(pl.col("state") == "DENIED")["reason"])
    assert "max_positions" in reasons, "the second strategy is held back by the position of the first"


def _hashes(*files):
    return [line.rpartition(" ")[2].rstrip(")") for line in done("validate", *files).stdout.splitlines()]


def test_the_same_inputs_give_the_same_bytes(place):
    for folder in ("one", "two"):
        done("backtest", "cross.yaml", "--out", folder, "--set", "costs.slippage={type: random, bps: 5}", "--timing")
    for path in Path("one").iterdir():
        ours, theirs = path.read_bytes(), (Path("two") / path.name).read_bytes()
        if path.name == "report.html":
            ours, theirs = (_without_stamp(page, folder) for page, folder in ((ours, "one"), (theirs, "two")))
        assert ours == theirs, path.name
    done("backtest", "cross.yaml", "--out", "other", "--set", "costs.slippage={type: random, bps: 5}", "--seed", "1")
    assert summary("other")["final_equity"] != summary("one")["final_equity"]
    assert summary("other")["config_hash"] == summary("one")["config_hash"]


def _without_stamp(page, folder):
    text = page.decode("utf-8")
    return "\n".join(line for line in text.splitlines() if " UTC" not in line)


def test_a_warning_names_each_kind_of_thing_once(place):
    text = CROSS.replace("[binance:BTCUSDT-perp]", "[binance:BTCUSDT-perp, binance:ETHUSDT-perp]")
    Path("two.yaml").write_text(text, encoding="utf-8")
    for name in ("BTCUSDT", "ETHUSDT"):
        bars = planted.without(planted.bars(4_000, seed=8), 50, 51, 900)
        planted.write(place / f"data/bars/binance/{name}-perp-1m.parquet", bars)
    done("backtest", "two.yaml", "--out", "out", "--no-report")
    warnings = [w for w in summary("out")["warnings"] if "waited through a hole" not in w]
    assert len(warnings) == 3, warnings
    assert warnings[0].startswith("holes in 2 datasets, most in bars/binance/")
    assert warnings[1] == (
        "no funding rates in the data for binance:BTCUSDT-perp, binance:ETHUSDT-perp: none were charged or paid"
    )
    assert warnings[2].startswith(
        "defaults apply to rules that instruments.yaml does not set: all rules of binance:BTC"
    )
    assert len(warnings[2]) < 200


def test_rules_that_are_stated_are_not_warned_of(place):
    Path("data/instruments.yaml").write_text(
        "binance:BTCUSDT-perp: {price_increment: 0.1, lot_size: 0.001, contract_size: 1, settle_asset: USDT,\n"
        "  min_notional: 5, calendar: always, margin_tiers: [{maintenance_pct: 0.5, leverage_max: 100}]}\n",
        encoding="utf-8",
    )
    done("backtest", "cross.yaml", "--out", "out", "--no-report")
    assert not [w for w in summary("out")["warnings"] if "defaults" in w and "margin" not in w]


# Interruption ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_the_part_that_was_done_and_says_until_when(place, monkeypatch):
    monkeypatch.setattr(array_driver, "EVENTS_AT_ONCE", 500)
    looks = iter(range(10**6))

    def press(_, done_events, total):
        if next(looks) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("tightloop.app.cli.console.RunProgress._on_progress", press)
    result = run("backtest", "cross.yaml", "--out", "part")
    assert result.exit_code == 130, result.output
    assert "error: interrupted; what was done is in part" in result.stderr
    assert {path.name for path in Path("part").iterdir()} == FILES | BESIDE
    said = summary("part")
    monkeypatch.undo()
    monkeypatch.chdir(place)
    assert said["warnings"][0] == f"interrupted: the run went until {said['to']}; every figure covers that part only"
    done("backtest", "cross.yaml", "--out", "whole", "--no-report")
    part, whole = table("part", "equity"), table("whole", "equity")
    assert 0 < len(part) < len(whole)
    assert part.equals(whole.head(len(part))), "the part is the beginning of the whole"
    closed = table("part", "trades").filter(pl.col("exit_ts").is_not_null())
    assert closed.drop("session_id", "signal_id").equals(
        table("whole", "trades").head(len(closed)).drop("session_id", "signal_id")
    )


def test_ctrl_c_while_files_are_written_lets_them_be_written(place, monkeypatch):
    from tightloop.app.runs.run import Run

    write = Run.write

    def press(self, out, *, report=True):
        os.kill(os.getpid(), signal.SIGINT)
        return write(self, out, report=report)

    monkeypatch.setattr(Run, "write", press)
    result = run("backtest", "cross.yaml", "--out", "out")
    assert result.exit_code == 130
    assert {path.name for path in Path("out").iterdir()} == FILES | BESIDE
    assert not [w for w in summary("out")["warnings"] if "interrupted" in w]


def test_ctrl_c_before_anything_was_done_writes_nothing(place, monkeypatch):
    def press(*_, **__):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr("tightloop.app.markets.opening.load_market", press)
    result = run("backtest", "cross.yaml", "--out", "out")
    assert result.exit_code == 130
    assert not Path("out").exists()


def test_a_sweep_that_is_interrupted_keeps_what_is_done(place, monkeypatch):
    def press(_, done_sets, total):
        if done_sets == 5:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    monkeypatch.setattr("tightloop.app.cli.console.RunProgress._on_progress", press)
    values = ",".join(str(k) for k in range(2, 60))
    result = run("sweep", "cross.yaml", "--param", f"variants.fast.period={values}", "--out", "out", "--threads", "1")
    assert result.exit_code == 130, result.output
    kept = pl.read_parquet("out/sweep.parquet")
    said = re.search(r"(\d+) of 58 parameter sets are done and kept(?:, (\d+) that ran are lost)?", result.stderr)
    assert said, result.stderr
    assert int(said[1]) == len(kept)
    assert int(said[2] or 0) <= 2, "one thread has at most two sets begun; none when the signal comes between two"
    assert 5 <= len(kept) < 58
    assert set(METRICS) <= set(kept.columns)


@pytest.mark.skipif(os.name == "nt", reason="a process on Windows is not sent SIGINT")
@pytest.mark.parametrize("command", ["backtest", "sweep"])
def test_a_process_that_gets_sigint_ends_with_130_and_leaves_whole_files(place, command):
    planted.write(place / "data/bars/binance/BTCUSDT-perp-1m.parquet", planted.bars(200_000))
    # A pause every two events: no machine is fast enough to end the run before the signal comes.
    slow = (
        "import time, tightloop.runtime.backtest.bars as driver; driver.EVENTS_AT_ONCE = 2; "
        "take = driver.Recorder.take_log; "
        "driver.Recorder.take_log = lambda self, log: (time.sleep(0.002), take(self, log)); "
    )
    values = ",".join(str(k) for k in range(2, 4_000))
    arguments = [command, "cross.yaml", "--out", "out"]
    arguments += ["--param", f"variants.slow.period={values}"] if command == "sweep" else ["--no-report"]
    slow += "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    script = f"{slow}from tightloop.app.cli.main import main; print('up', flush=True); main({arguments!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(4.0)  # into the run, or on a slow machine into the reading of the data: both end alike
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert "error: interrupted" in err
    for path in Path("out").glob("*.parquet"):
        pl.read_parquet(path)
    assert not list(Path("out").glob("*.part"))


# sweep and report -----------------------------------------------------------------------------------------------------


def test_a_sweep_has_a_column_for_each_parameter_and_metric(place):
    arguments = [
        "sweep",
        "cross.yaml",
        "--param",
        "variants.fast.period=3,5",
        "--param",
        "variants.slow.period=20,30,40",
    ]
    result = done(*arguments, "--out", "plain")
    plain = pl.read_parquet("plain/sweep.parquet")
    assert plain.columns == ["variants.fast.period", "variants.slow.period", *METRICS, "denied"]
    assert plain.select("variants.fast.period", "variants.slow.period").rows() == [
        (fast, slow) for fast in (3, 5) for slow in (20, 30, 40)
    ]
    assert plain.schema["trades"] == INT
    assert all(plain.schema[name] == FLOAT for name in METRICS if name != "trades")
    assert "variants.fast.period" in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[-1] == str(Path("plain/sweep.parquet"))
    done(*arguments, "--out", "split", "--split", "0.7", "--sort", "oos_sharpe")
    split = pl.read_parquet("split/sweep.parquet")
    assert split.columns == [*plain.columns, *(f"oos_{name}" for name in (*METRICS, "denied"))]
    assert (split["trades"] + split["oos_trades"] > 0).all()
    assert (split["trades"] < plain["trades"]).all()


def test_a_set_of_a_sweep_is_the_run_of_its_own(place):
    done("sweep", "cross.yaml", "--param", "variants.fast.period=3,7", "--out", "sweep")
    done("backtest", "cross.yaml", "--set", "variants.fast.period=7", "--out", "own", "--no-report")
    row = pl.read_parquet("sweep/sweep.parquet").row(1, named=True)
    assert {name: row[name] for name in METRICS} == pytest.approx(summary("own")["metrics"], nan_ok=True)


def test_values_of_a_sweep_may_be_of_any_kind(place):
    values = (
        "sections.Z1.stop_loss.value=1,2.5",
        "sections.Z1.stop_loss.of=entry,signal",
        "limits.max_daily_trades=off,3",
    )
    done("sweep", "cross.yaml", *(argument for each in values for argument in ("--param", each)), "--out", "out")
    frame = pl.read_parquet("out/sweep.parquet")
    assert len(frame) == 8
    assert frame.schema["sections.Z1.stop_loss.value"] == FLOAT
    assert set(frame["limits.max_daily_trades"]) == {"off", "3"}


def test_report_writes_the_page_again(place):
    done("backtest", "cross.yaml", "--out", "out")
    first = Path("out/report.html").read_text(encoding="utf-8")
    Path("out/report.html").unlink()
    assert done("report", "out").stdout.strip() == str(Path("out/report.html"))
    again = Path("out/report.html").read_text(encoding="utf-8")
    ours, theirs = ([line for line in page.splitlines() if " UTC" not in line] for page in (first, again))
    differing = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert all("tightloop report out" in b for _, b in differing), differing[:1]
    done("report", "out", "--out", "page.html")
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!")


def test_the_good_file_of_the_catalogue_runs(place):
    Path("good.yaml").write_text(GOOD, encoding="utf-8")
    done("backtest", "good.yaml", "--out", "good")
    assert summary("good")["strategy"] == "good_one"


# Compiling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["backtest cross.yaml", "sweep cross.yaml --param a=1", "validate cross.yaml"])
@pytest.mark.parametrize(("is_kept", "says"), [(True, "later starts read it from the cache"), (False, "cannot be")])
def test_a_command_says_on_stderr_that_the_core_is_compiled_and_only_then(
    place, monkeypatch, capsys, command, is_kept, says
):
    asked = []
    monkeypatch.setattr(compiled, "when_compiling", asked.append)
    quiet = CliRunner().invoke(main, command.split())
    assert "compiling" not in quiet.output, "nothing was compiled"
    (listener,) = asked
    listener(is_kept)
    said = capsys.readouterr()
    assert says in said.err
    assert said.out == ""
