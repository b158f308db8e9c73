"""Bars that are not final are left out and counted; columns that are not used are named."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tightloop.adapters.data.importer import import_files, parse_target
from tightloop.model.errors import InputError

BARS = parse_target("bars:t:XUSDT-perp-1m")
START_S = 1_704_067_200
NOW_NS = 1_800_000_000 * 10**9


def imported(tmp_path, flags, name="confirm", kind=None, **options):
    """Six bars with a column of flags, as CSV or, with a ``kind``, as Parquet."""
    stamps = [START_S + 60 * k for k in range(len(flags))]
    if kind is None:
        file = tmp_path / "bars.csv"
        lines = [f"open_time,open,high,low,close,volume,{name}"]
        lines += [f"{stamp},100,101,99,100,5,{flag}" for stamp, flag in zip(stamps, flags, strict=True)]
        file.write_text("\n".join(lines))
    else:
        file = tmp_path / "bars.parquet"
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), [100.0] * len(flags))
        pq.write_table(pa.table({"open_time": stamps, **prices, name: pa.array(flags, kind)}), file)
    return import_files(tmp_path / "data", [file], BARS, replace=True, **options)


NAMES = ["confirm", "is_final", "Closed", "complete", "x", "isClosed", "final", "is-finished", "Confirmed"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ("True", "False"), ("yes", "no"), ("T", "F")])
def test_a_bar_that_its_source_calls_not_final_is_left_out_and_counted(tmp_path, name, yes, no):
    done = imported(tmp_path, [yes] * 5 + [no], name)
    assert done.rows == 5
    assert f"{name}: 1 of 6 rows are not final and are left out" in done.notes


FLAGS = [
    ([True] * 5 + [False], pa.bool_()),
    ([1] * 5 + [0], pa.int8()),
    ([1.0] * 5 + [0.0], pa.float64()),
    (["y"] * 5 + ["n"], pa.string()),
]


@pytest.mark.parametrize(("flags", "kind"), FLAGS)
def test_flags_of_any_type_are_heard(tmp_path, flags, kind):
    assert imported(tmp_path, flags, "is_closed", kind).rows == 5
    assert imported(tmp_path, flags, "is_open", kind).rows == 1
    assert (
        imported(tmp_path, pa.array(flags, kind).dictionary_encode(), "is_closed", pa.dictionary(pa.int32(), kind)).rows
        == 5
    )


def test_words_of_a_status_are_heard(tmp_path):
    assert imported(tmp_path, ["closed"] * 4 + ["open"] * 2, "status").rows == 4
    assert imported(tmp_path, ["final"] * 5 + ["partial"], "state").rows == 5


def test_what_is_not_used_is_named_and_flags_among_it_are_pointed_out(tmp_path):
    done = imported(tmp_path, [1] * 5 + [0], "ok")
    assert done.rows == 6
    assert "not used: ok" in done.notes
    assert "ok holds two flags: if it says which bars are final, call it is_final" in done.notes
    assert "not used: closed" in imported(tmp_path, [17.5] * 6, "closed").notes  # no flags: something else


@pytest.mark.parametrize(("flags", "line"), [(["1", "1", "", "1"], 4), (["true", "maybe", "true", "false"], 3)])
def test_a_flag_that_is_none_is_refused_with_its_line(tmp_path, flags, line):
    with pytest.raises(InputError) as refusal:
        imported(tmp_path, flags)
    assert (refusal.value.problems[0].line, refusal.value.problems[0].field) == (line, "confirm")


def test_a_file_without_a_final_bar_is_refused(tmp_path):
    with pytest.raises(InputError, match="confirm: marks no row as final"):
        imported(tmp_path, [0] * 6)


@pytest.mark.parametrize(("now_s", "rows"), [(START_S + 330, 5), (START_S + 359, 5), (START_S + 360, 6)])
def test_a_bar_that_has_not_ended_yet_is_left_out(tmp_path, now_s, rows):
    done = imported(tmp_path, [1] * 6, now_ns=now_s * 10**9)
    assert done.rows == rows
    assert any("1 bar had not ended" in note for note in done.notes) == (rows == 5)


def test_a_bar_that_had_not_ended_when_the_file_was_written_is_left_out(tmp_path):
    imported(tmp_path, [1] * 6)
    os.utime(tmp_path / "bars.csv", (START_S + 330, START_S + 330))
    done = import_files(tmp_path / "data", [tmp_path / "bars.csv"], BARS, replace=True, now_ns=NOW_NS)
    assert done.rows == 5
    assert any("not ended when the file was written (2024-01-01T00:05:30Z)" in note for note in done.notes)


def test_bars_that_begin_later_than_now_are_pointed_out(tmp_path):
    done = imported(tmp_path, [1] * 6, now_ns=(START_S - 60) * 10**9)
    assert done.rows == 6
    assert any("6 bars begin after now" in note for note in done.notes)


def closes(tmp_path, head="time", shift_ms=59_999, more=""):
    file = tmp_path / "closes.csv"
    lines = [f"{head},open,high,low,close,volume"]
    lines += [f"{START_S * 1000 + 60_000 * k + shift_ms},{100 + k},101,99,100,5{more}" for k in range(6)]
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("shift_ms", [59_999, 60_000, 59_000])
@pytest.mark.parametrize("head", ["time", "close_time", "EndTime"])
def test_bars_stamped_at_their_close_are_read_by_the_option(tmp_path, shift_ms, head):
    done = import_files(tmp_path / "data", [closes(tmp_path, head, shift_ms)], BARS, stamped="close")
    stamps = pq.read_table(tmp_path / "data" / done.path)["ts"].cast(pa.int64()).to_pylist()
    assert stamps == [(START_S + 60 * k) * 10**6 for k in range(6)]


def test_a_time_of_closes_alone_is_refused_with_the_option_that_reads_it(tmp_path):
    with pytest.raises(InputError, match=r"close_time: says when bars close, .*; read it with --stamped close"):
        import_files(tmp_path / "data", [closes(tmp_path, "close_time")], BARS)
    with pytest.raises(InputError, match=r"open_time: says when bars open, .*; leave out --stamped close"):
        import_files(tmp_path / "data", [closes(tmp_path, "open_time")], BARS, stamped="close")


@pytest.mark.parametrize("apart_ms", [0, 1, -1])
def test_closes_that_another_column_gives_away_are_refused(tmp_path, apart_ms):
    file = tmp_path / "both.csv"
    lines = ["time,close_time,open,high,low,close,volume"]
    lines += [f"{START_S * 1000 + 60_000 * k},{START_S * 1000 + 60_000 * k + apart_ms},1,1,1,1,1" for k in range(6)]
    file.write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"time: is the close time of bars, .* close_time .*; read it with --stamped close"
    ):
        import_files(tmp_path / "data", [file], BARS)


def test_opens_beside_closes_are_the_opens_whatever_their_order(tmp_path):
    file = tmp_path / "both.csv"
    lines = ["close_time,open,high,low,close,volume,open_time"]
    lines += [f"{START_S * 1000 + 60_000 * k + 59_999},1,1,1,1,1,{START_S * 1000 + 60_000 * k}" for k in range(6)]
    file.write_text("\n".join(lines))
    done = import_files(tmp_path / "data", [file], BARS)
    assert dict(done.columns)["ts"] == "open_time"
    assert "not used: close_time" in done.notes
