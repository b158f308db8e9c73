"""A run's folder is enough to do it again, anywhere, when everything that it was made from is gone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tightloop.adapters.data.carry_sample import START_NS, write_carry_sample
from tightloop.app import bootstrap
from tightloop.model import strategies
from tightloop.model.gathered import Gathering, named_files

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
    run = bootstrap.backtest(path, data=catalog, start="2024-06-02", end="2024-06-04")
    run.write(tmp_path / "run", report=False)
    shutil.rmtree(source)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "elsewhere", tmp_path / "moved" / "run")
    copied = tmp_path / "moved" / "run" / "strategy.yaml"
    assert strategies.load(copied).config_hash == run.summary["config_hash"]
    again = bootstrap.backtest(copied, data=catalog, start="2024-06-02", end="2024-06-04")
    assert {key: again.summary[key] for key in SAME} == {key: run.summary[key] for key in SAME}
    again.write(tmp_path / "third", report=False)
    third = strategies.load(tmp_path / "third" / "strategy.yaml")
    assert third.config_hash == run.summary["config_hash"], "and again from the folder of that"


def test_predictions_act_and_are_found_from_any_folder(
    catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "source", CASES["predictions"])
    monkeypatch.chdir(tmp_path)
    run = bootstrap.backtest(Path("source/strategy.yaml"), data=catalog, start="2024-06-02", end="2024-06-04")
    assert len(run.fills) > 0


def test_a_strategy_that_names_no_file_is_kept_as_it_was_written(catalog: Path, tmp_path: Path) -> None:
    text = "# mine\n" + BASIS
    run = bootstrap.backtest(put(tmp_path, {"strategy.yaml": text}), data=catalog, start="2024-06-02", end="2024-06-03")
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
    found = [strategies.load(folder / name) for name in files]
    own = Gathering({each.code.file: each.code.source for each in found if each.code is not None})
    for number, each in enumerate(found):
        own.add("strategy.yaml" if len(found) == 1 else f"strategy-{number}.yaml", each.file, each.text)
    return own.found


@pytest.mark.parametrize("where", ["mine.py:Mine", "below/mine.py:Mine", "'../mine.py:Mine'"])
def test_the_class_of_a_strategy_comes_along(where: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    put(folder, {"strategy.yaml": PYTHON.format(where=where)})
    put(folder, {where.strip("'").partition(":")[0]: CODE.format(name="Mine")})
    own = strategies.load(folder / "strategy.yaml")
    copied = tmp_path / "copy"
    put(copied, {name: content.decode() for name, content in gathered(folder, "strategy.yaml").items()})
    shutil.rmtree(folder)
    assert strategies.load(copied / "strategy.yaml").config_hash == own.config_hash


def test_two_classes_in_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    files = {
        "one.yaml": PYTHON.format(where="a/mine.py:One"), "a/mine.py": CODE.format(name="One"),
        "two.yaml": PYTHON.format(where="b/mine.py:Two"), "b/mine.py": CODE.format(name="Two"),
    }  # fmt: skip
    put(tmp_path / "s", files)
    copied = tmp_path / "copy"
    found = gathered(tmp_path / "s", "one.yaml", "two.yaml")
    put(copied, {name: content.decode() for name, content in found.items()})
    names = [strategies.load(copied / f"strategy-{number}.yaml").code.name for number in range(2)]
    assert names == ["One", "Two"]


def test_where_a_file_names_others_whatever_the_spelling() -> None:
    text = "extends: [a.yaml, \"b c.yaml\"]\nflows: 'it''s.csv'\nlegs:\n  x: {signal: {path: said.csv}}\n"
    assert [path for _, _, path, _ in named_files(text)] == ["a.yaml", "b c.yaml", "it's.csv", "said.csv"]
    assert yaml.safe_load(text)["flows"] == "it's.csv"
    values: Any = list(named_files("name: x\n"))
    assert values == []
