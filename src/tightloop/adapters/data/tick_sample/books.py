"""The order book of a coin: snapshots and changes whose best levels are its quotes; those behind them are made up.

A book shows DEPTH levels a side, one increment apart. What a quote says is the best of them; a level behind holds a
quantity of its own, which changes now and then. Changes are what differs from one moment to the next.
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
"""Seconds between two snapshots; and from the end of what was not recorded to the next one."""
_TABLE, _RENEWED = 4_096, 64
"""Quantities to draw from, and after how many quotes a level takes another one."""


def make_book(stream: Stream, coin: TickCoin, course: Course, quotes: Columns, start_ns: int) -> Columns:
    """The columns of a catalog, by the time of receipt: at the time of every quote its best prices are the quote's."""
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
    """Which moments are snapshots: the first, one every few minutes, and one soon after rows that are missing."""
    seconds = (received - start_ns) / SECOND_NS
    due = [float(seconds[0]), *np.arange(SNAPSHOT_EVERY_S, float(seconds[-1]), SNAPSHOT_EVERY_S).tolist()]
    due = [at for at in due if not any(begin <= at < end for begin, end in course.missing)]
    due += [end + SNAPSHOT_AFTER_S for _, end in course.missing]
    found = np.zeros(len(received), np.bool_)
    places = np.searchsorted(seconds, due)
    found[places[places < len(found)]] = True
    return found


def _lots(tick: Ints, moment: Ints, table: Floats, sign: int) -> Floats:
    """What a level behind the best holds: of its price, for a number of moments."""
    turn = (moment + tick * 7) // _RENEWED
    return np.asarray(table[(tick * 31 + turn * 17 + sign) % _TABLE])


def _side_rows(
    best: Ints, best_lots: Floats, sign: int, table: Floats, is_snapshot: Flags
) -> tuple[Ints, Ints, Floats, Ints]:
    """Rows of one side: moment, price in increments, lots and side."""
    count = len(best)
    moments, behind = np.arange(count, dtype=np.int64)[:, None], np.arange(DEPTH, dtype=np.int64)[None, :]
    tick = best[:, None] - sign * behind
    lots = np.where(behind == 0, best_lots[:, None], _lots(tick, moments, table, sign))
    lots = np.where(tick > 0, lots, 0.0)
    # A level of this moment stood so many places further from the best of the moment before.
    shift = np.zeros(count, np.int64)
    shift[1:] = sign * (best[:-1] - best[1:])
    rows = np.repeat(moments, DEPTH, axis=1)
    before = _at_place(lots, rows - 1, behind + shift[:, None])
    told = (lots != before) | (is_snapshot[:, None] & (lots > 0))
    told[0] = lots[0] > 0
    # A level of the moment before that is not among those of this one is gone, unless all is told anew.
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
    """Lots at places of earlier moments; 0 where a place is not shown."""
    inside = (places >= 0) & (places < DEPTH) & (rows >= 0)
    return np.where(inside, lots[np.maximum(rows, 0), np.clip(places, 0, DEPTH - 1)], 0.0)


def _numbers(moment: Ints, received: Ints, course: Course, start_ns: int) -> Ints:
    """Updates count one by one; those that were not recorded have taken their numbers with them."""
    first = np.concatenate(([True], np.diff(moment) > 0))
    steps = first.astype(np.int64)
    times = received[moment]
    for _, end in course.missing:
        place = int(np.searchsorted(times, start_ns + int(end * SECOND_NS)))
        if place < len(steps):
            steps[place] += 3
    return np.cumsum(steps)
