"""The private stream of an account: opened again for ever, its key kept alive, its absence told."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from tightloop.adapters.venues._shared.sockets import (
    SocketChange,
    SocketState,
    SocketUse,
    SupervisedSocket,
    backoff_words,
)
from tightloop.app.runs.live.account.client import AccountClient
from tightloop.app.runs.live.venues import TROUBLE
from tightloop.ports import execution as ex
from tightloop.ports.clock import TimeSource
from tightloop.ports.market_data import Market
from tightloop.ports.transport import SocketClosed
from tightloop.ports.venue import SocketPlan
from tightloop.runtime.session.tasks import Tasks

TASK = "reports"
GONE_S = 10.0
"""For how long the stream may be gone before it is told."""
_EXPIRED = "the key of the private stream has expired"
_MS = 1_000_000


@dataclass(slots=True)
class ReportStream:
    """Follows the private stream of a session. ``sockets``: states of sockets, where it writes its own.

    ``take``: takes a frame with reports of the account. ``on_missed``: reports may have been missed, ``on_gone``: it is
    gone for GONE_S.
    """

    client: AccountClient
    clock: TimeSource
    tasks: Tasks
    session: str
    sockets: dict[str, str]
    say: Callable[[str], None]
    take: Callable[[bytes], None]
    on_missed: Callable[[], None]
    on_gone: Callable[[], None]
    is_open: bool = False
    _frame: bytes = b""
    _timer: asyncio.TimerHandle | None = None

    @property
    def is_down(self) -> bool:
        """Whether it is not connected now; ``is_open`` stays until it is gone for long."""
        return self._timer is not None or not self.is_open

    def start(self) -> None:
        """Begin to follow it, and to keep its key alive."""
        use = SocketUse(self._plan, self.client.credentials, self._venue_ms)
        chance = random.Random(f"{self.session} reports").random
        dialect, transport = self.client.dialect, self.client.transport
        socket = SupervisedSocket(use, dialect, transport, self.clock, chance, self._take, self._on_change)
        socket.on_frame = self._keep_frame
        self.tasks.start(TASK, socket.run)
        self.tasks.start("reports key", self._keep_key)

    def _venue_ms(self) -> int:
        now_ns = self.clock.now_ns()
        return (now_ns + self.client.clock.offset_ns(now_ns)) // _MS

    async def _plan(self) -> SocketPlan:
        try:
            reports, _ = await self.client.ask(ex.OpenReports(is_renewal=False))
        except TROUBLE as error:
            raise SocketClosed(f"no key of the private stream: {error}") from error
        key = next(one.key for one in reports if isinstance(one, ex.ReportsKey))
        return self.client.dialect.reports_socket(key)

    def _keep_frame(self, frame: bytes) -> None:
        self._frame = frame

    def _take(self, found: list[ex.Report | Market] | ex.Failure) -> None:
        if not isinstance(found, list):
            self.say(f"reports: {found}")
            self.on_missed()
        elif any(isinstance(one, ex.ReportsExpired) for one in found):
            self.tasks.fail(TASK, SocketClosed(_EXPIRED))
        elif any(isinstance(one, (ex.OrderReport, ex.FillReport, ex.WalletReport)) for one in found):
            self.take(self._frame)

    def _on_change(self, change: SocketChange) -> None:
        self.sockets[change.name] = change.state.value
        if change.state is SocketState.BACKOFF:
            self.say(backoff_words(change, TASK))
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(GONE_S, self._miss)
        elif change.state is SocketState.OPEN:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self.is_open = True
            self.on_missed()

    def _miss(self) -> None:
        self.is_open = False
        self.on_gone()

    async def _keep_key(self) -> None:
        """Keep the key alive, by the venue's clock."""
        every_s = self.client.dialect.capabilities.reports_key_renewal_s
        while every_s:
            await asyncio.sleep(every_s / max(1.0, self.client.clock.speed))
            reports, _ = await self.client.ask(ex.OpenReports(is_renewal=True))
            if any(isinstance(one, ex.ReportsExpired) for one in reports):
                self.tasks.fail(TASK, SocketClosed(_EXPIRED))
