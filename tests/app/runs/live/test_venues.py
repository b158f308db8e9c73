"""What a session does when a venue does not answer as it should before it has begun."""

import asyncio

import pytest

from sim.virtual.loop import VirtualLoop
from tightloop.app.runs.live.venues import KEY_TRIES, VENUE_TRIES, VenueUnreachable, patiently
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.market.feed import VenueRefused


def of_the_key():
    refused = VenueRefused("Signature for this request is not valid.")
    refused.is_final = True
    return refused


def asked(*answers):
    """Ask one who raises or returns these, one after the other; return what came of it and how often it was asked."""
    left = list(answers)

    async def ask():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        try:
            found = runner.run(patiently(ask, "no"))
        except VenueUnreachable as error:
            found = error
    return found, len(answers) - len(left)


def test_a_key_that_is_refused_now_and_then_is_asked_with_again():
    once, lost = of_the_key(), NoAnswer("lost")
    assert asked(once, "name") == ("name", 2)
    assert asked(once, once, lost, once, once, "name") == ("name", 6)


def test_a_key_that_is_refused_each_time_is_wrong():
    found, count = asked(*[of_the_key() for _ in range(VENUE_TRIES)])
    assert "Signature" in str(found)
    assert count == KEY_TRIES


@pytest.mark.parametrize("error", [NoAnswer("lost"), OSError("no route"), VenueRefused("overloaded")])
def test_a_venue_that_does_not_answer_is_asked_for_some_seconds(error):
    found, count = asked(*[error] * VENUE_TRIES)
    assert isinstance(found, VenueUnreachable)
    assert count == VENUE_TRIES
