"""A venue's account before and beside a session: keys, signed questions, and how the account has to be set up."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tightloop.adapters.venues._shared.budget import Budget
from tightloop.model.errors import InputError, TightloopError
from tightloop.ports import execution as ex
from tightloop.ports.transport import HttpAnswer, HttpCall, Transport
from tightloop.ports.venue import Credentials, VenueDialect
from tightloop.runtime.session.account.venue_clock import SAMPLES_KEPT, VenueClock
from tightloop.runtime.session.market.feed import CALL_TIMEOUT_S, VenueRefused

MAIN = "main"
SAMPLE_APART_S = 0.06
_MS = 1_000_000
_FLAGS: Mapping[str, tuple[bool, str, str]] = {
    "hedge_mode": (False, "holds two positions a symbol (hedge mode)", "switch to one-way mode at the venue"),
    "multi_assets": (False, "counts several assets as margin", "switch to single-asset mode at the venue"),
    "fee_burn": (False, "pays fees in another asset", "switch off the payment of fees in that asset"),
    "portfolio_margin": (False, "is one of portfolio margin", "use an account without portfolio margin"),
    "withdrawals": (False, "may be withdrawn from with this key", "make a key that may read and trade, and no more"),
    "futures": (True, "may not be traded with this key", "allow futures for the key"),
}


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


@dataclass(slots=True)
class AccountClient:
    """Asks about one account, by the venue's clock, and no more often than the venue allows."""

    dialect: VenueDialect
    transport: Transport
    credentials: Credentials
    now_ns: Callable[[], int]
    clock: VenueClock = field(default_factory=VenueClock)
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.dialect.capabilities.limits, self.now_ns())

    async def ask(self, request: ex.Request) -> tuple[list[ex.Report], HttpAnswer]:
        """Return the reports of an answer, and the answer; raises VenueRefused, NotSent, NoAnswer."""
        call = self._call(request)
        while (wait_s := self.budget.wait_s(call, self.now_ns())) > 0.0:
            await asyncio.sleep(wait_s)
            call = self._call(request)  # signed when it leaves
        self.budget.take(call, self.now_ns())
        answer = await self.transport.call(call, CALL_TIMEOUT_S)
        found = self.dialect.decode(request, answer)
        if not isinstance(found, list):
            if isinstance(found, ex.RateLimited):
                self.budget.stop(found.retry_after_s, self.now_ns())
            if isinstance(found, ex.NotAuthorized):
                refused = VenueRefused(f"the key is refused ({found.code} {found.text}): {KEY_REMEDIES[found.fault]}")
                refused.is_final = True
                raise refused
            raise VenueRefused(f"{type(request).__name__}: {type(found).__name__} {getattr(found, 'text', '')}")
        return found, answer  # type: ignore[return-value]  # answers to requests of an account are reports

    def _call(self, request: ex.Request) -> HttpCall:
        now_ns = self.now_ns()
        return self.dialect.encode(request, (now_ns + self.clock.offset_ns(now_ns)) // _MS, self.credentials)

    async def read_clock(self) -> None:
        """Take a sample of the venue's clock."""
        sent_ns = self.now_ns()
        reports, _ = await self.ask(ex.ReadServerTime())
        received_ns = self.now_ns()
        for report in reports:
            if isinstance(report, ex.ServerTime):
                self.clock.take(sent_ns, received_ns, report.ts_ns)

    async def set_clock(self) -> None:
        """Take as many samples as the clock keeps."""
        for _ in range(SAMPLES_KEPT):
            await self.read_clock()
            await asyncio.sleep(SAMPLE_APART_S)

    async def account_name(self) -> str:
        """Return the venue's name of the account."""
        reports, _ = await self.ask(ex.ReadAccountMode("account"))
        return next(str(one.value) for one in reports if isinstance(one, ex.AccountMode) and one.name == "account")

    async def check_modes(self) -> None:
        """Refuse an account or a key that is set up otherwise than a session needs it. Raises AccountRefused."""
        for part in self.dialect.account_parts:
            if part in ("account", "symbols"):
                continue
            for one in (await self.ask(ex.ReadAccountMode(part)))[0]:
                if isinstance(one, ex.AccountMode) and one.name in _FLAGS:
                    wanted, what, remedy = _FLAGS[one.name]
                    if one.value != wanted:
                        raise AccountRefused(f"the account {what}: {remedy}")

    async def available(self, asset: str) -> float:
        """Return what of an asset is free for orders; NaN if the account has none."""
        reports, _ = await self.ask(ex.ReadWallet())
        return sum((one.available for one in reports if isinstance(one, ex.WalletReport) and one.asset == asset), 0.0)

    async def set_up(self, leverages: Mapping[str, int]) -> None:
        """Set isolated margin and leverage of symbols, where flat and without orders, and read both back."""
        modes = await self._symbol_modes()
        wrong = [symbol for symbol in leverages if modes[symbol] != (True, leverages[symbol])]
        if wrong:
            await self._refuse_in_use(wrong, modes, leverages)
        for symbol in wrong:
            if not modes[symbol][0]:
                await self.ask(ex.SetIsolatedMargin(symbol))
            if modes[symbol][1] != leverages[symbol]:
                await self.ask(ex.SetLeverage(symbol, leverages[symbol]))
        if wrong:
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

    async def _refuse_in_use(
        self, wrong: Sequence[str], modes: Mapping[str, tuple[bool, int]], leverages: Mapping[str, int]
    ) -> None:
        """Refuse to change a symbol that has a position or orders. Raises AccountRefused."""
        used: dict[str, str] = {}
        for is_conditional in (False, True):
            for order in (await self.ask(ex.ListOpenOrders(is_conditional)))[0]:
                if isinstance(order, ex.OrderReport):
                    used[order.symbol] = "open orders"
        for held in (await self.ask(ex.ListPositions()))[0]:
            if isinstance(held, ex.PositionReport) and held.qty != 0.0:
                used[held.symbol] = "a position"
        for symbol in wrong:
            if symbol in used:
                isolated, leverage = modes[symbol]
                now = f"{'isolated' if isolated else 'cross'} margin with leverage {leverage}"
                raise AccountRefused(
                    f"{symbol} has {now} and {used[symbol]}, and needs isolated margin with leverage "
                    f"{leverages[symbol]}: close them, or change it at the venue"
                )
