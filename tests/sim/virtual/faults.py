"""Faults of a simulated network, by seed.

A fault strikes at an occasion: a call, a new connection, a second of a socket's life, an answer to a frame of ours.
Each class draws from a stream of its seed, so taking one class out leaves the others as they were, and a failing seed
can be made smaller. ``hits`` counts what struck, ``occasions`` what could have.
"""

import random
from collections.abc import Mapping

OF_CALLS = ("request_lost", "ack_lost", "slow_reply", "half_open", "reset", "partial_frame")
OF_CONNECTIONS = ("dns", "tls_handshake")
OF_SOCKETS = ("ws_drop", "ws_silent", "half_open", "partial_frame")
OF_REPLIES = ("pong_lost",)
OF_CLOCKS = ("clock_step", "clock_back")
NET = (
    "ack_lost", "request_lost", "slow_reply", "half_open", "reset", "dns", "tls_handshake", "ws_drop", "ws_silent",
    "pong_lost", "partial_frame",
)  # fmt: skip
KINDS = (*NET, *OF_CLOCKS)


class Faults:
    """What strikes. ``rates``: share of occasions by class; a class that is missing strikes only when it is armed."""

    def __init__(self, seed: int, rates: Mapping[str, float] | None = None) -> None:
        self.rates = dict(rates or {})
        unknown = sorted(self.rates.keys() - set(KINDS))
        assert not unknown, f"no classes of faults: {unknown}"
        self.hits = dict.fromkeys(KINDS, 0)
        self.occasions = dict.fromkeys(KINDS, 0)
        self._armed = dict.fromkeys(KINDS, 0)
        self._streams = {kind: random.Random(f"{seed} {kind}") for kind in (*KINDS, "latency")}

    @classmethod
    def swarm(cls, seed: int, kinds: tuple[str, ...] = KINDS) -> "Faults":
        """Draw rates: one seed in five has one class at a half, the others half of the classes at 1 to 10 %."""
        stream = random.Random(f"{seed} rates")
        if stream.random() < 0.2:
            return cls(seed, {stream.choice(kinds): 0.5})
        return cls(seed, {kind: stream.uniform(0.01, 0.1) for kind in kinds if stream.random() < 0.5})

    def arm(self, kind: str, count: int = 1) -> None:
        """Let a class strike at its next occasions."""
        self._armed[kind] += count

    def end(self) -> None:
        """Let nothing strike any more: what follows must recover."""
        self.rates.clear()
        self._armed = dict.fromkeys(KINDS, 0)

    def strikes(self, kind: str) -> bool:
        """Return whether a class strikes at this occasion."""
        self.occasions[kind] += 1
        if self._armed[kind]:
            self._armed[kind] -= 1
        elif kind not in self.rates or self._streams[kind].random() >= self.rates[kind]:
            return False
        self.hits[kind] += 1
        return True

    def first(self, kinds: tuple[str, ...]) -> str:
        """Return the first of some classes that strikes, "" if none does."""
        return next((kind for kind in kinds if self.strikes(kind)), "")

    def amount(self, kind: str, low: float, high: float) -> float:
        """Draw how much a fault is."""
        return self._streams[kind].uniform(low, high)

    def latency_s(self) -> float:
        """Draw how long a packet travels."""
        return self._streams["latency"].uniform(0.001, 0.05)
