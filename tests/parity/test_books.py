"""Runs on order books: both drivers agree, nothing of the future matters, every step keeps the rules."""

import numpy as np
import polars as pl
import pytest
from tests.parity.test_ticks import KINDS, before, both, busy, run_on

from tightloop.adapters.data.tick_sample import write_tick_sample
from tightloop.app.runs import backtest as runs_backtest
from tightloop.core.domain.enums import Reason, RowKind
from tightloop.core.domain.ticks import BookRow
from tightloop.core.state import check_invariants, state_hash

TWO = ("lab:GAPAUSDT-perp", "lab:GAPBUSDT-perp")
START_NS = 1_704_110_400_000_000_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Four pumps with a gap in each: of trades, and of books."""
    root = tmp_path_factory.mktemp("books")
    write_tick_sample(root, ["gap"], seed=3, books=True)
    return root


def on_books(kind, *instruments, feed="trades, book"):
    text = busy(kind, *instruments).replace("feed: [trades, quotes]", f"feed: [{feed}]")
    deep = "  deep: {type: BID_ASK_IMBALANCE, t1: 5, levels: 3}\n  near: {type: BOOK_DEPTH}\nsections:"
    return text.replace("sections:", deep, 1).replace(
        '{spread: "< 1"}', '{spread: "< 5"}, {deep: "> -99"}, {near: "> 0"}'
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_drivers_agree_on_books(kind, lab):
    run = both(on_books(kind, *TWO), data=lab, end="2024-01-01T13:10:00Z")
    assert len(run.trades) > 1


def test_both_drivers_agree_on_books_with_quotes_beside_them(lab):
    run = both(on_books("market", *TWO, feed="trades, quotes, book"), data=lab, end="2024-01-01T12:45:00Z")
    assert len(run.trades) > 3


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_after_a_moment_changes_nothing_before_it(seed, lab):
    random = np.random.default_rng(seed)
    cut_ns = START_NS + int(random.integers(600, 5_000)) * 1_000_000_000

    def other_future(rows):
        rows = rows.copy()
        after = rows["ts_init_ns"] >= cut_ns
        rows["price"][after] *= random.uniform(0.5, 2.0)
        rows["qty"][after] *= random.uniform(0.1, 5.0, int(after.sum()))
        return rows

    text = on_books("market" if seed % 2 else "post_only", TWO[0])
    (_, one), (_, other) = run_on(text, lab), run_on(text, lab, other_future)
    assert before(one, cut_ns) == before(other, cut_ns)
    assert before(one, 2**62) != before(other, 2**62)


@pytest.mark.parametrize("kind", ["post_only", pytest.param("market", marks=pytest.mark.nightly)])
def test_every_step_keeps_the_rules_and_no_known_book_is_crossed(kind, lab):
    seen = [0, 0]

    def look(plan):
        check_invariants(plan.states[0])
        book = plan.states[0]["books"][0]
        bids, asks = int(book["bid_count"]), int(book["ask_count"])
        seen[0] += 1
        if not book["is_known"]:
            assert bids == asks == 0
            seen[1] += seen[0] > 1_000
        assert (np.diff(book["bids"]["price"][:bids]) > 0).all()
        assert (np.diff(book["asks"]["price"][:asks]) < 0).all()
        assert (book["bids"]["qty"][:bids] > 0).all()

    watched, _ = run_on(on_books(kind, TWO[0]), lab, observer=look)
    plain, _ = run_on(on_books(kind, TWO[0]), lab)
    assert seen[0] > 1_000
    assert seen[1] > 0, "the book was lost, and the run went on"
    assert state_hash(watched.states, watched.arena) == state_hash(plain.states, plain.arena)


def test_sections_fire_on_a_book_when_they_fire_on_its_quotes(lab):
    # Z1 can not hold, so nothing is bought: what differs could only be what is seen.
    text = busy("market", "lab:GAPFUSDT-perp").replace('{surge: "> 0.2"}', '{surge: "> 1e9"}')
    window = {"data": lab, "end": "2024-01-01T12:40:00Z"}
    quotes = runs_backtest.backtest(text, **window).result.tables["signals"]
    books = runs_backtest.backtest(text.replace("quotes", "book"), **window).result.tables["signals"]
    assert len(quotes["ts"]) > 20
    assert np.array_equal(quotes["ts"], books["ts"])
    assert np.array_equal(quotes["section"], books["section"])


def test_what_takes_from_a_book_that_is_lost_is_denied(lab):
    """Three seconds of updates are missing, and no snapshot comes after them."""

    def torn(rows):
        if not (rows["is_buyer_maker"] & BookRow.IS_FIRST).any():
            return rows  # prints
        lost = (rows["ts_init_ns"] > START_NS + 900 * 10**9) & (rows["ts_init_ns"] < START_NS + 903 * 10**9)
        kept = rows[~lost]
        late = (kept["ts_init_ns"] > START_NS + 900 * 10**9) & ((kept["is_buyer_maker"] & BookRow.IS_SNAPSHOT) > 0)
        return kept[~late]

    text = busy("market", TWO[0]).replace("quotes", "book").replace('{spread: "< 1"}', '{fast: "> 0"}')
    _, recorder = run_on(text, lab, torn)
    orders = pl.DataFrame({n: c for n, c in recorder.columns(RowKind.ORDER).items() if n in ("ts_ns", "reason")})
    after = orders.filter(pl.col("ts_ns") > START_NS + 905 * 10**9)
    denied = after.filter(pl.col("reason") == int(Reason.BOOK_UNKNOWN))
    assert len(denied) > 3
    fills = recorder.columns(RowKind.FILL)["ts_ns"]
    assert (fills < START_NS + 900 * 10**9).any()
    assert not (fills > START_NS + 905 * 10**9).any()
