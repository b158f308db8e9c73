"""The venue's clock, from its answers to what time it is.

A sample is the venue's time and ours in the middle of the round trip; the offset is the median of the last samples, so
one slow answer does not count. A venue whose clock runs at another speed (the twin with ``--speed``) is followed by a
line through the first and the last sample. It does only if each sample is further from the one before than a hundredth
of the time between and the travel of both answers explain: a clock that was set has one such step, and is no other
speed.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

SAMPLES_KEPT = 5
SPAN_MIN_NS = 200_000_000
OTHER_SPEED = 0.01
EVERY_S, EVERY_FAST_S = 60.0, 1.0


STEP_NS = 1_000_000
"""In which venues say what time it is."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """``unsure_ns``: how far the venue's time may have been from ours in the middle of the round trip."""

    ours_ns: int
    venue_ns: int
    unsure_ns: int


class VenueClock:
    """How far a venue's clock is ahead of ours."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_KEPT)
        self.speed = 1.0

    def take(self, sent_ns: int, received_ns: int, venue_ns: int) -> None:
        """Take an answer: when it was asked and came, by our clock, and the venue's time in it."""
        self._samples.append(_Sample((sent_ns + received_ns) // 2, venue_ns, (received_ns - sent_ns) // 2 + STEP_NS))
        first, last = self._samples[0], self._samples[-1]
        span_ns = last.ours_ns - first.ours_ns
        if span_ns >= SPAN_MIN_NS:
            speed = (last.venue_ns - first.venue_ns) / span_ns
            self.speed = speed if all(_differ(*pair) for pair in pairwise(self._samples)) else 1.0

    @property
    def has_samples(self) -> bool:
        """Whether it was ever asked."""
        return bool(self._samples)

    @property
    def sample_count(self) -> int:
        """How many of its last answers are kept."""
        return len(self._samples)

    @property
    def every_s(self) -> float:
        """How often to ask."""
        return EVERY_S if self.speed == 1.0 else EVERY_FAST_S

    def offset_ns(self, now_ns: int) -> int:
        """Return how far the venue's clock is ahead of ours at ``now_ns``; 0 before the first sample."""
        if not self._samples:
            return 0
        if self.speed == 1.0:
            return int(median(sample.venue_ns - sample.ours_ns for sample in self._samples))
        last = self._samples[-1]
        return last.venue_ns - last.ours_ns + int((now_ns - last.ours_ns) * (self.speed - 1.0))


def _differ(before: _Sample, after: _Sample) -> bool:
    """Return whether another time has passed at the venue than here between two samples."""
    passed_ns = after.ours_ns - before.ours_ns
    explained_ns = OTHER_SPEED * passed_ns + before.unsure_ns + after.unsure_ns
    return abs(after.venue_ns - before.venue_ns - passed_ns) > explained_ns
