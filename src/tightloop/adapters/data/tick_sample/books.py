"""Order books of a coin: snapshots and changes whose best levels equal its quotes; deeper levels are invented.

A book has DEPTH levels a side, one increment apart. The best level is the quote's; each level behind it has a quantity
that changes now and then. Rows are the differences between consecutive moments.
"""

import numpy as np

from tightloop.adapters.data._shared import Stream, exp_6, to_digits
from tightloop.adapters.data._shared.arrays import Flags
from tightloop.adapters.data.tick_sample.constants import BOOK_DEVIATION
from tightloop.adapters.data.tick_sample.tape import Columns, Course, TickCoin
from tightloop.core.domain.types import Floats, Ints
from tightloop.model.times import SECOND_NS

DEPTH = 8
SNAPSHOT_EVERY_S, SNAPSHOT_AFTER_S = 300.0, 5.0
"""Seconds between snapshots; and from the end of a gap in the recording to the next snapshot."""
_TABLE, _RENEWED = 4_096, 64
"""Size of the table of quantities; quotes after which a level draws another one."""


def make_book(stream: Stream, coin: TickCoin, course: Course, quotes: Columns, start_ns: int) -> Columns:
    """Return book rows by time of receipt; at every quote's time the best levels equal the quote."""
    ticks = {side: np.rint(quotes[side] / coin.increment).astype(np.int64) for side in ("bid", "ask")}
    mean_lots = float(np.mean(quotes["bid_qty"] + quotes["ask_qty"])) / 2.0 / coin.lot
    table = np.maximum(np.rint(mean_lots * exp_6(stream.normal(_TABLE) * BOOK_DEVIATION - 0.5)), 1.0)
    is_snapshot = _snapshots(quotes["ts_init_ns"], course, start_ns)
    parts = [
        _side_rows(ticks[side], np.rint(quotes[f"{side}_qty"] / coin.lot), sign, table, is_snapshot)
        for side, sign in (("bid", 1), ("ask", -1))
    ]
    moment, tick, lots, sign = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((-sign * tick, -sign, moment))
    moment, tick, lots, sign = moment[order], tick[order], lots[order], sign[order]
    numbers = _numbers(moment, quotes["ts_init_ns"], course, start_ns)
    return {
        "ts_event_ns": quotes["ts_event_ns"][moment],
        "ts_init_ns": quotes["ts_init_ns"][moment],
        "seq": numbers,
        "side": np.where(sign > 0, "bid", "ask"),
        "price": to_digits(tick * coin.increment, coin.digits),
        "qty": to_digits(lots * coin.lot, 6),
        "is_snapshot": is_snapshot[moment],
    }


def _snapshots(received: Ints, course: Course, start_ns: int) -> Flags:
    """Return flags of the moments that are snapshots: the first, one every few minutes, and one after each gap."""
    seconds = (received - start_ns) / SECOND_NS
    due = [float(seconds[0]), *np.arange(SNAPSHOT_EVERY_S, float(seconds[-1]), SNAPSHOT_EVERY_S).tolist()]
    due = [due_s for due_s in due if not any(begin <= due_s < end for begin, end in course.missing)]
    due += [end + SNAPSHOT_AFTER_S for _, end in course.missing]
    is_snapshot = np.zeros(len(received), np.bool_)
    places = np.searchsorted(seconds, due)
    is_snapshot[places[places < len(is_snapshot)]] = True
    return is_snapshot


def _lots(tick: Ints, moment: Ints, table: Floats, sign: int) -> Floats:
    """Return the quantities of levels behind the best, by price and moment."""
    turn = (moment + tick * 7) // _RENEWED
    return np.asarray(table[(tick * 31 + turn * 17 + sign) % _TABLE])


def _side_rows(
    best: Ints, best_lots: Floats, sign: int, table: Floats, is_snapshot: Flags
) -> tuple[Ints, Ints, Floats, Ints]:
    """Return the rows of one side: moment, price in increments, quantity in lots, and side."""
    count = len(best)
    moments, behind = np.arange(count, dtype=np.int64)[:, None], np.arange(DEPTH, dtype=np.int64)[None, :]
    tick = best[:, None] - sign * behind
    lots = np.where(behind == 0, best_lots[:, None], _lots(tick, moments, table, sign))
    lots = np.where(tick > 0, lots, 0.0)
    # Offset of a level's place: how many places further from the best it was at the previous moment.
    shift = np.zeros(count, np.int64)
    shift[1:] = sign * (best[:-1] - best[1:])
    rows = np.repeat(moments, DEPTH, axis=1)
    before = _at_place(lots, rows - 1, behind + shift[:, None])
    told = (lots != before) | (is_snapshot[:, None] & (lots > 0))
    told[0] = lots[0] > 0
    # A level that left the visible depth is deleted by a row of quantity 0, except at a snapshot.
    after = behind - shift[:, None]
    gone = (after < 0) | (after >= DEPTH)
    gone[0] = False
    gone &= (_at_place(lots, rows - 1, np.broadcast_to(behind, rows.shape)) > 0) & ~is_snapshot[:, None]
    gone_tick = (best[np.maximum(rows - 1, 0)] - sign * behind)[gone]
    moment = np.concatenate((rows[told], rows[gone]))
    ticks = np.concatenate((tick[told], gone_tick))
    return (
        moment, ticks, np.concatenate((lots[told], np.zeros(len(gone_tick)))), np.full(len(moment), sign, np.int64),
    )  # fmt: skip


def _at_place(lots: Floats, rows: Ints, places: Ints) -> Floats:
    """Return the lots at places of earlier moments; 0 beyond the visible depth."""
    inside = (places >= 0) & (places < DEPTH) & (rows >= 0)
    return np.where(inside, lots[np.maximum(rows, 0), np.clip(places, 0, DEPTH - 1)], 0.0)


def _numbers(moment: Ints, received: Ints, course: Course, start_ns: int) -> Ints:
    """Return update numbers, counting by one; updates lost in a gap skip numbers."""
    first = np.concatenate(([True], np.diff(moment) > 0))
    steps = first.astype(np.int64)
    times = received[moment]
    for _, end in course.missing:
        place = int(np.searchsorted(times, start_ns + int(end * SECOND_NS)))
        if place < len(steps):
            steps[place] += 3
    return np.cumsum(steps)
