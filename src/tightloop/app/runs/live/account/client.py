"""A venue's account before and beside a session: keys, signed questions, and how the account has to be set up."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.app.runs.live.account.start_refusals import Gravity, StartRefusal, of_account
from tightloop.model.errors import InputError, TightloopError
from tightloop.ports import execution as ex
from tightloop.ports.transport import HttpAnswer, HttpCall, Transport
from tightloop.ports.venue import Credentials, VenueDialect
from tightloop.runtime.session.account.venue_clock import SAMPLES_KEPT, VenueClock
from tightloop.runtime.session.market.feed import CALL_TIMEOUT_S, VenueRefused

T = TypeVar("T")
MAIN = "main"
SAMPLE_APART_S = 0.06
_MS = 1_000_000
_FLAGS: Mapping[str, tuple[bool, Gravity, str, str]] = {
    "withdrawals": (
        False, Gravity.KEY, "may be withdrawn from with this key", "make a key that may read and trade, and no more"
    ),
    "futures": (True, Gravity.KEY, "may not be traded with this key", "allow futures for the key"),
    "portfolio_margin": (
        False, Gravity.ACCOUNT, "is one of portfolio margin", "use an account without portfolio margin"
    ),
    "hedge_mode": (
        False, Gravity.ACCOUNT, "holds two positions a symbol (hedge mode)", "switch to one-way mode at the venue"
    ),
    "multi_assets": (
        False, Gravity.ACCOUNT, "counts several assets as margin", "switch to single-asset mode at the venue"
    ),
    "fee_burn": (
        False, Gravity.ACCOUNT, "pays fees in another asset", "switch off the payment of fees in that asset"
    ),
}  # fmt: skip
"""By what the venue calls a setting: its value for a session, how grave another is, what that means, what to do."""


KEY_REMEDIES = {
    ex.KeyFault.KEY: "see at the venue whether it is active, may trade futures, and is bound to this machine's address",
    ex.KeyFault.SIGNATURE: "the secret is not that of the key, copy both again",
}
"""What to do about a key that is refused; without a colon."""


class AccountRefused(TightloopError):
    """The account or its key is not set up as a live session needs it; the text says what to change."""

    exit_code = 4


def credentials_of(venue: str, login: str) -> Credentials:
    """Read the key of a login from the environment; raises InputError that names the variables."""
    name = f"TIGHTLOOP_{venue}{'' if login == MAIN else f'_{login}'}".upper().replace("-", "_")
    key, secret = os.environ.get(f"{name}_KEY", ""), os.environ.get(f"{name}_SECRET", "")
    if not key or not secret:
        message = f"there is no key of login {login!r}"
        raise InputError.one("command line", None, "--login", message, f"set {name}_KEY and {name}_SECRET")
    return Credentials(key, secret, os.environ.get(f"{name}_PASSPHRASE", ""))


async def together(*parts: Awaitable[T]) -> list[T]:
    """Return what each part returns, in order; what the first one to fail raises, and the others are canceled."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


@dataclass(slots=True)
class AccountClient:
    """Asks about one account, by the venue's clock, and no more often than the venue allows.

    ``on_limited``: called with the s for which the venue wants no more questions.
    """

    dialect: VenueDialect
    transport: Transport
    credentials: Credentials
    now_ns: Callable[[], int]
    clock: VenueClock = field(default_factory=VenueClock)
    shared: Budget | None = None
    """The budget of all that asks this venue in the process; None: this client alone."""
    on_limited: Callable[[float], None] = lambda _retry_after_s: None
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = self.shared or Budget(self.dialect.capabilities.limits, self.now_ns())

    async def ask(self, request: ex.Request) -> tuple[list[ex.Report], HttpAnswer]:
        """Return the reports of an answer, and the answer; raises VenueRefused, NotSent, NoAnswer."""
        found, answer, _ = await self._asked(request)
        return found, answer

    async def _asked(self, request: ex.Request) -> tuple[list[ex.Report], HttpAnswer, int]:
        """Ask as soon as the venue allows it; return reports, answer, and when the request left. Raises as ``ask``."""
        call = self._call(request)
        while (wait_s := self.budget.wait_s(call, self.now_ns())) > 0.0:
            await asyncio.sleep(wait_s)
            call = self._call(request)  # signed when it leaves
        sent_ns = self.now_ns()
        self.budget.take(call, sent_ns)
        answer = await self.transport.call(call, CALL_TIMEOUT_S)
        self.learn(request, answer)
        found = self.dialect.decode(request, answer)
        if not isinstance(found, list):
            if isinstance(found, ex.NotAuthorized):
                refused = VenueRefused(f"the key is refused ({found.code} {found.text}): {KEY_REMEDIES[found.fault]}")
                refused.is_final = True
                raise refused
            raise VenueRefused(f"{type(request).__name__}: {type(found).__name__} {getattr(found, 'text', '')}")
        return found, answer, sent_ns  # type: ignore[return-value]  # answers to requests of an account are reports

    def learn(self, request: ex.Request, answer: HttpAnswer) -> None:
        """Take from an answer how much the venue still takes; questions wait where it says that it was too much."""
        self.budget.learn(answer.headers, self.now_ns())
        if answer.status >= 400 and isinstance(found := self.dialect.decode(request, answer), ex.RateLimited):
            self.budget.stop(found.retry_after_s, self.now_ns())
            self.on_limited(found.retry_after_s)

    def _call(self, request: ex.Request) -> HttpCall:
        now_ns = self.now_ns()
        return self.dialect.encode(request, (now_ns + self.clock.offset_ns(now_ns)) // _MS, self.credentials)

    async def read_clock(self) -> None:
        """Take a sample of the venue's clock, timed from when the request left: a wait before it does not count."""
        reports, _, sent_ns = await self._asked(ex.ReadServerTime())
        received_ns = self.now_ns()
        for report in reports:
            if isinstance(report, ex.ServerTime):
                self.clock.take(sent_ns, received_ns, report.ts_ns)

    async def set_clock(self) -> None:
        """Take as many samples as the clock keeps, apart in time, so that they tell its speed too."""
        for _ in range(SAMPLES_KEPT - self.clock.sample_count):
            if self.clock.has_samples:
                await asyncio.sleep(SAMPLE_APART_S)
            await self.read_clock()

    async def _together(self, *requests: ex.Request) -> list[ex.Report]:
        """Ask all at once; return the reports in the order of the requests. Raises as ``ask``."""
        return [report for found, _ in await together(*map(self.ask, requests)) for report in found]

    async def account_name(self) -> str:
        """Return the venue's name of the account."""
        reports, _ = await self.ask(ex.ReadAccountMode("account"))
        return next(str(one.value) for one in reports if isinstance(one, ex.AccountMode) and one.name == "account")

    async def mode_refusals(self) -> list[StartRefusal]:
        """Return in what account and key are set up otherwise than a session needs it."""
        parts = (part for part in self.dialect.account_parts if part not in ("account", "symbols"))
        found = []
        for one in await self._together(*map(ex.ReadAccountMode, parts)):
            if isinstance(one, ex.AccountMode) and one.name in _FLAGS:
                wanted, gravity, what, remedy = _FLAGS[one.name]
                if one.value != wanted:
                    found.append(of_account(gravity, what, remedy))
        return found

    async def available(self, asset: str) -> float:
        """Return what of an asset is free for orders; NaN if the account has none."""
        reports, _ = await self.ask(ex.ReadWallet())
        return sum((one.available for one in reports if isinstance(one, ex.WalletReport) and one.asset == asset), 0.0)

    async def symbol_refusals(self, leverages: Mapping[str, int]) -> list[StartRefusal]:
        """Return which symbols need another margin or leverage, and have a position or orders that forbid it."""
        modes = await self._symbol_modes()
        wrong = [symbol for symbol in leverages if modes[symbol] != (True, leverages[symbol])]
        used = await self._in_use() if wrong else {}
        found = []
        for symbol in wrong:
            if symbol in used:
                isolated, leverage = modes[symbol]
                now = f"{'isolated' if isolated else 'cross'} margin with leverage {leverage}"
                needs = f"isolated margin with leverage {leverages[symbol]}"
                message = f"{symbol} has {now} and {used[symbol]}, and needs {needs}"
                found.append(of_account(Gravity.SYMBOL, message, "close them, or change it at the venue"))
        return found

    async def set_up(self, leverages: Mapping[str, int]) -> None:
        """Set isolated margin and leverage of symbols that are flat and without orders, and read both back.

        Raises AccountRefused.
        """
        modes = await self._symbol_modes()
        wrong = [symbol for symbol in leverages if modes[symbol] != (True, leverages[symbol])]
        if wrong:
            await self._together(*(ex.SetIsolatedMargin(symbol) for symbol in wrong if not modes[symbol][0]))
            changes = (symbol for symbol in wrong if modes[symbol][1] != leverages[symbol])
            await self._together(*(ex.SetLeverage(symbol, leverages[symbol]) for symbol in changes))
            modes = await self._symbol_modes()
        for symbol, leverage in leverages.items():
            if modes[symbol] != (True, leverage):
                raise AccountRefused(f"{symbol} could not be set to isolated margin with leverage {leverage}")

    async def _symbol_modes(self) -> dict[str, tuple[bool, int]]:
        """Return whether margin is isolated, and the leverage, by symbol."""
        reports, _ = await self.ask(ex.ReadAccountMode("symbols"))
        modes = [one for one in reports if isinstance(one, ex.AccountMode)]
        isolated = {one.symbol: bool(one.value) for one in modes if one.name == "isolated"}
        return {one.symbol: (isolated[one.symbol], int(one.value)) for one in modes if one.name == "leverage"}

    async def _in_use(self) -> dict[str, str]:
        """Return what keeps symbols from being set up otherwise: a position, or open orders."""
        used: dict[str, str] = {}
        for one in await self._together(ex.ListOpenOrders(False), ex.ListOpenOrders(True), ex.ListPositions()):
            if isinstance(one, ex.OrderReport):
                used[one.symbol] = "open orders"
            elif isinstance(one, ex.PositionReport) and one.qty != 0.0:
                used[one.symbol] = "a position"
        return used

    async def positions(self) -> list[ex.PositionReport]:
        """Return what the account holds."""
        reports, _ = await self.ask(ex.ListPositions())
        return [one for one in reports if isinstance(one, ex.PositionReport) and one.qty != 0.0]
