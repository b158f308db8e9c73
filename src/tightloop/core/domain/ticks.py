"""The domain of ticks: rows of prints, quotes and books, tapes of them, streams that give them."""

from enum import IntEnum

from tightloop.core import limits
from tightloop.core.domain.records import of as _of
from tightloop.core.domain.records import record as _record


class BookRow(IntEnum):
    """Flags of a row of an order book. The rows of one update (or snapshot) have one time and one ``seq``."""

    IS_BID = 1
    IS_FIRST = 2  # of its update
    IS_LAST = 4  # of its update: the book is whole again
    IS_SNAPSHOT = 8  # what was known before is void


class Gap(IntEnum):
    """What a DATA_GAP is a gap of."""

    PRINTS = 0
    BOOK = 1


class QueueKind(IntEnum):
    """Who cancels in front of an order that rests: nobody, or a share of what leaves its price."""

    RISK_AVERSE = 1
    LOG2 = 2  # ln(1 + back) against ln(1 + front)
    POWER3 = 3  # back^3 against front^3


class StreamKind(IntEnum):
    BARS = 1
    FUNDING = 2
    TRADES = 3
    QUOTES = 4
    BOOKS = 6
    GRID = 5  # time alone: windows move on though nothing happens


class Clock(IntEnum):
    """What a stream feeds: the strategy, the venue, or both at one time."""

    BOTH = 0
    STRATEGY = 1
    VENUE = 2


TICK = _record(
    *_of("i8", "ts_event_ns ts_init_ns trade_id is_buyer_maker"),  # happened, received; of a book: seq, flags (BookRow)
    *_of("f8", "price qty ask ask_qty"),  # of a quote: best bid and its quantity, best ask and its quantity
)


# What came in of one instrument and kind, for windows of time: a ring of rows in the arena, each with prefix sums.
TAPE = _record(
    *_of("i8", "base width capacity count epoch_ns first_ns edge_first edge_count has_moments has_extremes"),
    *_of("i8", "is_quotes due_ns"),  # due_ns: the first time at which an end of a window moves on
)


# One end of a window on a tape: the row in force ``offset_ns`` before now, when the next one is, what that row says.
EDGE = _record(*_of("i8", "tape offset_ns at due_ns"), *_of("f8", "row_time row_price row_price_dt"))


# What is put off until somebody reads it: windowed indicators that are a function of the last tick and the tapes alone.
ON_DEMAND = _record(
    *_of("i8", "put_off"),  # bit k: the instrument's windowed indicator k is
    *_of("i8", "since_ns"),  # the event of the instrument after which they were not computed yet; 0: they were
)


LEVEL = _record(*_of("f8", "price qty"))


# An order book as the strategy received it; the venue keeps its own by the same names.
BOOK = _record(
    *_of("i8", "bid_count ask_count is_known last_seq is_top"),  # is_top: best bid and ask are this book's
    ("bids", LEVEL, (limits.LEVELS_MAX,)),  # best last
    ("asks", LEVEL, (limits.LEVELS_MAX,)),
)
