"""Order books as rows: what the gate finds in them, updates that span pieces, and the books of a tick sample."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from adapters.data import planted
from tightloop.adapters.data._shared.faults.books import BookWalk, marked, rows_of_book, sides_of, whole_updates
from tightloop.adapters.data.catalog import Catalog
from tightloop.adapters.data.quality import calendars, check, select
from tightloop.adapters.data.tick_sample import write_tick_sample
from tightloop.core.domain.ticks import BookRow
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import InstrumentId

START_NS = 1_704_067_200_000_000_000
BTC = InstrumentId.parse("binance:BTCUSDT-perp")
# (seq, side, price, quantity, snapshot): two levels a side, then changes of single levels.
GOOD = [
    (1, "bid", 100.0, 5, True), (1, "bid", 99.9, 6, True), (1, "ask", 100.1, 4, True), (1, "ask", 100.2, 3, True),
    (2, "bid", 100.0, 2, False),
    (3, "ask", 100.1, 0, False),
    (4, "bid", 100.1, 1, False), (4, "bid", 99.9, 0, False),
    (5, "ask", 100.3, 8, False),
]  # fmt: skip


def columns_of(rows, step_ns=1_000_000):
    """Columns of a catalog; an update every millisecond."""
    seq, side, price, qty, is_snapshot = (np.array(column) for column in zip(*rows, strict=True))
    update = np.cumsum(np.concatenate(([0], np.diff(seq) != 0)))
    times = START_NS + update * step_ns
    return {
        "ts_event_ns": times, "ts_init_ns": times + 1_000, "seq": seq, "side": side, "price": price.astype(float),
        "qty": qty.astype(float), "is_snapshot": is_snapshot,
    }  # fmt: skip


def judged(tmp_path, rows):
    planted.write(tmp_path / "books/binance/BTCUSDT-perp/2024-01-01.parquet", columns_of(rows))
    return next(check(select(tmp_path), calendars(tmp_path)))


def counts(report):
    return {fault.kind: (fault.count, fault.verdict.word) for fault in report.faults}


def plain(columns):
    columns = dict(columns)
    if columns["side"].dtype.kind not in "iu":
        columns["side"] = np.where(columns["side"] == "bid", 1, -1)
    return rows_of_book(columns)


def test_a_good_book_is_fit_and_its_best_prices_are_those_of_a_plain_replay(tmp_path):
    assert counts(judged(tmp_path, GOOD)) == {}
    tops = BookWalk().take(next(marked([plain(columns_of(GOOD))])))
    assert [top[1:] for top in tops] == [(100.0, 100.1), (100.0, 100.1), (100.0, 100.2), (100.1, 100.2), (100.1, 100.2)]


def test_numbers_that_jump_are_holes_of_so_many_updates(tmp_path):
    many = [(seq, "bid", 99.0, seq, False) for seq in range(6, 400)]
    report = judged(tmp_path, GOOD + many[:100] + many[103:200] + many[202:])
    assert counts(report) == {"holes": (5, "usable")}
    assert "5 of 399 updates" in report.faults[0].detail
    assert "2 gaps, the longest of 3" in report.faults[0].detail
    assert counts(judged(tmp_path / "worse", GOOD + many[300:])) == {"holes": (300, "unfit")}


def test_updates_that_leave_the_book_crossed_or_locked_are_counted(tmp_path):
    crossed = [(6, "bid", 100.3, 1, False), (7, "bid", 99.0, 1, False)]
    again = [(seq, side, price, qty, flag) for (seq, side, price, qty, flag) in GOOD]
    rows = GOOD + crossed + [(own[0] + 7, *own[1:]) for own in again] + [(13, "ask", 99.5, 1, False)]
    assert counts(judged(tmp_path, rows)) == {"crossed_quotes": (2, "unfit")}


def test_one_crossed_update_in_a_thousand_is_usable(tmp_path):
    many = [(seq, "bid", 99.0, seq, False) for seq in range(6, 1_100)]
    assert counts(judged(tmp_path, [*GOOD, *many, (1_100, "bid", 200.0, 1, False)])) == {
        "crossed_quotes": (1, "usable")
    }


def test_rows_that_cross_within_an_update_are_no_fault(tmp_path):
    swap = [(6, "bid", 100.2, 1, False), (6, "ask", 100.2, 0, False)]
    assert counts(judged(tmp_path, GOOD + swap)) == {}


def test_updates_before_the_first_snapshot_are_counted_and_not_used(tmp_path):
    before = [(own - 5, "ask", 50.0, 1, False) for own in (1, 2, 3)]
    report = judged(tmp_path, before + GOOD)
    assert report.faults == ()
    assert any("3 updates come before the first snapshot" in note for note in report.notes)


def test_older_updates_than_a_snapshot_are_counted_and_not_used(tmp_path):
    late = [(20, *own[1:]) for own in GOOD[:4]] + [(19, "ask", 50.0, 1, False), (21, "bid", 99.0, 1, False)]
    report = judged(tmp_path, GOOD + late)
    assert report.faults == ()
    assert any("1 updates have a lower sequence number" in note for note in report.notes)


def test_a_book_without_a_snapshot_is_refused_by_the_gate_and_by_a_window(tmp_path):
    report = judged(tmp_path, GOOD[4:])
    assert counts(report) == {"schema": (1, "unfit")}
    whole = tmp_path / "whole"
    planted.write(whole / "books/binance/BTCUSDT-perp/2024-01-01.parquet", columns_of(GOOD))
    with pytest.raises(InputError, match="the book is never known"):
        Catalog(whole).tick_reader("books", BTC, START_NS + 2_000_000)


def test_what_is_unfit_is_refused_and_accepted_by_name_without_the_updates_it_is_in(tmp_path):
    rows = [*GOOD, (6, "bid", 99.0, -1, False), (6, "bid", 98.0, 1, False), (7, "bid", 97.0, 1, False)]
    planted.write(tmp_path / "books/binance/BTCUSDT-perp/2024-01-01.parquet", columns_of(rows))
    with pytest.raises(UnfitDataError, match="negative"):
        Catalog(tmp_path).tick_reader("books", BTC)
    accepted = frozenset({"non_positive", "holes"})
    read = np.concatenate(list(Catalog(tmp_path).tick_reader("books", BTC, accepted=accepted).pieces(100)))
    assert read["trade_id"].tolist() == [*(own[0] for own in GOOD), 7], "the jump says that 6 is missing"


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 100])
def test_first_and_last_of_an_update_are_the_same_whatever_the_pieces(tmp_path, rows):
    planted.write(tmp_path / "books/binance/BTCUSDT-perp/part-1.parquet", columns_of(GOOD[:5]))
    second = {name: column[5:] for name, column in columns_of(GOOD).items()}
    planted.write(tmp_path / "books/binance/BTCUSDT-perp/part-2.parquet", second)
    read = np.concatenate(list(Catalog(tmp_path).tick_reader("books", BTC).pieces(rows)))
    flags = read["is_buyer_maker"]
    assert [int(own) for own in np.flatnonzero(flags & BookRow.IS_FIRST)] == [0, 4, 5, 6, 8]
    assert [int(own) for own in np.flatnonzero(flags & BookRow.IS_LAST)] == [3, 4, 5, 7, 8]
    assert ((flags & BookRow.IS_SNAPSHOT) > 0).tolist() == [own[4] for own in GOOD]
    assert ((flags & BookRow.IS_BID) > 0).tolist() == [own[1] == "bid" for own in GOOD]


def test_sides_are_read_from_words_numbers_and_flags():
    assert sides_of(pa.array(["bid", "Ask", "B", "sell", None, "x"])).tolist() == [1, -1, 1, -1, 0, 0]
    assert sides_of(pa.array(["ask", "bid"]).dictionary_encode()).tolist() == [-1, 1]
    assert sides_of(pa.array([1, -1, 0])).tolist() == [1, -1, -1]
    assert sides_of(pa.array([True, False])).tolist() == [1, -1]


def test_whole_updates_go_with_one_wrong_row():
    rows = plain(columns_of(GOOD))
    rows["qty"][7] = np.nan
    assert whole_updates(rows)["trade_id"].tolist() == [1, 1, 1, 1, 2, 3, 5]


# The sample -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("lab")
    return write_tick_sample(root, ["pump", "gap"], seed=1, books=True)


def test_the_books_of_a_sample_are_its_quotes_at_every_moment(lab):
    for name in lab.instruments:
        quotes = Catalog(lab.root).ticks("quotes", InstrumentId.parse(name)).columns
        rows = plain(Catalog(lab.root).ticks("books", InstrumentId.parse(name)).columns)
        tops = BookWalk().take(next(marked([rows])))
        of_quotes = (quotes[column].tolist() for column in ("ts_init_ns", "bid", "ask"))
        assert set(tops) <= set(zip(*of_quotes, strict=True))
        assert len(tops) > 0.97 * len(quotes["bid"])
        if "PUMP" in name:
            assert len(tops) == len(quotes["bid"])


def test_a_gap_of_a_sample_is_a_gap_of_its_book_that_a_snapshot_ends(lab):
    for dataset in select(lab.root, ["books"]):
        report = next(check([dataset], calendars(lab.root)))
        assert counts(report) == ({"holes": (3, "usable")} if "GAP" in dataset.path else {}), dataset.path


def test_books_change_nothing_else_and_are_the_same_bytes_for_a_seed(tmp_path, lab):
    def digests(root, skipped=()):
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        found = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        return {name: own for name, own in found.items() if not name.startswith(skipped)}

    write_tick_sample(tmp_path / "plain", ["pump", "gap"], seed=1)
    write_tick_sample(tmp_path / "again", ["pump", "gap"], seed=1, books=True)
    assert digests(tmp_path / "again") == digests(lab.root)
    assert digests(tmp_path / "plain", ("README",)) == digests(lab.root, ("README", "books"))
