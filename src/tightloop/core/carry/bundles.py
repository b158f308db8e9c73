"""Instructions and bundles: the allocator's commands. A bundle executes completely or not at all.

Functions that append instructions return the number of rows written, so that the caller can sum them and
``send_bundle`` knows whether there is anything to send. An amount of NaN is filled in by the venue: of ``qty`` and
``amount`` it derives the one that is NaN from the other; when both are NaN it takes all of the source balance.
"""

import math

from tightloop.core import limits, log
from tightloop.core.carry import lending
from tightloop.core.carry.books import net_units, series_now, underlying, unit_value
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import GO, GWEI, Instruction, LegKind, LegState, StageOf
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import lifecycle
from tightloop.core.trading.lifecycle import Life


@leaf
def instruct(
    state: Record, rows: Rows, leg: int, op: int, source: int, target: int, qty: float, amount: float
) -> Record:
    """Append an INSTRUCT row: give ``qty`` of the source balance, receive ``amount`` of the target (-1: outside).

    The caller sets further fields and then must call ``log.seal``.
    """
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
    """Begin a bundle; return 0, the number of its rows so far."""
    state.carry.bundle_id = log.next_id(state)
    return 0


@leaf
def send_bundle(state: Record, rows: Rows, count: int) -> bool:
    """Send the bundle when it has rows; return whether it did."""
    assert 0 <= count <= limits.BUNDLE_MAX, "BUNDLE_MAX: more instructions than one bundle may have"
    if count == 0:
        return False
    row = log.emit(state, rows, RowKind.INSTRUCT.value, -1)
    row.code = GO
    row.order_id = state.carry.bundle_id
    row.qty = float(count)
    log.seal(state, row)
    _track(state.carry)
    return True


@leaf
def _track(carry: Record) -> None:
    """Begin the life of the bundle that was just sent."""
    slot = find(carry, 0)
    assert slot >= 0, "BUNDLES_MAX: a bundle is sent while there is a place for it"
    bundle = carry.bundles[slot]
    bundle.id, bundle.life, bundle.is_stage = carry.bundle_id, Life.SENT.value, 0
    carry.pending_count += 1


@leaf
def has_place(carry: Record) -> bool:
    """Return whether State can keep one more bundle without a final outcome."""
    return carry.pending_count + carry.unknown_count < limits.BUNDLES_MAX


@leaf
def find(carry: Record, bundle_id: int) -> int:
    """Return the slot of a bundle that has no final outcome (0: of a free slot); -1 when there is none."""
    for slot in range(len(carry.bundles)):
        if carry.bundles[slot].id == bundle_id:
            return slot
    return -1


@leaf
def mark_stage(carry: Record) -> None:
    """Mark the bundle just sent as a stage of the task in progress, to be retried after a rollback."""
    slot = find(carry, carry.bundle_id)
    assert slot >= 0, "a stage was sent"
    carry.bundles[slot].is_stage = StageOf.TASK.value


@leaf
def has_unknown_stage(carry: Record) -> bool:
    """Return whether the outcome of a stage of the task in progress is unknown."""
    for slot in range(len(carry.bundles)):
        bundle = carry.bundles[slot]
        if bundle.life == Life.UNKNOWN and bundle.is_stage == StageOf.TASK:
            return True
    return False


@leaf
def set_stages_aside(carry: Record) -> None:
    """Mark stages without a final outcome as those of the entry that is paused."""
    for slot in range(len(carry.bundles)):
        if carry.bundles[slot].is_stage == StageOf.TASK:
            carry.bundles[slot].is_stage = StageOf.PAUSED.value


@leaf
def change_life(carry: Record, slot: int, to: int) -> bool:
    """Move a bundle to another life; a final one frees its slot. Return False, and change nothing, when illegal."""
    bundle = carry.bundles[slot]
    if not lifecycle.is_legal(bundle.life, to):
        return False
    carry.pending_count += int(lifecycle.is_pending(to)) - int(lifecycle.is_pending(bundle.life))
    carry.unknown_count += int(to == Life.UNKNOWN) - int(bundle.life == Life.UNKNOWN)
    bundle.life = to
    if lifecycle.has_ended(to):
        bundle.id, bundle.life, bundle.is_stage = 0, Life.NONE.value, 0
    return True


@leaf
def gas_in_eth(carry: Record, units: int) -> float:
    """Return the gas cost of an operation of ``units`` gas at the current gas price, in ETH; 0 when gas is off."""
    if carry.gas_series < 0:
        return 0.0
    return units * carry.books.series[carry.gas_series].now * GWEI * carry.gas_multiplier


@leaf
def _gas_price(carry: Record) -> float:
    """Return the price of the gas asset in the share class."""
    return carry.books.assets[carry.gas_asset].price


@leaf
def gas_in_cash(carry: Record, units: int) -> float:
    """Return the gas cost in the wallet's cash when gas is paid at once; 0 when it is owed, or off."""
    if carry.gas_series < 0 or carry.gas_balance >= 0:
        return 0.0
    return gas_in_eth(carry, units) * carry.books.assets[carry.gas_asset].price


@leaf
def pay_gas(state: Record, rows: Rows, leg: int, source: int, amount: float) -> int:
    """Append a GAS instruction that takes ``amount`` from a balance."""
    assert not amount < 0.0, "gas is not paid back"
    row = instruct(state, rows, leg, Instruction.GAS.value, source, -1, amount, 0.0)
    log.seal(state, row)
    return 1


@leaf
def left_of(state: Record, rows: Rows, balance: int) -> float:
    """Return what is left of a balance after the current bundle's instructions so far.

    Amounts that the venue will fill in (NaN) are not known yet and not counted. Reads the bundle back from the log.
    """
    assert 0 <= balance < state.carry.books.balance_count, "a balance of this run"
    left = state.carry.books.balances[balance].amount
    k = rows[0].slot - 1
    while k >= log.FIRST and rows[k].kind == RowKind.INSTRUCT and rows[k].order_id == state.carry.bundle_id:
        if rows[k].slot == balance and rows[k].qty == rows[k].qty:
            left -= rows[k].qty
        k -= 1
    return left


@leaf
def payer_of(state: Record, rows: Rows, units: int, purse: int) -> int:
    """Choose the balance that pays gas: the gas account, else the wallet's cash, else ``purse`` when cash is short."""
    carry = state.carry
    if carry.gas_balance >= 0:
        return carry.gas_balance
    if purse >= 0 and left_of(state, rows, carry.cash) < gas_in_cash(carry, units):
        return purse
    return carry.cash


@leaf
def gas_out_of(state: Record, rows: Rows, units: int, purse: int) -> float:
    """Return the gas, in ETH, that ``purse`` (an ETH balance) itself paid in this bundle; 0 when another paid."""
    carry = state.carry
    assert purse >= 0, "a leg on a pool has WETH in the wallet"
    has_paid = carry.gas_series >= 0 and left_of(state, rows, purse) < carry.books.balances[purse].amount
    return gas_in_eth(carry, units) if has_paid else 0.0


@leaf
def burn(state: Record, rows: Rows, leg: int, units: int, purse: int) -> int:
    """Append the gas payment of one transaction, when gas is on.

    ``purse`` is the balance the transaction handles, which pays when cash is short; -1 when it has none.
    """
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
    """Append an on-chain conversion of ``qty``; the venue determines the amount received."""
    row = instruct(state, rows, leg, op, source, target, qty, math.nan)
    log.seal(state, row)
    return 1


@leaf
def trade_perp(state: Record, rows: Rows, index: int, qty: float) -> int:
    """Append a perpetual trade of a signed quantity at the mark."""
    assert 0 <= index < state.carry.books.holding_count, "a holding is one of the run's"
    if qty == 0.0:
        return 0
    holding = state.carry.books.holdings[index]
    row = instruct(state, rows, holding.leg, Instruction.PERP_TRADE.value, -1, -1, qty, 0.0)
    row.instance = index
    row.role = holding.margin_account
    row.fee = holding.fee_rate
    row.stop_price = math.nan
    row.arm_price = math.nan
    log.seal(state, row)
    return 1


@leaf
def trade_spot(state: Record, rows: Rows, leg_at: int, op: int, qty: float, amount: float) -> int:
    """Append a spot buy or sell on a leg's exchange; the fee is taken from the leg's cash there."""
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
    """Return whether the cash a spot leg trades with is also the margin of a holding."""
    found = False
    for k in range(carry.books.holding_count):
        found = found or carry.books.holdings[k].margin_account == leg.venue_cash
    return found


@leaf
def spot_price(carry: Record, leg: Record) -> float:
    """Return the price of a spot leg's instrument, in units of its cash."""
    return carry.books.series[leg.price_series].now


@leaf
def long_units(carry: Record, asset: int) -> float:
    """Return the net exposure to an asset without perpetual positions, in its units; negative when owed."""
    total = net_units(carry.books, asset)
    for k in range(carry.books.holding_count):
        if carry.books.holdings[k].base == asset:
            total -= carry.books.holdings[k].qty
    return total


@leaf
def units_of_spot(carry: Record, index: int) -> float:
    """Return the units a spot leg owns: on its exchange, and in the on-chain legs it feeds, net of debt."""
    books = carry.books
    total = books.balances[carry.legs[index].coin].amount
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        if leg.source != index or leg.product < 0:
            continue
        total += books.balances[leg.product].amount * underlying(books, books.balances[leg.product])
        if leg.debt >= 0:
            total -= books.balances[leg.debt].amount * underlying(books, books.balances[leg.debt])
        if leg.queue >= 0:
            total += books.balances[leg.queue].amount
    return total


# On chain -------------------------------------------------------------------------------------------------------------


@leaf
def enter_loop(state: Record, rows: Rows, leg_at: int, equity: float) -> int:
    """Append a leveraged entry in one transaction: flash loan, stake, supply, borrow against it, repay the loan."""
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
    """Return the market price of a leg's LST in ETH; NaN when no market quotes it."""
    return carry.books.series[leg.market_series].now if leg.market_series >= 0 else math.nan


@leaf
def is_saleable(carry: Record, leg: Record) -> bool:
    """Return whether an on-chain leg can be exited now: a sale needs a known market price."""
    if leg.kind == LegKind.LOOP or (leg.kind == LegKind.STAKE and leg.exit == 0):
        return market_rate(carry, leg) > 0.0
    return True


@leaf
def leave_loop(state: Record, rows: Rows, leg_at: int, share: float, repay: float) -> int:
    """Append a deleveraging: repay ``repay`` of the debt (its asset), withdraw and sell ``share`` of the collateral.

    A ``share`` of NaN withdraws just enough to pay back the flash loan, and the gas where cash cannot pay it.
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
    """Append the exit of ``share`` (0 to 1) of an on-chain leg, into the wallet or the redemption queue."""
    carry = state.carry
    leg = carry.legs[leg_at]
    held = carry.books.balances[leg.product].amount
    assert share == share, "a withdrawn share is known"
    if leg.state != LegState.HELD or not held > 0.0 or not share > 0.0:
        return 0
    gas = gas_in_eth(carry, leg.gas_exit)
    if gas > 0.0 and not share * held * unit_value(carry.books, leg.product) > gas * _gas_price(carry):
        return 0  # its value would not cover the gas
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
    """Append the entry of an on-chain leg with ``qty`` from the wallet."""
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
