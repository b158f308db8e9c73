"""BOOK_DEPTH: notional that rests in the order book near the mid price, on one side or both."""

import math

from tightloop.core import limits
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.types import Floats, Record
from tightloop.core.indicators._last_quote import every_second, no_ends
from tightloop.core.indicators._one_window import no_memory
from tightloop.core.indicators.contract import REFRESH, Choice, Number
from tightloop.core.signatures import MEASURE

OUTPUTS = ("value",)
PARAMETERS = (
    Number("within_pct", 1.0, 0.0, 100.0, meaning="percent of the mid price, the distance itself included"),
    Choice("side", "both", ("both", "bid", "ask"), "whose levels count"),
    REFRESH,
)
FORMULA = (
    "sum of price x quantity over the levels of the book that lie within `within_pct` of (best bid + best ask) / 2; "
    f"UNKNOWN without a known book of two sides, and where more than {limits.LEVELS_MAX} levels of a side would count"
)
TAPES = ("book",)

size = no_memory
ends = no_ends
refresh = every_second

_WITHIN_PCT, _SIDE = 1, 2
_BOTH, _BID, _ASK = 0.0, 1.0, 2.0


@leaf
def _money(book: Record, side: int, bound: float) -> float:
    """Sum price x quantity of a side's levels from the best price up to ``bound``, in the quote asset.

    ``side``: 1 bids, -1 asks. NaN if all kept levels are in reach and the book is full: there may be more.
    """
    levels = book.bids if side > 0 else book.asks
    count = book.bid_count if side > 0 else book.ask_count
    at, money = count - 1, 0.0
    while at >= 0 and (levels[at].price - bound) * side >= 0.0:
        money += levels[at].price * levels[at].qty
        at -= 1
    return math.nan if at < 0 and count == limits.LEVELS_MAX else money


@compiled(MEASURE)
def measure(state: Record, arena: Floats, instrument: int, base: int) -> None:
    assert state.instruments[instrument].book >= 0, "the feed has a book"
    book = state.books[state.instruments[instrument].book]
    arena[base] = math.nan
    if book.is_known == 0 or book.bid_count == 0 or book.ask_count == 0:
        return
    middle = 0.5 * (book.bids[book.bid_count - 1].price + book.asks[book.ask_count - 1].price)
    reach = middle * arena[base + _WITHIN_PCT] / 100.0
    side = arena[base + _SIDE]
    money = 0.0
    if side != _ASK:
        money += _money(book, 1, middle - reach)
    if side != _BID:
        money += _money(book, -1, middle + reach)
    arena[base] = money
