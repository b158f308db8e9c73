"""The file of the read model: transactions by record, marks, and what becomes of files of another kind."""

import sqlite3

import pytest

from tightloop.adapters.stores import index as stores_index
from tightloop.adapters.stores.index import INDEX_FILE, SessionIndex
from tightloop.ports.read_model import Mark, ReadModelMoved, RecordRows, TableRow


def funding(seq, amount):
    row = {
        "seq": seq,
        "n": 0,
        "ts": 5,
        "trade_id": 1,
        "signal_id": None,
        "instrument": "a",
        "rate": None,
        "amount": amount,
    }
    return RecordRows(seq, [TableRow("funding", row)])


@pytest.fixture
def index(tmp_path):
    index = SessionIndex(tmp_path)
    yield index
    index.close()


def test_rows_are_there_with_their_changes_and_the_mark(index):
    index.write("s", [funding(3, 0.5), funding(4, 0.25)], None, Mark(7, 1))
    assert [row["amount"] for row in index.rows("funding", "s")] == [0.5, 0.25]
    assert index.rows("funding", "s")[0]["rate"] is None
    assert [(row["c"], row["tbl"], row["key"]) for row in index.rows("changes", "s")] == [
        (1, "funding", "[3, 0]"), (2, "funding", "[4, 0]"),
    ]  # fmt: skip
    assert index.mark("s") == Mark(7, 1)
    assert index.mark("t") is None


def test_a_row_with_the_same_key_takes_the_place_of_the_one_before(index):
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    index.write("s", [funding(3, 0.75)], Mark(3, 1), Mark(4, 1))
    assert [row["amount"] for row in index.rows("funding", "s")] == [0.75]


def test_whoever_does_not_know_the_mark_writes_nothing(index):
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    for before in (None, Mark(3, 2)):
        with pytest.raises(ReadModelMoved):
            index.write("s", [funding(4, 0.5)], before, Mark(4, 1))
    assert len(index.rows("funding", "s")) == 1


def test_a_batch_that_fails_leaves_nothing_of_it(index):
    wrong = RecordRows(4, [TableRow("funding", {"seq": "no number", "n": 0})])
    with pytest.raises(OSError, match=INDEX_FILE):
        index.write("s", [funding(3, 0.5), wrong], None, Mark(4, 1))
    assert index.rows("funding", "s") == []
    assert index.mark("s") is None


def test_a_session_can_be_forgotten_and_cursors_stay_valid(index):
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    index.write("t", [funding(3, 0.5)], None, Mark(3, 1))
    index.forget("s")
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    assert [row["c"] for row in index.rows("changes", "s")] == [1, 3]
    assert len(index.rows("funding", "t")) == 1


@pytest.mark.parametrize("content", [b"no database at all, but text of some length" * 40, b""])
def test_a_file_that_is_none_is_made_anew(tmp_path, content):
    (tmp_path / INDEX_FILE).write_bytes(content)
    index = SessionIndex(tmp_path)
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    index.close()


def test_a_file_of_another_format_is_made_anew_and_one_of_this_is_kept(tmp_path, monkeypatch):
    first = SessionIndex(tmp_path)
    first.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    first.close()
    again = SessionIndex(tmp_path)
    assert again.mark("s") == Mark(3, 1)
    again.close()
    monkeypatch.setattr(stores_index, "FORMAT", "2")
    other = SessionIndex(tmp_path)
    assert other.mark("s") is None
    other.close()


def test_a_file_that_was_removed_while_it_was_open_is_noticed(tmp_path, index):
    (tmp_path / INDEX_FILE).unlink()
    with pytest.raises(ReadModelMoved):
        index.write("s", [funding(3, 0.5)], None, Mark(3, 1))


def test_a_reader_sees_what_was_written_while_the_writer_has_it_open(tmp_path, index):
    index.write("s", [funding(3, 0.5)], None, Mark(3, 1))
    link = sqlite3.connect(f"file:{tmp_path / INDEX_FILE}?mode=ro", uri=True)
    assert link.execute("SELECT count(*) FROM funding").fetchone() == (1,)
    link.close()
    assert (tmp_path / INDEX_FILE).stat().st_mode & 0o077 == 0
