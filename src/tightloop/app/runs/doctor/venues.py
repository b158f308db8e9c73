"""A venue: how far its clock is from ours, and of a login whether key and account are as a session needs them.

Nothing is changed at the venue and no order is sent; the account is read, signed with the key.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from tightloop.adapters.stores.home import Home
from tightloop.adapters.system.clock import SystemClock
from tightloop.app.runs.doctor.findings import Diagnosis, ok, problem, warning
from tightloop.app.runs.live.account.client import AccountClient, credentials_of
from tightloop.app.runs.live.machine import Machine
from tightloop.app.runs.live.venues import TROUBLE, VENUE_TRIES, VENUE_WAIT_S, ChosenVenue, chosen
from tightloop.model.errors import InputError
from tightloop.ports.venue import Credentials
from tightloop.runtime.session.market.feed import VenueRefused

SKEW_WARNING_NS, SKEW_MAX_NS = 1_000_000_000, 5_000_000_000
OTHER_SPEED = 0.5
"""Less is what answers that took differently long look like."""
TIMEOUT_S = 20.0
TRY_AGAIN = "look at the network, and try again"
NO_KEY = Credentials("", "", "")
_MS = 1e-6


def look(name: str, url: str | None, login: str | None) -> Iterator[Diagnosis]:
    """Ask a venue; ``login``: whose key is looked at too, None: no key. Raises InputError for a name or URL."""
    venue = chosen(name, url)
    if venue.carrier is not None:
        message, remedy = f"{name} has market data alone", "name a venue with orders"
        raise InputError.one("command line", None, "--venue", message, remedy)
    credentials = NO_KEY if login is None else credentials_of(name, login)
    yield from asyncio.run(_asked(venue, credentials, login))


async def _asked(venue: ChosenVenue, credentials: Credentials, login: str | None) -> list[Diagnosis]:
    async with Machine(Home(Path())).network() as transport:
        client = AccountClient(venue.dialect, transport, credentials, SystemClock().now_ns)
        trouble = await _set_clock(client)
        if trouble:
            text = f"{venue.where} does not answer as it should: {trouble}"
            return [problem("venue", text, "look at the network, and whether the venue is being maintained")]
        found = [clock(client.clock.offset_ns(client.now_ns()), client.clock.speed, venue.where)]
        if login is not None:
            found.append(await _key(client, login))
        return found


async def _set_clock(client: AccountClient) -> str:
    """Ask the venue what time it is, as often as a session does that starts; return what is wrong, "" for nothing."""
    trouble = ""
    for at in range(VENUE_TRIES):
        if at:
            await asyncio.sleep(VENUE_WAIT_S)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await client.set_clock()
        except (*TROUBLE, VenueRefused) as error:
            trouble = _why(error)
        else:
            return ""
    return trouble


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _key(client: AccountClient, login: str) -> Diagnosis:
    """Judge key and account of a login."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            account = await client.account_name()
            refusals = sorted(await client.mode_refusals(), key=lambda one: one.gravity)
    except VenueRefused as refused:
        text, _, remedy = str(refused).rpartition(": ") if refused.is_final else (_why(refused), "", TRY_AGAIN)
        return problem("key", f"login {login}: {text}", remedy)
    except TROUBLE as error:
        return problem("key", f"login {login}: {_why(error)}", TRY_AGAIN)
    if refusals:
        what = ", ".join(one.problem.message for one in refusals)
        return problem("key", f"login {login}: the account {what}", "; ".join(one.problem.remedy for one in refusals))
    return ok("key", f"login {login} is account {account}: it may trade and not withdraw, and is set up for sessions")


def clock(offset_ns: int, speed: float, where: str) -> Diagnosis:
    """Judge how far a venue's clock is ahead of ours."""
    if abs(speed - 1.0) > OTHER_SPEED:
        return ok("clock", f"{where} runs {speed:.1f} times as fast as the clock: a sandbox", speed=speed)
    away = "ahead of" if offset_ns >= 0 else "behind"
    text = f"{where} is {abs(offset_ns) * _MS:,.1f} ms {away} this machine"
    remedy = "let the system keep the time (systemd-timesyncd, chrony)"
    figures = {"offset_s": offset_ns * 1e-9}
    if abs(offset_ns) > SKEW_MAX_NS:
        return problem("clock", f"{text}; sessions take no entries beyond 5 s", remedy, **figures)
    if abs(offset_ns) > SKEW_WARNING_NS:
        return warning("clock", text, remedy, **figures)
    return ok("clock", text, **figures)
