"""Records of ticks: prints, quotes and book levels as read from data, tapes of them, and order books."""

from enum import IntEnum

from tightloop.core import limits
from tightloop.core.domain.records import of as _of
from tightloop.core.domain.records import record as _record


class BookRow(IntEnum):
    """Flags of one row of an order book. Rows of one update (or snapshot) share their time and ``seq``."""

    IS_BID = 1
    IS_FIRST = 2  # first row of its update
    IS_LAST = 4  # last row of its update: the book is consistent again
    IS_SNAPSHOT = 8  # replaces all levels known before


class Gap(IntEnum):
    """What is missing at a DATA_GAP."""

    PRINTS = 0
    BOOK = 1


class QueueKind(IntEnum):
    """How cancels at a price level are split between the queue ahead of and behind a resting order."""

    RISK_AVERSE = 1  # no cancel is ahead of it
    LOG2 = 2  # weights ln(1 + behind) and ln(1 + ahead)
    POWER3 = 3  # weights behind^3 and ahead^3


class StreamKind(IntEnum):
    BARS = 1
    FUNDING = 2
    TRADES = 3
    QUOTES = 4
    BOOKS = 6
    GRID = 5  # time alone: windows advance although nothing happened
    FEED_STATES = 7  # of a recording: a session had lost the feed, had missed something of it, or had it again


class Clock(IntEnum):
    """Who receives a stream: the strategy, the venue, or both at one time."""

    BOTH = 0
    STRATEGY = 1
    VENUE = 2


TICK = _record(
    # happened, received; a book row: seq, BookRow flags; of FEED_STATES: a FeedState and 0, or a Gap and 1
    *_of("i8", "ts_event_ns ts_init_ns trade_id is_buyer_maker"),
    *_of("f8", "price qty ask ask_qty"),  # of a quote: best bid and ask, their quantities
)


# Received prints, quotes or book tops of one instrument, for time windows: a ring of prefix sums in the arena.
TAPE = _record(
    *_of("i8", "base width capacity count epoch_ns first_ns edge_first edge_count has_moments has_extremes"),
    *_of("i8", "is_quotes due_ns"),  # due_ns: when the first edge of a window moves on
)


# One edge of a window: the tape row in force ``offset_ns`` before now, when the next row takes over, the row's values.
EDGE = _record(*_of("i8", "tape offset_ns at due_ns"), *_of("f8", "row_time row_price row_price_dt"))


# Lazy evaluation: windowed indicators that depend on the last tick and the tapes alone are computed when read.
ON_DEMAND = _record(
    *_of("i8", "put_off"),  # bit k: windowed indicator k of the instrument is lazy
    *_of("i8", "since_ns"),  # time of the event after which they are not yet computed; 0: they are up to date
)


LEVEL = _record(*_of("f8", "price qty"))


# The order book as the strategy received it; the venue keeps its own under the same names.
BOOK = _record(
    *_of("i8", "bid_count ask_count is_known last_seq is_top"),  # is_top: bid and ask of the instrument are this book's
    ("bids", LEVEL, (limits.LEVELS_MAX,)),  # best level last
    ("asks", LEVEL, (limits.LEVELS_MAX,)),
)
