"""What a run on recorded data is fed with: all streams of bars and funding, ready to be merged by time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tightloop.core import limits
from tightloop.core.domain.ticks import StreamKind
from tightloop.core.domain.types import RATE, STREAM, Rows
from tightloop.core.replay import bars as replay_bars

Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Feed:
    """Streams (dtype STREAM) over the rows of ``bars`` (BAR) and ``rates`` (RATE); ``heap`` orders them by time."""

    streams: Rows
    heap: Ints
    bars: Rows
    rates: Rows

    @property
    def event_count(self) -> int:
        """Events of the whole feed, whatever it gave already: two for each bar, one for each funding rate."""
        funding = self.streams["kind"] == int(StreamKind.FUNDING)
        return 2 * len(self.bars) + int(self.streams["end"][funding].max(initial=0))

    def fresh(self) -> "Feed":
        """The same data from the beginning, sharing the rows."""
        feed = Feed(self.streams.copy(), self.heap.copy(), self.bars, self.rates)
        replay_bars.feed_begin(feed.streams, feed.heap, feed.bars, feed.rates)
        return feed


def make_feed(bars: Sequence[Rows], funding: Mapping[int, tuple[Ints, npt.NDArray[np.float64]]]) -> Feed:
    """One stream of bars for each instrument, in the order of the plan, and funding by the instrument's index.

    Funding outside of the time that its instrument's bars cover is left out: nobody can hold anything there.
    """
    rows = np.concatenate(bars) if len(bars) > 1 else bars[0]
    streams = np.zeros(len(bars) + len(funding), STREAM)
    start = 0
    for at, own in enumerate(bars):
        streams[at]["kind"], streams[at]["instrument"] = int(StreamKind.BARS), at
        streams[at]["at"], streams[at]["end"] = start, start + len(own)
        start += len(own)
    kept = []
    start = 0
    for place, (instrument, (ts_ns, rate)) in enumerate(sorted(funding.items()), len(bars)):
        first, last = bars[instrument]["open_ns"][0], bars[instrument]["close_ns"][-1]
        inside = (ts_ns >= first) & (ts_ns <= last)
        own = np.zeros(int(inside.sum()), RATE)
        own["ts_ns"], own["rate"] = ts_ns[inside], rate[inside]
        streams[place]["kind"], streams[place]["instrument"] = int(StreamKind.FUNDING), instrument
        streams[place]["at"], streams[place]["end"] = start, start + len(own)
        start += len(own)
        kept.append(own)
    rates = np.concatenate(kept) if kept else np.zeros(1, RATE)
    heap = np.zeros(len(streams) + 2, np.int64)
    assert len(rows) < limits.NEVER_NS, "a feed is finite"
    return Feed(streams, heap, rows, rates).fresh()
