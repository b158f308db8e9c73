"""What the allocator moves between places, what pays the gas of it, and what taking out costs.

Gas paid at once comes out of the wallet's cash; where that has not enough left, what is moved or taken out pays for its
own way. A fund whose cash is all at work can so still be wound down.
"""

import math

from tightloop.core.carry.books import margin_equity, margin_notional, unit_value
from tightloop.core.carry.bundles import burn, gas_in_cash, gas_in_eth, instruct, left_of, market_rate, payer_of
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BalanceKind, Instruction, LegKind, LegState
from tightloop.core.domain.types import Record, Rows
from tightloop.core.log import seal

UNEVEN = 0.05
"""Of the margin that is a venue's share: it is refilled when it misses more."""


@leaf
def _cost_of_way(carry: Record) -> float:
    """What one transfer costs whoever pays it, in the share class."""
    gas = gas_in_eth(carry, carry.gas_transfer)
    if carry.gas_series >= 0:
        gas *= carry.books.assets[carry.gas_asset].price
    return gas + carry.transfer_fee


@leaf
def move(state: Record, rows: Rows, leg: int, source: int, target: int, qty: float) -> int:
    """A transfer between two places of one asset, with its gas; returns the rows written.

    What is not worth its way stays where it is.
    """
    if not qty > 0.0 or source == target:
        return 0
    carry = state.carry
    assert carry.books.balances[source].token == carry.books.balances[target].token, (
        "a transfer changes the place alone"
    )
    worth = unit_value(carry.books, source)
    there = left_of(state, rows, source)
    if payer_of(state, rows, carry.gas_transfer, source) == source:
        there -= gas_in_cash(carry, carry.gas_transfer) * unit_value(carry.books, carry.cash) / worth
    sent = min(qty, there)
    if not sent * worth > _cost_of_way(carry):
        return 0
    count = burn(state, rows, leg, carry.gas_transfer, source)
    row = instruct(state, rows, leg, Instruction.TRANSFER.value, source, target, sent, math.nan)
    seal(state, row)
    return count + 1


@leaf
def _is_margin(carry: Record, at: int) -> bool:
    """Whether a balance is the margin of a holding that is open."""
    found = False
    for k in range(carry.books.holding_count):
        own = carry.books.holdings[k]
        found = found or (own.cash == at and own.qty != 0.0)
    return found


@leaf
def _in_quote(carry: Record, at: int) -> float:
    """What one unit of a margin is worth in the quote asset of its holdings; 1 of what is no margin."""
    for k in range(carry.books.holding_count):
        own = carry.books.holdings[k]
        if own.cash == at:
            return unit_value(carry.books, at) / carry.books.assets[own.quote].price
    return 1.0


@leaf
def _margins(carry: Record, token: int) -> tuple[float, float]:
    """Margin equity and notional over all venues where a token is the margin of something open; in the quote asset."""
    equity, notional = 0.0, 0.0
    for at in range(carry.books.balance_count):
        own = carry.books.balances[at]
        if own.kind == BalanceKind.VENUE and own.token == token and _is_margin(carry, at):
            equity += margin_equity(carry.books, own.venue)
            notional += margin_notional(carry.books, own.venue)
    return equity, notional


@leaf
def _spare(state: Record, rows: Rows, at: int, ratio: float) -> float:
    """What may leave a place so that ``ratio`` of its notional stays as margin, in units of the balance."""
    carry = state.carry
    own = carry.books.balances[at]
    left = left_of(state, rows, at)
    if not _is_margin(carry, at):
        return max(0.0, left)
    spare = margin_equity(carry.books, own.venue) - ratio * margin_notional(carry.books, own.venue)
    return max(0.0, min(left, spare / _in_quote(carry, at) - (own.amount - left)))


@leaf
def bring_to(state: Record, rows: Rows, purse: int, missing: float) -> int:
    """Move what is missing in the wallet from the exchanges: first what is no margin, then of margins so much that
    the same share of its notional is left at every venue. Returns the rows written."""
    carry = state.carry
    books = carry.books
    token = books.balances[purse].token
    assert books.balances[purse].kind == BalanceKind.WALLET, "what is missing is missing in the wallet"
    worth = unit_value(books, purse)
    fee = (carry.transfer_fee + gas_in_cash(carry, carry.gas_transfer) * unit_value(books, carry.cash)) / worth
    count = 0
    for wants_margin in (False, True):
        equity, notional = _margins(carry, token)
        due = missing
        for at in range(books.balance_count):
            own = books.balances[at]
            if own.kind != BalanceKind.VENUE or own.token != token or not missing > 0.0:
                continue
            if _is_margin(carry, at) == wants_margin:
                ratio = max(0.0, equity - due * _in_quote(carry, at)) / notional if wants_margin else 0.0
                qty = min(own.amount, min(_spare(state, rows, at, ratio), missing) + fee)
                written = move(state, rows, -1, at, purse, qty)
                count += written
                if written > 0:
                    missing -= max(0.0, qty - fee)
    return count


@leaf
def level_margins(state: Record, rows: Rows) -> int:
    """Cash from exchanges that have more than their share to those that have less, so that each has the same margin for
    its notional; returns the rows written."""
    carry = state.carry
    books = carry.books
    count = 0
    for target in range(books.balance_count):
        poor = books.balances[target]
        if poor.kind != BalanceKind.VENUE or not _is_margin(carry, target):
            continue
        unit = _in_quote(carry, target)
        equity, notional = _margins(carry, poor.token)
        for at in range(books.balance_count):
            own = books.balances[at]
            if own.kind == BalanceKind.VENUE and own.token == poor.token and not _is_margin(carry, at):
                equity += max(0.0, own.amount) * unit
        ratio = equity / notional
        wanted = ratio * margin_notional(books, poor.venue)
        missing = wanted - margin_equity(books, poor.venue)
        if not missing > UNEVEN * wanted:
            continue
        missing /= unit
        for at in range(books.balance_count):
            own = books.balances[at]
            if own.kind == BalanceKind.VENUE and own.token == poor.token and at != target and missing > 0.0:
                qty = min(_spare(state, rows, at, ratio), missing)
                written = move(state, rows, -1, at, target, qty)
                count += written
                if written > 0:
                    missing -= qty
    return count


# What it costs to take out --------------------------------------------------------------------------------------------


@leaf
def fixed_costs(carry: Record) -> float:
    """Of one reduction, whatever its size: gas and fees of transfers, in the share class."""
    total = 0.0
    way = gas_in_cash(carry, carry.gas_transfer) + carry.transfer_fee
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.product >= 0 and carry.books.balances[leg.product].amount > 0.0:
            total += gas_in_cash(carry, leg.gas_exit)
            if leg.debt >= 0 and leg.kind == LegKind.LEND:
                total += gas_in_cash(carry, leg.gas_borrow)
        if leg.source >= 0 and leg.base >= 0 and carry.legs[leg.source].kind == LegKind.SPOT:
            total += way
    for at in range(carry.books.balance_count):
        if carry.books.balances[at].kind == BalanceKind.VENUE and carry.books.balances[at].amount > 0.0:
            total += way
    return total


@leaf
def turnover_costs(carry: Record) -> float:
    """Of taking everything out: fees of exchanges, swaps and the market's discount on what is staked, in the share
    class; a part of it costs that part."""
    books = carry.books
    total = 0.0
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind == LegKind.SPOT:
            fed = 0.0
            for k in range(carry.leg_count):
                other = carry.legs[k]
                if other.source == at and other.product >= 0 and other.state == LegState.HELD:
                    fed += books.balances[other.product].amount * unit_value(books, other.product)
                    if other.debt >= 0:
                        fed -= books.balances[other.debt].amount * unit_value(books, other.debt)
            coins = books.balances[leg.coin].amount
            total += leg.fee_rate * (max(0.0, fed) + (coins * unit_value(books, leg.coin) if coins > 0.0 else 0.0))
            continue
        is_sold = leg.kind == LegKind.LOOP or (leg.kind == LegKind.STAKE and leg.exit == 0)
        if is_sold and books.balances[leg.product].amount > 0.0:
            rate = books.series[books.balances[leg.lst].rate_series].now
            lost = 1.0 - market_rate(carry, leg) / rate * (1.0 - leg.swap_rate)
            total += max(0.0, lost) * books.balances[leg.product].amount * unit_value(books, leg.product)
            if leg.kind == LegKind.LOOP:
                total += leg.flash_rate * books.balances[leg.debt].amount * unit_value(books, leg.debt)
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.qty != 0.0:
            price = books.assets[holding.quote].price
            total += holding.fee_rate * abs(holding.qty) * holding.mark * price
    return total


@leaf
def out_of_reach(carry: Record) -> float:
    """What reducing the legs does not bring in: rewards that are not sold, and what is owed for gas."""
    total = 0.0
    for at in range(carry.books.balance_count):
        own = carry.books.balances[at]
        if (own.kind == BalanceKind.REWARD or own.kind == BalanceKind.GAS) and own.amount != 0.0:
            total += own.sign * own.amount * unit_value(carry.books, at)
    return total


@leaf
def at_work(carry: Record) -> float:
    """What could still be taken out: worth of positions and of what lies at exchanges, in the share class."""
    books = carry.books
    total = 0.0
    for at in range(books.balance_count):
        own = books.balances[at]
        is_product = own.kind == BalanceKind.SUPPLIED or own.kind == BalanceKind.LST
        if (is_product or own.kind == BalanceKind.VENUE) and own.amount > 0.0:
            total += own.amount * unit_value(books, at)
    return total
