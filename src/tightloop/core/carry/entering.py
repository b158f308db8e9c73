"""Stages of an entry: pledge, fund, trade, gather, deploy. Each sends at most one bundle; ``tasks.py`` runs them."""

import math

from tightloop.core.carry.books import unit_value
from tightloop.core.carry.bundles import (
    burn,
    deploy,
    gas_in_cash,
    gas_in_eth,
    instruct,
    left_of,
    open_bundle,
    pay_gas,
    send_bundle,
    shares_margin,
    spot_price,
    trade_perp,
    trade_spot,
    turn,
)
from tightloop.core.carry.transfers import move
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BalanceKind, Instruction, LegKind, LegSize, LegState, Task
from tightloop.core.domain.types import Record, Rows
from tightloop.core.log import seal

PLEDGE, FUND, TRADE, GATHER, DEPLOY = 0, 1, 2, 3, 4
ROUNDING = 1e-9
"""Relative: amounts that differ by less are equal."""


@leaf
def value_of(carry: Record, kind: int, size: float, base: float) -> float:
    """Return a leg's size in the share class; NaN for other units. Fixed notionals apply to the first entry only."""
    if kind == LegSize.WEIGHT:
        return size * base
    if kind == LegSize.NOTIONAL:
        return size if carry.has_entered == 0 else 0.0
    return math.nan


@leaf
def _free_cash(state: Record, rows: Rows) -> float:
    """Return wallet cash, in its units, less the reserve, payables and what the current bundle already spends."""
    carry = state.carry
    return max(0.0, left_of(state, rows, carry.cash) - carry.reserve * carry.nav - carry.payable)


@leaf
def _spot_notional(carry: Record, leg: Record) -> float:
    """Return what an entry spends on a spot leg, in units of its cash."""
    price = unit_value(carry.books, leg.venue_cash)
    if leg.size_kind == LegSize.UNITS:
        return leg.size * spot_price(carry, leg) if carry.has_entered == 0 else 0.0
    if leg.size_kind == LegSize.ALL:
        return carry.base / price
    return value_of(carry, leg.size_kind, leg.size, carry.base) / price


@leaf
def _margin_wanted(carry: Record, leg: Record, balance: int, free: float) -> float:
    """Return the margin an entry posts for a perpetual leg, in units of the cash balance it is kept in."""
    if leg.margin_kind == LegSize.ALL:
        return free
    return value_of(carry, leg.margin_kind, leg.margin_size, carry.base) / unit_value(carry.books, balance)


@leaf
def _wanted_at(carry: Record, target: int, free: float) -> float:
    """Return what an entry needs at one exchange balance: cash for spot legs, and margin."""
    wanted = 0.0
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.kind == LegKind.SPOT and leg.venue_cash == target:
            wanted += max(0.0, _spot_notional(carry, leg))
        elif leg.kind == LegKind.PERP:
            for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
                holding = carry.books.holdings[k]
                if holding.margin_account == target:
                    wanted += max(0.0, _margin_wanted(carry, leg, target, free)) * holding.weight
    return wanted


@leaf
def _fund(state: Record, rows: Rows) -> bool:
    """Send stage 1: cash to the exchanges, one transfer each, for spot purchases and margin."""
    carry = state.carry
    books = carry.books
    count = open_bundle(state)
    for purse in range(books.balance_count):
        if books.balances[purse].kind != BalanceKind.WALLET:
            continue
        free = _free_cash(state, rows) if purse == carry.cash else books.balances[purse].amount
        for target in range(books.balance_count):
            if books.balances[target].kind != BalanceKind.VENUE:
                continue
            if books.balances[target].token == books.balances[purse].token:
                left = left_of(state, rows, purse)
                if purse == carry.cash:
                    left = _free_cash(state, rows) - gas_in_cash(carry, carry.gas_transfer)
                count += move(state, rows, -1, purse, target, min(_wanted_at(carry, target, free), left))
    return send_bundle(state, rows, count)


@leaf
def _pledge(state: Record, rows: Rows) -> bool:
    """Send stage 0: legs that lend in order to borrow come first, because later legs use what they borrow."""
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.kind == LegKind.LEND and leg.debt >= 0:
            qty = _to_deploy(state, rows, leg)
            count += deploy(state, rows, i, qty)
            if qty > 0.0:
                owed = leg.ltv * qty * unit_value(carry.books, leg.input) / unit_value(carry.books, leg.borrowed)
                count += burn(state, rows, i, leg.gas_borrow, leg.borrowed)
                row = instruct(state, rows, i, Instruction.BORROW.value, leg.debt, leg.borrowed, math.nan, owed)
                seal(state, row)
                count += 1
                leg.fresh = owed
                if leg.unwrapped >= 0:
                    count += turn(state, rows, i, Instruction.WRAP.value, leg.borrowed, leg.unwrapped, math.nan)
    return send_bundle(state, rows, count)


@leaf
def _buy(state: Record, rows: Rows, leg_at: int) -> int:
    """Append the purchase of a spot leg; ``fresh`` keeps the units it brings, for hedges and transfers to follow."""
    carry = state.carry
    leg = carry.legs[leg_at]
    notional = _spot_notional(carry, leg)
    leg.fresh = 0.0
    if not notional > 0.0:
        return 0
    price = spot_price(carry, leg)
    if leg.size_kind == LegSize.UNITS:
        leg.fresh = leg.size
        return trade_spot(state, rows, leg_at, Instruction.SPOT_BUY.value, math.nan, leg.size)
    if carry.fee_in_amount != 0:
        leg.fresh = notional * (1.0 - leg.fee_rate) / price
    else:
        notional = min(notional, max(0.0, carry.books.balances[leg.venue_cash].amount))
        if not shares_margin(carry, leg):
            notional /= 1.0 + leg.fee_rate
        leg.fresh = notional / price
    return trade_spot(state, rows, leg_at, Instruction.SPOT_BUY.value, notional, math.nan)


@leaf
def _hedge_units(carry: Record, leg: Record) -> float:
    """Return the units an entry adds to a perpetual leg, unsigned; NaN when its notional is given instead."""
    if leg.size_kind == LegSize.MATCH:
        return carry.legs[leg.match].fresh
    if leg.size_kind == LegSize.UNITS:
        return leg.size if carry.has_entered == 0 else 0.0
    return math.nan


@leaf
def _short(state: Record, rows: Rows, leg_at: int) -> int:
    """Append the perpetual trades of a hedge leg, distributed over its venues by weight."""
    carry = state.carry
    leg = carry.legs[leg_at]
    if leg.is_signal != 0:
        return 0
    count = 0
    units = _hedge_units(carry, leg)
    notional = value_of(carry, leg.size_kind, leg.size, carry.base)
    for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
        holding = carry.books.holdings[k]
        if holding.is_liquidated != 0:
            continue
        qty = units * holding.weight
        if units != units:
            price = holding.mark * carry.books.assets[holding.quote].price
            qty = notional * holding.weight / price
        count += trade_perp(state, rows, k, leg.side * qty)
    return count


@leaf
def _trade(state: Record, rows: Rows) -> bool:
    """Send stage 2: spot legs and their hedges in one bundle, so that nothing is unhedged in between."""
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        if carry.legs[i].kind == LegKind.SPOT:
            count += _buy(state, rows, i)
    for i in range(carry.leg_count):
        if carry.legs[i].kind == LegKind.PERP:
            count += _short(state, rows, i)
    return send_bundle(state, rows, count)


@leaf
def _gather(state: Record, rows: Rows) -> bool:
    """Send stage 3: coins from exchanges to the wallet, for the on-chain legs they feed.

    When the coin is also the gas asset, it pays for its own transfer and less arrives. Published runs charged that gas
    a second time (``gas_twice``).
    """
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.source < 0 or carry.legs[leg.source].kind != LegKind.SPOT or leg.base < 0:
            continue
        spot = carry.legs[leg.source]
        if spot.fresh > carry.books.balances[spot.coin].amount * (1.0 + ROUNDING):
            spot.fresh = carry.books.balances[spot.coin].amount  # some were sold while the entry was paused
        is_gas = carry.gas_series >= 0 and carry.books.balances[spot.coin].asset == carry.gas_asset
        if not is_gas:
            count += move(state, rows, i, spot.coin, leg.base, spot.fresh)
        elif spot.coin != leg.base and spot.fresh > gas_in_eth(carry, carry.gas_transfer):
            gas = gas_in_eth(carry, carry.gas_transfer)
            if carry.gas_twice != 0:
                count += burn(state, rows, i, carry.gas_transfer, -1)
            count += pay_gas(state, rows, i, spot.coin, gas)
            count += turn(state, rows, i, Instruction.TRANSFER.value, spot.coin, leg.base, spot.fresh - gas)
    return send_bundle(state, rows, count)


@leaf
def _to_deploy(state: Record, rows: Rows, leg: Record) -> float:
    """Return the amount an entry puts into an on-chain leg, in units of what the leg takes."""
    carry = state.carry
    if leg.source >= 0:
        available = carry.books.balances[leg.base].amount
        # The balance may also hold the wallet's cash: take only what the source leg delivered.
        return min(available, carry.legs[leg.source].fresh) if leg.base == carry.cash else available
    price = unit_value(carry.books, carry.cash)
    free = _free_cash(state, rows) - gas_in_cash(carry, leg.gas_enter + leg.gas_borrow)
    if leg.size_kind == LegSize.ALL:
        return free
    if leg.size_kind == LegSize.UNITS:
        return leg.size if carry.has_entered == 0 else 0.0
    return min(value_of(carry, leg.size_kind, leg.size, carry.base) / price, free)


@leaf
def _deploy(state: Record, rows: Rows) -> bool:
    """Send stage 4: enter the on-chain legs."""
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        is_lending = leg.kind == LegKind.LEND and leg.debt < 0
        if is_lending or leg.kind == LegKind.STAKE or leg.kind == LegKind.LOOP:
            count += deploy(state, rows, i, _to_deploy(state, rows, leg))
    return send_bundle(state, rows, count)


@leaf
def send_stage(state: Record, rows: Rows, stage: int) -> bool:
    """Send the bundle of one stage of an entry; return whether there was one."""
    assert PLEDGE <= stage <= DEPLOY, "an entry has five stages"
    if stage == PLEDGE:
        return _pledge(state, rows)
    if stage == FUND:
        return _fund(state, rows)
    if stage == TRADE:
        return _trade(state, rows)
    if stage == GATHER:
        return _gather(state, rows)
    return _deploy(state, rows)


@leaf
def finish(carry: Record) -> None:
    """End an entry: its legs are held from now on, and can be reduced."""
    for i in range(carry.leg_count):
        if carry.legs[i].state == LegState.WAITING:
            carry.legs[i].state = LegState.HELD.value
    carry.has_entered = 1
    carry.last_nav = carry.nav
    carry.task = Task.NONE.value
