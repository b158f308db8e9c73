"""Asks a venue for what is public, within its limits, and asks again when that can help.

A venue that cannot be reached, or is overloaded, is asked again after 1, 2, 4 .. 30 s, for PATIENCE_S: long enough for
a restart of it. A wait that it names is kept, if it is no ban for long. Any other refusal is final.
"""

import asyncio
from collections.abc import Awaitable, Callable

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.model.errors import InputError, ProviderError
from tightloop.ports.execution import ClockRefused, Malformed, OutcomeUnknown, Overloaded, RateLimited, Report, Request
from tightloop.ports.market_data import Market, PublicRequest
from tightloop.ports.transport import HttpCall, NoAnswer, NotSent, Transport
from tightloop.ports.venue import VenueDialect

PATIENCE_S = 300.0
NAMED_WAIT_MAX_S = 900.0
_ANSWER_S = 30.0
_PAUSE_MAX_S = 30.0
_AGAIN = (OutcomeUnknown, Overloaded, Malformed, ClockRefused)
RESUME = "give the same command again later: it goes on where it ended"


class Asker:
    """One venue, asked one thing at a time. ``say`` is told of every wait that a user would wonder about."""

    def __init__(
        self,
        dialect: VenueDialect,
        transport: Transport,
        monotonic_ns: Callable[[], int],
        say: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dialect, self._transport, self._now_ns, self._say, self._sleep = (
            dialect, transport, monotonic_ns, say, sleep,
        )  # fmt: skip
        self._budget = Budget(dialect.capabilities.limits, monotonic_ns())
        self.calls_count = 0

    async def ask(self, request: Request | PublicRequest) -> list[Report | Market]:
        """Return the answer. Raises ProviderError when the venue stays away, InputError when it refuses."""
        call = self._dialect.encode(request, 0, None)
        failed_since_ns, failures = 0, 0
        while True:
            await self._wait_for_room(call)
            self._budget.take(call, self._now_ns())
            self.calls_count += 1
            try:
                answer = self._dialect.decode(request, await self._transport.call(call, _ANSWER_S))
            except (NotSent, NoAnswer) as error:
                why = str(error)
            else:
                if isinstance(answer, list):
                    return answer
                if isinstance(answer, RateLimited):
                    self._hold(answer)
                    continue
                if not isinstance(answer, _AGAIN):
                    message = f"refuses {type(request).__name__}: {answer.text.rstrip('.')}"
                    raise InputError.one(self._dialect.name, None, "", message, "ask for what the venue has")
                why = answer.text
            failed_since_ns = failed_since_ns or self._now_ns()
            failures += 1
            if self._now_ns() - failed_since_ns > PATIENCE_S * 1e9:
                raise ProviderError.one(self._dialect.name, None, "", f"does not answer: {why}", RESUME)
            if failures == 1:
                self._say(f"{self._dialect.name} does not answer ({why}); asking again for {PATIENCE_S:g} s")
            await self._sleep(min(_PAUSE_MAX_S, 2.0 ** (failures - 1)))

    async def _wait_for_room(self, call: HttpCall) -> None:
        while (wait_s := self._budget.wait_s(call, self._now_ns())) > 0:
            await self._sleep(wait_s)

    def _hold(self, limit: RateLimited) -> None:
        what = "bans this address" if limit.is_banned else "asks for fewer requests"
        if limit.retry_after_s > NAMED_WAIT_MAX_S:
            message = f"{what} for {limit.retry_after_s:g} s"
            raise ProviderError.one(self._dialect.name, None, "", message, RESUME)
        self._say(f"{self._dialect.name} {what}: waiting {limit.retry_after_s:g} s")
        self._budget.stop(limit.retry_after_s, self._now_ns())
