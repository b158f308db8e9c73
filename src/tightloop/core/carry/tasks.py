"""What the allocator does in several bundles: enter, reduce, pay out. Each goes when all before it has arrived."""

import math

from tightloop.core.carry import interest, lending
from tightloop.core.carry.books import net_asset_value, series_now, unit_value
from tightloop.core.carry.bundles import (
    burn,
    deploy,
    gas_in_cash,
    gas_in_eth,
    instruct,
    is_saleable,
    left_of,
    open_bundle,
    pay_gas,
    release,
    send_bundle,
    shares_margin,
    spot_price,
    trade_perp,
    trade_spot,
    turn,
)
from tightloop.core.carry.transfers import (
    at_work,
    bring_to,
    fixed_costs,
    level_margins,
    move,
    out_of_reach,
    turnover_costs,
)
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import (
    STAGE,
    BalanceKind,
    Instruction,
    LegKind,
    LegSize,
    LegState,
    RebalanceReason,
    Task,
)
from tightloop.core.domain.enums import WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.log import seal
from tightloop.core.trading import account as trading_account

PLEDGE, FUND, TRADE, GATHER, DEPLOY, DONE = 0, 1, 2, 3, 4, 5
UNWIND, CARRY_OUT, SELL, BRING, RETURN, PAID = 0, 1, 2, 3, 4, 5
ENOUGH = 1.0 - 1e-9
"""Of a withdrawal: what is short by less is rounding, and pays it."""
ROUNDING = 1e-9
"""Relative: amounts that differ by less are the same."""
LEFTOVER = 1e-6
"""Of the capital: less than this, and what it costs, is not taken out of anything."""
PAY_TRIES = 3
"""How often in one instant more is taken out for a withdrawal than was thought to be enough."""

# Entering -------------------------------------------------------------------------------------------------------------


@leaf
def value_of(carry: Record, kind: int, size: float, base: float) -> float:
    """A size in the share class; fixed amounts are for the first entry alone."""
    if kind == LegSize.WEIGHT:
        return size * base
    if kind == LegSize.NOTIONAL:
        return size if carry.has_entered == 0 else 0.0
    return math.nan


@leaf
def _free_cash(state: Record, rows: Rows) -> float:
    """Cash of the wallet that nobody waits for and the bundle in hand does not spend, in its own units."""
    carry = state.carry
    return max(0.0, left_of(state, rows, carry.cash) - carry.reserve * carry.nav - carry.payable)


@leaf
def _spot_notional(carry: Record, leg: Record) -> float:
    """What an entry spends on a spot leg, in the asset it is paid with."""
    price = unit_value(carry.books, leg.venue_cash)
    if leg.size_kind == LegSize.UNITS:
        return leg.size * spot_price(carry, leg) if carry.has_entered == 0 else 0.0
    if leg.size_kind == LegSize.ALL:
        return carry.base / price
    return value_of(carry, leg.size_kind, leg.size, carry.base) / price


@leaf
def _margin_wanted(carry: Record, leg: Record, at: int, free: float) -> float:
    """What an entry puts behind a perpetual leg, in units of the cash balance ``at``."""
    if leg.margin_kind == LegSize.ALL:
        return free
    return value_of(carry, leg.margin_kind, leg.margin_size, carry.base) / unit_value(carry.books, at)


@leaf
def wallet_of(books: Record, token: int) -> int:
    """The wallet's balance of a token; -1 when the run has none."""
    for at in range(books.balance_count):
        if books.balances[at].kind == BalanceKind.WALLET and books.balances[at].token == token:
            return at
    return -1


@leaf
def _fund(state: Record, rows: Rows) -> bool:
    """Cash to the exchanges, one transfer to each: what spot legs will spend there, and margin."""
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
def _wanted_at(carry: Record, target: int, free: float) -> float:
    """What an entry needs in one place: what spot legs spend, and margins."""
    wanted = 0.0
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind == LegKind.SPOT and leg.venue_cash == target:
            wanted += max(0.0, _spot_notional(carry, leg))
        elif leg.kind == LegKind.PERP:
            for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
                holding = carry.books.holdings[k]
                if holding.cash == target:
                    wanted += max(0.0, _margin_wanted(carry, leg, target, free)) * holding.weight
    return wanted


@leaf
def _pledge(state: Record, rows: Rows) -> bool:
    """Legs that lend to borrow come first: others live on what they borrow."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind == LegKind.LEND and leg.debt >= 0:
            qty = _to_deploy(state, rows, leg)
            count += deploy(state, rows, at, qty)
            if qty > 0.0:
                owed = leg.ltv * qty * unit_value(carry.books, leg.input) / unit_value(carry.books, leg.borrowed)
                count += burn(state, rows, at, leg.gas_borrow, leg.borrowed)
                row = instruct(state, rows, at, Instruction.BORROW.value, leg.debt, leg.borrowed, math.nan, owed)
                seal(state, row)
                count += 1
                leg.fresh = owed
                if leg.unwrapped >= 0:
                    count += turn(state, rows, at, Instruction.WRAP.value, leg.borrowed, leg.unwrapped, math.nan)
    return send_bundle(state, rows, count)


@leaf
def _buy(state: Record, rows: Rows, at: int) -> int:
    carry = state.carry
    leg = carry.legs[at]
    notional = _spot_notional(carry, leg)
    leg.fresh = 0.0
    if not notional > 0.0:
        return 0
    price = spot_price(carry, leg)
    if leg.size_kind == LegSize.UNITS:
        leg.fresh = leg.size
        return trade_spot(state, rows, at, Instruction.SPOT_BUY.value, math.nan, leg.size)
    if carry.fee_in_amount != 0:
        leg.fresh = notional * (1.0 - leg.fee_rate) / price
    else:
        notional = min(notional, max(0.0, carry.books.balances[leg.venue_cash].amount))
        if not shares_margin(carry, leg):
            notional /= 1.0 + leg.fee_rate
        leg.fresh = notional / price
    return trade_spot(state, rows, at, Instruction.SPOT_BUY.value, notional, math.nan)


@leaf
def _hedge_units(carry: Record, leg: Record) -> float:
    """Units that an entry adds to a perpetual leg, without sign; by holding when its notional is given."""
    if leg.size_kind == LegSize.MATCH:
        return carry.legs[leg.match].fresh
    if leg.size_kind == LegSize.UNITS:
        return leg.size if carry.has_entered == 0 else 0.0
    return math.nan


@leaf
def _short(state: Record, rows: Rows, at: int) -> int:
    carry = state.carry
    leg = carry.legs[at]
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
    """Spot legs and their hedges at one instant: never one after the other."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        if carry.legs[at].kind == LegKind.SPOT:
            count += _buy(state, rows, at)
    for at in range(carry.leg_count):
        if carry.legs[at].kind == LegKind.PERP:
            count += _short(state, rows, at)
    return send_bundle(state, rows, count)


@leaf
def _gather(state: Record, rows: Rows) -> bool:
    """Coins from exchanges to the wallet, for legs on chain that are fed by them.

    What gas is paid in pays for its own transfer: it leaves less of it. (Published runs owed that gas as well.)
    """
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.source < 0 or carry.legs[leg.source].kind != LegKind.SPOT or leg.base < 0:
            continue
        spot = carry.legs[leg.source]
        if spot.fresh > carry.books.balances[spot.coin].amount * (1.0 + ROUNDING):
            spot.fresh = carry.books.balances[spot.coin].amount  # some were sold while the entry was stopped
        is_gas = carry.gas_series >= 0 and carry.books.balances[spot.coin].asset == carry.gas_asset
        if not is_gas:
            count += move(state, rows, at, spot.coin, leg.base, spot.fresh)
        elif spot.coin != leg.base and spot.fresh > gas_in_eth(carry, carry.gas_transfer):
            gas = gas_in_eth(carry, carry.gas_transfer)
            if carry.gas_twice != 0:
                count += burn(state, rows, at, carry.gas_transfer, -1)
            count += pay_gas(state, rows, at, spot.coin, gas)
            count += turn(state, rows, at, Instruction.TRANSFER.value, spot.coin, leg.base, spot.fresh - gas)
    return send_bundle(state, rows, count)


@leaf
def _to_deploy(state: Record, rows: Rows, leg: Record) -> float:
    """What an entry puts into a leg on chain, in units of what it takes."""
    carry = state.carry
    if leg.source >= 0:
        there = carry.books.balances[leg.base].amount
        # Where the wallet's own cash lies with it, what came from the source is all there is to take.
        return min(there, carry.legs[leg.source].fresh) if leg.base == carry.cash else there
    price = unit_value(carry.books, carry.cash)
    free = _free_cash(state, rows) - gas_in_cash(carry, leg.gas_enter + leg.gas_borrow)
    if leg.size_kind == LegSize.ALL:
        return free
    if leg.size_kind == LegSize.UNITS:
        return leg.size if carry.has_entered == 0 else 0.0
    return min(value_of(carry, leg.size_kind, leg.size, carry.base) / price, free)


@leaf
def _deploy(state: Record, rows: Rows) -> bool:
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        is_lending = leg.kind == LegKind.LEND and leg.debt < 0
        if is_lending or leg.kind == LegKind.STAKE or leg.kind == LegKind.LOOP:
            count += deploy(state, rows, at, _to_deploy(state, rows, leg))
    return send_bundle(state, rows, count)


@leaf
def _entered(carry: Record) -> None:
    """What was entered is held from now on, and can be reduced."""
    for at in range(carry.leg_count):
        if carry.legs[at].state == LegState.WAITING:
            carry.legs[at].state = LegState.HELD.value
    carry.has_entered = 1
    carry.last_nav = carry.nav
    carry.task = Task.NONE.value


@leaf
def stop_entering(state: Record, rows: Rows) -> None:
    """Nothing may be added any more: an entry that is under way stops where it is, to go on from there when something
    may be added again."""
    carry = state.carry
    carry.paused_stage, carry.paused_base, carry.paused_band = carry.stage + 1, carry.base, carry.band
    carry.paused_first = 1 if carry.has_entered == 0 else 0
    _entered(carry)


@leaf
def resume_entering(state: Record, rows: Rows) -> None:
    """An entry that was stopped goes on where it stood."""
    carry = state.carry
    assert carry.paused_stage > 0, "what goes on was stopped"
    carry.task, carry.stage = Task.ENTER.value, carry.paused_stage - 1
    carry.base, carry.band = carry.paused_base, carry.paused_band
    carry.paused_stage = 0
    if carry.paused_first != 0:
        carry.has_entered = 0
    go_on_entering(state, rows)


@leaf
def go_on_entering(state: Record, rows: Rows) -> None:
    """The next bundle of an entry, when nothing is on its way."""
    carry = state.carry
    while carry.stage < DONE:
        stage = carry.stage
        carry.stage += 1
        if stage == PLEDGE:
            is_sent = _pledge(state, rows)
        elif stage == FUND:
            is_sent = _fund(state, rows)
        elif stage == TRADE:
            is_sent = _trade(state, rows)
        elif stage == GATHER:
            is_sent = _gather(state, rows)
        else:
            is_sent = _deploy(state, rows)
        if is_sent:
            carry.is_pending = STAGE
            return
    _entered(carry)


# Reducing -------------------------------------------------------------------------------------------------------------


@leaf
def _is_first(carry: Record, at: int) -> bool:
    """Whether no leg before this one holds the same: what two hold is taken out once."""
    found = False
    for k in range(at):
        found = found or carry.legs[k].product == carry.legs[at].product
    return not found


@leaf
def _unwind(state: Record, rows: Rows) -> bool:
    carry = state.carry
    count = open_bundle(state)
    for back in range(carry.leg_count):
        at = carry.leg_count - 1 - back
        leg = carry.legs[at]
        is_lending = leg.kind == LegKind.LEND and leg.debt < 0
        if (is_lending or leg.kind == LegKind.STAKE or leg.kind == LegKind.LOOP) and _is_first(carry, at):
            count += release(state, rows, at, carry.share)
    return send_bundle(state, rows, count)


@leaf
def _move_coins_to_venue(state: Record, rows: Rows) -> bool:
    """Coins from the wallet back to the exchange they are sold on."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.source >= 0 and leg.base >= 0 and carry.legs[leg.source].kind == LegKind.SPOT:
            count += move(state, rows, at, leg.base, carry.legs[leg.source].coin, carry.books.balances[leg.base].amount)
    return send_bundle(state, rows, count)


@leaf
def _is_fed_on(carry: Record, at: int) -> bool:
    """Whether what a spot leg buys goes on to a leg on chain."""
    found = False
    for k in range(carry.leg_count):
        found = found or (carry.legs[k].source == at and carry.legs[k].kind != LegKind.PERP)
    return found


@leaf
def _close_hedges_and_sell(state: Record, rows: Rows) -> bool:
    """Covers first, then coins, at one instant."""
    carry = state.carry
    count = open_bundle(state)
    for k in range(carry.books.holding_count):
        held = carry.books.holdings[k].qty
        count += trade_perp(state, rows, k, -held if carry.share >= 1.0 else -held * carry.share)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind == LegKind.SPOT:
            held = carry.books.balances[leg.coin].amount
            qty = held if carry.share >= 1.0 or _is_fed_on(carry, at) else held * carry.share
            if qty > 0.0:
                count += trade_spot(state, rows, at, Instruction.SPOT_SELL.value, qty, math.nan)
    return send_bundle(state, rows, count)


@leaf
def _owed_share(carry: Record, leg: Record) -> float:
    """What a reduction repays of a leg's debt, in units of what it borrowed."""
    index = series_now(carry.books, carry.books.balances[leg.debt].index_series)
    return min(1.0, carry.share) * carry.books.balances[leg.debt].amount * index


@leaf
def _move_cash_to_wallet(state: Record, rows: Rows) -> bool:
    """Cash from the exchanges to the wallet: what is to be repaid or paid out and is not there; margins levelled."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        # Cash that a margin needs is not taken from it to repay a loan.
        if leg.kind == LegKind.LEND and leg.debt >= 0 and carry.band != RebalanceReason.MARGIN:
            there = carry.books.balances[leg.borrowed].amount
            count += bring_to(state, rows, leg.borrowed, _owed_share(carry, leg) - there)
    if carry.band == RebalanceReason.WITHDRAWAL:
        count += bring_to(state, rows, carry.cash, carry.payable - carry.books.balances[carry.cash].amount)
    if carry.band == RebalanceReason.MARGIN:
        count += level_margins(state, rows)
    return send_bundle(state, rows, count)


@leaf
def _repay_debt(state: Record, rows: Rows) -> bool:
    """Repay what was borrowed against what is lent; take the same share of that out only to pay it out."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind != LegKind.LEND or leg.debt < 0 or carry.band == RebalanceReason.MARGIN:
            continue
        there = left_of(state, rows, leg.borrowed)
        coins = left_of(state, rows, leg.unwrapped) if leg.unwrapped >= 0 else 0.0
        qty = min(_owed_share(carry, leg), there + coins)
        if qty > 0.0:
            purse = leg.unwrapped if coins > 0.0 else leg.borrowed
            count += burn(state, rows, at, leg.gas_borrow, purse)
            there = left_of(state, rows, leg.borrowed)
            if coins > 0.0:
                wrapped = min(max(0.0, qty - there), left_of(state, rows, leg.unwrapped))
                if wrapped > 0.0:
                    count += turn(state, rows, at, Instruction.WRAP.value, leg.unwrapped, leg.borrowed, wrapped)
                    there += wrapped
            qty = min(qty, there)
            count += turn(state, rows, at, Instruction.REPAY.value, leg.borrowed, leg.debt, qty)
        if carry.band == RebalanceReason.WITHDRAWAL:
            count += release(state, rows, at, _releasable(carry, leg, qty))
    return send_bundle(state, rows, count)


@leaf
def _releasable(carry: Record, leg: Record, repaid: float) -> float:
    """The share of what is lent that may go when ``repaid`` was: what still owes stays covered as it was meant."""
    debt = lending.debt_value(carry.books, leg) - max(0.0, repaid) * unit_value(carry.books, leg.borrowed)
    collateral = lending.collateral_value(carry.books, leg)
    if not debt > 1e-9 * collateral:
        return carry.share
    return min(carry.share, max(0.0, 1.0 - debt / leg.ltv / collateral))


@leaf
def _reduced(carry: Record) -> None:
    if carry.paused_stage > 0:  # what goes on later is smaller by the same share
        carry.paused_base *= 1.0 - carry.share
        for at in range(carry.leg_count):
            carry.legs[at].fresh *= 1.0 - carry.share
    carry.last_nav = carry.nav
    carry.task = Task.PAY.value if carry.band == RebalanceReason.WITHDRAWAL else Task.NONE.value


@leaf
def go_on_reducing(state: Record, rows: Rows) -> None:
    carry = state.carry
    while carry.stage < PAID:
        stage = carry.stage
        carry.stage += 1
        is_sent = False
        if stage == UNWIND:
            is_sent = _unwind(state, rows)
        elif stage == CARRY_OUT:
            is_sent = _move_coins_to_venue(state, rows)
        elif stage == SELL:
            is_sent = _close_hedges_and_sell(state, rows)
        elif stage == BRING:
            is_sent = _move_cash_to_wallet(state, rows)
        else:
            is_sent = _repay_debt(state, rows)
        if is_sent:
            carry.is_pending = STAGE
            return
    _reduced(carry)


@leaf
def can_unwind(carry: Record) -> bool:
    """Whether all that is on chain can be taken out at a price that is known."""
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.product >= 0 and carry.books.balances[leg.product].amount > 0.0 and not is_saleable(carry, leg):
            return False
    return True


@leaf
def warn_once_unpayable(state: Record, rows: Rows, missing: float) -> None:
    """Something is due and can not be done now; said once until something can."""
    if state.carry.is_unpayable == 0:
        trading_account.warn(state, rows, WarningCode.NOT_PAYABLE.value, -1, missing, 0)
    state.carry.is_unpayable = 1


@leaf
def _pay_out(state: Record, rows: Rows, amount: float) -> None:
    open_bundle(state)
    row = instruct(state, rows, -1, Instruction.PAY_OUT.value, state.carry.cash, -1, amount, 0.0)
    seal(state, row)
    send_bundle(state, rows, 1)


@leaf
def pay(state: Record, rows: Rows) -> None:
    """Pay out what is due when it is there; else take more out.

    Nobody gets more than what is there of the fund: the rest of a larger withdrawal is not owed.
    """
    carry = state.carry
    there = carry.books.balances[carry.cash].amount
    nav = net_asset_value(carry.books)
    carry.task = Task.NONE.value
    if not carry.payable > 0.0:
        return
    if carry.payable > nav:
        warn_once_unpayable(state, rows, carry.payable - max(0.0, nav))
        carry.payable = max(0.0, nav)
        if carry.payable == 0.0:
            return
    due = carry.payable
    if there >= due * ENOUGH:
        _pay_out(state, rows, min(there, due))
        carry.is_unpayable = 0
        return
    if carry.is_fast != 0 or not can_unwind(carry):
        warn_once_unpayable(state, rows, due - there)
        return
    if carry.pay_ns != state.ts_ns:
        carry.pay_ns, carry.pay_count = state.ts_ns, 0
    carry.pay_count += 1
    if carry.pay_count > PAY_TRIES:
        return  # the rest at the next instant
    fixed = fixed_costs(carry)
    wanted = due - there + fixed
    if at_work(carry) > fixed + LEFTOVER * carry.initial:
        within = nav - there - out_of_reach(carry) - turnover_costs(carry)
        share = min(1.0, wanted / max(wanted, within))
        if interest.can_give(carry.books, share):
            reduce(state, rows, share, RebalanceReason.WITHDRAWAL.value)
    if carry.is_pending == 0:  # nothing is left that can be taken out now
        carry.task = Task.NONE.value
        warn_once_unpayable(state, rows, due - there)
        if there > LEFTOVER * carry.initial:
            _pay_out(state, rows, there)


@leaf
def note(state: Record, rows: Rows, band: int, value: float) -> None:
    trading_account.warn(state, rows, WarningCode.BAND_LEFT.value, -1, value, band)


@leaf
def enter(state: Record, rows: Rows, base: float, band: int) -> None:
    carry = state.carry
    carry.task, carry.stage, carry.base, carry.band = Task.ENTER.value, PLEDGE, base, band
    note(state, rows, band, base)
    go_on_entering(state, rows)


@leaf
def refill(state: Record, rows: Rows) -> bool:
    """Cash from where it is to margins that miss it, with nothing sold; True when some goes."""
    count = open_bundle(state)
    count += level_margins(state, rows)
    return send_bundle(state, rows, count)


@leaf
def reduce(state: Record, rows: Rows, share: float, band: int) -> None:
    carry = state.carry
    assert 0.0 < share <= 1.0, "a reduction takes a share out"
    carry.task, carry.stage, carry.share, carry.band = Task.REDUCE.value, UNWIND, share, band
    go_on_reducing(state, rows)
    if carry.is_pending != 0:
        note(state, rows, band, share)
