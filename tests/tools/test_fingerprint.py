"""tools/fingerprint.py: the same commit gives the same entries, and each kind of change is seen."""

import importlib
import json
import pkgutil
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import fingerprint as tool

ROOT = Path(__file__).resolve().parents[2]


def table(**columns):
    return pa.table({"ts": pa.array([1, 2], pa.timestamp("ns", "UTC")), "price": pa.array([0.1, 2.0])} | columns)


def digest_in(folder, content, **options):
    pq.write_table(content, folder / "written.parquet", **options)
    return tool.digest_of(folder / "written.parquet")


def test_a_table_is_digested_by_its_values_however_it_was_written(tmp_path):
    assert digest_in(tmp_path, table(), compression="none") == digest_in(tmp_path, table(), compression="zstd")


@pytest.mark.parametrize(
    "changed",
    [
        table(price=pa.array([0.1, np.nextafter(2.0, 3.0)])),
        table(price=pa.array([0.1, None])),
        table(price=pa.array([0.1, float("nan")])),
        table(price=pa.array([0.1, 2.0], pa.float32())),
        table(ts=pa.array([1, 3], pa.timestamp("ns", "UTC"))),
        table(ts=pa.array([1, 2], pa.timestamp("ns"))),
        table(more=pa.array([1, 2])),
        table().slice(1),
        table().rename_columns(["ts", "cost"]),
    ],
    ids=["last bit", "null", "nan", "width", "time", "zone", "column", "rows", "name"],
)
def test_another_value_type_or_name_is_another_digest(changed, tmp_path):
    digests = [digest_in(tmp_path, each) for each in (table(), changed)]
    assert digests[0] != digests[1]


def test_a_minus_in_front_of_zero_and_nan_in_place_of_null_are_seen(tmp_path):
    prices = ([0.0, 0.0], [0.0, -0.0], [0.0, None], [0.0, float("nan")])
    assert len({digest_in(tmp_path, table(price=pa.array(each, pa.float64()))) for each in prices}) == len(prices)


def test_of_a_page_only_the_time_it_was_made_at_is_not_seen(tmp_path):
    digests = []
    for number, text in enumerate(("2024-01-01 00:00:00 UTC by x", "2025-02-03 04:05:06 UTC by x", "now by x")):
        path = tmp_path / f"{number}.html"
        path.write_text(f"<p>Made {text}</p>")
        digests.append(tool.digest_of(path))
    assert digests[0] == digests[1] != digests[2]


def test_a_field_that_moves_is_seen_in_the_records(monkeypatch):
    core = importlib.import_module("tightloop.core")
    found = next(pkgutil.walk_packages(core.__path__, "tightloop.core.")).name
    monkeypatch.setattr(tool.pkgutil, "walk_packages", lambda *_: [pkgutil.ModuleInfo(None, found, False)])
    seen = []
    for fields in ([("a", "i8"), ("b", "f8")], [("b", "f8"), ("a", "i8")], [("a", "i8"), ("c", "f8")]):
        monkeypatch.setattr(importlib.import_module(found), "PLANTED", np.dtype(fields), raising=False)
        seen += tool.records()["records/PLANTED"]
    assert seen[0] == "16 bytes: a int64@0, b float64@8"
    assert len(set(seen)) == len(seen)


def test_every_strategy_file_is_run():
    named = {file for _, files, _ in tool.runs() for file in files}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "strategies").rglob("*.yaml")}
    assert files - named == {"strategies/carry/shared/costs.yaml", "strategies/live/first_paper.yaml"}
    keys = [key for key, _, _ in tool.runs()]
    assert len(keys) == len(set(keys))


def test_every_command_has_its_help():
    found = tool.helps()
    assert {"help", "help backtest", "help data sample", "help validate"} <= set(found)
    assert len(set(found.values())) == len(found)


def test_what_a_command_says_of_compiling_is_left_out_and_all_else_is_kept(monkeypatch):
    @click.command()
    def spoken():
        click.echo("done")
        click.echo("compiling the core for this machine: 3 parts", err=True)
        click.echo("warning: read this", err=True)
        sys.exit(2)

    monkeypatch.setattr(tool, "command", lambda: spoken)
    assert tool.say() == "done\n\n--- stderr\nwarning: read this\n\n--- exit 2\n"


@pytest.fixture
def few(monkeypatch):
    """A run of a family each on small samples, and the old runs."""
    keys = ("bars/ema_cross", "carry/pure_lending_usdt")
    chosen = [(key, files, options) for key, files, options in tool.runs() if key in keys]
    monkeypatch.setattr(tool, "runs", lambda: chosen)
    chosen[1][2]["data"] = "carry14"
    monkeypatch.setattr(tool, "SAMPLES", {name: tool.SAMPLES[name] for name in ("bars", "carry14")})
    return tool.samples, tool.all_runs, tool.old_runs


def test_two_folders_give_the_same_entries_and_old_runs_are_still_explained(few, tmp_path, monkeypatch):
    found = []
    for name in ("one", "another folder"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(tool.tempfile, "tempdir", str(tmp_path / name))
        found.append(tool.fingerprint(few))
    assert tool.differences(*found) == []
    for name in ("result.json", "report.html", "again.html", "fills.parquet", "explain.json", "state_hash"):
        assert {f"runs/bars/ema_cross/{name}", f"runs/carry/pure_lending_usdt/{name}"} <= set(found[0])
    for key in ("runs/bars/ema_cross", "runs/carry/pure_lending_usdt"):
        assert found[0][f"{key}/state_hash"] == found[0][f"{key}/one_by_one"]
    old = {key: value for key, value in found[0].items() if key.startswith("old_runs/")}
    assert len(old) == 4 * len(tool.OLD_RUNS)
    assert "none" not in old.values()


def test_differences_are_named_and_end_with_1(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps({"a": "1", "b": "2", "c": ["x"]}))
    new.write_text(json.dumps({"b": "3", "c": ["x"], "d": "4"}))
    done = CliRunner().invoke(tool.main, ["--diff", str(old), str(new)])
    assert done.exit_code == 1
    assert done.output == "came: d\ndiffers: b\ngone: a\n3 of 4 entries differ\n"
    shutil.copy(old, new)
    done = CliRunner().invoke(tool.main, ["--diff", str(old), str(new)])
    assert (done.exit_code, done.output) == (0, "0 of 3 entries differ\n")
