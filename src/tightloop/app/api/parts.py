"""What routes are given: the parts of a gateway, and who asks for what."""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from tightloop.adapters.stores.index_reader import IndexReader
from tightloop.app.api.engine_link import EngineLink
from tightloop.app.api.security.guard import GuardedRequest, Keeping
from tightloop.app.api.security.logins import Caller
from tightloop.app.api.security.passwords import Passwords
from tightloop.app.api.store import GatewayStore
from tightloop.app.api.strategies.checks import StrategyChecks
from tightloop.app.api.strategies.files import StrategyFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a gateway. ``boot_id``: another one after each start; ``downloads``: who is being given a CSV."""

    store: GatewayStore
    keeping: Keeping
    passwords: Passwords
    link: EngineLink
    reader: IndexReader
    strategies: StrategyFiles
    checks: StrategyChecks
    boot_id: str
    downloads: set[str] = field(default_factory=set)


async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


async def _asked(request: Request) -> GuardedRequest:
    return cast(GuardedRequest, request.state.asked)


async def _caller(request: Request) -> Caller:
    caller = cast(GuardedRequest, request.state.asked).caller
    assert caller is not None, "the guard lets nobody else through"
    return caller


GivenParts = Annotated[Parts, Depends(_parts)]
GivenRequest = Annotated[GuardedRequest, Depends(_asked)]
GivenCaller = Annotated[Caller, Depends(_caller)]
