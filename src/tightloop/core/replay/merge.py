"""The feed of bars: streams of bars and funding rates, merged by time in the fixed order of one instant.

    bars that close at T (DECIDE_ON_CLOSE on the last), funding at T, bars that open at T (RECORD on the last of T)

A funding event carries the mark at which it settles: the open of the bar that opens at its instant, else NaN (the last
one known). Streams are kept in a binary heap by (time, phase, stream), so n streams cost log n comparisons an event.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import Phase
from tightloop.core.domain.ticks import StreamKind
from tightloop.core.domain.types import Ints, Record, Rows

_CLOSES, _FUNDING, _OPENS = 0, 1, 2


@hot
def is_before(streams: Rows, a: int, b: int) -> bool:
    """Return whether stream ``a`` is due before stream ``b``: by time, then phase, then number."""
    one, other = streams[a], streams[b]
    if one.next_ns != other.next_ns:
        return one.next_ns < other.next_ns
    if one.next_phase != other.next_phase:
        return one.next_phase < other.next_phase
    return a < b


@leaf
def sift_down(heap: Ints, streams: Rows, place: int) -> None:
    """Restore the heap order below ``place``. ``heap[0]`` is the count, ``heap[1]`` the stream that is due first."""
    count = heap[0]
    moved = heap[place]
    while True:
        child = 2 * place
        if child > count:
            break
        if child < count and is_before(streams, heap[child + 1], heap[child]):
            child += 1
        if not is_before(streams, heap[child], moved):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = moved


@hot
def _schedule(stream: Record, bars: Rows, rates: Rows) -> None:
    """Set the time and phase of the stream's next event; NEVER_NS at its end."""
    if stream.at >= stream.end:
        stream.next_ns = limits.NEVER_NS
    elif stream.kind == StreamKind.FUNDING:
        stream.next_ns = rates[stream.at].ts_ns
        stream.next_phase = _FUNDING
    elif stream.is_closing != 0:
        stream.next_ns = bars[stream.at].close_ns
        stream.next_phase = _CLOSES
    else:
        stream.next_ns = bars[stream.at].open_ns
        stream.next_phase = _OPENS


@leaf
def begin(streams: Rows, heap: Ints, bars: Rows, rates: Rows) -> None:
    """Build the heap. Streams of bars come first, stream k carrying instrument k."""
    assert len(heap) > len(streams), "the heap holds its count and every stream"
    heap[0] = 0
    for k in range(len(streams)):
        _schedule(streams[k], bars, rates)
        if streams[k].next_ns < limits.NEVER_NS:
            heap[0] += 1
            heap[heap[0]] = k
    for place in range(heap[0] // 2, 0, -1):
        sift_down(heap, streams, place)


@hot
def _take_bar(stream: Record, bars: Rows, event: Record, now_ns: int) -> tuple[int, int]:
    """Write the open or the close of the stream's current bar; return time and phase of the stream's next event."""
    at = stream.at
    if stream.is_closing == 0:
        fields.write_bar_opened(event, stream.instrument, now_ns, bars[at].open)
        stream.is_closing = 1
        return bars[at].close_ns, _CLOSES
    fields.write_bar_closed(event, stream.instrument, now_ns, bars[at])
    stream.is_closing = 0
    stream.at = at + 1
    if at + 1 < stream.end:
        return bars[at + 1].open_ns, _OPENS
    return limits.NEVER_NS, _OPENS


@leaf
def _take_rate(streams: Rows, stream: Record, bars: Rows, rates: Rows, event: Record, now_ns: int) -> tuple[int, int]:
    """Write a funding rate with its mark; return time and phase of the stream's next event."""
    bar_stream = streams[stream.instrument]
    opens_now = bar_stream.next_ns == now_ns and bar_stream.next_phase == _OPENS
    mark = bars[bar_stream.at].open if opens_now else math.nan
    fields.write_funding_rate(event, stream.instrument, now_ns, rates[stream.at].rate, mark)
    stream.at += 1
    if stream.at < stream.end:
        return rates[stream.at].ts_ns, _FUNDING
    return limits.NEVER_NS, _FUNDING


@hot
def next_event(streams: Rows, heap: Ints, bars: Rows, rates: Rows, event: Record) -> bool:
    """Write the next event; return False at the end of all streams."""
    count = heap[0]
    if count == 0:
        return False
    stream = streams[heap[1]]
    phase, now_ns = stream.next_phase, stream.next_ns
    if stream.kind == StreamKind.BARS:
        next_ns, next_phase = _take_bar(stream, bars, event, now_ns)
    else:
        next_ns, next_phase = _take_rate(streams, stream, bars, rates, event, now_ns)
    stream.next_ns = next_ns
    stream.next_phase = next_phase
    if next_ns == limits.NEVER_NS:
        heap[1] = heap[count]
        heap[0] = count - 1
    if count > 1:
        # With one stream, what it gives next is what comes next: no look into the heap.
        if heap[0] > 1:
            sift_down(heap, streams, 1)
        next_ns, next_phase = streams[heap[1]].next_ns, streams[heap[1]].next_phase
    follows = next_ns == now_ns
    flags = 0 if follows else Phase.RECORD.value
    if phase == _CLOSES and not (follows and next_phase == _CLOSES):
        flags |= Phase.DECIDE_ON_CLOSE.value
    event.phase = flags
    return True
