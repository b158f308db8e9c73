"""The simulated venue on ticks takes the mark that a real venue reported in place of its own."""

import numpy as np
import pytest

from sim.tick_venue import START_NS, Script
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import EVENT
from tightloop.core.replay import ticks as replay_ticks


def sees(script, kind, at_ms, **fields):
    event = np.zeros(1, EVENT)
    event["kind"], event["ts_event_ns"], event["ts_init_ns"] = int(kind), *[START_NS + at_ms * 1_000_000] * 2
    for name, value in fields.items():
        event[name] = value
    replay_ticks.venue_sees(script.plan.venues, event)
    venue = script.plan.venues[0]
    return [int(own["reason"]) for own in venue["inbox"][: int(venue["inbox_count"])]], venue["instruments"][0]


def quoted(script, at_ms, bid):
    return sees(script, EventKind.QUOTE, at_ms, price=bid, qty=5.0, rate=bid + 0.1, amount=5.0)


def test_a_reported_mark_stays_whatever_is_quoted_until_there_is_none():
    script = Script()
    quoted(script, 0, 100.0)
    _, instrument = sees(script, EventKind.MARK_REPORTED, 1, price=99.0)
    assert instrument["mark"] == 99.0
    quoted(script, 2, 101.0)
    sees(script, EventKind.TRADE, 3, price=101.0, qty=1.0)
    assert instrument["mark"] == 99.0
    sees(script, EventKind.MARK_REPORTED, 4, price=np.nan)
    assert instrument["mark"] == pytest.approx(101.05)


def test_a_position_is_liquidated_by_the_mark_that_is_reported():
    script = Script()
    venue = script.plan.venues[0]
    position = venue["positions"][0]
    position["qty"], position["entry_price"], position["liquidation_price"] = 1.0, 100.0, 90.0
    position["entry_qty"], venue["position_count"] = 1.0, 1
    sees(script, EventKind.MARK_REPORTED, 0, price=95.0)
    assert quoted(script, 1, 80.0)[0] == [], "a quote far away is no mark"
    answers, _ = sees(script, EventKind.MARK_REPORTED, 2, price=89.9)
    assert answers == [56], "LIQUIDATED, said explicitly"
    assert position["qty"] == 0.0


def test_rules_that_changed_are_those_of_the_venue_too():
    _, instrument = sees(Script(), EventKind.INSTRUMENT_CHANGED, 0, price=0.5, qty=0.01, rate=10.0)
    rules = instrument["rules"]
    assert (rules["price_increment"], rules["lot_size"], rules["multiplier"]) == (0.5, 0.01, 10.0)
