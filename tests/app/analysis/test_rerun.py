"""A run's folder is enough to do it again, anywhere, when everything that it was made from is gone."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from sim.market import A, B, strategy
from sim.market import bars as market_bars
from tightloop.adapters.data.carry_sample import START_NS, write_carry_sample
from tightloop.app.analysis.explain import explain
from tightloop.app.cli.main import main
from tightloop.app.runs import backtest as runs_backtest
from tightloop.model import load as model_load
from tightloop.model.errors import InputError
from tightloop.model.files import yaml_lines
from tightloop.model.files.gathered import Gathering, named_files
from tightloop.model.files.overrides import joined, with_settings

HOUR_NS = 3_600_000_000_000
BASIS = """
name: layered
family: carry
share_class: USDT
capital: 100_000
legs:
  coin: {kind: spot, instrument: binance:BTCUSDT-spot, size: {weight: 0.5}}
  short: {kind: perp, side: short, size: {match: coin}, venues: {binance:BTCUSDT-perp: 1.0}, margin: {weight: 0.48}}
"""
SIGNAL = """
name: told
family: carry
share_class: USDT
capital: 100_000
costs: {spot_bps: 0, perp_bps: 4}
legs:
  one: {kind: perp, side: signal, size: {weight: 0.5}, venues: {binance:BTCUSDT-perp: 1.0}, margin: {weight: 1.0},
        signal: {source: file, path: said/btc.csv}}
"""
SAME = ("config_hash", "data_hash", "state_hash")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("carry") / "data"
    write_carry_sample(root, days=14)
    return root


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "strategy.yaml"


def write_market(folder: Path, frames: dict[str, pl.DataFrame]) -> None:
    for name, frame in frames.items():
        venue, symbol = name.split(":")
        path = folder / "bars" / venue / f"{symbol}-1m.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)


def predictions() -> str:
    rows = [f"{START_NS + hour * HOUR_NS},{side},0.9,0.02" for hour, side in ((30, "long"), (50, "short"))]
    return "\n".join(["ts,signal,confidence,sd", *rows]) + "\n"


CASES: dict[str, dict[str, str]] = {
    "one layer": {"strategy.yaml": "extends: shared/costs.yaml" + BASIS, "shared/costs.yaml": "costs: {spot_bps: 7}\n"},
    "layers of one base name, one called as the strategy": {
        "strategy.yaml": 'extends:   # two\n  - a/base.yaml\n  - "b/base.yaml"\n  - c/strategy.yaml  # three' + BASIS,
        "a/base.yaml": "extends: ../base.yaml\ncosts: {spot_bps: 7}\n",
        "b/base.yaml": "reserve: 0.01\n",
        "c/strategy.yaml": "bands: {delta: 0.03}\n",
        "base.yaml": "costs: {perp_bps: 4}\n",
    },
    "flows of a file that a layer names": {
        "strategy.yaml": "extends: [shared/base.yaml]" + BASIS,
        "shared/base.yaml": "flows: 'money, in.csv'\ncosts: {spot_bps: 1}\n",
        "shared/money, in.csv": f"ts,amount\n{START_NS + 40 * HOUR_NS},5000\n",
    },
    "flows of a layer that are written over": {
        "strategy.yaml": "extends: [shared/base.yaml]\nflows: []" + BASIS,
        "shared/base.yaml": "flows: nowhere.csv\ncosts: {spot_bps: 1}\n",
    },
    "predictions": {"strategy.yaml": SIGNAL.lstrip(), "said/btc.csv": predictions()},
}


@pytest.mark.parametrize("name", CASES)
def test_a_carry_run_is_made_again_from_its_folder(name: str, catalog: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    path = put(source, CASES[name])
    run = runs_backtest.backtest(path, data=catalog, start="2024-06-02", end="2024-06-04")
    run.write(tmp_path / "run", report=False)
    shutil.rmtree(source)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "elsewhere", tmp_path / "moved" / "run")
    copied = tmp_path / "moved" / "run" / "strategy.yaml"
    assert model_load.load(copied).config_hash == run.summary["config_hash"]
    again = runs_backtest.backtest(copied, data=catalog, start="2024-06-02", end="2024-06-04")
    assert {key: again.summary[key] for key in SAME} == {key: run.summary[key] for key in SAME}
    again.write(tmp_path / "third", report=False)
    third = model_load.load(tmp_path / "third" / "strategy.yaml")
    assert third.config_hash == run.summary["config_hash"], "and again from the folder of that"


def test_predictions_act_and_are_found_from_any_folder(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "source", CASES["predictions"])
    monkeypatch.chdir(tmp_path)
    run = runs_backtest.backtest(Path("source/strategy.yaml"), data=catalog, start="2024-06-02", end="2024-06-04")
    assert len(run.fills) > 0


def test_a_strategy_that_names_no_file_is_kept_as_it_was_written(catalog: Path, tmp_path: Path) -> None:
    text = "# mine\n" + BASIS
    run = runs_backtest.backtest(
        put(tmp_path, {"strategy.yaml": text}), data=catalog, start="2024-06-02", end="2024-06-03"
    )
    assert run.texts() == {"strategy.yaml": text.encode()}


# Python and signal strategies -----------------------------------------------------------------------------------------

CODE = """
class {name}:
    def on_bar(self, view, bar):
        pass
"""
PYTHON = """name: mine
family: python
class: {where}
instruments: [binance:BTCUSDT-perp]
timeframe: 1h
capital: 10_000
"""


def gathered(folder: Path, *files: str) -> dict[str, bytes]:
    found = [model_load.load(folder / name) for name in files]
    own = Gathering({each.code.file: each.code.source for each in found if each.code is not None})
    for number, each in enumerate(found):
        own.add("strategy.yaml" if len(found) == 1 else f"strategy-{number}.yaml", each.file, each.text)
    return own.found


@pytest.mark.parametrize("where", ["mine.py:Mine", "below/mine.py:Mine", "'../mine.py:Mine'"])
def test_the_class_of_a_strategy_comes_along(where: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    put(folder, {"strategy.yaml": PYTHON.format(where=where)})
    put(folder, {where.strip("'").partition(":")[0]: CODE.format(name="Mine")})
    own = model_load.load(folder / "strategy.yaml")
    copied = tmp_path / "copy"
    put(copied, {name: content.decode() for name, content in gathered(folder, "strategy.yaml").items()})
    shutil.rmtree(folder)
    assert model_load.load(copied / "strategy.yaml").config_hash == own.config_hash


def test_two_classes_in_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    files = {
        "one.yaml": PYTHON.format(where="a/mine.py:One"), "a/mine.py": CODE.format(name="One"),
        "two.yaml": PYTHON.format(where="b/mine.py:Two"), "b/mine.py": CODE.format(name="Two"),
    }  # fmt: skip
    put(tmp_path / "s", files)
    copied = tmp_path / "copy"
    found = gathered(tmp_path / "s", "one.yaml", "two.yaml")
    put(copied, {name: content.decode() for name, content in found.items()})
    names = [model_load.load(copied / f"strategy-{number}.yaml").code.name for number in range(2)]
    assert names == ["One", "Two"]


def test_where_a_file_names_others_whatever_the_spelling() -> None:
    text = "extends: [a.yaml, \"b c.yaml\"]\nflows: 'it''s.csv'\nlegs:\n  x: {signal: {path: said.csv}}\n"
    assert [path for _, _, path, _ in named_files(text)] == ["a.yaml", "b c.yaml", "it's.csv", "said.csv"]
    assert yaml.safe_load(text)["flows"] == "it's.csv"
    values: Any = list(named_files("name: x\n"))
    assert values == []


# Options of a run -----------------------------------------------------------------------------------------------------

OPTIONS = ("capital=20000", "sections.S1.all.0.vol=in 1001, 1003", "limits.max_daily_trades=2", "description=a: 'b' #c")


def signal_text() -> str:
    return strategy(size="{type: percentage, value: 20}", account="{max_positions: 2}")


def tightloop(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def same(folder: Path) -> dict[str, Any]:
    return {key: json.loads((folder / "result.json").read_text())[key] for key in SAME}


def test_a_run_with_options_is_repeated_and_explained_from_its_folder_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"strategy.yaml": signal_text(), "limits.yaml": "max_position_pct: 50\n"})
    table = "\n".join(f"{100 + k % 7} {'S1' if k % 5 == 0 else 'ZE1'}" for k in range(60))
    write_market(Path("data"), {name: market_bars(table) for name in (A, B)})
    accept = ("--accept", "holes,cadence,units,straight_line", "--no-report")
    given = [word for option in OPTIONS for word in ("--set", option)]
    tightloop("backtest", "strategy.yaml", "--out", "plain", *accept)
    tightloop(
        "backtest", "strategy.yaml", "--out", "run", *given, "--instrument", B, "--account", "limits.yaml", *accept
    )
    for name in ("strategy.yaml", "limits.yaml"):
        Path(name).unlink()
    tightloop("backtest", "run/strategy.yaml", "--out", "again", *accept)
    assert same(Path("again")) == same(Path("run"))
    assert same(Path("run"))["state_hash"] != same(Path("plain"))["state_hash"]
    results = [json.loads((Path(name) / "result.json").read_text()) for name in ("run", "again")]
    assert results[1]["account"] == results[0]["account"]
    assert results[1]["instruments"] == [B]
    for name in ("run", "again"):
        assert results[0]["state_hash"] in tightloop("explain", name)
    # An option of this time is written over those of the last time.
    tightloop("backtest", "run/strategy.yaml", "--out", "third", "--set", "capital=5000", *accept)
    third = model_load.load(Path("third/strategy.yaml"))
    assert third.read.capital == 5_000
    assert (third.read.limits.max_daily_trades, third.read.account.max_position_pct) == (2, 50)
    assert (Path("plain/strategy.yaml").read_text(), signal_text()) == (signal_text(), signal_text())


def test_a_run_of_an_older_version_has_its_options_beside_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"strategy.yaml": signal_text()})
    write_market(Path("data"), {A: market_bars("100 S1\n100\n101\n102 ZE1\n103")})
    accept = ("--accept", "holes,cadence,units,straight_line", "--no-report")
    tightloop("backtest", "strategy.yaml", "--out", "run", "--set", "capital=20000", "--instrument", A, *accept)
    shutil.copy("strategy.yaml", "run/strategy.yaml")
    result = json.loads(Path("run/result.json").read_text())
    assert result["inputs"].pop("options_in_files") is True
    Path("run/result.json").write_text(json.dumps(result))
    assert result["state_hash"] in tightloop("explain", "run")


def test_a_carry_run_with_options_is_made_again_from_its_folder(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that an option names is found from where the command runs, and comes along."""
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    path = put(source, CASES["one layer"])
    put(elsewhere, {"other.csv": f"ts,amount\n{START_NS + 40 * HOUR_NS},5000\n"})
    monkeypatch.chdir(elsewhere)
    given = ["costs.perp_bps=9", "flows=other.csv", "legs.coin.size={weight: 0.4}"]
    window: dict[str, Any] = {"data": catalog, "start": "2024-06-02", "end": "2024-06-04"}
    run = runs_backtest.backtest(path, settings=given, **window)
    run.write(tmp_path / "run", report=False)
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(source)
    shutil.rmtree(elsewhere)
    again = runs_backtest.backtest(tmp_path / "run" / "strategy.yaml", **window)
    assert {key: again.summary[key] for key in SAME} == {key: run.summary[key] for key in SAME}
    assert again.strategy.flows[0].amount == 5_000
    assert explain(tmp_path / "run")["run"]["state_hash"] == run.summary["state_hash"]
    above = put(tmp_path / "run", {"above.yaml": "extends: strategy.yaml\nname: above\ncosts: {spot_bps: 1}\n"})
    own = model_load.load(above.parent / "above.yaml")
    assert own.legs[0].size == again.strategy.legs[0].size
    assert own.flows[0].amount == 5_000, "a strategy that extends the file has its options, too"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("set: 5\n", "strategy.yaml:1: set: 5 is not a mapping; write paths and values"),
        ("set: {capital: -5}\n", "strategy.yaml:1: capital: -5 is not above 0"),
        ("set: {a..b: 1}\n", "strategy.yaml:1: set: 'a..b' is not a path"),
        ("set:\n  capital: 5\n  sections.S1.all.7.px: 1\n", "strategy.yaml:3: sections.S1.all: is a list of 1 entry"),
    ],
)
def test_what_a_file_can_not_write_over_itself_is_refused_by_line(text: str, fault: str, tmp_path: Path) -> None:
    path = put(tmp_path, {"strategy.yaml": text + signal_text().lstrip()})
    with pytest.raises(InputError) as refused:
        model_load.load(path)
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["# about\nname: x\ncapital: 5\n", "---\n  name: x\n  capital: 5\n", '{"name": "x", "capital": 5}\n',
     "{name: x,}\n",
     "name: x\nset: {b: 1}\nlegs: {}\n", "name: x\nset:\n  b: 1\n  c: [1,\n    2]\n# end\nlegs: {}\n"],
)  # fmt: skip
def test_a_text_says_its_settings_wherever_its_keys_stand(text: str) -> None:
    given = [("a.b", "> 3"), ("d", [1, None, 2.5, {"e": "off"}]), ("odd key.1", "# x: \u00e9")]
    written = with_settings(text, given)
    own = yaml_lines.load(written)[0]
    assert own.pop("set") == dict(given)
    before = yaml_lines.load(text)[0]
    before.pop("set", None)
    assert own == before
    assert with_settings(written, given) == written
    assert with_settings(text, []) == text


def test_a_later_setting_takes_the_place_of_what_it_writes_over() -> None:
    assert joined([("a.b", 1), ("ab", 2), ("a", {"c": 1}), ("a.d", 3), ("ab", 4)]) == (
        ("a", {"c": 1}), ("a.d", 3), ("ab", 4),
    )  # fmt: skip


# What a run leaves when another takes its place -----------------------------------------------------------------------


def test_a_carry_run_that_is_replaced_takes_its_layers_with_it_and_nobody_elses(catalog: Path, tmp_path: Path) -> None:
    window: dict[str, Any] = {"data": catalog, "start": "2024-06-02", "end": "2024-06-03"}
    layered = runs_backtest.backtest(put(tmp_path / "a", CASES["flows of a file that a layer names"]), **window)
    plain = runs_backtest.backtest(put(tmp_path / "b", {"strategy.yaml": BASIS.lstrip()}), **window)
    folder = tmp_path / "run"
    layered.write(folder, report=False)
    written = {path.name for path in (folder / "files").iterdir()}
    assert written == {"base.yaml", "money, in.csv"}
    (folder / "files" / "mine.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    plain.write(folder, report=False)
    assert {path.name for path in (folder / "files").iterdir()} == {"mine.txt"}
    assert (folder / "notes.txt").is_file()
    (folder / "files" / "mine.txt").unlink()
    layered.write(folder, report=False)
    plain.write(folder, report=False)
    assert not (folder / "files").exists(), "an empty folder goes with what was in it"


def test_nothing_outside_of_the_folder_of_a_run_is_removed_whatever_its_result_names(
    catalog: Path, tmp_path: Path
) -> None:
    run = runs_backtest.backtest(
        put(tmp_path / "b", {"strategy.yaml": BASIS.lstrip()}), data=catalog, start="2024-06-02", end="2024-06-03"
    )
    folder = tmp_path / "run"
    run.write(folder, report=False)
    others = [tmp_path / "outside.txt", folder / "deep" / "er" / "x.txt", folder / "mine" / "x.txt"]
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("mine")
    result = json.loads((folder / "result.json").read_text())
    result["inputs"]["files"] = [
        "../outside.txt", "files/../../outside.txt", "deep/er/x.txt", "mine/x.txt", str(others[0]), "..", "",
        "files/..",
    ]  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))
    run.write(folder, report=False)
    assert all(other.read_text() == "mine" for other in others)


def test_two_classes_in_files_of_one_name_run_and_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One buys at the first bar, the other sells: the same file name, and the same name of the class."""
    monkeypatch.chdir(tmp_path)
    write_market(Path("data"), {A: market_bars("100\n100\n101\n102\n103")})
    code = "class Mine:\n    def on_bar(self, view, bar):\n        if view.position() == 0:\n            view.{}(1)\n"
    text = PYTHON.replace("binance:BTCUSDT-perp", f'"{A}"').replace("1h", "1m")
    files = {
        "one.yaml": text.format(where="a/mine.py:Mine"), "a/mine.py": code.format("buy"),
        "two.yaml": text.format(where="b/mine.py:Mine").replace("mine\n", "two\n", 1), "b/mine.py": code.format("sell"),
    }  # fmt: skip
    put(tmp_path, files)
    accept = ("--accept", "holes,cadence,units,straight_line", "--no-report")
    tightloop("backtest", "one.yaml", "two.yaml", "--out", "run", *accept)
    for folder in ("a", "b"):
        shutil.rmtree(folder)
    sides = {row["strategy"]: row["side"] for row in pl.read_parquet("run/orders.parquet").iter_rows(named=True)}
    assert sides == {"mine": "BUY", "two": "SELL"}
    names = [f"run/{name}" for name in json.loads(Path("run/result.json").read_text())["inputs"]["strategies"]]
    tightloop("backtest", *names, "--out", "again", *accept)
    assert same(Path("again")) == same(Path("run"))
    assert same(Path("run"))["state_hash"] in tightloop("explain", "run")
    tightloop("backtest", *[name.replace("run/", "again/") for name in names], "--out", "again", *accept)
    assert same(Path("again")) == same(Path("run")), "also into the folder that it was read from"
