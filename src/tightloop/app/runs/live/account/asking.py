"""What a live session asks of its account before it begins: whose it is, what is free, how it is set up."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tightloop.app.runs.live.account import starting
from tightloop.app.runs.live.account.client import AccountClient, together
from tightloop.app.runs.live.machine import Machine
from tightloop.app.runs.live.venues import ChosenVenue, patiently
from tightloop.model.errors import InputError
from tightloop.model.signal.read import Strategy
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.account.venue_clock import VenueClock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions before the session. ``clock``: the venue's, read with the first one and handed on to the session.

    One sample of it is enough to sign by; ``set_up`` takes the others.

    Each raises VenueUnreachable, AccountRefused, InputError.
    """

    venue: ChosenVenue
    credentials: Credentials
    machine: Machine
    clock: VenueClock = field(default_factory=VenueClock)

    async def account_name(self) -> str:
        """Return the venue's name of the account."""
        return await self._ask(AccountClient.account_name)

    async def check_capital(self, strategies: Sequence[Strategy]) -> None:
        """Refuse strategies whose capital is not free on the account."""
        available = await self._ask(lambda client: client.available(starting.settle_asset_of(strategies)))
        capital = starting.capital_of(strategies)
        if not capital <= available:
            message = f"{capital:g} is more than the account has free: {available:g}"
            file, line = strategies[0].place(("capital",))
            raise InputError.one(file, line, "capital", message, "write less, or bring more to the account")

    async def set_up(self, leverages: Mapping[str, int]) -> None:
        """Refuse an account in other modes than a session needs; set margin and leverage of its symbols."""

        async def check_and_set_up(client: AccountClient) -> None:
            async def in_turn() -> None:
                await client.check_modes()
                await client.set_up(leverages)

            await together(in_turn(), client.set_clock())  # which waits between its samples

        await self._ask(check_and_set_up)

    async def _ask(self, what: Callable[[AccountClient], Awaitable[T]]) -> T:
        now_ns = self.machine.clock.now_ns

        async def ask_once() -> T:
            async with self.machine.network() as transport:
                client = AccountClient(self.venue.dialect, transport, self.credentials, now_ns, self.clock)
                if not self.clock.has_samples:
                    await client.read_clock()
                return await what(client)

        return await patiently(ask_once, f"{self.venue.where} does not answer as it should")
