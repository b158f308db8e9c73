"""An event about an instrument or an instance that the run does not have is refused, and writes nothing."""

import numpy as np
import pytest
from tests.core.driven import Driven
from tests.core.lying_world import close
from tests.parity import runs

from tightloop.core.domain.enums import EventKind

OUT_OF_RANGE = (1, 63, 5_000, 2**40, -2, -(2**40))
ABOUT_ONE = (
    *(EventKind.BAR_OPENED, EventKind.BAR_CLOSED, EventKind.FUNDING_RATE, EventKind.TRADE, EventKind.QUOTE),
    *(EventKind.DATA_GAP, EventKind.FILL_FOUND, EventKind.POSITION_CORRECTED, EventKind.INSTRUMENT_CHANGED),
    *(EventKind.FEED_STATE, EventKind.MARK_REPORTED),
)
FIELDS = {"qty": 1.0, "price": 5.0, "side": 1, "reason": 2, "amount": 1.0, "rate": 1.0, "high": 5.0, "low": 5.0}


@pytest.fixture(scope="module")
def own():
    driven = Driven(runs.strategy("always", s1={"all": [{"close": "> 0"}]}, ze1={"all": [{"close": "< 0"}]}))
    close(driven)
    return driven


def refused(own, kind, **place):
    before = np.array(own.state).tobytes()
    own.now_ns += 1_000
    with pytest.raises(AssertionError, match="of the run"):
        own.send(kind, **{**FIELDS, "open": 5.0, **place})
    assert np.array(own.state).tobytes() == before


@pytest.mark.parametrize("kind", ABOUT_ONE)
@pytest.mark.parametrize("instrument", [*OUT_OF_RANGE, -1])
def test_an_instrument_that_is_not_of_the_run_is_refused(kind, instrument, own):
    refused(own, kind, instrument=instrument, instance=0)


@pytest.mark.parametrize("kind", [EventKind.SESSION_CONTROL, EventKind.KILL_SWITCH, EventKind.BALANCE_CORRECTED])
@pytest.mark.parametrize("number", OUT_OF_RANGE)
def test_what_may_be_about_all_is_about_all_or_about_one_of_the_run(kind, number, own):
    refused(own, kind, instrument=number, instance=-1)
    refused(own, kind, instrument=-1, instance=number)


@pytest.mark.parametrize("kind", [EventKind.POSITION_CORRECTED, EventKind.BALANCE_CORRECTED, EventKind.FUNDING_PAID])
@pytest.mark.parametrize("instance", OUT_OF_RANGE)
def test_an_instance_that_is_not_of_the_run_is_refused(kind, instance, own):
    refused(own, kind, instrument=0, instance=instance)


def test_funding_is_paid_to_one_instance(own):
    refused(own, EventKind.FUNDING_PAID, instrument=0, instance=-1)
