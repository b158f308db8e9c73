"""The codec of facts: nothing of an event is lost, and common events are small."""

import importlib.util
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import examples
from tightloop.core.domain import types
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.runtime.session.journal import FactDecoder, FactEncoder, LayoutDiffers, facts
from tightloop.runtime.session.journal.facts import (
    FACT_BYTES_MAX,
    LAYOUT,
    LAYOUT_TEXT,
    NAMES,
    ROW_BYTES,
    UnreadableFact,
)

NOW_NS = 1_767_000_000_000_000_000
INT64 = st.integers(-(2**63), 2**63 - 1)
SMALL = st.integers(-200, 70_000)
KINDS = st.sampled_from([kind.value for kind in EventKind])
FLOAT_BITS = st.one_of(
    st.just(0),
    st.floats().map(lambda value: struct.unpack("<q", struct.pack("<d", value))[0]),
    st.sampled_from([0x7FF8_0000_0000_0001, 0x7FF0_0000_0000_0001, -(2**63)]),  # NaN with a payload, signalling, -0.0
    INT64,
)


@st.composite
def rows(draw):
    """The words of an event: mostly as events are, sometimes anything."""
    if draw(st.integers(0, 9)) == 0:
        return struct.unpack(f"<{len(NAMES)}q", draw(st.binary(min_size=ROW_BYTES, max_size=ROW_BYTES)))
    used = draw(st.sets(st.sampled_from(NAMES), max_size=8))
    words = []
    for name in NAMES:
        if name == "kind":
            words.append(draw(KINDS))
        elif name in ("ts_init_ns", "ts_event_ns"):
            words.append(NOW_NS + draw(st.integers(-(2**33), 2**33)))
        elif name not in used:
            words.append(0)
        elif EVENT[name].kind == "f":
            words.append(draw(FLOAT_BITS))
        else:
            words.append(draw(st.one_of(SMALL, INT64)))
    return tuple(words)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.tuples(rows(), st.booleans()), max_size=12))
def test_any_events_come_back_bit_by_bit(written):
    encoder, decoder = FactEncoder(), FactDecoder()
    for words, is_anew in written:
        if is_anew:
            encoder.reset()
            decoder = FactDecoder()
        row = struct.pack(f"<{len(NAMES)}q", *words)
        payload = encoder.encode(memoryview(row))
        assert len(payload) <= FACT_BYTES_MAX
        assert decoder.decode(payload) == row


@settings(max_examples=examples(600), deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_fact_or_refused(payload):
    try:
        assert len(FactDecoder().decode(payload)) == EVENT.itemsize
    except UnreadableFact:
        pass  # what else it raises is a fault


def market(count, kind, **fields):
    """Rows of one kind over 40 instruments, a millisecond apart, received 5 to 900 ms late."""
    rng = np.random.default_rng(11)
    made = np.zeros(count, EVENT)
    made["kind"] = kind.value
    made["instrument"] = rng.integers(0, 40, count)
    made["ts_init_ns"] = NOW_NS + np.arange(count) * 1_000_000
    made["ts_event_ns"] = made["ts_init_ns"] - rng.integers(5_000_000, 900_000_000, count)
    for name, values in fields.items():
        made[name] = values
    return made


def sizes(made):
    encoder, decoder, found = FactEncoder(), FactDecoder(), []
    for row in made:
        payload = encoder.encode(row.tobytes())
        assert decoder.decode(payload) == row.tobytes()
        found.append(len(payload))
    return found


def test_a_print_takes_at_most_40_bytes_and_a_quote_48():
    rng = np.random.default_rng(12)
    count = 2_000
    ids = 5_000_000_000 + np.cumsum(rng.integers(1, 9, count))
    prints = market(
        count, EventKind.TRADE, price=rng.random(count), qty=rng.random(count), is_maker=rng.integers(0, 2, count),
        order_id=ids, phase=1,
    )  # fmt: skip
    quotes = market(
        count, EventKind.QUOTE, price=rng.random(count), qty=rng.random(count), rate=rng.random(count),
        amount=rng.random(count), phase=1,
    )  # fmt: skip
    settled = slice(900, None)  # once every instrument has had its first id
    assert max(sizes(prints)[settled]) <= 32
    assert max(sizes(quotes)[settled]) <= 44
    prints["ts_init_ns"] += np.arange(count) * 5_000_000_000  # silences of seconds
    quotes["ts_init_ns"] += np.arange(count) * 5_000_000_000
    prints["ts_event_ns"] += np.arange(count) * 5_000_000_000
    quotes["ts_event_ns"] += np.arange(count) * 5_000_000_000
    assert max(sizes(prints)[settled]) <= 46
    assert max(sizes(quotes)[settled]) <= 52


def test_a_kind_that_uses_more_fields_one_after_the_other_stays_exact():
    """Every step needs another shape; there are more steps than shapes."""
    encoder, decoder = FactEncoder(), FactDecoder()
    for width in (7, 15, 31, 63):
        for name in NAMES:
            for kind in (1, 2, 3, 4, 200, 255, 256, -1):
                row = np.zeros(1, EVENT)
                row["kind"] = kind
                row["ts_init_ns"] = NOW_NS
                if name != "kind":
                    row[name] = 2**width - 1
                raw = row.tobytes()
                assert decoder.decode(encoder.encode(raw)) == raw


def test_a_fact_that_is_not_the_next_one_is_refused():
    encoder = FactEncoder()
    made = market(3, EventKind.TRADE, price=1.0)
    first, second, _ = (encoder.encode(row.tobytes()) for row in made)
    with pytest.raises(UnreadableFact, match="not the next one"):
        FactDecoder().decode(second)
    with pytest.raises(UnreadableFact):
        FactDecoder().decode(first[:-1])
    with pytest.raises(UnreadableFact):
        FactDecoder().decode(b"")


def test_the_layout_is_that_of_the_fields():
    assert len(LAYOUT) == 8
    assert LAYOUT_TEXT.startswith("kind:i8 phase:i8 instrument:i8")
    assert LAYOUT_TEXT.count(":") == len(NAMES)


def test_the_codec_follows_the_fields_of_an_event(monkeypatch):
    """The same module over an EVENT with more fields, in another order, has another layout and loses nothing."""
    fields = [(name, EVENT[name]) for name in NAMES]
    wider = np.dtype([*fields[7:], ("venue_qty", "f8"), *fields[:7], ("venue_key", "i8")])
    monkeypatch.setattr(types, "EVENT", wider)
    spec = importlib.util.spec_from_file_location("facts_of_wider_events", facts.__file__)
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    assert other.LAYOUT != LAYOUT
    made = np.zeros(300, wider)
    rng = np.random.default_rng(5)
    made["kind"] = rng.integers(21, 30, 300)
    made["ts_init_ns"] = NOW_NS + np.arange(300)
    made["venue_qty"], made["venue_key"] = rng.random(300), rng.integers(0, 2**63, 300)
    encoder, decoder = other.FactEncoder(), other.FactDecoder()
    for row in made:
        assert decoder.decode(encoder.encode(row.tobytes())) == row.tobytes()
    with pytest.raises(LayoutDiffers, match="they lack venue_qty:f8, venue_key:i8"):
        other.check_layout(LAYOUT, LAYOUT_TEXT)
