"""What the allocator asks for: instructions, gathered into bundles of which all take place or none."""

import math

from tightloop.core import lending, log
from tightloop.core.carry_books import net_units, series_now
from tightloop.core.carry_types import GO, GWEI, Instruction, LegKind, LegState
from tightloop.core.compiled import leaf
from tightloop.core.types import Record, RowKind, Rows


@leaf
def instruct(
    state: Record, rows: Rows, leg: int, op: int, source: int, target: int, qty: float, amount: float
) -> Record:
    """One instruction: give ``qty`` of a balance, take ``amount`` of another; the venue finds the one that is NaN."""
    row = log.emit(state, rows, RowKind.INSTRUCT.value, -1)
    row.code = op
    row.order_id = state.carry.bundle_id
    row.slot = source
    row.oco = target
    row.side = leg
    row.role = -1
    row.qty = qty
    row.threshold = amount
    row.fee = 0.0
    row.tif = -1
    row.instance = -1
    return row


@leaf
def begin(state: Record) -> int:
    """A new bundle; returns how many rows of it there are by now: none."""
    state.carry.bundle_id = log.next_id(state)
    return 0


@leaf
def go(state: Record, rows: Rows, count: int) -> bool:
    """Send the bundle off when something is in it."""
    if count == 0:
        return False
    row = log.emit(state, rows, RowKind.INSTRUCT.value, -1)
    row.code = GO
    row.order_id = state.carry.bundle_id
    row.qty = float(count)
    log.seal(state, row)
    state.carry.is_pending = 1
    return True


@leaf
def gas_in_eth(carry: Record, units: int) -> float:
    """What an operation of so many units of gas costs now, in ETH; 0 when gas is off."""
    if carry.gas_series < 0:
        return 0.0
    return units * carry.books.series[carry.gas_series].now * GWEI * carry.gas_multiplier


@leaf
def gas_in_cash(carry: Record, units: int) -> float:
    """The same in the wallet's cash, when it is paid at once; 0 when it is owed."""
    if carry.gas_series < 0 or carry.gas_balance >= 0:
        return 0.0
    return gas_in_eth(carry, units) * carry.books.assets[carry.gas_asset].price


@leaf
def pay_gas(state: Record, rows: Rows, leg: int, source: int, amount: float) -> int:
    """Gas out of a balance; returns the rows written."""
    row = instruct(state, rows, leg, Instruction.GAS.value, source, -1, amount, 0.0)
    log.seal(state, row)
    return 1


@leaf
def burn(state: Record, rows: Rows, leg: int, units: int) -> int:
    """Gas of one transaction; returns the rows written."""
    carry = state.carry
    if carry.gas_series < 0 or units <= 0:
        return 0
    if carry.gas_balance >= 0:
        return pay_gas(state, rows, leg, carry.gas_balance, gas_in_eth(carry, units))
    return pay_gas(state, rows, leg, carry.cash, gas_in_cash(carry, units))


@leaf
def move(state: Record, rows: Rows, leg: int, source: int, target: int, qty: float) -> int:
    """A transfer between two places of one asset, with its gas; returns the rows written."""
    if not qty > 0.0 or source == target:
        return 0
    carry = state.carry
    count = burn(state, rows, leg, carry.gas_transfer)
    row = instruct(state, rows, leg, Instruction.TRANSFER.value, source, target, qty, math.nan)
    log.seal(state, row)
    return count + 1


@leaf
def turn(state: Record, rows: Rows, leg: int, op: int, source: int, target: int, qty: float) -> int:
    """A conversion on chain of ``qty``; the venue says what comes out."""
    row = instruct(state, rows, leg, op, source, target, qty, math.nan)
    log.seal(state, row)
    return 1


@leaf
def trade_perp(state: Record, rows: Rows, at: int, qty: float) -> int:
    """A signed quantity of a holding at the mark."""
    if qty == 0.0:
        return 0
    holding = state.carry.books.holdings[at]
    row = instruct(state, rows, holding.leg, Instruction.PERP_TRADE.value, -1, -1, qty, 0.0)
    row.instance = at
    row.role = holding.cash
    row.fee = holding.fee_rate
    row.stop_price = math.nan
    row.arm_price = math.nan
    log.seal(state, row)
    return 1


@leaf
def trade_spot(state: Record, rows: Rows, leg_at: int, op: int, qty: float, amount: float) -> int:
    """Buy or sell on a leg's exchange; the fee comes out of its cash there."""
    carry = state.carry
    leg = carry.legs[leg_at]
    buys = op == Instruction.SPOT_BUY
    source, target = (leg.venue_cash, leg.coin) if buys else (leg.coin, leg.venue_cash)
    row = instruct(state, rows, leg_at, op, source, target, qty, amount)
    row.role = leg.venue_cash
    row.fee = leg.fee_rate
    row.tif = leg.price_series
    log.seal(state, row)
    return 1


@leaf
def shares_margin(carry: Record, leg: Record) -> bool:
    """Whether the cash a spot leg trades with is the margin of a holding too."""
    found = False
    for at in range(carry.books.holding_count):
        found = found or carry.books.holdings[at].cash == leg.venue_cash
    return found


@leaf
def spot_price(carry: Record, leg: Record) -> float:
    """The price of a spot leg's instrument in the asset it is paid with."""
    return carry.books.series[leg.price_series].now


@leaf
def long_units(carry: Record, asset: int) -> float:
    """Units of an asset that are held or owed, without holdings on it."""
    total = net_units(carry.books, asset)
    for at in range(carry.books.holding_count):
        if carry.books.holdings[at].base == asset:
            total -= carry.books.holdings[at].qty
    return total


# On chain -------------------------------------------------------------------------------------------------------------


@leaf
def enter_loop(state: Record, rows: Rows, leg_at: int, equity: float) -> int:
    """Leverage in one transaction: borrow for the moment, stake all, supply it, borrow against it, pay back."""
    carry = state.carry
    leg = carry.legs[leg_at]
    count = burn(state, rows, leg_at, leg.gas_enter)
    flash = lending.flash_for(equity, leg.ltv, leg.flash_rate)
    owed = flash * (1.0 + leg.flash_rate)
    count += turn(state, rows, leg_at, Instruction.FLASH_BORROW.value, leg.flash, leg.weth, flash)
    count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.weth, leg.base, flash)
    count += turn(state, rows, leg_at, Instruction.STAKE.value, leg.base, leg.lst, equity + flash)
    count += turn(state, rows, leg_at, Instruction.SUPPLY.value, leg.lst, leg.product, math.nan)
    row = instruct(state, rows, leg_at, Instruction.BORROW.value, leg.debt, leg.weth, math.nan, owed)
    log.seal(state, row)
    row = instruct(state, rows, leg_at, Instruction.FLASH_REPAY.value, leg.weth, leg.flash, owed, flash)
    log.seal(state, row)
    return count + 2


@leaf
def market_rate(carry: Record, leg: Record) -> float:
    """What a leg's LST sells for at this time, in ETH; NaN when no market says it."""
    return carry.books.series[leg.market_series].now if leg.market_series >= 0 else math.nan


@leaf
def is_saleable(carry: Record, leg: Record) -> bool:
    """Whether what a leg on chain holds can be taken out now: a sale needs a market that says its price."""
    if leg.kind == LegKind.LOOP or (leg.kind == LegKind.STAKE and leg.exit == 0):
        return market_rate(carry, leg) > 0.0
    return True


@leaf
def leave_loop(state: Record, rows: Rows, leg_at: int, share: float, repay: float) -> int:
    """Repay ``repay`` of the debt (in its asset) and take out ``share`` of the collateral, sold on the market.

    A share of NaN takes out just what pays the flash loan back.
    """
    carry = state.carry
    leg = carry.legs[leg_at]
    books = carry.books
    count = burn(state, rows, leg_at, leg.gas_exit)
    owed = repay * (1.0 + leg.flash_rate)
    sold_at = market_rate(carry, leg) * (1.0 - leg.swap_rate)
    index = series_now(books, books.balances[leg.product].index_series)
    held = books.balances[leg.product].amount
    scaled = owed / (sold_at * index) if share != share else share * held
    scaled = min(scaled, held)
    if repay > 0.0:
        count += turn(state, rows, leg_at, Instruction.FLASH_BORROW.value, leg.flash, leg.weth, repay)
        count += turn(state, rows, leg_at, Instruction.REPAY.value, leg.weth, leg.debt, repay)
    count += turn(state, rows, leg_at, Instruction.WITHDRAW.value, leg.product, leg.lst, scaled)
    row = instruct(state, rows, leg_at, Instruction.SWAP.value, leg.lst, leg.weth, math.nan, math.nan)
    row.fee = leg.swap_rate
    row.tif = leg.market_series
    log.seal(state, row)
    if repay > 0.0:
        row = instruct(state, rows, leg_at, Instruction.FLASH_REPAY.value, leg.weth, leg.flash, owed, repay)
        log.seal(state, row)
        count += 1
    if share == share:
        count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.weth, leg.base, math.nan)
    return count + 1


@leaf
def release(state: Record, rows: Rows, leg_at: int, share: float) -> int:
    """Take a share out of a leg on chain; what comes out lies in the wallet (or waits in a queue)."""
    carry = state.carry
    leg = carry.legs[leg_at]
    held = carry.books.balances[leg.product].amount
    if leg.state != LegState.HELD or not held > 0.0:
        return 0
    if leg.kind == LegKind.LOOP:
        debt = carry.books.balances[leg.debt].amount * series_now(
            carry.books, carry.books.balances[leg.debt].index_series
        )
        return leave_loop(state, rows, leg_at, share, share * debt)
    count = burn(state, rows, leg_at, leg.gas_exit)
    qty = held if share >= 1.0 else share * held
    if leg.kind == LegKind.LEND:
        target = leg.weth if leg.wraps != 0 else leg.input
        count += turn(state, rows, leg_at, Instruction.WITHDRAW.value, leg.product, target, qty)
        if leg.wraps != 0:
            count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.weth, leg.base, math.nan)
        return count
    if leg.exit != 0:
        return count + turn(state, rows, leg_at, Instruction.REDEEM.value, leg.product, leg.queue, qty)
    row = instruct(state, rows, leg_at, Instruction.SWAP.value, leg.product, leg.base, qty, math.nan)
    row.fee = leg.swap_rate
    row.tif = leg.market_series
    log.seal(state, row)
    return count + 1


@leaf
def deploy(state: Record, rows: Rows, leg_at: int, qty: float) -> int:
    """Put ``qty`` of what lies in the wallet into a leg on chain."""
    carry = state.carry
    leg = carry.legs[leg_at]
    if not qty > 0.0:
        return 0
    if leg.kind == LegKind.LOOP:
        return enter_loop(state, rows, leg_at, qty)
    count = burn(state, rows, leg_at, leg.gas_enter)
    if leg.kind == LegKind.STAKE:
        return count + turn(state, rows, leg_at, Instruction.STAKE.value, leg.base, leg.product, qty)
    source = leg.input
    if leg.wraps != 0:
        count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.base, leg.weth, qty)
        source = leg.weth
    return count + turn(state, rows, leg_at, Instruction.SUPPLY.value, source, leg.product, qty)
