"""What a live session asks of its account before it begins: whose it is, what is free, how it is set up."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.app.runs.live.account import starting
from tightloop.app.runs.live.account.client import AccountClient, together
from tightloop.app.runs.live.account.start_refusals import Gravity, StartRefusal
from tightloop.app.runs.live.machine import Machine
from tightloop.app.runs.live.venues import ChosenVenue, patiently
from tightloop.model.errors import Problem
from tightloop.model.signal.read import Strategy
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.account.venue_clock import VenueClock

T = TypeVar("T")


@dataclass(slots=True)
class Asking:
    """Questions before the session. ``clock``: the venue's, read with the first one; ``budget``: of its limits.

    Both are handed on to the session.

    One sample of it is enough to sign by; ``set_up`` takes the others.

    Each raises VenueUnreachable, AccountRefused, InputError.
    """

    venue: ChosenVenue
    credentials: Credentials
    machine: Machine
    clock: VenueClock = field(default_factory=VenueClock)
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.venue.dialect.capabilities.limits, self.machine.clock.now_ns())

    async def account_name(self) -> str:
        """Return the venue's name of the account."""
        return await self._ask(AccountClient.account_name)

    async def refusals(
        self, strategies: Sequence[Strategy], leverages: Mapping[str, int], *, is_new: bool
    ) -> list[StartRefusal]:
        """Return all for which the account may not be traded; ``is_new``: its capital has to be free."""

        async def find(client: AccountClient) -> list[StartRefusal]:
            of_modes, of_symbols = await together(client.mode_refusals(), client.symbol_refusals(leverages))
            return of_modes + of_symbols + (await self._of_capital(client, strategies) if is_new else [])

        return await self._ask(find)

    async def _of_capital(self, client: AccountClient, strategies: Sequence[Strategy]) -> list[StartRefusal]:
        """Return the refusal of capital that is not free, with what binds the account's money."""
        available = await client.available(starting.settle_asset_of(strategies))
        capital = starting.capital_of(strategies)
        if capital <= available:
            return []
        held = await client.positions()
        message = f"{capital:g} is more than the account has free: {available:g}"
        remedy = "write less, or bring more to the account"
        if held:
            named = ", ".join(f"{one.qty:g} {one.symbol}" for one in held)
            message = f"{message}, beside what binds {named}, which no session of now has opened"
            remedy = f"{remedy}, or close what is held at the venue: a session leaves it, its stop and its target alone"
        file, line = strategies[0].place(("capital",))
        return [StartRefusal(Gravity.CAPITAL, Problem(str(file), line, "capital", message, remedy))]

    async def set_up(self, leverages: Mapping[str, int]) -> None:
        """Set margin and leverage of the account's symbols; take the other samples of the clock meanwhile."""
        await self._ask(lambda client: together(client.set_up(leverages), client.set_clock()))

    async def _ask(self, what: Callable[[AccountClient], Awaitable[T]]) -> T:
        now_ns = self.machine.clock.now_ns

        async def ask_once() -> T:
            async with self.machine.network() as transport:
                client = AccountClient(self.venue.dialect, transport, self.credentials, now_ns, self.clock, self.budget)
                if not self.clock.has_samples:
                    await client.read_clock()
                return await what(client)

        return await patiently(ask_once, f"{self.venue.where} does not answer as it should")
