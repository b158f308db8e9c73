"""Foreign files into a catalog: layouts, units, merging, and rows that are never lost."""

import gzip
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, MINUTE_NS, START_NS, report_of
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.importer import import_files, parse_target
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId

BTC = InstrumentId("binance", "BTCUSDT", "perp")
BARS = parse_target("bars:binance:BTCUSDT-perp-1m")


def csv(file, columns, head="", unit_ns=1_000_000, names=None):
    """Write columns as CSV; ``ts`` in the unit."""
    columns = {name: column // unit_ns if name == "ts" else column for name, column in columns.items()}
    lines = [",".join(names or columns)] if names is None or names else []
    lines += [",".join(str(cell) for cell in row) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
    file.write_text(head + "\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("unit_ns", [10**9, 10**6, 10**3, 1])
def test_times_in_seconds_down_to_nanoseconds_are_told_apart(tmp_path, unit_ns):
    file = csv(tmp_path / "a.csv", planted.bars(100), unit_ns=unit_ns)
    done = import_files(tmp_path / "data", [file], BARS)
    assert (done.rows, done.added, done.repeated) == (100, 100, 0)
    bars, _ = Catalog(tmp_path / "data").bars(BTC, "1m")
    np.testing.assert_array_equal(bars["open_ns"], planted.bars(100)["ts"])
    unit = {10**9: "s", 10**6: "ms", 10**3: "us", 1: "ns"}[unit_ns]
    assert f"ts: numbers, read as {unit} since 1970 in UTC" in done.notes


def test_what_was_imported_is_fit_and_holds_the_same_numbers(tmp_path):
    import_files(tmp_path / "data", [csv(tmp_path / "a.csv", planted.bars(300))], BARS)
    assert report_of(tmp_path / "data").faults == ()
    bars, _ = Catalog(tmp_path / "data").bars(BTC, "1m")
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(bars[name], planted.bars(300)[name])


def test_columns_are_found_by_other_names_and_shown(tmp_path):
    names = ["Open Time", "Open Price", "High", "LOW", "c", "Vol"]
    done = import_files(tmp_path / "data", [csv(tmp_path / "a.csv", planted.bars(50), names=names)], BARS)
    wanted = ("ts", "open", "high", "low", "close", "volume")
    assert done.columns == tuple(zip(wanted, names, strict=True))


@pytest.mark.parametrize("stamp", ["{}T{}Z", "{} {}", "{} {}+00:00", "{}T{}.000Z", "{} {} UTC"])
def test_dates_are_read_with_and_without_a_zone(tmp_path, stamp):
    columns = planted.bars(50)
    moments = np.datetime_as_string(columns["ts"].astype("datetime64[ns]"), unit="s")
    stamps = np.array([stamp.format(*moment.split("T")) for moment in moments])
    lines = ["date,open,high,low,close,volume"]
    lines += [f"{stamps[row]},{','.join(str(columns[name][row]) for name in list(columns)[1:])}" for row in range(50)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    import_files(tmp_path / "data", [tmp_path / "a.csv"], BARS)
    np.testing.assert_array_equal(Catalog(tmp_path / "data").bars(BTC, "1m").bars["open_ns"], columns["ts"])


def test_klines_without_a_header_are_recognised(tmp_path):
    columns = planted.bars(50)
    more = {f"x{place}": np.zeros(50, np.int64) for place in range(6)}
    file = csv(tmp_path / "BTCUSDT-1m.csv", {**columns, **more}, names=[])
    done = import_files(tmp_path / "data", [file], BARS)
    assert dict(done.columns)["close"] == "column 5"
    np.testing.assert_array_equal(Catalog(tmp_path / "data").bars(BTC, "1m").bars["close"], columns["close"])


def written_trades(file, aggregated):
    ticks = planted.trades(200)
    happened = ticks["ts_event_ns"] // 1_000_000
    maker = np.where(ticks["buyer_is_maker"], "true", "false")
    ids, price, qty = ticks["trade_id"], ticks["price"], ticks["qty"]
    columns = [ids, price, qty, ids, ids, happened, maker] if aggregated else [ids, price, qty, qty, happened, maker]
    file.write_text("\n".join(",".join(map(str, row)) for row in zip(*columns, strict=True)) + "\n")
    return ticks


@pytest.mark.parametrize("aggregated", [True, False])
def test_trades_without_a_header_are_recognised(tmp_path, aggregated):
    ticks = written_trades(tmp_path / "a.csv", aggregated)
    done = import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("trades:binance:BTCUSDT-perp"))
    assert done.path == "trades/binance/BTCUSDT-perp"
    read = Catalog(tmp_path / "data").ticks("trades", BTC)
    assert read is not None
    for name in ("trade_id", "price", "qty", "buyer_is_maker"):
        np.testing.assert_array_equal(read.columns[name], ticks[name])
    assert any("no column holds the time of receipt" in note for note in done.notes)


def test_trades_of_two_days_become_two_part_files(tmp_path):
    lines = ["time,id,price,amount,side"]
    lines += [
        f"{(START_NS + hour * HOUR_NS) // 10**9},{hour},100.5,1,{'sell' if hour % 2 else 'Buy'}" for hour in range(48)
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("trades:x:AB-spot"))
    folder = tmp_path / "data/trades/x/AB-spot"
    assert sorted(path.name for path in folder.iterdir()) == ["2024-01-01.parquet", "2024-01-02.parquet"]
    assert pq.read_table(folder / "2024-01-02.parquet")["buyer_is_maker"].to_pylist() == [False, True] * 12


def test_quotes_keep_when_they_were_received(tmp_path):
    lines = ["timestamp,local_timestamp,bid_price,bid_amount,ask_price,ask_amount"]
    lines += [f"{1_704_067_200_000_000 + row},{1_704_067_200_000_500 + row},9,1,10,2" for row in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("quotes:x:AB-spot"))
    read = Catalog(tmp_path / "data").ticks("quotes", InstrumentId("x", "AB", "spot"))
    assert read is not None
    assert set(read.columns["ts_init_ns"] - read.columns["ts_event_ns"]) == {500_000}


def test_funding_is_imported(tmp_path):
    lines = ["calc_time,funding_interval_hours,last_funding_rate"]
    lines += [f"{(START_NS + row * 8 * HOUR_NS) // 10**6},8,{row * 1e-6}" for row in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("funding:binance:BTCUSDT"))
    read = Catalog(tmp_path / "data").funding("binance", "BTCUSDT")
    assert read is not None
    assert (len(read.rate), read.rate[-1]) == (20, pytest.approx(19e-6))


def test_packed_files_semicolons_comments_and_blank_lines_are_read(tmp_path):
    plain = csv(tmp_path / "a.csv", planted.bars(50))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(plain, "a.csv")
    odd = tmp_path / "odd.csv"
    odd.write_text("# made by hand\n#\n\n" + plain.read_text().replace(",", ";").replace("\n", "\n\n"))
    for file in (tmp_path / "a.csv.gz", tmp_path / "a.zip", odd):
        done = import_files(tmp_path / file.name.replace(".", "-"), [file], BARS)
        assert done.rows == 50, file


def test_parquet_of_another_form_is_read(tmp_path):
    columns = planted.bars(50)
    file = planted.write(tmp_path / "a.parquet", {"time": columns["ts"] // 10**6, **columns, "ts": columns["ts"] * 0})
    del columns["ts"]
    planted.write(file, {"time": planted.bars(50)["ts"] // 10**6, **columns})
    assert import_files(tmp_path / "data", [file], BARS).rows == 50


def test_importing_again_adds_nothing_and_importing_more_adds_the_rest(tmp_path):
    columns = planted.bars(200)
    early = csv(tmp_path / "a.csv", {name: column[:120] for name, column in columns.items()})
    late = csv(tmp_path / "b.csv", {name: column[100:] for name, column in columns.items()})
    root = tmp_path / "data"
    import_files(root, [late], BARS)
    before = (root / BARS.path).read_bytes()
    again = import_files(root, [late], BARS)
    assert (again.added, again.repeated) == (0, 100)
    assert (root / BARS.path).read_bytes() == before
    more = import_files(root, [early], BARS)
    assert (more.rows, more.added, more.repeated) == (200, 100, 20)
    np.testing.assert_array_equal(Catalog(root).bars(BTC, "1m").bars["close"], columns["close"])


def test_rows_out_of_order_are_sorted_and_said_to_be(tmp_path):
    columns = planted.bars(100)
    shuffled = {name: column[::-1].copy() for name, column in columns.items()}
    done = import_files(tmp_path / "data", [csv(tmp_path / "a.csv", shuffled)], BARS)
    assert "the rows were not in time order and were sorted" in done.notes
    assert report_of(tmp_path / "data").faults == ()


def test_rows_that_contradict_the_catalog_are_refused_and_it_stays_as_it_was(tmp_path):
    columns = planted.bars(100)
    root = tmp_path / "data"
    import_files(root, [csv(tmp_path / "a.csv", columns)], BARS)
    before = (root / BARS.path).read_bytes()
    columns["close"][7] += 0.001
    other = csv(tmp_path / "b.csv", columns)
    with pytest.raises(
        InputError, match=r"1 row is repeated .* first 2024-01-01T00:07:00Z: close is .* with --replace"
    ):
        import_files(root, [other], BARS)
    assert (root / BARS.path).read_bytes() == before
    assert import_files(root, [other], BARS, replace=True).rows == 100
    assert Catalog(root).bars(BTC, "1m").bars["close"][7] == columns["close"][7]


def test_a_write_that_fails_leaves_the_old_dataset_and_no_rest(tmp_path, monkeypatch):
    root = tmp_path / "data"
    import_files(root, [csv(tmp_path / "a.csv", planted.bars(100))], BARS)
    before = (root / BARS.path).read_bytes()

    def full(table, where, **options):
        where.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    more = csv(tmp_path / "b.csv", planted.bars(50, start_ns=START_NS + 100 * MINUTE_NS))
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        import_files(root, [more], BARS)
    assert (root / BARS.path).read_bytes() == before
    assert [path.name for path in (root / BARS.path).parent.iterdir()] == ["BTCUSDT-perp-1m.parquet"]


def test_bars_of_another_timeframe_are_refused_before_anything_is_written(tmp_path):
    file = csv(tmp_path / "a.csv", planted.bars(100, "1h"))
    with pytest.raises(InputError, match="the commonest step is 3600 s, which is not 1m; import it as 1h"):
        import_files(tmp_path / "data", [file], BARS)
    assert not (tmp_path / "data").exists()


def test_trades_keep_nine_digits_of_the_second(tmp_path):
    stamps = ["123456100", "123456250", "123456999"]
    lines = ["time,id,price,qty,is_buyer_maker"]
    lines += [f"2024-01-01T00:00:00.{digits}Z,{row},100,1,true" for row, digits in enumerate(stamps)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("trades:binance:BTCUSDT-perp"))
    read = Catalog(tmp_path / "data").ticks("trades", BTC)
    assert read is not None
    assert (read.columns["ts_event_ns"] - START_NS).tolist() == [int(digits) for digits in stamps]


def test_funding_at_numbers_of_a_calendar_is_read_at_those_dates_and_said_to_be(tmp_path):
    (tmp_path / "a.csv").write_text("time,rate\n" + "".join(f"20240101{hour:02d}00,0.0001\n" for hour in (0, 8, 16)))
    done = import_files(tmp_path / "data", [tmp_path / "a.csv"], parse_target("funding:binance:BTCUSDT"))
    assert "time: numbers, read as calendar dates YYYYMMDDhhmm in UTC" in done.notes
    read = Catalog(tmp_path / "data").funding("binance", "BTCUSDT")
    assert read is not None
    assert read.ts_ns.tolist() == [START_NS + hour * HOUR_NS for hour in (0, 8, 16)]


def test_a_file_that_changes_its_unit_is_read_row_by_row_and_said_to_be(tmp_path):
    columns = planted.bars(100)
    file = csv(tmp_path / "a.csv", columns)
    lines = file.read_text().splitlines()
    lines[51:] = [line.replace(",", "000,", 1) for line in lines[51:]]
    file.write_text("\n".join(lines))
    done = import_files(tmp_path / "data", [file], BARS)
    assert "ts: numbers, read as ms (50 rows) and as us (50 rows) since 1970 in UTC" in done.notes
    np.testing.assert_array_equal(Catalog(tmp_path / "data").bars(BTC, "1m").bars["open_ns"], columns["ts"])
