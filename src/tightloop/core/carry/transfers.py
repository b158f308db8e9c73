"""Transfers of the allocator between places, who pays their gas, and what withdrawing capital costs.

Gas paid at once comes from the wallet's cash. When that is too little, the balance being moved or withdrawn pays for
its own transaction, so that a fully invested fund can still be wound down.
"""

import math

from tightloop.core.carry.books import margin_equity, margin_notional, unit_value
from tightloop.core.carry.bundles import burn, gas_in_cash, gas_in_eth, instruct, left_of, market_rate, payer_of
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BalanceKind, Instruction, LegKind, LegState
from tightloop.core.domain.types import Record, Rows
from tightloop.core.log import seal

UNEVEN = 0.05
"""Fraction of a venue's share of margin: refilled when it misses more than this."""


@leaf
def _cost_of_way(carry: Record) -> float:
    """Return the cost of one transfer, gas and fee, in the share class."""
    gas = gas_in_eth(carry, carry.gas_transfer)
    if carry.gas_series >= 0:
        gas *= carry.books.assets[carry.gas_asset].price
    return gas + carry.transfer_fee


@leaf
def move(state: Record, rows: Rows, leg: int, source: int, target: int, qty: float) -> int:
    """Append a transfer of up to ``qty`` between two places of one token, with its gas; return the rows written.

    Nothing is moved when it is worth less than the transfer costs.
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
def _is_margin(carry: Record, index: int) -> bool:
    """Return whether a balance is the margin of an open holding."""
    found = False
    for k in range(carry.books.holding_count):
        holding = carry.books.holdings[k]
        found = found or (holding.margin_account == index and holding.qty != 0.0)
    return found


@leaf
def _in_quote(carry: Record, index: int) -> float:
    """Return the value of one unit of a margin balance in its holdings' quote asset; 1 when it is not a margin."""
    for k in range(carry.books.holding_count):
        holding = carry.books.holdings[k]
        if holding.margin_account == index:
            return unit_value(carry.books, index) / carry.books.assets[holding.quote].price
    return 1.0


@leaf
def _margins(carry: Record, token: int) -> tuple[float, float]:
    """Sum margin equity and notional, in the quote asset, over all venues with this token as margin in use."""
    equity, notional = 0.0, 0.0
    for k in range(carry.books.balance_count):
        balance = carry.books.balances[k]
        if balance.kind == BalanceKind.VENUE and balance.token == token and _is_margin(carry, k):
            equity += margin_equity(carry.books, balance.venue)
            notional += margin_notional(carry.books, balance.venue)
    return equity, notional


@leaf
def _spare(state: Record, rows: Rows, index: int, ratio: float) -> float:
    """Return what may leave a place, in its units, so that margin stays at ``ratio`` of notional."""
    carry = state.carry
    balance = carry.books.balances[index]
    left = left_of(state, rows, index)
    if not _is_margin(carry, index):
        return max(0.0, left)
    spare = margin_equity(carry.books, balance.venue) - ratio * margin_notional(carry.books, balance.venue)
    return max(0.0, min(left, spare / _in_quote(carry, index) - (balance.amount - left)))


@leaf
def bring_to(state: Record, rows: Rows, purse: int, missing: float) -> int:
    """Append transfers of up to ``missing`` from exchanges to the wallet; return the rows written.

    Idle cash goes first; then margins, so that the same margin ratio remains at every venue.
    """
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
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.kind != BalanceKind.VENUE or balance.token != token or not missing > 0.0:
                continue
            if _is_margin(carry, k) == wants_margin:
                ratio = max(0.0, equity - due * _in_quote(carry, k)) / notional if wants_margin else 0.0
                qty = min(balance.amount, min(_spare(state, rows, k, ratio), missing) + fee)
                written = move(state, rows, -1, k, purse, qty)
                count += written
                if written > 0:
                    missing -= max(0.0, qty - fee)
    return count


@leaf
def level_margins(state: Record, rows: Rows) -> int:
    """Append transfers between exchanges so that all have the same margin ratio; return the rows written.

    Only exchanges that miss more than UNEVEN of their share receive anything.
    """
    carry = state.carry
    books = carry.books
    count = 0
    for target in range(books.balance_count):
        poor = books.balances[target]
        if poor.kind != BalanceKind.VENUE or not _is_margin(carry, target):
            continue
        unit = _in_quote(carry, target)
        equity, notional = _margins(carry, poor.token)
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.kind == BalanceKind.VENUE and balance.token == poor.token and not _is_margin(carry, k):
                equity += max(0.0, balance.amount) * unit
        ratio = equity / notional
        wanted = ratio * margin_notional(books, poor.venue)
        missing = wanted - margin_equity(books, poor.venue)
        if not missing > UNEVEN * wanted:
            continue
        missing /= unit
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.kind == BalanceKind.VENUE and balance.token == poor.token and k != target and missing > 0.0:
                qty = min(_spare(state, rows, k, ratio), missing)
                written = move(state, rows, -1, k, target, qty)
                count += written
                if written > 0:
                    missing -= qty
    return count


# Cost of withdrawing --------------------------------------------------------------------------------------------------


@leaf
def fixed_costs(carry: Record) -> float:
    """Estimate the size-independent cost of one reduction: gas and transfer fees, in the share class."""
    total = 0.0
    transfer = gas_in_cash(carry, carry.gas_transfer) + carry.transfer_fee
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        if leg.product >= 0 and carry.books.balances[leg.product].amount > 0.0:
            total += gas_in_cash(carry, leg.gas_exit)
            if leg.debt >= 0 and leg.kind == LegKind.LEND:
                total += gas_in_cash(carry, leg.gas_borrow)
        if leg.source >= 0 and leg.base >= 0 and carry.legs[leg.source].kind == LegKind.SPOT:
            total += transfer
    for k in range(carry.books.balance_count):
        if carry.books.balances[k].kind == BalanceKind.VENUE and carry.books.balances[k].amount > 0.0:
            total += transfer
    return total


@leaf
def turnover_costs(carry: Record) -> float:
    """Estimate the cost of exiting everything, in the share class; exiting a part costs that part.

    Exchange fees, swap fees and the market's discount on staked tokens.
    """
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
    """Sum the value that reducing legs does not release: unsold rewards, less gas owed; in the share class."""
    total = 0.0
    for k in range(carry.books.balance_count):
        balance = carry.books.balances[k]
        if (balance.kind == BalanceKind.REWARD or balance.kind == BalanceKind.GAS) and balance.amount != 0.0:
            total += balance.sign * balance.amount * unit_value(carry.books, k)
    return total


@leaf
def deployed_value(carry: Record) -> float:
    """Sum the value that can still be withdrawn: on-chain positions and balances at exchanges; in the share class."""
    books = carry.books
    total = 0.0
    for k in range(books.balance_count):
        balance = books.balances[k]
        is_product = balance.kind == BalanceKind.SUPPLIED or balance.kind == BalanceKind.LST
        if (is_product or balance.kind == BalanceKind.VENUE) and balance.amount > 0.0:
            total += balance.amount * unit_value(books, k)
    return total
