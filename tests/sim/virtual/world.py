"""What outlives a process: time, the server, the packets on their way, and the faults.

Theory of operation. A process is a ``Life``: a loop over the same world, which the next life gets as it was left. What
is on its way travels on: a request of a process that has died still arrives, and is executed. So the world has a queue
of events by time; while there is a life they are timers of its loop, and ``pass_time`` runs them while there is none.

Everything that happens on the wire is noted in ``trace``: two runs of one seed have the same one, byte for byte.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from sim.virtual.faults import Faults
from sim.virtual.loop import VirtualLoop
from sim.virtual.machine import SECOND_NS, START_NS, Machine
from tightloop.ports.transport import HttpAnswer

STEP_S = 0.05  # how often the server is asked for frames, while a socket is open
REPORTS_AFTER_S = 0.002  # frames follow the call that caused them


class Server(Protocol):
    """A venue in this process: bytes in, bytes out, at a time that is passed in."""

    def respond(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, now_ns: int
    ) -> HttpAnswer:
        """Answer a request as it arrives."""

    def open(self, path: str, query: str, now_ns: int) -> Hashable | None:
        """Open a socket, and return what it is called by; None: refused."""

    def receive(self, line: Hashable, text: str, now_ns: int) -> str | None:
        """Take a frame of the client; return the answer to it, if there is one."""

    def frames(self, now_ns: int) -> list[tuple[Hashable, str]]:
        """Return the frames to be sent since it was last asked, by socket."""

    def close(self, line: Hashable) -> None:
        """Forget a socket that is closed."""


class World:
    """All that a process finds when it starts."""

    def __init__(self, server: Server, faults: Faults, wall_off_ns: int = 0, start_ns: int = START_NS) -> None:
        self.server, self.faults = server, faults
        self.machine = Machine(lambda: self.now_s, wall_off_ns, start_ns)
        self.trace = hashlib.blake2b(digest_size=16)
        self.last_notes: deque[str] = deque(maxlen=200)
        """The end of the trace, for a reader of a failing seed."""
        self._now_s = 0.0
        self._loop: VirtualLoop | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._receivers: dict[Hashable, Callable[[str], None]] = {}  # of open sockets, by the server's line
        self._is_polling = False
        self.late_answer_s: Callable[[str, str], float] = lambda _method, _path: 0.0
        """How much later than usual the answer to a request is, so that frames overtake it."""

    @property
    def now_s(self) -> float:
        """Seconds since the world began."""
        return self._now_s if self._loop is None else self._loop.now_s

    def note(self, what: str, content: bytes = b"") -> None:
        """Add to the trace what happened, and the bytes that travelled."""
        text = f"{self.machine.true_ns()} {what}"
        self.trace.update(b"%s %d %s\n" % (text.encode(), len(content), content))
        self.last_notes.append(f"{text} {len(content)}" if content else text)

    # Time -------------------------------------------------------------------------------------------------------------

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later, whoever lives then."""
        self._number += 1
        event = (self.now_s + delay_s, self._number, action)
        heapq.heappush(self._events, event)
        if self._loop is not None:
            self._loop.call_at(event[0], self._run_due)

    def attach(self, loop: VirtualLoop) -> None:
        """Let time pass with the loop of a life."""
        assert self._loop is None, "one life at a time"
        self._loop = loop
        for when_s, _, _ in sorted(self._events, key=lambda event: event[:2]):
            loop.call_at(when_s, self._run_due)

    def detach(self) -> None:
        """Let time stand still until the next life, or ``pass_time``."""
        self._now_s, self._loop = self.now_s, None

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a life."""
        assert self._loop is None, "a life has a loop for that"
        until_s = self._now_s + seconds
        while self._events and self._events[0][0] <= until_s:
            self._now_s = max(self._events[0][0], self._now_s)
            self._run_due()
        self._now_s = until_s

    def _run_due(self) -> None:
        while self._events and self._events[0][0] <= self.now_s:
            heapq.heappop(self._events)[2]()

    # The server's side of sockets -------------------------------------------------------------------------------------

    def listen(self, line: Hashable, receiver: Callable[[str], None]) -> None:
        """Give the frames of a socket to a function, as the server sends them."""
        self._receivers[line] = receiver
        if not self._is_polling:
            self._is_polling = True
            self.after(STEP_S, self._poll)

    def hang_up(self, line: Hashable) -> None:
        """Close a socket at the server; harmless when it is closed."""
        if self._receivers.pop(line, None) is not None:
            self.server.close(line)

    def look(self) -> None:
        """Send what the server has to send."""
        for line, text in self.server.frames(self.machine.true_ns()):
            receiver = self._receivers.get(line)
            if receiver is not None:
                receiver(text)

    def _poll(self) -> None:
        self.look()
        self._is_polling = bool(self._receivers)
        if self._is_polling:
            self.after(STEP_S, self._poll)

    # Clocks -----------------------------------------------------------------------------------------------------------

    def disturb_clocks(self, every_s: float = 10.0, end_s: float = 1e9) -> None:
        """Set the wall clock now and then, as the faults say: up to an hour forward, or back."""

        def disturb() -> None:
            for kind, sign in (("clock_step", 1), ("clock_back", -1)):
                if self.faults.strikes(kind):
                    step_ns = sign * round(self.faults.amount(kind, 0.5, 3_600.0) * SECOND_NS)
                    self.machine.step_wall(step_ns)
                    self.note(f"{kind} {step_ns}")
            if self.now_s + every_s <= end_s:
                self.after(every_s, disturb)

        self.after(every_s, disturb)
