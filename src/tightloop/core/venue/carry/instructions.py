"""Execute one instruction of a bundle on the books of the venues.

A request gives ``qty`` of a source balance and takes ``amount`` of a target balance. One of the two is NaN and follows
from the conversion rate in force; if both are, the whole source balance is given. A balance may go below zero while a
bundle runs: ``bundles.py`` checks the bundle as a whole.
"""

import math

from tightloop.core import limits
from tightloop.core.carry.books import convert, in_cash, rate_of_size, series_now, trade_holding, unit_value
from tightloop.core.compiled import leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import BalanceKind, ContraAccount, Instruction, Rollback
from tightloop.core.domain.types import Record
from tightloop.core.trading.ledger import post_balance
from tightloop.core.venue.carry.record import push_executed

ROUNDING = 1e-12
"""Relative: a repayment this close to the debt repays it in full, so that no float residue stays owed."""


@leaf
def _conversion_rate(venue: Record, request: Record) -> float:
    """Return units of the target per unit of the source; NaN or inf if a price it needs is unknown.

    Indices and rates convert between an asset and its scaled or staked token; a swap is net of its fee.
    """
    books = venue.books
    op = request.op
    source, target = books.balances[request.source], books.balances[request.target]
    if op == Instruction.SPOT_BUY:
        return 1.0 / books.series[request.series].now
    if op == Instruction.SPOT_SELL:
        return books.series[request.series].now
    if op == Instruction.SUPPLY or op == Instruction.REPAY:
        return 1.0 / series_now(books, target.index_series)
    if op == Instruction.WITHDRAW or op == Instruction.BORROW:
        return series_now(books, source.index_series)
    if op == Instruction.STAKE:
        return 1.0 / series_now(books, target.rate_series)
    if op == Instruction.REDEEM:
        return series_now(books, source.rate_series)
    if op == Instruction.SWAP:
        if request.series < 0:
            return math.nan  # no market price for this token
        return series_now(books, request.series) * (1.0 - request.fee_rate)
    if op == Instruction.SELL_DUST:
        return unit_value(books, request.source) / unit_value(books, request.target)
    return 1.0


@leaf
def _fee_of(venue: Record, request: Record, qty: float, amount: float) -> float:
    """Return the fee of a spot trade or a sale of rewards, in units of the balance that pays it; else 0."""
    if request.fee_balance < 0 or request.fee_rate == 0.0:
        return 0.0
    if request.op == Instruction.SELL_DUST:
        return amount * request.fee_rate
    if request.op != Instruction.SPOT_BUY and request.op != Instruction.SPOT_SELL:
        return 0.0
    paid = qty if request.op == Instruction.SPOT_BUY else amount
    quote = venue.books.balances[request.fee_balance].asset
    return paid * rate_of_size(venue.legs[request.leg], paid * venue.books.assets[quote].usd)


@leaf
def _trade_perp(venue: Record, request: Record) -> int:
    """Trade ``qty`` contracts (signed) of a perpetual at its mark, with fee; return a Rollback code."""
    books = venue.books
    holding = books.holdings[request.holding]
    if not (holding.mark > 0.0 and abs(request.qty) < math.inf):
        return Rollback.PRICE_UNKNOWN.value
    was_flat = holding.qty == 0.0
    trade_holding(books, request.holding, request.qty, holding.mark)
    if was_flat:
        holding.opened_ns = venue.ts_ns
    holding.stop, holding.target = request.stop, request.target_price
    notional = abs(request.qty) * holding.mark
    fee = in_cash(books, holding, notional * rate_of_size(holding, notional * books.assets[holding.quote].usd))
    event = push_executed(venue, request.op, request.leg, -1, request.holding, request.qty, 0.0)
    fields.set_executed_price(event, holding.mark)
    fields.set_executed_exits(event, request.stop, request.target_price)
    if fee != 0.0:
        post_balance(books, request.fee_balance, ContraAccount.COSTS.value, -fee)
        fields.set_executed_fee(event, fee, request.fee_balance)
    return Rollback.NONE.value


@leaf
def _transfer(venue: Record, request: Record, qty: float) -> int:
    """Transfer between places, less the transfer fee; with a delay the amount waits in a TRANSIT balance.

    Returns a Rollback code: NOT_ENOUGH if the amount does not exceed the fee.
    """
    books = venue.books
    fee = venue.transfer_fee / unit_value(books, request.source) if venue.transfer_fee > 0.0 else 0.0
    if not qty > fee:
        return Rollback.NOT_ENOUGH.value
    target = request.target
    if venue.delay_ns > 0:
        target = transit_of(books, books.balances[request.source].token)
        _start_transit(venue, target, request.target, qty - fee, venue.ts_ns + venue.delay_ns)
    convert(books, request.op, request.source, target, qty, qty - fee)
    push_executed(venue, request.op, request.leg, request.source, target, qty, qty - fee)
    return Rollback.NONE.value


@leaf
def transit_of(books: Record, token: int) -> int:
    """Return the index of the balance that holds a token in transit."""
    assert token >= 0, "only a token is sent"
    for index in range(books.balance_count):
        if books.balances[index].kind == BalanceKind.TRANSIT and books.balances[index].token == token:
            return index
    raise AssertionError("a token that is sent has a balance for what is on its way")


@leaf
def _start_transit(venue: Record, source: int, target: int, amount: float, due_ns: int) -> None:
    """Register an amount that moves from ``source`` to ``target`` at the first instant not before ``due_ns``."""
    assert venue.transit_count < limits.TRANSITS_MAX, "TRANSITS_MAX: more on its way than there is room for"
    transit = venue.transits[venue.transit_count]
    venue.transit_count += 1
    transit.source, transit.target, transit.amount, transit.due_ns = source, target, amount, due_ns


@leaf
def _whole_debt(owed: float, amount: float) -> float:
    """Return ``amount``, or all of ``owed`` where the two differ by rounding alone."""
    return owed if abs(owed - amount) <= ROUNDING * owed else amount


@leaf
def execute(venue: Record, request: Record) -> int:
    """Execute one request on the books and push its event; return a Rollback code (NONE: executed)."""
    books = venue.books
    op = request.op
    if op == venue.forced_op:
        return Rollback.FORCED.value
    if op == Instruction.PERP_TRADE:
        return _trade_perp(venue, request)
    qty, amount = request.qty, request.amount
    if op == Instruction.GAS or op == Instruction.PAY_OUT:
        if not qty >= 0.0:
            return Rollback.PRICE_UNKNOWN.value
        convert(books, op, request.source, -1, qty, 0.0)
        push_executed(venue, op, request.leg, request.source, -1, qty, 0.0)
        return Rollback.NONE.value
    if qty != qty and amount != amount:
        qty = books.balances[request.source].amount
    if op == Instruction.TRANSFER:
        return _transfer(venue, request, qty)
    if op != Instruction.FLASH_REPAY:  # which states both sides: what is paid, with fee, and what was borrowed
        conversion = _conversion_rate(venue, request)
        if not (conversion > 0.0 and conversion < math.inf):
            return Rollback.PRICE_UNKNOWN.value
        if qty != qty:
            qty = amount / conversion
        elif op == Instruction.SPOT_BUY and venue.fee_in_amount != 0:  # legacy: the fee reduces the coins bought
            amount = qty * (1.0 - request.fee_rate) * conversion
        else:
            amount = qty * conversion
        if op == Instruction.REPAY:
            amount = _whole_debt(books.balances[request.target].amount, amount)
    convert(books, op, request.source, request.target, qty, amount)
    event = push_executed(venue, op, request.leg, request.source, request.target, qty, amount)
    fee = 0.0 if venue.fee_in_amount != 0 else _fee_of(venue, request, qty, amount)
    if op == Instruction.SPOT_BUY or op == Instruction.SPOT_SELL:
        fields.set_executed_price(event, books.series[request.series].now)
    if fee != 0.0:
        post_balance(books, request.fee_balance, ContraAccount.COSTS.value, -fee)
        fields.set_executed_fee(event, fee, request.fee_balance)
    if op == Instruction.REDEEM:  # the target is a QUEUE balance: the protocol pays out after its queue time
        leg = venue.legs[request.leg]
        _start_transit(venue, request.target, leg.base, amount, venue.ts_ns + leg.queue_ns)
    return Rollback.NONE.value
