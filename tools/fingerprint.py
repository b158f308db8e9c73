"""Digests of everything that a change of structure must leave as it is: `python tools/fingerprint.py --out FILE`.

Runs over every family and feed (all their files, `explain` and `report`), the samples, what commands print, every
`--help`, every refusal of `validate`, the records of the core and the signatures of the public API, each under a key.
`--diff OLD NEW` names the keys that differ and exits with 1. It may be run on commits whose modules lie elsewhere: only
the package itself, its command and the modules that a walk through the core finds are imported. The same commit gives
the same file in every folder. `tests/fixtures/old_runs` holds folders of runs that were made before modules moved:
`ema_cross` on a day and `btc_basis` on 14 days of the samples below. Without the real catalog beside the repository
the runs on it are left out, and said to be.
"""

import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import runpy
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from click.testing import CliRunner

import tightloop

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data"
VERSION = "0.1.0"
"""Of the old runs; set in place of the engine's own, on which the names of sessions and signals depend."""
COMPILING = re.compile(r"^(?:compiling the core|the image of machine code is not used).*\n", re.MULTILINE)
"""Said on stderr when neither the image nor the cache has all of it."""
MADE = re.compile(r"Made \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
SAMPLES = {
    "bars": ("--days", "1", "--seed", "11"),
    "ticks": ("--scenario", "pump", "--books"),
    "carry": ("--carry",),
    "carry14": ("--carry", "--days", "14"),
}
COINS = ("sample:BTCUSDT-perp", "sample:PUMPAUSDT-perp", "sample:PUMPDUSDT-perp")
PUMPED = ("lab:PUMPBUSDT-perp", "lab:PUMPDUSDT-perp")
MAJORS = ("binance:BTCUSDT-perp", "binance:ETHUSDT-perp")
QUOTER = {"settings": ["params.qty=500", "params.held_max=2000"], "end": "2024-01-01T12:10:00"}
"""Coins of a cent instead of bitcoin, quoted from the first second on."""
OLD_RUNS = {"ema_cross": "bars", "btc_basis": "carry14"}
ON_BARS = "--data bars --set timeframe=1m --instrument sample"
COMMANDS = (
    "data list --data carry", "data check --data bars", "data check --data ticks --json check.json", "indicators",
    "indicators EMA BOLLINGER", "validate strategies/ema_cross.yaml strategies/carry/eth_leveraged.yaml",
    f"backtest strategies/pump_1m.yaml {ON_BARS}:PUMPAUSDT-perp --out cli/bars",
    f"backtest strategies/python_ema_cross.yaml {ON_BARS}:BTCUSDT-perp --out cli/python",
    "backtest strategies/ticks/book_pump_long.yaml --data ticks --instrument lab:PUMPBUSDT-perp --out cli/books",
    "backtest strategies/carry/eth_leveraged.yaml --data carry --out cli/carry", "explain cli/bars --all",
    "explain cli/bars --at 2024-01-01T12:00", "explain cli/books", "explain cli/python", "explain cli/carry --all",
    "explain cli/carry --at 2024-06-20T12:00", "report cli/carry runs/carry/btc_basis --data carry --out both.html",
    "detect strategies/ticks/flash_pump_long.yaml --data ticks --json detect.json",
    f"sweep strategies/ema_cross.yaml {ON_BARS}:BTCUSDT-perp --param variants.fast.period=5,9 --split 0.7 --out cli/bs",
    "sweep strategies/carry/btc_basis.yaml --data carry14 --param bands.delta=0.02,0.05 --out cli/cs",
)  # fmt: skip
Entries = dict[str, Any]
Run = tuple[str, tuple[str, ...], dict[str, Any]]


def sha(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def digest_of(path: Path) -> str:
    """The digest of a file: Parquet by its schema and values, a page without the time it was made at."""
    if path.suffix == ".parquet":
        return sha("\n".join(_columns(pq.read_table(path))))
    if path.suffix == ".html":
        return sha(MADE.sub("Made at a time", path.read_text(encoding="utf-8")))
    return sha(path.read_bytes())


def _columns(table: pa.Table) -> Iterator[str]:
    """Each column as text: name, type, values, of which times are whole nanoseconds."""
    for field, column in zip(table.schema, table.columns, strict=True):
        plain = column.cast(pa.int64()) if pa.types.is_timestamp(field.type) else column
        yield f"{field}: {plain.to_pylist()!r}"


def files_of(folder: Path, key: str) -> Entries:
    """The digest of every file under a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {f"{key}/{path.relative_to(folder).as_posix()}": digest_of(path) for path in files}


def command() -> click.Group:
    """The command as pyproject.toml names it."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, name = scripts["tightloop"].partition(":")
    return cast("click.Group", getattr(importlib.import_module(module), name))


def say(*arguments: str) -> str:
    """What a command prints on both streams, but of compiling, and its exit code; AssertionError when it raised."""
    before, sys.argv = sys.argv, ["tightloop", *arguments]
    try:
        done = CliRunner().invoke(command(), arguments)
    finally:
        sys.argv = before
    assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
    errors = COMPILING.sub("", done.stderr)
    return f"{done.stdout}\n--- stderr\n{errors}\n--- exit {done.exit_code}\n"


def runs() -> Iterator[Run]:
    """Key, strategy files and options of every run."""
    for folder in (".", "ticks", "carry", "reference"):
        for path in sorted((ROOT / "strategies" / folder).glob("*.yaml")):
            file = path.relative_to(ROOT).as_posix()
            if folder == ".":
                many = max(1, len(yaml.safe_load(path.read_text(encoding="utf-8")).get("instruments", ())))
                yield f"bars/{path.stem}", (file,), _on_bars(many)
            elif folder == "ticks":
                how = QUOTER if path.stem == "python_quoting" else {}
                yield f"ticks/{path.stem}", (file,), {"data": "ticks", "instruments": PUMPED} | how
                if "book" not in path.stem:  # the real rows have no order books
                    yield f"real/{path.stem}", (file,), {"data": "real", "instruments": MAJORS}
            elif path.stem.startswith("run_1126"):  # names a pool that the sample does not have
                yield f"real/{path.stem}", (file,), {"data": "real", "start": "2024-05-12", "end": "2024-06-30"}
            else:
                yield f"{folder}/{path.stem}", (file,), {"data": "carry"}
    together = ("strategies/ema_cross.yaml", "strategies/rsi_short.yaml", "strategies/python_ema_cross.yaml")
    yield "bars/together", together, _on_bars(3)
    yield "bars/research", ("strategies/rsi_short.yaml",), _on_bars(1) | {"account": "research"}


def _on_bars(many: int) -> dict[str, Any]:
    return {"data": "bars", "settings": ["timeframe=1m"], "instruments": COINS[:many]}


def of_run(key: str, strategies: tuple[str, ...], options: Mapping[str, Any]) -> Entries:
    """Every file of a run, its `explain --json`, and the state that the other driver ends in."""
    folder, paths = Path("runs", key), [Path(path) for path in strategies]
    done = tightloop.backtest(*paths, seed=3, **options)
    done.write(folder)
    found = files_of(folder, f"runs/{key}")
    found[f"runs/{key}/state_hash"] = done.summary["state_hash"]
    other = tightloop.backtest(*paths, seed=3, one_by_one=True, **options)
    found[f"runs/{key}/one_by_one"] = other.summary["state_hash"]
    return found | explained(folder, f"runs/{key}", options["data"])


def explained(folder: Path, key: str, data: str) -> Entries:
    """What `explain` prints of the folder of a run and writes, and the page of `report`."""
    facts, page = folder / "explain.json", folder / "again.html"
    found = {f"{key}/explain": sha(say("explain", folder.as_posix(), "--data", data, "--json", facts.as_posix()))}
    found[f"{key}/report"] = sha(say("report", folder.as_posix(), "--data", data, "--out", page.as_posix()))
    return found | {f"{key}/{path.name}": digest_of(path) if path.is_file() else "none" for path in (facts, page)}


def all_runs() -> Entries:
    found: Entries = {}
    for key, strategies, options in runs():
        if options["data"] == "real" and not REAL.is_dir():
            print(f"{key}: left out, there is no {REAL}", file=sys.stderr)
        else:
            found |= of_run(key, strategies, options)
    return found


def old_runs() -> Entries:
    """What is said today of runs of an earlier commit."""
    found: Entries = {}
    shutil.copytree(ROOT / "tests" / "fixtures" / "old_runs", "old_runs")
    for name, data in OLD_RUNS.items():
        found |= explained(Path("old_runs", name), f"old_runs/{name}", data)
    return found


def samples() -> Entries:
    """What `data sample` prints and writes; made where the runs read it."""
    found: Entries = {}
    for name, options in SAMPLES.items():
        found[f"samples/{name}"] = sha(say("data", "sample", *options, "--out", name))
        found |= files_of(Path(name), f"samples/{name}")
    return found


def outputs() -> Entries:
    """What commands print, and every file that they write."""
    found: Entries = {}
    for line in COMMANDS:
        printed = say(*line.split())
        assert printed.endswith("--- exit 0\n"), f"{line}: {printed}"
        found[f"commands/{line}"] = sha(printed)
    found |= files_of(Path("cli"), "commands/files")
    return found | {f"commands/{name}": digest_of(Path(name)) for name in ("check.json", "detect.json", "both.html")}


def helps(*words: str) -> Entries:
    """The text of `--help` of a command and of all below it."""
    context = click.Context(command())
    inner: click.Command | None = context.command
    for word in words:
        assert isinstance(inner, click.Group), words
        inner = inner.get_command(context, word)
    found = {" ".join(("help", *words)): sha(say(*words, "--help"))}
    if isinstance(inner, click.Group):
        for name in inner.list_commands(context):
            found |= helps(*words, name)
    return found


def refusals() -> Entries:
    """What `validate` says of every bad file that the tests know."""
    (file,) = (ROOT / "tests").rglob("bad_files.py")
    known = runpy.run_path(str(file))
    found = {}
    for name in known["BAD"]:
        Path("bad.yaml").write_bytes(known["mutated"](name).encode("utf-8", "surrogatepass"))
        found[f"refusals/{name}"] = sha(say("validate", "bad.yaml"))
    return found


def records() -> Entries:
    """Every record of the core by the name of its variable: size, and name, type and offset of each field."""
    found: dict[str, set[str]] = {}
    core = importlib.import_module("tightloop.core")
    for module in pkgutil.walk_packages(core.__path__, "tightloop.core."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, np.dtype) and value.names and value.fields:
                fields = ", ".join(
                    f"{field} {value.fields[field][0]}@{value.fields[field][1]}" for field in value.names
                )
                found.setdefault(f"records/{name}", set()).add(f"{value.itemsize} bytes: {fields}")
    return {name: sorted(shapes) for name, shapes in found.items()}


def signatures() -> Entries:
    """Names and defaults of the parameters of the public API."""
    found = {}
    for name in tightloop.__all__:
        value = getattr(tightloop, name)
        if inspect.isfunction(value):
            parameters = inspect.signature(value).parameters.values()
            found[f"api/{name}"] = [str(each.replace(annotation=inspect.Parameter.empty)) for each in parameters]
        else:
            found[f"api/{name}"] = [type(value).__name__]
    return found


PARTS: tuple[Callable[[], Entries], ...] = (
    records, signatures, helps, refusals, samples, all_runs, old_runs, outputs,
)  # fmt: skip
"""In this order: runs read the samples, and the last part reads what runs wrote."""


def fingerprint(parts: tuple[Callable[[], Entries], ...] = PARTS) -> Entries:
    """All entries, made in a folder of their own that is gone afterwards."""
    os.environ |= {"COLUMNS": "120", "TZ": "UTC"}
    found: Entries = {}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        shutil.copytree(ROOT / "strategies", "strategies", ignore=shutil.ignore_patterns("__pycache__"))
        if REAL.is_dir():
            Path("real").symlink_to(REAL)
        for part in parts:
            found |= part()
    return dict(sorted(found.items()))


def differences(old: Entries, new: Entries) -> list[str]:
    """A line for each key that went, came, or has another value."""
    lines = [f"gone: {key}" for key in old if key not in new]
    lines += [f"came: {key}" for key in new if key not in old]
    return sorted(lines + [f"differs: {key}" for key in old if key in new and old[key] != new[key]])


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write the entries here instead of printing them.")
@click.option("--diff", nargs=2, type=click.Path(path_type=Path, exists=True), help="Name the entries that differ.")
def main(out: Path | None, diff: tuple[Path, Path] | None) -> None:
    """Digests of everything that a change of structure must leave as it is."""
    if diff:
        old, new = (json.loads(path.read_text(encoding="utf-8")) for path in diff)
        lines = differences(old, new)
        print("\n".join([*lines, f"{len(lines)} of {len(old.keys() | new.keys())} entries differ"]))
        sys.exit(1 if lines else 0)
    entries = {"version": tightloop.__version__}
    tightloop.__version__ = VERSION  # before the rest of the package is loaded, which takes it from here
    text = json.dumps(entries | fingerprint(), indent=1, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
