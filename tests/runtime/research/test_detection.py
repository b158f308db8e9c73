"""Signals held against labels: what counts as found, as false, and how late it came; on tables written by hand."""

import pytest

from tightloop.model.labels import Label
from tightloop.runtime.research.detection import detection

A, B = "lab:AUSDT-perp", "lab:BUSDT-perp"
NS = 10**9


def label(instrument, kind, start, end, scenario="pump"):
    return Label(instrument, scenario, kind, start * NS, (start + end) * NS // 2, end * NS, 10.0, 50.0)


def table(*rows):
    """Rows of seconds, instrument, section and, where it was, suppressed."""
    whole = [(*row, "fired") if len(row) == 3 else row for row in rows]
    return {
        "ts": [int(row[0] * NS) for row in whole],
        "instrument": [row[1] for row in whole],
        "section": [row[2] for row in whole],
        "event": [row[3] for row in whole],
    }


def row(found, scenario, kind):
    return next(tally for tally in found if (tally.scenario, tally.kind) == (scenario, kind))


def test_several_signals_in_one_pump_are_one_pump_found():
    found = detection(table((12, A, "S1"), (15, A, "S1"), (16, A, "Z1"), (20, A, "S1")), [label(A, "pump", 10, 20)])
    total = row(found, "all", "all")
    assert (total.pumps, total.found, total.signals, total.false_signals, total.entries) == (1, 1, 3, 0, 1)
    assert total.precision == total.recall == 1.0
    assert total.plain()["s1_delay_s"] == {"min": 2.0, "median": 2.0, "max": 2.0}
    assert total.plain()["z1_delay_s"]["median"] == 6.0


def test_the_edges_of_a_label_belong_to_it_and_what_is_beyond_does_not():
    labels = [label(A, "pump", 10, 20)]
    for second, is_found in ((9.999, 0), (10, 1), (20, 1), (20.001, 0)):
        total = row(detection(table((second, A, "S1")), labels), "all", "all")
        assert (total.found, total.false_signals) == (is_found, 1 - is_found)


def test_a_signal_after_the_peak_finds_the_pump_too_late():
    labels = [label(A, "pump", 10, 20)]
    for second, by_peak in ((15, 1), (15.001, 0)):
        total = row(detection(table((second, A, "S1")), labels), "all", "all")
        assert (total.found, total.by_peak) == (1, by_peak)


def test_a_pump_of_another_instrument_is_not_found():
    labels = [label(A, "pump", 10, 20), label(B, "none", 0, 30)]
    found = detection(table((15, B, "S1")), labels)
    assert row(found, "all", "all").found == 0
    assert row(found, "pump", "none").false_signals == 1
    assert row(found, "pump", "all").precision == 0.0


def test_signals_are_false_where_they_are_in_a_market_move_a_dump_or_nothing():
    labels = [
        label(A, "pump", 10, 20), label(A, "market_move", 30, 40), label(B, "dump", 10, 20, "dump"),
        label(B, "none", 30, 40, "dump"),
    ]  # fmt: skip
    found = detection(table((11, A, "S1"), (31, A, "S1"), (50, A, "S1"), (12, B, "S1"), (31, B, "S1")), labels)
    false = {(tally.scenario, tally.kind): tally.false_signals for tally in found}
    assert false == {
        ("pump", "pump"): 0, ("pump", "market_move"): 1, ("pump", "outside"): 1, ("pump", "all"): 2,
        ("dump", "dump"): 1, ("dump", "none"): 1, ("dump", "all"): 2, ("all", "all"): 4,
    }  # fmt: skip
    assert row(found, "pump", "all").precision == pytest.approx(1 / 3)
    assert row(found, "all", "all").precision == pytest.approx(1 / 5)
    assert row(found, "dump", "all").recall is None


def test_where_labels_overlap_the_pump_counts():
    labels = [label(A, "none", 0, 100), label(A, "pump", 10, 20)]
    total = row(detection(table((15, A, "S1")), labels), "all", "all")
    assert (total.found, total.false_signals) == (1, 0)


def test_a_signal_that_limits_held_back_is_no_signal_but_said():
    found = detection(table((15, A, "S1", "suppressed")), [label(A, "pump", 10, 20)])
    total = row(found, "all", "all")
    assert (total.found, total.held_back, total.signals) == (0, 1, 0)
    both = detection(table((15, A, "S1", "suppressed"), (17, A, "S1")), [label(A, "pump", 10, 20)])
    assert (row(both, "all", "all").found, row(both, "all", "all").held_back) == (1, 0)
    assert row(both, "all", "all").plain()["s1_delay_s"]["median"] == 7.0


def test_nothing_known_is_null_and_never_0():
    found = detection(table(), [label(A, "pump", 10, 20), label(B, "none", 0, 30, "flat")])
    plain = row(found, "all", "all").plain()
    assert (plain["precision"], plain["recall"], plain["s1_delay_s"]) == (None, 0.0, None)
    assert row(found, "flat", "all").plain()["recall"] is None
    assert row(found, "flat", "all").entries == 0


def test_other_sections_and_instruments_without_labels_are_left_out():
    found = detection(table((15, A, "ZE1"), (15, "lab:XUSDT-perp", "S1")), [label(A, "pump", 10, 20)])
    assert row(found, "all", "all").signals == 0


def test_rows_may_come_in_any_order_and_the_sum_stands_last():
    rows = [(12, A, "S1"), (15, A, "S1"), (11, A, "S1")]
    found = detection(table(*rows), [label(A, "pump", 10, 20)])
    assert row(found, "all", "all").s1_delays_s == [1.0]
    assert [(tally.scenario, tally.kind) for tally in found] == [("pump", "pump"), ("pump", "all"), ("all", "all")]
