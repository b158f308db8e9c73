"""Input of a run on bars: one stream of bars per instrument and of funding per perp, merged by time."""

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
        """Events of the whole feed, consumed or not: two per bar (open and close), one per funding rate."""
        funding = self.streams["kind"] == int(StreamKind.FUNDING)
        return 2 * len(self.bars) + int(self.streams["end"][funding].max(initial=0))

    def fresh(self) -> "Feed":
        """Return a feed over the same rows, rewound to the beginning; rows are shared, not copied."""
        feed = Feed(self.streams.copy(), self.heap.copy(), self.bars, self.rates)
        replay_bars.feed_begin(feed.streams, feed.heap, feed.bars, feed.rates)
        return feed


def make_feed(bars: Sequence[Rows], funding: Mapping[int, tuple[Ints, npt.NDArray[np.float64]]]) -> Feed:
    """Build a feed: ``bars`` per instrument in the order of the plan; ``funding`` as (ts_ns, rate) by instrument index.

    Funding outside the span of the instrument's bars is dropped: no position can exist there.
    """
    rows = np.concatenate(bars) if len(bars) > 1 else bars[0]
    streams = np.zeros(len(bars) + len(funding), STREAM)
    start = 0
    for index, instrument_bars in enumerate(bars):
        streams[index]["kind"], streams[index]["instrument"] = int(StreamKind.BARS), index
        streams[index]["at"], streams[index]["end"] = start, start + len(instrument_bars)
        start += len(instrument_bars)
    kept = []
    start = 0
    for place, (instrument, (ts_ns, rate)) in enumerate(sorted(funding.items()), len(bars)):
        first, last = bars[instrument]["open_ns"][0], bars[instrument]["close_ns"][-1]
        inside = (ts_ns >= first) & (ts_ns <= last)
        rows_inside = np.zeros(int(inside.sum()), RATE)
        rows_inside["ts_ns"], rows_inside["rate"] = ts_ns[inside], rate[inside]
        streams[place]["kind"], streams[place]["instrument"] = int(StreamKind.FUNDING), instrument
        streams[place]["at"], streams[place]["end"] = start, start + len(rows_inside)
        start += len(rows_inside)
        kept.append(rows_inside)
    rates = np.concatenate(kept) if kept else np.zeros(1, RATE)
    heap = np.zeros(len(streams) + 2, np.int64)
    assert len(rows) < limits.NEVER_NS, "a feed is finite"
    return Feed(streams, heap, rows, rates).fresh()
