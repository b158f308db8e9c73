"""What the venues do without an instruction: funding, rewards, arrivals, stops and targets, liquidations."""

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
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import BalanceKind, ContraAccount, Instruction, LegKind
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Record
from tightloop.core.trading.ledger import post_balance
from tightloop.core.venue.carry.record import push, push_executed


@leaf
def on_market_event(venue: Record, event: Record) -> None:
    """Process a market event at the venues, before the step does; what they do is told by events of their own."""
    assert event.ts_init_ns >= venue.ts_ns, "the venues receive events in time order"
    venue.ts_ns = event.ts_init_ns
    venue.bundle_id = 0  # what the venues do by themselves belongs to no bundle
    kind = event.kind
    books = venue.books
    if kind == EventKind.SERIES_UPDATED:
        update_series_at_venue(books, event.instrument, event.price)
    elif kind == EventKind.SETTLEMENT_PUBLISHED:
        if event.ts_event_ns == event.ts_init_ns:
            _stop_out(venue)  # the bar that ended now came before this settlement
        _settle_funding(venue, event)
    elif kind == EventKind.REWARD_PUBLISHED:
        _pay_reward(venue, event)
    elif kind == EventKind.CAPITAL_FLOW:
        if event.amount > 0.0:
            post_balance(books, venue.cash, ContraAccount.CAPITAL.value, event.amount)
    elif kind == EventKind.SNAPSHOT_COMPLETE:
        if venue.has_rewards != 0:
            _accrue_staked(venue)
        _arrive(venue)
        _stop_out(venue)
        for index in range(books.holding_count):
            books.holdings[index].before = books.holdings[index].mark
        if venue.margin_liquidate > 0.0:
            _liquidate_margins(venue)
        _liquidate_debts(venue)


@leaf
def _settle_funding(venue: Record, event: Record) -> None:
    """Settle funding on the quantity held before this instant and answer FUNDING_SETTLED, also where nothing is held.

    Longs pay a positive rate.
    """
    books = venue.books
    holding = books.holdings[event.instance]
    if holding.settled_ns >= event.ts_event_ns:
        return  # duplicate settlement; already applied
    holding.settled_ns = event.ts_event_ns
    mark = holding.entry_price if venue.funding_on_entry != 0 else fields.settlement_mark(event)
    amount = -holding.qty * mark * event.rate if holding.qty != 0.0 else 0.0
    paid = in_cash(books, holding, amount)
    fields.set_settled(push(venue, EventKind.FUNDING_SETTLED.value), event, amount, paid)
    if amount != 0.0:
        post_balance(books, holding.margin_account, ContraAccount.FUNDING.value, paid)


@leaf
def _accrue_staked(venue: Record) -> None:
    """Accrue ETH x ns staked since the last accrual to every reward: rewards go by the average over their period."""
    books = venue.books
    if venue.staked_at_ns > 0:
        span = float(venue.ts_ns - venue.staked_at_ns)
        total = 0.0
        for index in range(books.balance_count):
            balance = books.balances[index]
            if balance.rate_series >= 0 and balance.sign > 0 and balance.amount > 0.0:
                total += balance.amount * underlying(books, balance)
        for index in range(books.balance_count):
            if books.balances[index].kind == BalanceKind.REWARD:
                venue.staked[index] += total * span
    venue.staked_at_ns = venue.ts_ns


@leaf
def _pay_reward(venue: Record, event: Record) -> None:
    """Pay a reward and answer REWARD_PAID: ``rate`` units for each ETH staked on average over its period.

    The period is [ts_event_ns, ts_init_ns). A rate of 0 pays nothing and begins a period. A reward without a market
    price is not booked, but told.
    """
    books = venue.books
    _accrue_staked(venue)
    span = float(event.ts_init_ns - event.ts_event_ns)
    units = event.rate * venue.staked[event.instance] / span if event.rate > 0.0 and span > 0.0 else 0.0
    venue.staked[event.instance] = 0.0
    if units > 0.0:
        fields.set_reward(push(venue, EventKind.REWARD_PAID.value), event.instance, units)
        if books.assets[books.balances[event.instance].asset].price > 0.0:
            post_balance(books, event.instance, ContraAccount.REWARDS.value, units)


@leaf
def _arrive(venue: Record) -> None:
    """Move the transfers and redemptions that are due to their targets."""
    index = 0
    while index < venue.transit_count:
        transit = venue.transits[index]
        if transit.due_ns > venue.ts_ns:
            index += 1
            continue
        convert(venue.books, Instruction.ARRIVED.value, transit.source, transit.target, transit.amount, transit.amount)
        push_executed(
            venue, Instruction.ARRIVED.value, -1, transit.source, transit.target, transit.amount, transit.amount
        )
        venue.transit_count -= 1
        last = venue.transits[venue.transit_count]  # fills the gap; its turn is next
        transit.source, transit.target = last.source, last.target
        transit.amount, transit.due_ns = last.amount, last.due_ns


@leaf
def _close_holding(venue: Record, index: int, price: float) -> None:
    """Close a holding at ``price``, with fee, without an instruction."""
    books = venue.books
    holding = books.holdings[index]
    qty = -holding.qty
    trade_holding(books, index, qty, price)
    notional = abs(qty) * price
    fee = in_cash(books, holding, notional * rate_of_size(holding, notional * books.assets[holding.quote].usd))
    event = push_executed(venue, Instruction.PERP_TRADE.value, holding.leg, -1, index, qty, 0.0)
    fields.set_executed_price(event, price)
    if fee != 0.0:
        post_balance(books, holding.margin_account, ContraAccount.COSTS.value, -fee)
        fields.set_executed_fee(event, fee, holding.margin_account)
    holding.stop = holding.target = math.nan


@leaf
def _stop_out(venue: Record) -> None:
    """Fill stops and targets by the range of the bar that ended now, for holdings opened before this instant.

    A touch fills a stop; a target fills only if price traded through it. If the bar reached both, the stop comes first.
    A bar that opened beyond either fills at its open: the mark of the previous instant (``before``).
    """
    books = venue.books
    for index in range(books.holding_count):
        holding = books.holdings[index]
        if holding.qty == 0.0 or holding.high_series < 0 or holding.opened_ns >= venue.ts_ns:
            continue
        high, low = books.series[holding.high_series].now, books.series[holding.low_series].now
        opened = holding.before
        if holding.qty > 0.0:
            if low <= holding.stop:
                _close_holding(venue, index, min(holding.stop, opened))
            elif high > holding.target:
                _close_holding(venue, index, max(holding.target, opened))
        elif high >= holding.stop:
            _close_holding(venue, index, max(holding.stop, opened))
        elif low < holding.target:
            _close_holding(venue, index, min(holding.target, opened))


@leaf
def liquidation_price(books: Record, index: int, rate: float) -> float:
    """Return the mark price at which a holding alone at its venue has a margin ratio of ``rate``.

    Solves cash + sign x qty x (price - entry) = rate x qty x price.
    """
    holding = books.holdings[index]
    qty = abs(holding.qty)
    sign = 1.0 if holding.qty > 0.0 else -1.0
    cash = margin_equity(books, holding.venue) - holding.unrealized
    return (sign * holding.entry_price * qty - cash) / (qty * (sign - rate))


@leaf
def _liquidate_margins(venue: Record) -> None:
    """Liquidate all holdings at a venue whose margin ratio is below the maintenance ratio ``margin_liquidate``.

    Each is closed at the price at which it alone reaches that ratio, or at the mark if the market has not come so far.
    The venue keeps the margin left at that price.
    """
    books = venue.books
    for index in range(books.holding_count):
        holding = books.holdings[index]
        if holding.qty == 0.0:
            continue
        ratio = margin_equity(books, holding.venue) / margin_notional(books, holding.venue)
        if not ratio < venue.margin_liquidate:
            continue
        # If holdings share a margin, the price for one alone can lie beyond the mark, where the market has not been.
        alone = liquidation_price(books, index, venue.margin_liquidate)
        price = holding.mark
        if alone > 0.0:
            price = max(alone, price) if holding.qty > 0.0 else min(alone, price)
        kept = in_cash(books, holding, abs(holding.qty) * price * venue.margin_liquidate)
        trade_holding(books, index, -holding.qty, price)
        post_balance(books, holding.margin_account, ContraAccount.SEIZED.value, -kept)
        holding.is_liquidated = 1
        event = push(venue, EventKind.PERP_LIQUIDATED.value)
        fields.set_perp_liquidated(event, index, price, kept)


@leaf
def _liquidate_debts(venue: Record) -> None:
    """Liquidate debts with a health factor below 1: a liquidator repays part and takes collateral with a bonus.

    The part is the close factor of Aave v3 (``core/carry/lending.py``); amounts are scaled.
    """
    books = venue.books
    for index in range(venue.leg_count):
        leg = venue.legs[index]
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
        if seized > held:  # the collateral does not cover it: repay only what it pays for
            repaid *= held / seized
            seized = held
        post_balance(books, leg.product, ContraAccount.SEIZED.value, -seized)
        post_balance(books, leg.debt, ContraAccount.SEIZED.value, repaid)
        event = push(venue, EventKind.DEBT_LIQUIDATED.value)
        fields.set_debt_liquidated(event, leg.debt, leg.product, repaid, seized)
