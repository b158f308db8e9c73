"""Malformed datasets, rules and foreign files: each is refused with its file, its line and a remedy."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.data import planted
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.importer import import_files, parse_target
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, read_rules

BTC = InstrumentId("binance", "BTCUSDT", "perp")
PATH = "bars/binance/BTCUSDT-perp-1m.parquet"

HEAD = "ts,open,high,low,close,volume\n"
ROW = "2024-01-01T00:0{0}:00Z,1,2,0.5,1.5,10\n"

TIERS = "x:AB-perp:\n  margin_tiers:\n    - {notional_max: 9, maintenance_pct: 1, leverage_max: 5}\n"

RULES = {
    "no mapping": ("- a\n- b\n", 1, "", "write one line per instrument"),
    "unknown rule": (
        "binance:BTCUSDT-perp:\n  lot_size: 1\n  tick_size: 0.1\n",
        3,
        "binance:BTCUSDT-perp.tick_size",
        "use one of price_increment",
    ),
    "no instrument": ("BTCUSDT: {lot_size: 1}\n", 1, "BTCUSDT", "write for example binance:BTCUSDT-perp"),
    "wrong market": (
        "a: 1\n# x\nbinance:BTCUSDT-swap: {lot_size: 1}\n",
        3,
        "binance:BTCUSDT-swap",
        "write binance:BTCUSDT-spot",
    ),
    "negative increment": (
        "x:AB-spot:\n  price_increment: -0.1\n",
        2,
        "x:AB-spot.price_increment",
        "or 0 for no rounding",
    ),
    "zero contract": ("x:AB-spot:\n\n  contract_size: 0\n", 3, "x:AB-spot.contract_size", "1 for most"),
    "fee as text": ("x:AB-spot: {taker_bps: 10 bps}\n", 1, "x:AB-spot.taker_bps", "write the fee in basis points"),
    "fee too large": ("x:AB-spot: {maker_bps: 5000}\n", 1, "x:AB-spot.maker_bps", "write the fee in basis points"),
    "not a number": ("x:AB-spot: {lot_size: .nan}\n", 1, "x:AB-spot.lot_size", "write the smallest quantity step"),
    "true as a number": ("x:AB-spot: {lot_size: true}\n", 1, "x:AB-spot.lot_size", "write the smallest quantity step"),
    "unknown calendar": ("x:AB-spot: {calendar: nyse}\n", 1, "x:AB-spot.calendar", "write always or forex"),
    "margin as a word": ("x:AB-spot: {margin: yes}\n", 1, "x:AB-spot.margin", "write true or false"),
    "margin of a perp": ("x:AB-perp: {margin: true}\n", 1, "x:AB-perp.margin", "remove it"),
    "asset as a list": ("x:AB-perp: {settle_asset: [USDT]}\n", 1, "x:AB-perp.settle_asset", "write its ticker"),
    "rules as a number": ("x:AB-perp: 5\n", 1, "x:AB-perp", "write {price_increment"),
    "tiers as a number": ("x:AB-perp:\n  margin_tiers: 5\n", 2, "x:AB-perp.margin_tiers", "write [{notional_max"),
    "tier without leverage": (
        "x:AB-perp:\n  margin_tiers:\n    - {notional_max: 5, maintenance_pct: 1}\n",
        3,
        "x:AB-perp.margin_tiers.0",
        "write the largest leverage",
    ),
    "tier with a stranger": (
        "x:AB-perp:\n  margin_tiers:\n    - {maintenance_pct: 1, leverage_max: 5, cap: 1}\n",
        3,
        "x:AB-perp.margin_tiers.0.cap",
        "use one of notional_max",
    ),
    "tiers out of order": (
        TIERS + "    - {notional_max: 5, maintenance_pct: 1, leverage_max: 5}\n",
        4,
        "x:AB-perp.margin_tiers.1.notional_max",
        "order the tiers",
    ),
    "tier that liquidates at once": (
        "x:AB-perp:\n  margin_tiers:\n    - {notional_max: 9, maintenance_pct: 5, leverage_max: 20}\n",
        3,
        "x:AB-perp.margin_tiers.0.maintenance_pct",
        "write less than 100 / leverage_max",
    ),
    "instrument twice": ("x:AB-spot: {}\nx:CD-spot: {}\nx:AB-spot: {}\n", 3, "x:AB-spot", "keep one of the two"),
    "tab": ("x:AB-spot:\n\tlot_size: 1\n", 2, "", "indent with spaces"),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_that_are_wrong_are_refused_with_their_line(tmp_path, name):
    text, line, field, remedy = RULES[name]
    file = tmp_path / "instruments.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as refusal:
        read_rules(file)
    problem = refusal.value.problems[-1]
    assert (problem.file, problem.line, problem.field) == (str(file), line, field)
    assert remedy in problem.remedy


def test_all_problems_of_the_rules_are_told_at_once(tmp_path):
    (tmp_path / "instruments.yaml").write_text("x:AB-spot: {lot: 1, taker_bps: x}\ny: {}\n")
    with pytest.raises(InputError) as refusal:
        Catalog(tmp_path).rules(BTC)
    assert [problem.line for problem in refusal.value.problems] == [1, 1, 2]


CSVS = {
    "empty": ("", None, "", "name a file with data"),
    "comments alone": ("# a\n# b\n", None, "", "name a file with data"),
    "a header alone": (HEAD, 1, "", "name a file with data"),
    "no close": (
        "ts,open,high,low,volume\n2024-01-01T00:00:00Z,1,2,0.5,10\n",
        1,
        "close",
        "rename the column to close",
    ),
    "no time": ("open,high,low,close,volume\n1,2,0.5,1,10\n", 1, "ts", "rename the column to ts"),
    "a word for a price": (
        HEAD + ROW.format(0) + "2024-01-01T00:01:00Z,1,2,abc,1.5,10\n",
        3,
        "low",
        "repair or remove",
    ),
    "an empty cell": (HEAD + ROW.format(0) + ROW.format(1) + "2024-01-01T00:02:00Z,1,2,,1.5,10\n", 4, "low", "repair"),
    "infinity": (HEAD + "2024-01-01T00:00:00Z,1,inf,0.5,1.5,10\n", 2, "high", "repair or remove"),
    "a row too short": (HEAD + ROW.format(0) + "2024-01-01T00:01:00Z,1,2\n", 3, "", "repair or remove that row"),
    "a row too long": (HEAD + ROW.format(0) + ROW.format(1).strip() + ",7,8\n", 3, "", "repair or remove that row"),
    "a time that is none": (
        HEAD + ROW.format(0) + "01/02/2024 3pm,1,2,0.5,1.5,10\n",
        3,
        "ts",
        "write 2024-01-31T13:00:00Z",
    ),
    "a number that is no time": (HEAD + "45292,1,2,0.5,1.5,10\n", 2, "ts", "since 1970"),
    "times and calendar dates": (
        HEAD + "1704067200,1,2,0.5,1.5,10\n1704067260,1,2,0.5,1.5,10\n202401010002,1,2,0.5,1.5,10\n",
        4,
        "ts",
        "since 1970",
    ),
    "a column twice": ("ts,open,high,low,close,close,volume\n", 1, "close", "its own name"),
    "no header and seven columns": ("1704067200,1,2,0.5,1.5,10,3\n", 1, "", "write a first line with ts, open"),
    "two rows for one time": (
        HEAD + ROW.format(0) + "2024-01-01T00:00:00Z,1,2,0.5,1.6,10\n",
        None,
        "close",
        "remove one of the two",
    ),
}


@pytest.mark.parametrize("name", CSVS)
def test_a_csv_that_is_wrong_is_refused_with_its_line_and_nothing_is_written(tmp_path, name):
    text, line, field, remedy = CSVS[name]
    file = tmp_path / "rows.csv"
    file.write_text(text)
    with pytest.raises(InputError) as refusal:
        import_files(tmp_path / "data", [file], parse_target("bars:binance:BTCUSDT-perp-1m"))
    problem = refusal.value.problems[0]
    assert problem.file in (str(file), str(tmp_path / "data" / PATH))
    assert (problem.line, problem.field) == (line, field)
    assert remedy in problem.remedy
    assert not (tmp_path / "data").exists()


TRADES = {
    "a side that is none": ("ts,id,price,qty,side\n1704067200,1,5,1,buy\n1704067201,2,5,1,short\n", 3, "side"),
    "a flag that is none": ("ts,id,price,qty,is_buyer_maker\n1704067200,1,5,1,maybe\n", 2, "is_buyer_maker"),
    "an id that is no number": ("ts,id,price,qty,side\n1704067200,1,5,1,buy\n1704067200,x7,5,1,buy\n", 3, "id"),
    "neither side nor flag": ("ts,id,price,qty\n1704067200,1,5,1\n", 1, "buyer_is_maker"),
}


@pytest.mark.parametrize("name", TRADES)
def test_trades_that_are_wrong_are_refused_with_their_line(tmp_path, name):
    text, line, field = TRADES[name]
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(InputError) as refusal:
        import_files(tmp_path / "data", [tmp_path / "rows.csv"], parse_target("trades:binance:BTCUSDT-perp"))
    assert (refusal.value.problems[0].line, refusal.value.problems[0].field) == (line, field)
    assert refusal.value.problems[0].remedy


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "there is no such file; check the path"),
        ("a.csv.gz", b"no gzip at all", "cannot be unpacked or read"),
        ("a.csv.gz", gzip.compress(b"ts,open\n1,2\n" * 100, mtime=0)[:-20], "cannot be unpacked or read"),
        ("a.zip", b"no zip at all", "cannot be unpacked or read"),
        ("a.parquet", b"no parquet at all", "is not a Parquet file that can be read"),
        ("a.csv", b"ts,open\n\xff\xfe\x00,1\n", "is not UTF-8 text|is not a CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_files(tmp_path / "data", [tmp_path / name], parse_target("bars:binance:BTCUSDT-perp-1m"))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("BTCUSDT", "is not KIND:VENUE:NAME with KIND one of bars, trades, quotes, funding; write for example bars:"),
        ("candles:binance:BTCUSDT-perp-1m", "is not KIND:VENUE:NAME"),
        ("bars:binance:BTCUSDT-perp", "does not end with a timeframe, one of 1s, 1m"),
        ("bars:binance:BTCUSDT-1m", "is not venue:SYMBOL-market"),
        ("bars:binance:BTCUSDT-future-1m", "'future' is not a market"),
        ("trades:../x:BTCUSDT-perp", "'../x' is not a venue"),
        ("funding:binance:../../x", "is not a symbol"),
    ],
)
def test_a_target_that_is_wrong_is_refused(target, message):
    with pytest.raises(InputError, match=message):
        parse_target(target)


def changed(**how):
    return {**planted.bars(100), **how}


DATASETS = {
    "no column close": (
        {name: column for name, column in planted.bars(100).items() if name != "close"},
        "schema",
        "close is missing",
    ),
    "text for numbers": (changed(open=np.full(100, "1.5")), "schema", "open is of type string"),
    "times as numbers": (
        {**planted.bars(100), "ts": list(range(100))},
        "schema",
        "ts is of type int64, not timestamp",
    ),
    "times as text": (changed(ts=np.full(100, "2024-01-01")), "schema", "ts is of type string"),
    "days for times": (changed(ts=pa.array([19_723] * 100, pa.date32())), "schema", "ts is of type date32"),
    "no rows": ({name: column[:0] for name, column in planted.bars(100).items()}, "schema", "there are no rows"),
    "a missing stamp": (changed(ts=pa.array([None] * 100, pa.timestamp("us", "UTC"))), "ts", "stamps are missing"),
    "missing prices": (changed(low=pa.array([None] * 50 + [99.0] * 50)), "non_positive", "50 of 100 rows"),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_is_wrong_is_refused_with_its_column(tmp_path, name):
    columns, field, message = DATASETS[name]
    planted.write(tmp_path / PATH, columns)
    with pytest.raises(InputError) as refusal:
        Catalog(tmp_path).bars(BTC, "1m")
    problem = next(problem for problem in refusal.value.problems if problem.field == field)
    assert problem.file.startswith(str(tmp_path))
    assert message in problem.message
    assert problem.remedy


def test_parts_with_other_columns_are_refused(tmp_path):
    folder = PATH.removesuffix(".parquet")
    planted.write(tmp_path / folder / "a.parquet", planted.bars(10))
    planted.write(tmp_path / folder / "b.parquet", {**planted.bars(10), "open": np.arange(10)})
    with pytest.raises(InputError, match=r"b.parquet: has other columns than the parts before it; give all parts"):
        Catalog(tmp_path).bars(BTC, "1m")


def test_a_file_cut_short_is_refused(tmp_path):
    file = planted.write(tmp_path / PATH, planted.bars(1_000))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a Parquet file that can be read"):
        Catalog(tmp_path).bars(BTC, "1m")


def test_a_file_with_a_broken_page_is_refused(tmp_path):
    file = planted.write(tmp_path / PATH, planted.bars(1_000))
    raw = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(0).column(4).data_page_offset
    raw[start : start + 400] = b"\xff" * 400
    file.write_bytes(raw)
    with pytest.raises(InputError, match="close: cannot be read"):
        Catalog(tmp_path).bars(BTC, "1m")
