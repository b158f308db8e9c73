"""What the venues do by themselves: funding, rewards, arrivals, stops, liquidations."""

import math

from tightloop.core.carry import lending
from tightloop.core.carry.books import (
    convert,
    in_cash,
    margin_equity,
    margin_notional,
    rate_of_size,
    trade_holding,
    underlying,
    unit_value,
    update_series_at_venue,
)
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BalanceKind, ContraAccount, Instruction, LegKind
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Record
from tightloop.core.trading.ledger import post_balance
from tightloop.core.venue.carry.record import push, push_executed


@leaf
def on_market_event(venue: Record, event: Record) -> None:
    """A market event at the venues, before the step hears of it."""
    assert event.ts_init_ns >= venue.ts_ns, "the venues hear events in order of time"
    venue.ts_ns = event.ts_init_ns
    kind = event.kind
    books = venue.books
    if kind == EventKind.SERIES_UPDATED:
        update_series_at_venue(books, event.instrument, event.price)
    elif kind == EventKind.FUNDING_SETTLED:
        if event.ts_event_ns == event.ts_init_ns:
            _stop_out(venue)  # inside the bar that ended now, so before what is settled now
        _settle(venue, event)
    elif kind == EventKind.REWARD_PAID:
        _pay_reward(venue, event)
    elif kind == EventKind.CAPITAL_FLOW:
        if event.amount > 0.0:
            post_balance(books, venue.cash, ContraAccount.CAPITAL.value, event.amount)
    elif kind == EventKind.SNAPSHOT_COMPLETE:
        if venue.has_rewards != 0:
            _count_staked(venue)
        _arrive(venue)
        _stop_out(venue)
        for at in range(books.holding_count):
            books.holdings[at].before = books.holdings[at].mark
        if venue.margin_liquidate > 0.0:
            _liquidate_margins(venue)
        _liquidate_debts(venue)


@leaf
def _settle(venue: Record, event: Record) -> None:
    """Funding on the quantity held before this instant, at the mark of the settlement; the event gets the amounts."""
    books = venue.books
    holding = books.holdings[event.instance]
    if holding.settled_ns >= event.ts_event_ns:
        return  # said twice, paid once
    holding.settled_ns = event.ts_event_ns
    mark = holding.entry_price if venue.funding_on_entry != 0 else event.price
    event.amount = -holding.qty * mark * event.rate if holding.qty != 0.0 else 0.0
    event.stop_price = in_cash(books, holding, event.amount)
    if event.amount != 0.0:
        post_balance(books, holding.margin_account, ContraAccount.FUNDING.value, event.stop_price)


@leaf
def _count_staked(venue: Record) -> None:
    """What was staked since the last event that counted, for rewards that go by the average of a period."""
    books = venue.books
    if venue.staked_at_ns > 0:
        span = float(venue.ts_ns - venue.staked_at_ns)
        total = 0.0
        for at in range(books.balance_count):
            own = books.balances[at]
            if own.rate_series >= 0 and own.sign > 0 and own.amount > 0.0:
                total += own.amount * underlying(books, own)
        for at in range(books.balance_count):
            if books.balances[at].kind == BalanceKind.REWARD:
                venue.staked[at] += total * span
    venue.staked_at_ns = venue.ts_ns


@leaf
def _pay_reward(venue: Record, event: Record) -> None:
    """A reward for each ETH staked on average over its period; the event gets the amount. A rate of 0 begins one."""
    books = venue.books
    _count_staked(venue)
    span = float(event.ts_init_ns - event.ts_event_ns)
    event.amount = event.rate * venue.staked[event.instance] / span if event.rate > 0.0 and span > 0.0 else 0.0
    venue.staked[event.instance] = 0.0
    if event.amount > 0.0 and books.assets[books.balances[event.instance].asset].price > 0.0:
        post_balance(books, event.instance, ContraAccount.REWARDS.value, event.amount)


@leaf
def _arrive(venue: Record) -> None:
    at = 0
    while at < venue.transit_count:
        transit = venue.transits[at]
        if transit.due_ns > venue.ts_ns:
            at += 1
            continue
        convert(venue.books, Instruction.ARRIVED.value, transit.source, transit.target, transit.amount, transit.amount)
        venue.bundle_id = 0
        push_executed(
            venue, Instruction.ARRIVED.value, -1, transit.source, transit.target, transit.amount, transit.amount
        )
        venue.transit_count -= 1
        last = venue.transits[venue.transit_count]
        transit.source, transit.target = last.source, last.target
        transit.amount, transit.due_ns = last.amount, last.due_ns


@leaf
def _close_at(venue: Record, at: int, price: float) -> None:
    books = venue.books
    venue.bundle_id = 0  # nobody asked for it
    holding = books.holdings[at]
    qty = -holding.qty
    trade_holding(books, at, qty, price)
    notional = abs(qty) * price
    fee = in_cash(books, holding, notional * rate_of_size(holding, notional * books.assets[holding.quote].usd))
    event = push_executed(venue, Instruction.PERP_TRADE.value, holding.leg, -1, at, qty, 0.0)
    event.price = price
    if fee != 0.0:
        post_balance(books, holding.margin_account, ContraAccount.COSTS.value, -fee)
        event.rate = fee
        event.is_maker = holding.margin_account
    holding.stop = holding.target = math.nan


@leaf
def _stop_out(venue: Record) -> None:
    """Stops and targets inside the bar that ended now, of what was held at its open; the stop comes first."""
    books = venue.books
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.qty == 0.0 or holding.high_series < 0 or holding.opened_ns >= venue.ts_ns:
            continue
        high, low = books.series[holding.high_series].now, books.series[holding.low_series].now
        opened = holding.before
        if holding.qty > 0.0:
            if low <= holding.stop:
                _close_at(venue, at, min(holding.stop, opened))
            elif high > holding.target:
                _close_at(venue, at, max(holding.target, opened))
        elif high >= holding.stop:
            _close_at(venue, at, max(holding.stop, opened))
        elif low < holding.target:
            _close_at(venue, at, min(holding.target, opened))


@leaf
def liquidation_price(books: Record, at: int, rate: float) -> float:
    """Where a holding that is alone at its venue has ``rate`` of its notional left as margin."""
    holding = books.holdings[at]
    qty = abs(holding.qty)
    sign = 1.0 if holding.qty > 0.0 else -1.0
    cash = margin_equity(books, holding.venue) - holding.unrealized
    return (sign * holding.entry_price * qty - cash) / (qty * (sign - rate))


@leaf
def _liquidate_margins(venue: Record) -> None:
    """Below the maintenance ratio a venue closes what is held there and keeps the margin that was left."""
    books = venue.books
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.qty == 0.0:
            continue
        ratio = margin_equity(books, holding.venue) / margin_notional(books, holding.venue)
        if not ratio < venue.margin_liquidate:
            continue
        # Where others share the margin, one alone may be liquidated only beyond the mark, which nobody trades at.
        alone = liquidation_price(books, at, venue.margin_liquidate)
        price = holding.mark
        if alone > 0.0:
            price = max(alone, price) if holding.qty > 0.0 else min(alone, price)
        kept = in_cash(books, holding, abs(holding.qty) * price * venue.margin_liquidate)
        trade_holding(books, at, -holding.qty, price)
        post_balance(books, holding.margin_account, ContraAccount.SEIZED.value, -kept)
        holding.is_liquidated = 1
        event = push(venue, EventKind.PERP_LIQUIDATED.value)
        event.instance = at
        event.price = price
        event.amount = kept


@leaf
def _liquidate_debts(venue: Record) -> None:
    """A health factor below 1: part of the debt is repaid by a liquidator, who takes collateral with a bonus."""
    books = venue.books
    for at in range(venue.leg_count):
        leg = venue.legs[at]
        if leg.debt < 0 or leg.kind == LegKind.PERP:
            continue
        collateral, debt = lending.collateral_value(books, leg), lending.debt_value(books, leg)
        health = lending.health_factor(collateral, debt, leg.threshold)
        if not health < 1.0:
            continue
        share = lending.close_factor(health)
        repaid = share * books.balances[leg.debt].amount
        seized = repaid * unit_value(books, leg.debt) * (1.0 + leg.bonus) / unit_value(books, leg.product)
        held = books.balances[leg.product].amount
        if seized > held:  # the collateral is not worth it: no more is repaid than what it pays for
            repaid *= held / seized
            seized = held
        post_balance(books, leg.product, ContraAccount.SEIZED.value, -seized)
        post_balance(books, leg.debt, ContraAccount.SEIZED.value, repaid)
        event = push(venue, EventKind.DEBT_LIQUIDATED.value)
        event.instrument, event.instance = leg.debt, leg.product
        event.qty, event.amount = repaid, seized
