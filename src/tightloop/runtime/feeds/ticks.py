"""Input of a run on ticks: streams of trades, quotes, order books and funding, read in pieces of bounded size.

Each tick stream owns a fixed slice of the one array that compiled code reads. When a slice is used up, the loop returns
and ``refill`` loads the next piece, so memory does not grow with the span. With latency, strategy and venue read the
same ticks through separate streams, each on its own clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tightloop.core import limits
from tightloop.core.domain.ticks import TICK, Clock, StreamKind
from tightloop.core.domain.types import RATE, STREAM, Rows
from tightloop.core.replay import ticks as replay_ticks

Ints = npt.NDArray[np.int64]
PIECE_ROWS, MANY_STREAMS, PIECE_ROWS_OF_MANY = 4_096, 64, 512
FEED_STATES = "feed_states"
KINDS = {
    "trades": StreamKind.TRADES, "quotes": StreamKind.QUOTES, "book": StreamKind.BOOKS,
    FEED_STATES: StreamKind.FEED_STATES,
}  # fmt: skip


def piece_rows(streams: int) -> int:
    """Return the rows per piece: fewer where many streams are open at once."""
    return PIECE_ROWS if streams <= MANY_STREAMS else PIECE_ROWS_OF_MANY


@dataclass(slots=True)
class TickSource:
    """Rows (TICK) of one instrument and kind in the order of receipt, in pieces of at most PIECE_ROWS."""

    instrument: int
    kind: str
    pieces: Iterator[Rows]


class TickFeed:
    """Streams over pieces of ticks, merged by time."""

    def __init__(
        self,
        sources: Sequence[tuple[TickSource, Clock]],
        funding: Mapping[int, tuple[Ints, npt.NDArray[np.float64]]],
        grids_ns: Mapping[int, int],
        offset_ns: int = 0,
        event_count: int = 0,
        piece_rows: int = PIECE_ROWS,
    ) -> None:
        """Open the streams and load the first piece of each.

        ``funding``: (ts_ns, rate) by instrument index. ``grids_ns``: period of the evaluation grid by instrument index.
        ``offset_ns``: added to times of receipt. ``event_count``: estimated number of events; 0 when unknown.
        ``piece_rows``: upper bound on the rows of a piece.
        """
        self.event_count = event_count
        count = len(sources) + len(funding) + len(grids_ns)
        self.streams = np.zeros(count, STREAM)
        self.heap = np.zeros(count + 2, np.int64)
        self._piece_rows = piece_rows
        self.ticks = np.zeros(max(len(sources), 1) * piece_rows, TICK)
        self._pieces = [source.pieces for source, _ in sources]
        self._clocks = [clock for _, clock in sources]
        self._venue_ns = [0] * len(sources)
        self.rates = self._lay_out(sources, funding, offset_ns)
        for k in range(len(sources)):
            self._fill(k)
        self._grids(len(sources) + len(funding), grids_ns)
        replay_ticks.ticks_begin(self.streams, self.heap, self.ticks, self.rates)

    def _lay_out(
        self,
        sources: Sequence[tuple[TickSource, Clock]],
        funding: Mapping[int, tuple[Ints, npt.NDArray[np.float64]]],
        offset_ns: int,
    ) -> Rows:
        for k, (source, clock) in enumerate(sources):
            row = self.streams[k]
            row["kind"], row["instrument"], row["clock"] = int(KINDS[source.kind]), source.instrument, int(clock)
            row["offset_ns"] = offset_ns
        start, kept = 0, []
        for k, (instrument, (ts_ns, rate)) in enumerate(sorted(funding.items()), len(sources)):
            rows = np.zeros(len(ts_ns), RATE)
            rows["ts_ns"], rows["rate"] = ts_ns, rate
            row = self.streams[k]
            row["kind"], row["instrument"], row["is_last"] = int(StreamKind.FUNDING), instrument, 1
            row["at"], row["end"] = start, start + len(rows)
            start += len(rows)
            kept.append(rows)
        return np.concatenate(kept) if kept else np.zeros(1, RATE)

    def _grids(self, first: int, grids_ns: Mapping[int, int]) -> None:
        """Start each grid at the first multiple of its period at or after the first tick of its instrument."""
        for k, (instrument, period_ns) in enumerate(sorted(grids_ns.items()), first):
            received_ns = [
                int(self.ticks[s["at"]]["ts_init_ns"]) + int(s["offset_ns"])
                for s in self.streams[: len(self._pieces)]
                if s["instrument"] == instrument and s["clock"] != int(Clock.VENUE) and s["at"] < s["end"]
                if s["kind"] != int(StreamKind.FEED_STATES)
            ]
            row = self.streams[k]
            row["kind"], row["instrument"], row["period_ns"] = int(StreamKind.GRID), instrument, period_ns
            row["next_ns"] = -(-min(received_ns) // period_ns) * period_ns if received_ns else limits.NEVER_NS

    def _fill(self, k: int) -> None:
        """Load the next piece of stream ``k`` into its slice; mark the stream as ended when there is none."""
        row, first = self.streams[k], k * self._piece_rows
        piece = next(self._pieces[k], None)
        while piece is not None and not len(piece):
            piece = next(self._pieces[k], None)
        count = 0 if piece is None else len(piece)
        assert count <= self._piece_rows, "a piece fits in its place"
        if piece is not None:
            slot = self.ticks[first : first + count]
            if piece.dtype == TICK and piece.flags.c_contiguous:
                slot.view(np.int64)[:] = piece.view(np.int64)  # whole, not row by row
            else:
                slot[:] = piece
            if self._clocks[k] == Clock.VENUE:
                # Exchange stamps may run backwards between messages; venue time must not, so take the running maximum.
                happened = np.maximum.accumulate(np.maximum(slot["ts_event_ns"], self._venue_ns[k]))
                slot["ts_event_ns"] = happened
                self._venue_ns[k] = int(happened[-1])
        row["at"], row["end"], row["is_last"] = first, first + count, int(piece is None)

    def refill(self) -> None:
        """Load the next piece of the stream on which the loop stopped (``heap[1]``)."""
        self._fill(int(self.heap[1]))
        replay_ticks.ticks_refilled(self.streams, self.heap, self.ticks, self.rates)
