"""Everything a user can get wrong: file, line, field, what is wrong, what to write; exit 2 and nothing written."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from adapters.data import planted
from app.bad_files import BAD, GOOD, mutated
from folded import folded
from tightloop.app.cli.main import main

PROSE = re.compile(r"pydantic|validation error|Input should|Extra inputs|Traceback|NoneType|<class|object at 0x")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def refused(result):
    """The lines of a refusal: exit 2, every line a message and a remedy in words of this product."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert lines, "a refusal says something"
    for line in lines:
        assert line.startswith("error: "), line
        assert "; " in line, f"no remedy: {line}"
        assert not PROSE.search(line), line
        assert len(line) < 1_500, line
    return lines


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to be in, with the good file, whose files are counted."""
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    root = tmp_path_factory.mktemp("catalog")
    planted.write(root / "bars/binance/BTCUSDT-perp-1m.parquet", planted.bars(400))
    planted.write(root / "bars/binance/BTCUSDT-perp-1h.parquet", planted.bars(400, "1h"))
    planted.write(root / "bars/binance/ETHBTC-perp-1m.parquet", planted.bars(400))
    planted.write(root / "bars/binance/BTCUSDT-spot-1m.parquet", planted.bars(400))
    planted.write(root / "bars/binance/ABCXYZ-perp-1m.parquet", planted.bars(400))
    torn = planted.bars(400)
    torn["close"][7] = np.nan
    planted.write(root / "bars/binance/TORNUSDT-perp-1m.parquet", torn)
    return root


def test_the_good_file_is_good_with_and_without_data(place, catalog):
    assert run("validate", "good.yaml").exit_code == 0
    done = run("backtest", "good.yaml", "--data", catalog, "--out", "out", "--no-report")
    assert done.exit_code == 0, done.output


@folded("name", BAD)
def test_a_bad_file_is_refused_where_it_is_wrong(name, place):
    bad = BAD[name]
    Path("bad.yaml").write_bytes(mutated(name).encode("utf-8", "surrogatepass"))
    before = files(place)
    lines = refused(run("validate", "bad.yaml"))
    where = f"error: bad.yaml{bad.where}"
    found = [line for line in lines if line.startswith(where) and bad.says in line]
    assert found, f"nothing begins with {where} and says {bad.says!r}:\n" + "\n".join(lines)
    assert bad.remedy in found[0].partition("; ")[2] or bad.remedy in found[0], found[0]
    assert files(place) == before
    # The same refusal, before any data is read.
    assert refused(run("backtest", "bad.yaml", "--data", "nowhere", "--out", "out")) == lines
    assert files(place) == before


@folded("name", [name for name in BAD if not BAD[name].where.startswith(":5: timeframe")])
def test_one_fault_does_not_bring_others_that_are_none(name, place):
    Path("bad.yaml").write_bytes(mutated(name).encode("utf-8", "surrogatepass"))
    lines = refused(run("validate", "bad.yaml"))
    follow = {
        "key of the file": 1,
        "no timeframe": 1,
        "variants as a list": 1,
        "name of a tree as a variant": 1,
        "key of the limits": 1,
        "key of the sections": 1,
        "number as a variant": 1,
        # A key that is misspelt is missed as well.
        "key of a slippage": 1,
    }
    assert len(lines) == follow.get(name, 1), "\n".join(lines)


def test_all_problems_of_a_file_come_at_once(place):
    several = [
        "name that cannot be shown",
        "unknown direction",
        "text for a number",
        "unknown indicator",
        "parameter out of bounds",
        "unknown variant on the right",
        "between one",
        "hold of no time",
        "no leverage",
        "unknown stop",
        "ladder of too much",
        "fee of the taker",
        "limit of the strategy",
        "limit of the account",
        "key of the actions",
        "seq of one",
    ]
    text = GOOD
    for name in several:
        assert BAD[name].old in text, name
        text = text.replace(BAD[name].old, BAD[name].new, 1)
    Path("bad.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    lines = refused(run("validate", "bad.yaml"))
    for name in several:
        bad = BAD[name]
        assert any(line.startswith(f"error: bad.yaml{bad.where}") and bad.says in line for line in lines), name
    assert len(lines) == len(several), "\n".join(lines)
    numbers = [int(line.split(":")[2]) for line in lines]
    assert numbers == sorted(numbers)


def test_the_problems_of_all_files_come_at_once(place, catalog):
    Path("one.yaml").write_text(mutated("no leverage"), encoding="utf-8")
    Path("two.yaml").write_text(mutated("negative capital"), encoding="utf-8")
    for command in (("validate",), ("backtest", "--data", catalog)):
        lines = refused(run(command[0], "one.yaml", "two.yaml", *command[1:]))
        assert [line.split(":")[1].strip() for line in lines] == ["one.yaml", "two.yaml"]


def test_the_example_of_the_contract_reads_as_the_contract_says(place):
    example = GOOD.replace("    leverage: 2\n", "    leverage: 0\n").splitlines()
    Path("file.yaml").write_text("\n".join(example), encoding="utf-8")
    assert refused(run("validate", "file.yaml")) == [
        "error: file.yaml:24: sections.Z1.leverage: 0 is not between 1 and 10; write a number between 1 and 10"
    ]


WHOLE = {
    "empty": (b"", "file.yaml:1: is empty; write keys such as name:"),
    "blank": (b"\n\n# nothing\n", "file.yaml:1: is empty"),
    "list": (b"- a\n- b\n", "file.yaml:1: is not a mapping of keys"),
    "text": (b"hello\n", "file.yaml:1: is not a mapping of keys"),
    "not UTF-8": (
        GOOD.replace("good_one", "g\xfcte").encode("latin-1"),
        "file.yaml:1: is not UTF-8 text; save the file as UTF-8",
    ),
    "UTF-16": (GOOD.encode("utf-16"), "file.yaml:1: is not UTF-8 text"),
    "binary": (bytes(range(256)), "file.yaml:"),
    "control character": (
        GOOD.replace("capital", "cap\x01ital").encode(),
        "file.yaml:6: holds a character that YAML does not allow",
    ),
    "anchors that grow": (
        b"a: &a [1]\n"
        + b"".join(b"x%d: &x%d [%s]\n" % (k, k, b", ".join([b"*x%d" % (k - 1) if k else b"*a"] * 9)) for k in range(9)),
        "holds more than 200000 values",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_strategy_at_all_is_refused(name, place):
    raw, says = WHOLE[name]
    Path("file.yaml").write_bytes(raw)
    lines = refused(run("validate", "file.yaml"))
    assert says in lines[0], lines


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_fine(place):
    Path("file.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert run("validate", "file.yaml").exit_code == 0


ACCOUNTS = {
    "unknown key": (
        "max_positions: 3\nmax_position: 10\n",
        "account.yaml:2: max_position:",
        "did you mean max_positions?",
    ),
    "bound": ("account:\n  max_positions: 0\n", "account.yaml:2: max_positions:", "write a whole number between 1 and"),
    "list": ("- 1\n", "account.yaml:1: account:", "write keys such as max_position_pct: 10"),
    "type": ("max_leverage: high\n", "account.yaml:1: max_leverage:", "write a number between 1 and 1_000"),
    "syntax": ("max_leverage: [\n", "account.yaml:", "check quotes, brackets"),
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_file_of_the_account_is_refused_with_its_own_lines(name, place):
    text, where, remedy = ACCOUNTS[name]
    Path("account.yaml").write_text(text, encoding="utf-8")
    lines = refused(run("backtest", "good.yaml", "--account", "account.yaml", "--data", "nowhere"))
    assert len(lines) == 1
    assert where in lines[0]
    assert remedy in lines[0]


SET = "error: --set "
OPTIONS = {  # arguments after `backtest good.yaml`, the beginning of the refusal, a piece of its remedy
    "set without a value": (["--set", "capital"], "error: --set capital: is not path=value", "variants.fast.period=12"),
    "set without a path": (["--set", "=5"], "error: --set =5: is not path=value", "variants.fast.period=12"),
    "set with an empty part": (
        ["--set", "a..b=5"],
        "error: --set a..b=5: is not path=value",
        "variants.fast.period=12",
    ),
    "set of an unknown key": (
        ["--set", "captial=5"],
        SET + "captial=5: captial: 'captial' is not a known key",
        "did you mean capital?",
    ),
    "set of an unknown parameter": (
        ["--set", "variants.fast.perid=5"],
        SET + "variants.fast.perid=5: variants.fast.perid:",
        "did you mean period?",
    ),
    "set of a part of what is not there": (
        ["--set", "variants.fest.period=5"],
        SET + "variants.fest.period=5: variants.fest.type: is missing",
        "write for example",
    ),
    "set out of bounds": (
        ["--set", "sections.Z1.leverage=0"],
        SET + "sections.Z1.leverage=0: sections.Z1.leverage: 0 is not between 1 and 10",
        "write a number between 1 and 10",
    ),
    "set inside a value": (["--set", "capital.x=5"], SET + "capital.x=5: capital: is a value", "name a key"),
    "set beyond a list": (
        ["--set", "instruments.3=binance:X-perp"],
        SET + "instruments.3=binance:X-perp: instruments: is a list of 1 entry and has no '3'",
        "entries are numbered from 0",
    ),
    "set of a word in a list": (
        ["--set", "instruments.x=5"],
        SET + "instruments.x=5: instruments: is a list of 1 entry",
        "entries are numbered from 0",
    ),
    "set of bad YAML": (["--set", "instruments=[a"], SET + "instruments=[a: is not YAML", "check quotes"),
    "set inside a condition": (
        ["--set", "sections.S1.all.0.fast=> slwo"],
        SET + "sections.S1.all.0.fast=> slwo: sections.S1.all.0.fast: 'slwo' is not a variant",
        "did you mean slow?",
    ),
    "instrument of no form": (
        ["--instrument", "BTC"],
        "error: --instrument: instruments.0: 'BTC' is not venue:SYMBOL-market",
        "binance:BTCUSDT-perp",
    ),
    "instrument twice": (
        ["--instrument", "a:B-perp", "--instrument", "a:B-perp"],
        "error: --instrument: instruments.1: a:B-perp is named twice",
        "once",
    ),
    "from after to": (
        ["--from", "2024-02-01", "--to", "2024-01-01"],
        "error: command line: --from: 2024-02-01 is not before --to 2024-01-01",
        "the earlier time first",
    ),
    "from at to": (
        ["--from", "2024-02-01", "--to", "2024-02-01T00:00:00Z"],
        "error: command line: --from:",
        "the earlier time first",
    ),
    "from that is no time": (
        ["--from", "yesterday"],
        "error: command line: --from: 'yesterday' is not a time",
        "2024-01-31T12:00:00Z",
    ),
    "to that is no day": (
        ["--to", "2024-02-31"],
        "error: command line: --to: '2024-02-31' is not a time",
        "2024-01-31",
    ),
    "from before all": (
        ["--from", "0001-01-01"],
        "error: command line: --from: 0001-01-01 is not between 1678 and 2262",
        "2024-01-31",
    ),
    "from in too many digits": (["--from", "9" * 40], "error: command line: --from:", "2024-01-31"),
    "from after the data": (
        ["--from", "2025-01-01"],
        "there are no rows from 2025-01-01",
        "the data run from 2024-01-01",
    ),
    "unknown fault": (
        ["--accept", "hols"],
        "error: command line: --accept: 'hols' is not a fault",
        "did you mean holes?",
    ),
    "unknown faults": (
        ["--accept", "holes,everything"],
        "error: command line: --accept: 'everything' is not a fault",
        "write some of holes",
    ),
    "seed as text": (["--seed", "x"], "error: command line: invalid value for '--seed'", "--help"),
    "seed that is too large": (["--seed", str(2**70)], "error: command line: invalid value for '--seed'", "--help"),
    "seed below zero": (["--seed", "-1"], "error: command line: invalid value for '--seed'", "--help"),
    "unknown option": (["--form", "2024-01-01"], "error: command line: no such option '--form'", "--from"),
    "out that is a file": (
        ["--out", "good.yaml"],
        "error: command line: --out: good.yaml: good.yaml is a file",
        "name a folder",
    ),
    "out below a file": (
        ["--out", "good.yaml/x/y"],
        "error: command line: --out: good.yaml/x/y: good.yaml is a file",
        "name a folder",
    ),
    "no folder of data": (["--data", "nowhere"], "nowhere", "; "),
    "data that are a file": (["--data", "good.yaml"], "error: command line: invalid value for '--data'", "--help"),
    "no such account": (["--account", "nothing.yaml"], "error: nothing.yaml: there is no such file", "check the path"),
    "no such instrument": (
        ["--instrument", "binance:BTCUSDC-perp"],
        "instruments: there are no bars of binance:BTCUSDC-perp",
        "binance:BTCUSDT-perp",
    ),
    "no such timeframe": (
        ["--set", "timeframe=5m"],
        "timeframe: there are no bars of 5m for binance:BTCUSDT-perp",
        "use 1m, 1h",
    ),
    "unfit data": (
        ["--instrument", "binance:TORNUSDT-perp"],
        "TORNUSDT-perp-1m.parquet: non_positive:",
        "--accept non_positive",
    ),
    "short of a spot": (
        ["--instrument", "binance:BTCUSDT-spot", "--set", "direction=SHORT"],
        SET + "direction=SHORT: direction: binance:BTCUSDT-spot is spot and cannot be sold short",
        "trade a perp",
    ),
    "leverage of a spot": (
        ["--instrument", "binance:BTCUSDT-spot"],
        "error: good.yaml:24: sections.Z1.leverage: binance:BTCUSDT-spot is spot and has no leverage",
        "write leverage: 1",
    ),
    "two settle assets": (
        ["--instrument", "binance:BTCUSDT-perp", "--instrument", "binance:ETHBTC-perp"],
        "error: --instrument: instruments.1: binance:ETHBTC-perp settles in BTC, binance:BTCUSDT-perp in USDT",
        "one settle asset",
    ),
    "unknown settle asset": (
        ["--instrument", "binance:ABCXYZ-perp"],
        "error: --instrument: instruments.0: the settle asset of binance:ABCXYZ-perp is not known",
        "settle_asset: USDT",
    ),
}


@folded("name", OPTIONS)
def test_a_bad_option_is_refused_before_anything_is_written(name, place, catalog):
    arguments, begins, remedy = OPTIONS[name]
    data = [] if "--data" in arguments else ["--data", catalog]
    before = files(place)
    lines = refused(run("backtest", "good.yaml", *data, *arguments))
    assert any(begins in line and remedy in line for line in lines), "\n".join(lines)
    assert files(place) == before


def test_a_file_without_instruments_is_valid_but_does_not_run(place, catalog):
    Path("none.yaml").write_text(GOOD.replace("instruments: [binance:BTCUSDT-perp]\n", ""), encoding="utf-8")
    assert run("validate", "none.yaml").exit_code == 0
    (line,) = refused(run("backtest", "none.yaml", "--data", catalog))
    assert "none.yaml:1: instruments: names no instrument; write instruments: [" in line
    assert (
        run("backtest", "none.yaml", "--data", catalog, "--instrument", "binance:BTCUSDT-perp", "--no-report").exit_code
        == 0
    )


def test_strategies_that_do_not_fit_together_are_refused(place, catalog):
    Path("other.yaml").write_text(
        GOOD.replace("timeframe: 1m", "timeframe: 5m").replace("max_position_pct: 10", "max_position_pct: 20")
    )
    lines = refused(run("backtest", "good.yaml", "other.yaml", "--data", catalog))
    assert [line.split("; ")[0] for line in lines] == [
        "error: other.yaml:5: timeframe: 5m is not the 1m of good.yaml",
        "error: other.yaml:36: account: differs from the account of good.yaml, and strategies of one run share it",
        "error: other.yaml:1: name: 'good_one' is also the name of good.yaml",
    ]


def test_what_does_not_fit_into_a_run_is_named(place, catalog):
    many = "any: [" + ", ".join(["{fast: '> 1'}"] * 25) + "]"
    rules = "all: [" + ", ".join([f"{{{many}}}"] * 6) + "]"
    for number in range(14):
        text = GOOD.replace('all: [{fast: crosses_above slow}, {hour: "< 70"}]', rules).replace(
            'any: [{hour: "> 90"}]', rules
        )
        Path(f"many{number}.yaml").write_text(text.replace("good_one", f"many_{number}"), encoding="utf-8")
    roomy = ("--set", "account.max_positions=14")
    result = run("backtest", *(f"many{number}.yaml" for number in range(14)), "--data", catalog, *roomy)
    assert any("NODES_MAX" in line and "use fewer" in line for line in refused(result))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="who may write is asked of an ordinary user of POSIX")
def test_a_folder_that_may_not_be_written_is_refused_before_the_run(place, catalog):
    Path("closed").mkdir(mode=0o500)
    (line,) = refused(run("backtest", "good.yaml", "--data", catalog, "--out", "closed/x"))
    assert "may not be written" in line


def test_a_folder_that_can_not_be_written_after_all_is_refused(place, catalog, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tightloop.adapters.stores.parquet.write", full)
    (line,) = refused(run("backtest", "good.yaml", "--data", catalog, "--out", "out"))
    assert line == "error: command line: --out: out: no space left on device; name a folder that can be written"


COMMANDS = {
    "unknown command": (["backtst"], "'backtst' is not a command", "did you mean backtest?"),
    "no command that is near": (["frobnicate"], "'frobnicate' is not a command", "there are backtest"),
    "no strategy": (["backtest"], "missing argument 'STRATEGIES...'", "`tightloop backtest --help`"),
    "no such strategy": (["validate", "nothing.yaml"], "nothing.yaml: there is no such file", "check the path"),
    "folder as a strategy": (["validate", "."], "is a directory", "`tightloop validate --help`"),
    "unknown indicator": (["indicators", "EMMA"], "'EMMA' is not an indicator type", "did you mean"),
    "indicator like no other": (["indicators", "QQQQ"], "'QQQQ' is not an indicator type", "lists those there are"),
    "sweep of nothing": (["sweep", "good.yaml"], "missing option '--param'", "--help"),
    "param without values": (
        ["sweep", "good.yaml", "--param", "capital"],
        "--param: 'capital' is not path=a,b,c",
        "variants.fast.period=5,10,20",
    ),
    "param with a hole": (
        ["sweep", "good.yaml", "--param", "capital=5,,6"],
        "--param: 'capital=5,,6' is not path=a,b,c",
        "variants.fast.period=5,10,20",
    ),
    "param twice": (
        ["sweep", "good.yaml", "--param", "capital=5", "--param", "capital=6"],
        "--param: capital is given twice",
        "all its values at once",
    ),
    "value twice": (["sweep", "good.yaml", "--param", "capital=5,5"], "names a value twice", "each value once"),
    "param of an unknown key": (
        ["sweep", "good.yaml", "--param", "captial=5"],
        "--param captial=5: captial: 'captial' is not a known key",
        "did you mean capital?",
    ),
    "param out of bounds": (
        ["sweep", "good.yaml", "--param", "variants.fast.period=5,0"],
        "--param variants.fast.period=0: variants.fast.period: 0 is not between",
        "write a whole number",
    ),
    "param beyond a list": (
        ["sweep", "good.yaml", "--param", "sections.S1.all.7.fast=5"],
        "has no '7'",
        "entries are numbered from 0",
    ),
    "param of the instruments": (
        ["sweep", "good.yaml", "--param", "timeframe=1m,1h"],
        "instruments, timeframe and feed cannot be swept",
        "run them separately",
    ),
    "too many sets": (
        ["sweep", "good.yaml", *(x for k in range(6) for x in ("--param", f"a{k}=1,2,3,4,5,6,7,8"))],
        "SETS_MAX: 262144 parameter sets are more than 100000",
        "sweep fewer",
    ),
    "split of all": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--split", "1"],
        "--split: 1 is not between 0 and 1",
        "0.7",
    ),
    "split of nan": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--split", "nan"],
        "--split: nan is not between 0 and 1",
        "0.7",
    ),
    "split that leaves nothing": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--split", "0.9999999"],
        "leaves binance:BTCUSDT-perp without bars on one side",
        "another share",
    ),
    "split as text": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--split", "half"],
        "invalid value for '--split'",
        "--help",
    ),
    "no threads": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--threads", "0"],
        "invalid value for '--threads'",
        "--help",
    ),
    "unknown metric": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--sort", "sharp"],
        "--sort: 'sharp' is not a metric",
        "did you mean sharpe?",
    ),
    "metric of a split without one": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--sort", "oos_sharpe"],
        "--sort: 'oos_sharpe' is not a metric",
        "did you mean sharpe?",
    ),
    "sweep into a file": (
        ["sweep", "good.yaml", "--param", "capital=5,6", "--out", "good.yaml"],
        "good.yaml is a file",
        "name a folder",
    ),
    "report of nothing": (["report", "nothing"], "nothing: there is no such folder", "`tightloop backtest` wrote"),
    "report of no run": (["report", "."], "result.json: is not in the folder", "`tightloop backtest` wrote"),
}


@folded("name", COMMANDS)
def test_a_bad_command_line_is_refused(name, place, catalog):
    arguments, says, remedy = COMMANDS[name]
    data = ["--data", catalog] if arguments[0] in ("sweep", "report") else []
    before = files(place)
    lines = refused(run(*arguments, *data))
    assert any(says in line and remedy in line for line in lines), "\n".join(lines)
    assert files(place) == before


@pytest.mark.parametrize("name", ["result.json", "quality.json", "trades.parquet", "equity.parquet"])
def test_a_torn_file_of_a_run_is_named_by_the_report(name, place, catalog):
    assert run("backtest", "good.yaml", "--data", catalog, "--out", "out", "--no-report").exit_code == 0
    for torn in (b"", b"{", b"[]", b"PAR1 and nothing"):
        (place / "out" / name).write_bytes(torn)
        (line,) = refused(run("report", "out", "--data", catalog))
        assert name in line


FAULTS = {  # what is planted into good bars, what the refusal says
    "conflicting_duplicates": "conflicting_duplicates",
    "disorder": "disorder",
    "impossible_ohlc": "impossible_ohlc",
    "non_positive": "non_positive",
    "infinite": "non_positive",
    "straight_line": "straight_line",
    "cadence": "cadence",
    "units": "units",
    "schema": "schema",
    "empty": "schema",
    "holes": "holes",
    "text": "schema",
}


def spoiled(name):
    bars = planted.bars(400)
    if name == "conflicting_duplicates":
        bars = planted.repeat(bars, 9)
        bars["close"][10] = bars["high"][10]
    elif name == "disorder":
        for column in bars.values():
            column[[50, 60]] = column[[60, 50]]
    elif name == "impossible_ohlc":
        bars["high"][5] = bars["low"][5] - 1
    elif name == "non_positive":
        bars["low"][5] = -1.0
    elif name == "infinite":
        bars["high"][5] = np.inf
    elif name == "straight_line":
        for column in ("open", "high", "low", "close"):
            bars[column][100:200] = 100.0 + 0.5 * np.arange(100)
    elif name == "cadence":
        bars["ts"] = bars["ts"][0] + np.arange(400) * planted.HOUR_NS
    elif name == "units":
        for column in ("open", "high", "low", "close"):
            bars[column][200:] *= 100.0
    elif name == "schema":
        del bars["close"]
    elif name == "empty":
        bars = {column: values[:0] for column, values in bars.items()}
    elif name == "holes":
        bars = planted.without(bars, *range(100, 200))
    elif name == "text":
        bars["close"] = bars["close"].astype(str)
    return bars


@pytest.mark.parametrize("name", FAULTS)
def test_bad_data_are_refused_by_name_and_run_only_when_accepted(name, place):
    planted.write(place / "data/bars/binance/BTCUSDT-perp-1m.parquet", spoiled(name))
    before = files(place)
    lines = refused(run("backtest", "good.yaml", "--no-report"))
    kind = FAULTS[name]
    assert any(f"BTCUSDT-perp-1m.parquet: {kind}:" in line for line in lines), "\n".join(lines)
    assert files(place) == before
    wanted = ",".join(dict.fromkeys(re.findall(r"--accept ([\w,]+)", "\n".join(lines))))
    if kind == "schema":
        assert not wanted
        refused(run("backtest", "good.yaml", "--no-report", "--accept", "schema"))
        return
    done = run("backtest", "good.yaml", "--no-report", "--accept", wanted, "--out", "out")
    if name in ("non_positive", "infinite"):  # what has no price is never a price
        assert done.exit_code in (0, 2), done.output
        return
    assert done.exit_code == 0, done.output
    assert kind in (place / "out/result.json").read_text(encoding="utf-8")
