"""A venue is asked within its limits, again when that can help, and never against its word."""

import asyncio
import json

import pytest

from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.markets.fetch.asking import Asker
from tightloop.model.errors import InputError, ProviderError
from tightloop.ports.execution import ReadServerTime, ServerTime
from tightloop.ports.market_data import ListAggregates
from tightloop.ports.transport import HttpAnswer, NoAnswer, NotSent

TIME = HttpAnswer(200, {}, b'{"serverTime": 1764000000000}')


def refusal(status, code, headers=None):
    return HttpAnswer(status, headers or {}, json.dumps({"code": code, "msg": "no."}).encode())


class Venue:
    """Answers by a list, in a time of its own; what is no answer is raised."""

    def __init__(self, answers):
        self.answers, self.now_s, self.asked_s, self.said = list(answers), 0.0, [], []

    async def call(self, call, timeout_s):
        self.asked_s.append(self.now_s)
        answer = self.answers.pop(0) if self.answers else TIME
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds):
        self.now_s += seconds

    def asker(self):
        return Asker(BinanceUsdm(), self, lambda: round(self.now_s * 1e9), self.said.append, self.sleep)

    def ask(self, request=ReadServerTime()):  # noqa: B008 - a frozen record
        return asyncio.run(self.asker().ask(request))


@pytest.mark.parametrize(
    ("answer", "waits_s"),
    [
        (refusal(429, -1003, {"retry-after": "7"}), 7),
        (refusal(418, -1003, {"retry-after": "130"}), 130),
        (refusal(429, -1003), 60),
        (HttpAnswer(418, {}, b"<html>"), 120),
    ],
)
def test_a_wait_that_the_venue_names_is_kept_and_told(answer, waits_s):
    venue = Venue([answer])
    assert venue.ask() == [ServerTime(1_764_000_000_000_000_000)]
    assert venue.asked_s == pytest.approx([0, waits_s])
    assert len(venue.said) == 1
    assert f"{waits_s} s" in venue.said[0]


def test_a_ban_for_days_is_not_waited_for():
    venue = Venue([refusal(418, -1003, {"retry-after": "259200"})])
    with pytest.raises(ProviderError, match=r"259200 s.*same command again"):
        venue.ask()
    assert len(venue.asked_s) == 1


def test_a_restart_of_the_venue_is_survived():
    venue = Venue([NoAnswer("cut"), *[NotSent("refused")] * 8, refusal(503, 0), HttpAnswer(200, {}, b'{"serverT')])
    assert venue.ask() == [ServerTime(1_764_000_000_000_000_000)]
    assert venue.asked_s == pytest.approx([0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181, 211])
    assert len(venue.said) == 1


def test_patience_has_an_end():
    venue = Venue([NotSent("refused")] * 100)
    with pytest.raises(ProviderError, match="does not answer: refused"):
        venue.ask()
    assert 300 < venue.now_s < 340


@pytest.mark.parametrize("answer", [refusal(400, -1121), refusal(400, -1120), refusal(401, -2015)])
def test_a_refusal_is_final(answer):
    venue = Venue([answer])
    with pytest.raises(InputError, match="refuses ReadServerTime: no;"):
        venue.ask()
    assert len(venue.asked_s) == 1


def test_the_venues_limits_are_kept_without_being_told():
    venue = Venue([HttpAnswer(200, {}, b"[]")] * 400)

    async def ask_all():
        asker = venue.asker()
        for _ in range(400):
            await asker.ask(ListAggregates("BTCUSDT", 1, 0, 0, 1_000))

    asyncio.run(ask_all())
    for first_s in venue.asked_s:
        assert sum(20 for at_s in venue.asked_s if first_s <= at_s < first_s + 60) <= 2_400
    assert venue.now_s < 400
