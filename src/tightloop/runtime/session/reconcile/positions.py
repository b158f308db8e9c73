"""Positions: quantity and entry at the venue against ours and what is foreign, explained by fills where they can be."""

import math
from collections.abc import Iterable
from dataclasses import replace

from tightloop.core import limits
from tightloop.core.domain.enums import EventKind, Origin
from tightloop.ports.execution import FillOrigin, FillReport, ListFills, ListOrders, PositionReport
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import Urgency, VenueAnswer
from tightloop.runtime.session.reconcile import margin
from tightloop.runtime.session.reconcile.comparison import Comparison, Whose
from tightloop.runtime.session.reconcile.records import FindingKind, OurPosition

_FORCED = {
    FillOrigin.LIQUIDATION: Origin.LIQUIDATION,
    FillOrigin.ADL: Origin.ADL,
    FillOrigin.DELISTING: Origin.DELISTING,
}


def compare(this: Comparison, position: OurPosition) -> None:
    """Compare the position on one instrument, ours and foreign together, and tell the venue's mark of ours."""
    there = [one for one in this.venue.positions if one.symbol == position.symbol]
    qty = sum(one.qty for one in there)
    entry = there[0].entry_price if len(there) == 1 else math.nan
    if position.qty != 0.0 and len(there) == 1:
        _tell_mark(this, position, there[0])
    fills = this.venue.fills.get(position.symbol)
    if fills is not None and any([_feed(this, fill) for fill in fills] + [_find_lost(this, position, fills)]):
        this.differs = this.has_moved = True
        return  # the desk books what is ours, and the next round sees what is left
    ours = position.qty + position.foreign
    slack = max(position.lot_size / 2, abs(ours) * limits.QUANTITY_TOLERANCE)
    difference = qty - ours
    is_alone = position.foreign == 0.0 and position.qty != 0.0
    differs = abs(difference) > slack
    entry_differs = is_alone and not differs and abs(entry - position.entry_price) > 1e-6 * position.entry_price
    if not differs and not entry_differs:
        return
    this.has_moved = True
    label = f"position {position.symbol} {difference:.9g}" if differs else f"entry {position.symbol} {entry:.9g}"
    is_ripe = this.is_ripe(label, position.last_fill_ns)
    if _is_untouched(this, position):
        _correct(this, position, difference, entry)
        return
    reported = [one for one in this.venue.reported if one.symbol == position.symbol]
    told = _explanation(this, reported, difference, slack) if differs else None
    is_doubtful = _doubt_stops(this, position.symbol)
    if told is not None and all(_is_sure(this, fill, is_doubtful=is_doubtful) for fill in told):
        del this.since_ns[label]
        _book(this, position, told)
        return
    if fills is None or not is_ripe or is_doubtful:
        this.requests.append(ListFills(position.symbol, this.since))
        this.requests.append(ListOrders(position.symbol, this.since))
        return
    del this.since_ns[label]  # the next such difference is another one
    explained = _explanation(this, fills, difference, slack) if differs else None
    if explained is not None:
        _book(this, position, explained)
    else:
        _correct(this, position, difference if differs else 0.0, entry)


def _is_untouched(this: Comparison, position: OurPosition) -> bool:
    """Return whether this is the first round and nothing of ours ever was on the symbol: what is there is foreign."""
    is_first = this.before.agreed_ns == 0 and position.qty == 0.0 and position.last_fill_ns == 0
    is_free = all(one.symbol != position.symbol for one in this.view.orders.values())
    is_clean = all(ids.decode(one.client_id) is None for one in this.venue.orders if one.symbol == position.symbol)
    return is_first and is_free and is_clean and this.view.epoch == 1


def _feed(this: Comparison, fill: FillReport) -> bool:
    """Give the desk a fill of an order that is ours and was not given before; return whether it was one."""
    key = this.key_of(fill.trade_id, fill.symbol)
    if not _is_ours(this, fill) or key in this.keys:
        return False
    this.keys[key] = None
    this.reports.append(replace(fill, client_id=this.name_of(fill)))  # the desk may not know the venue's id of it yet
    return True


def _find_lost(this: Comparison, position: OurPosition, fills: Iterable[FillReport]) -> bool:
    """Tell the core of fills of an earlier life that the journal lost; return whether there are any.

    That life has ended, so the journal will not have them any more: one round is proof enough.
    """
    lost = []
    for fill in fills:
        if _whose(this, fill) != Whose.LOST or _is_ours(this, fill):
            continue
        if this.key_of(fill.trade_id, fill.symbol) not in this.keys:
            lost.append(fill)
    _book(this, position, sorted(lost, key=lambda one: one.ts_ns))
    return bool(lost)


def _whose(this: Comparison, fill: FillReport) -> Whose:
    """Return who made the order of a fill, if it is not known here."""
    order = this.order_of(fill)
    return this.whose(this.name_of(fill), 0 if order is None else order.made_ns)


def _doubt_stops(this: Comparison, symbol: str) -> bool:
    """Note as doubtful the stops that are open here and not there; return whether there are any.

    A stop that was triggered is filled by another order, under a name that is not ours. Until the desk knows what
    became of a stop, a fill of others may be its own.
    """
    there = {report.client_id for report in this.venue.orders}
    doubtful = [
        one
        for one in this.view.orders.values()
        if one.symbol == symbol and one.is_conditional and one.is_open and one.client_id not in there
    ]
    this.doubts += [one.client_id for one in doubtful if one.is_acked and one.client_id not in this.doubts]
    return bool(doubtful)


def _is_sure(this: Comparison, fill: FillReport, *, is_doubtful: bool) -> bool:
    """Return whether it is known who made the order of a fill: of one with a name of ours, when it was made."""
    if ids.decode(this.name_of(fill)) is None:
        return not is_doubtful or this.origin_of(fill) in _FORCED
    return this.order_of(fill) is not None


def _is_ours(this: Comparison, fill: FillReport) -> bool:
    """Return whether a fill is of an order that is known here."""
    return this.origin_of(fill) == FillOrigin.ORDER and this.view.is_ours(this.name_of(fill), fill.venue_order_id)


def _explanation(
    this: Comparison, fills: Iterable[FillReport], difference: float, slack: float
) -> list[FillReport] | None:
    """Return the newest fills of others that add up to a difference, the oldest first; None: there are none."""
    chosen, total = [], 0.0
    for fill in sorted(fills, key=lambda one: one.ts_ns, reverse=True):
        if this.key_of(fill.trade_id, fill.symbol) not in this.keys and not _is_ours(this, fill):
            chosen.append(fill)
            total += fill.side * fill.qty
            if abs(total - difference) <= slack:
                return chosen[::-1]
    return None


def _book(this: Comparison, position: OurPosition, fills: list[FillReport]) -> None:
    """Tell the core of fills that explain a difference: forced ones, those of a lost tail, those of others."""
    for fill in fills:
        key = this.key_of(fill.trade_id, fill.symbol)
        this.keys[key] = None
        whose = _whose(this, fill)
        origin = _FORCED.get(this.origin_of(fill), Origin.LOST if whose == Whose.LOST else Origin.MANUAL)
        answer = VenueAnswer(
            EventKind.FILL_FOUND,
            instance=position.instance,
            instrument=position.instrument,
            price=fill.price,
            qty=fill.qty,
            fee=fill.fee,
            is_maker=fill.is_maker,
            fill_key=key,
            ts_event_ns=fill.ts_ns,
            side=fill.side,
            origin=origin,
        )
        this.answers.append(answer)
        this.trades.append(replace(fill, client_id=this.name_of(fill)))
        if whose == Whose.ENGINE:
            text = f"{fill.side * fill.qty} at {fill.price} by another engine on this account"
            this.find(FindingKind.SECOND_ENGINE, Urgency.CRITICAL, fill.symbol, text, is_not_ready=True, pauses=True)
        else:
            _find_fill(this, position, fill, origin)


def _find_fill(this: Comparison, position: OurPosition, fill: FillReport, origin: Origin) -> None:
    """Add the finding of a fill that an order here does not explain."""
    reduces = position.qty * fill.side < 0.0
    kind, urgency = FindingKind.MANUAL, Urgency.WARNING
    if origin in (Origin.LIQUIDATION, Origin.ADL, Origin.DELISTING):
        kind, urgency = FindingKind.FORCED, Urgency.CRITICAL
    elif origin == Origin.LOST:
        kind, urgency = FindingKind.LOST_TAIL, Urgency.CRITICAL
    elif not reduces:
        kind, urgency = FindingKind.FOREIGN, Urgency.INFO
    text = f"{origin.name}: {fill.side * fill.qty} at {fill.price}"
    this.find(kind, urgency, fill.symbol, text, ours=position.qty, theirs=position.qty + fill.side * fill.qty)


def _correct(this: Comparison, position: OurPosition, difference: float, entry: float) -> None:
    """Correct a position that no fill explains.

    What is more on our side, or where we hold nothing, is foreign. What is less is taken from a foreign holding on our
    side first; the rest changes our position, and entries pause.
    """
    ours, foreign = position.qty, position.foreign
    to_foreign = difference
    if ours != 0.0 and difference * ours <= 0.0:
        room = abs(foreign) if foreign * ours > 0.0 else 0.0
        to_foreign = math.copysign(min(abs(difference), room), difference)
    left = difference - to_foreign
    if to_foreign != 0.0:
        after = foreign + to_foreign
        after = 0.0 if abs(after) < position.lot_size / 2 else after
        _set(this, position, -1, after, entry if after != 0.0 else 0.0)
        this.find(FindingKind.FOREIGN, Urgency.INFO, position.symbol, "not ours", ours=foreign, theirs=after)
    if to_foreign == 0.0 or abs(left) > position.lot_size / 2:
        after = ours + left
        after = 0.0 if abs(after) < position.lot_size / 2 else after
        _set(this, position, position.instance, after, entry if after != 0.0 else 0.0)
        text = f"{ours} at {position.entry_price} is {after} at {entry} there, and no fill explains it"
        this.find(FindingKind.POSITION, Urgency.WARNING, position.symbol, text, ours=ours, theirs=after, pauses=True)


def _set(this: Comparison, position: OurPosition, instance: int, qty: float, entry: float) -> None:
    """Tell the core what a position, or a foreign holding (``instance`` -1), is at the venue."""
    answer = VenueAnswer(EventKind.POSITION_CORRECTED, instance=instance, instrument=position.instrument, qty=qty)
    this.answers.append(replace(answer, price=entry, ts_event_ns=this.view.now_ns))


def _tell_mark(this: Comparison, position: OurPosition, there: PositionReport) -> None:
    """Tell the core the venue's mark and liquidation price, and an operator when they are near each other."""
    if not there.mark > 0.0:
        return
    liquidation = max(0.0, there.liquidation_price)
    answer = VenueAnswer(EventKind.MARK_REPORTED, instance=position.instance, instrument=position.instrument)
    this.answers.append(replace(answer, price=there.mark, stop_price=liquidation, ts_event_ns=there.ts_ns))
    near, crossed = margin.crossings(there, this.before.near.get(position.symbol, margin.FAR))
    if near != margin.FAR:
        this.near[position.symbol] = near
    for one in crossed:
        numbers = {"ours": liquidation, "theirs": there.mark}
        this.find(FindingKind.LIQUIDATION_NEAR, one.urgency, position.symbol, one.text, **numbers)
