"""Nearness to liquidation is told once for each limit that is crossed, and again after it was left."""

import math
from dataclasses import replace

import pytest

from tightloop.ports.execution import PositionReport
from tightloop.runtime.session.desk.records import Urgency
from tightloop.runtime.session.reconcile.margin import FAR, Nearness, crossings, cushion_of, distance_of

INFO, WARNING, CRITICAL = Urgency.INFO, Urgency.WARNING, Urgency.CRITICAL
THERE = PositionReport("BTCUSDT", 1.0, 100.0, 100.0, math.nan, 5.0, True, 0)


def at(distance: float = math.nan, cushion: float = math.nan) -> PositionReport:
    """Return a position so far from its liquidation."""
    margin = 20.0 if cushion == cushion else math.nan
    liquidation = 100.0 * (1.0 - distance)
    return replace(THERE, liquidation_price=liquidation, margin=margin, maintenance=margin * (1.0 - cushion))


def told(*theres: PositionReport) -> list[list[Urgency]]:
    """Return what each of successive rounds told."""
    near, found = FAR, []
    for there in theres:
        near, crossed = crossings(there, near)
        found.append([one.urgency for one in crossed])
    return found


def test_each_limit_of_the_distance_is_told_once() -> None:
    rounds = [at(d) for d in (0.5, 0.29, 0.28, 0.19, 0.18, 0.09, 0.05)]
    assert told(*rounds) == [[], [INFO], [], [WARNING], [], [CRITICAL], []]


def test_each_limit_of_the_cushion_is_told_once() -> None:
    assert told(*(at(cushion=c) for c in (0.4, 0.22, 0.2, 0.13, 0.1))) == [[], [WARNING], [], [CRITICAL], []]


def test_a_jump_over_several_limits_tells_the_nearest() -> None:
    assert told(at(0.05, 0.05)) == [[CRITICAL, CRITICAL]]


def test_a_limit_that_was_left_clearly_is_told_again_and_one_that_was_hardly_left_is_not() -> None:
    assert told(*(at(d) for d in (0.09, 0.102, 0.09, 0.11, 0.09))) == [[CRITICAL], [], [], [], [CRITICAL]]


def test_what_the_venue_does_not_say_is_no_distance_and_changes_nothing() -> None:
    assert math.isnan(distance_of(THERE))
    assert math.isnan(cushion_of(THERE))
    assert crossings(THERE, Nearness(2, 1)) == (Nearness(2, 1), [])


@pytest.mark.parametrize(("maintenance", "level"), [(870.0, CRITICAL), (780.0, WARNING)])
def test_the_cushion_is_the_share_of_the_margin_above_maintenance(maintenance: float, level: Urgency) -> None:
    _, (found,) = crossings(replace(THERE, margin=1_000.0, maintenance=maintenance), FAR)
    assert (found.urgency, found.value) == (level, pytest.approx(1.0 - maintenance / 1_000.0))
