"""What the allocator asks for: instructions, gathered into bundles of which all take place or none."""

import math

from tightloop.core import limits, log
from tightloop.core.carry import lending
from tightloop.core.carry.books import net_units, series_now, underlying, unit_value
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import GO, GWEI, Instruction, LegKind, LegState
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import Record, Rows


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
def open_bundle(state: Record) -> int:
    """A new bundle; returns how many rows of it there are by now: none."""
    state.carry.bundle_id = log.next_id(state)
    return 0


@leaf
def send_bundle(state: Record, rows: Rows, count: int) -> bool:
    """Send the bundle off when something is in it."""
    assert 0 <= count <= limits.BUNDLE_MAX, "BUNDLE_MAX: more instructions than one bundle may have"
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
def _gas_price(carry: Record) -> float:
    """What gas is paid in, in the share class."""
    return carry.books.assets[carry.gas_asset].price


@leaf
def gas_in_cash(carry: Record, units: int) -> float:
    """The same in the wallet's cash, when it is paid at once; 0 when it is owed."""
    if carry.gas_series < 0 or carry.gas_balance >= 0:
        return 0.0
    return gas_in_eth(carry, units) * carry.books.assets[carry.gas_asset].price


@leaf
def pay_gas(state: Record, rows: Rows, leg: int, source: int, amount: float) -> int:
    """Gas out of a balance; returns the rows written."""
    assert not amount < 0.0, "gas is not paid back"
    row = instruct(state, rows, leg, Instruction.GAS.value, source, -1, amount, 0.0)
    log.seal(state, row)
    return 1


@leaf
def left_of(state: Record, rows: Rows, at: int) -> float:
    """What a balance has left after what the bundle in hand gives of it, as far as that is known."""
    assert 0 <= at < state.carry.books.balance_count, "a balance of this run"
    left = state.carry.books.balances[at].amount
    k = rows[0].slot - 1
    while k >= log.FIRST and rows[k].kind == RowKind.INSTRUCT and rows[k].order_id == state.carry.bundle_id:
        if rows[k].slot == at and rows[k].qty == rows[k].qty:
            left -= rows[k].qty
        k -= 1
    return left


@leaf
def payer_of(state: Record, rows: Rows, units: int, purse: int) -> int:
    """The balance that pays gas: what it is owed in, or the wallet's cash, or what is handled when cash is short."""
    carry = state.carry
    if carry.gas_balance >= 0:
        return carry.gas_balance
    if purse >= 0 and left_of(state, rows, carry.cash) < gas_in_cash(carry, units):
        return purse
    return carry.cash


@leaf
def gas_out_of(state: Record, rows: Rows, units: int, purse: int) -> float:
    """Gas that ``purse``, which is in ETH, has to pay itself; 0 when another does."""
    carry = state.carry
    assert purse >= 0, "a leg on a pool has WETH in the wallet"
    has_paid = carry.gas_series >= 0 and left_of(state, rows, purse) < carry.books.balances[purse].amount
    return gas_in_eth(carry, units) if has_paid else 0.0


@leaf
def burn(state: Record, rows: Rows, leg: int, units: int, purse: int) -> int:
    """Gas of one transaction, which handles ``purse`` (-1: nothing that could pay); returns the rows written."""
    carry = state.carry
    if carry.gas_series < 0 or units <= 0:
        return 0
    payer = payer_of(state, rows, units, purse)
    if payer == carry.gas_balance:
        return pay_gas(state, rows, leg, payer, gas_in_eth(carry, units))
    price = unit_value(carry.books, carry.cash) / unit_value(carry.books, payer) if payer != carry.cash else 1.0
    return pay_gas(state, rows, leg, payer, gas_in_cash(carry, units) * price)


@leaf
def turn(state: Record, rows: Rows, leg: int, op: int, source: int, target: int, qty: float) -> int:
    """A conversion on chain of ``qty``; the venue says what comes out."""
    row = instruct(state, rows, leg, op, source, target, qty, math.nan)
    log.seal(state, row)
    return 1


@leaf
def trade_perp(state: Record, rows: Rows, at: int, qty: float) -> int:
    """A signed quantity of a holding at the mark."""
    assert 0 <= at < state.carry.books.holding_count, "a holding is one of the run's"
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


@leaf
def units_of_spot(carry: Record, at: int) -> float:
    """Units of its asset that a spot leg holds, on its exchange and in the legs on chain that it feeds."""
    books = carry.books
    total = books.balances[carry.legs[at].coin].amount
    for k in range(carry.leg_count):
        own = carry.legs[k]
        if own.source != at or own.product < 0:
            continue
        total += books.balances[own.product].amount * underlying(books, books.balances[own.product])
        if own.debt >= 0:
            total -= books.balances[own.debt].amount * underlying(books, books.balances[own.debt])
        if own.queue >= 0:
            total += books.balances[own.queue].amount
    return total


# On chain -------------------------------------------------------------------------------------------------------------


@leaf
def enter_loop(state: Record, rows: Rows, leg_at: int, equity: float) -> int:
    """Leverage in one transaction: borrow for the moment, stake all, supply it, borrow against it, pay back."""
    carry = state.carry
    leg = carry.legs[leg_at]
    flash = lending.flash_for(equity, leg.ltv, leg.flash_rate)
    owed = flash * (1.0 + leg.flash_rate)
    count = turn(state, rows, leg_at, Instruction.FLASH_BORROW.value, leg.flash, leg.weth, flash)
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

    A share of NaN takes out just what pays the flash loan back, and the gas where no cash does.
    """
    carry = state.carry
    leg = carry.legs[leg_at]
    books = carry.books
    count = burn(state, rows, leg_at, leg.gas_exit, leg.weth)
    owed = repay * (1.0 + leg.flash_rate)
    needed = owed + gas_out_of(state, rows, leg.gas_exit, leg.weth)
    sold_at = market_rate(carry, leg) * (1.0 - leg.swap_rate)
    index = series_now(books, books.balances[leg.product].index_series)
    held = books.balances[leg.product].amount
    scaled = needed / (sold_at * index) if share != share else share * held
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
    assert share == share, "what is taken out is a known share"
    if leg.state != LegState.HELD or not held > 0.0 or not share > 0.0:
        return 0
    gas = gas_in_eth(carry, leg.gas_exit)
    if gas > 0.0 and not share * held * unit_value(carry.books, leg.product) > gas * _gas_price(carry):
        return 0  # not worth its gas
    if leg.kind == LegKind.LOOP:
        debt = carry.books.balances[leg.debt].amount * series_now(
            carry.books, carry.books.balances[leg.debt].index_series
        )
        return leave_loop(state, rows, leg_at, share, share * debt)
    qty = held if share >= 1.0 else share * held
    if leg.kind == LegKind.LEND:
        count = burn(state, rows, leg_at, leg.gas_exit, leg.base)
        target = leg.weth if leg.wraps != 0 else leg.input
        count += turn(state, rows, leg_at, Instruction.WITHDRAW.value, leg.product, target, qty)
        if leg.wraps != 0:
            count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.weth, leg.base, math.nan)
        return count
    if leg.exit != 0:
        count = burn(state, rows, leg_at, leg.gas_exit, leg.product)
        qty = min(qty, left_of(state, rows, leg.product))
        return count + turn(state, rows, leg_at, Instruction.REDEEM.value, leg.product, leg.queue, qty)
    count = burn(state, rows, leg_at, leg.gas_exit, leg.base)
    row = instruct(state, rows, leg_at, Instruction.SWAP.value, leg.product, leg.base, qty, math.nan)
    row.fee = leg.swap_rate
    row.tif = leg.market_series
    log.seal(state, row)
    return count + 1


@leaf
def deploy(state: Record, rows: Rows, leg_at: int, qty: float) -> int:
    """Put ``qty`` of what lies in the wallet into a leg on chain."""
    assert state.carry.legs[leg_at].product >= 0, "a leg on chain has a balance of its own"
    carry = state.carry
    leg = carry.legs[leg_at]
    if not qty > 0.0:
        return 0
    count = burn(state, rows, leg_at, leg.gas_enter, leg.base)
    qty = max(0.0, min(qty, left_of(state, rows, leg.base)))
    if leg.kind == LegKind.LOOP:
        return count + enter_loop(state, rows, leg_at, qty)
    if leg.kind == LegKind.STAKE:
        return count + turn(state, rows, leg_at, Instruction.STAKE.value, leg.base, leg.product, qty)
    source = leg.input
    if leg.wraps != 0:
        count += turn(state, rows, leg_at, Instruction.WRAP.value, leg.base, leg.weth, qty)
        source = leg.weth
    return count + turn(state, rows, leg_at, Instruction.SUPPLY.value, source, leg.product, qty)
