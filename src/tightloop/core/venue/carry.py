"""The simulated venues of carry: exchanges, pools, staking protocols and the chain between them.

It keeps books of its own, as real ones do, and never reads State. Instructions come in bundles: all of one take place,
at the prices in force, or none does, and the books are as before. What is on its way arrives at its own time.
"""

import math

from tightloop.core import limits
from tightloop.core.carry import interest, lending
from tightloop.core.carry.books import (
    change,
    convert,
    in_cash,
    margin_equity,
    margin_notional,
    rate_of_size,
    series_heard,
    series_now,
    trade_holding,
    underlying,
    unit_value,
)
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import (
    BOOKS,
    COUNTERS,
    GO,
    HOLDING,
    LEG,
    REQUEST,
    TRANSIT,
    BalanceKind,
    ContraAccount,
    Instruction,
    LegKind,
    Rollback,
)
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.records import of, record
from tightloop.core.domain.types import EVENT, Record

CARRY_VENUE = record(
    *of("i8", "ts_ns inbox_count inbox_taken transit_count leg_count request_count bundle_id"),
    *of("i8", "cash delay_ns funding_on_entry fee_in_amount forced_op staked_at_ns has_rewards"),
    *of("f8", "margin_liquidate transfer_fee"),
    ("staked", "f8", (limits.BALANCES_MAX,)),  # of a reward: ETH x ns staked since its period began
    ("books", BOOKS),
    ("legs", LEG, (limits.LEGS_MAX,)),
    ("requests", REQUEST, (limits.BUNDLE_MAX,)),
    ("transits", TRANSIT, (limits.TRANSITS_MAX,)),
    ("saved_amounts", "f8", (limits.BALANCES_MAX,)),
    ("saved_holdings", HOLDING, (limits.HOLDINGS_MAX,)),
    ("saved_counters", "f8", (limits.TOKENS_MAX * COUNTERS,)),
    ("inbox", EVENT, (limits.INBOX_MAX,)),
)

SLACK = 1e-9
"""Relative: what a balance may be below zero, or a ratio beyond its bound, by rounding."""
ROUNDING = 1e-12
"""Relative: a debt repaid but for so much is repaid."""


@leaf
def _event(venue: Record, kind: int) -> Record:
    assert venue.inbox_count < limits.INBOX_MAX, "INBOX_MAX: more events than the venue may owe at one instant"
    event = venue.inbox[venue.inbox_count]
    venue.inbox_count += 1
    event.kind = kind
    event.phase = 0
    event.instrument = -1
    event.instance = -1
    event.ts_event_ns = venue.ts_ns
    event.ts_init_ns = venue.ts_ns
    event.order_id = venue.bundle_id
    event.reason = 0
    event.is_maker = -1
    event.side = -1
    event.qty = 0.0
    event.amount = 0.0
    event.price = 0.0
    event.rate = 0.0
    event.stop_price = 0.0
    event.stop_loss = math.nan
    event.take_profit = math.nan
    return event


@leaf
def _executed(venue: Record, op: int, leg: int, source: int, target: int, qty: float, amount: float) -> Record:
    event = _event(venue, EventKind.INSTRUCTION_EXECUTED.value)
    event.reason = op
    event.side = leg
    event.instrument = source
    event.instance = target
    event.qty = qty
    event.amount = amount
    return event


# One instruction ------------------------------------------------------------------------------------------------------


@leaf
def _conversion_rate(venue: Record, request: Record) -> float:
    """What one unit of the source gives of the target; NaN when a price it needs is not known."""
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
            return math.nan  # no market: nobody knows what it sells for
        return series_now(books, request.series) * (1.0 - request.fee_rate)
    if op == Instruction.SELL_DUST:
        return unit_value(books, request.source) / unit_value(books, request.target)
    return 1.0


@leaf
def _fee_of(venue: Record, request: Record, qty: float, amount: float) -> float:
    """The fee of a trade in the asset that pays it."""
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
    event = _executed(venue, request.op, request.leg, -1, request.holding, request.qty, 0.0)
    event.price = holding.mark
    event.stop_loss, event.take_profit = request.stop, request.target_price
    if fee != 0.0:
        change(books, request.fee_balance, -fee, ContraAccount.COSTS.value)
        event.rate = fee
        event.is_maker = request.fee_balance
    return Rollback.NONE.value


@leaf
def _send_off(venue: Record, request: Record, qty: float) -> int:
    """A transfer: there at once, or after its delay."""
    books = venue.books
    fee = venue.transfer_fee / unit_value(books, request.source) if venue.transfer_fee > 0.0 else 0.0
    if not qty > fee:
        return Rollback.NOT_ENOUGH.value
    target = request.target
    if venue.delay_ns > 0:
        target = transit_of(books, books.balances[request.source].token)
        _await(venue, target, request.target, qty - fee, venue.ts_ns + venue.delay_ns)
    convert(books, request.op, request.source, target, qty, qty - fee)
    _executed(venue, request.op, request.leg, request.source, target, qty, qty - fee)
    return Rollback.NONE.value


@leaf
def transit_of(books: Record, token: int) -> int:
    """The balance that holds a token on its way."""
    assert token >= 0, "what is sent is a token"
    for at in range(books.balance_count):
        if books.balances[at].kind == BalanceKind.TRANSIT and books.balances[at].token == token:
            return at
    raise AssertionError("a token that is sent has a balance for what is on its way")


@leaf
def _await(venue: Record, source: int, target: int, amount: float, due_ns: int) -> None:
    assert venue.transit_count < limits.TRANSITS_MAX, "TRANSITS_MAX: more on its way than there is room for"
    transit = venue.transits[venue.transit_count]
    venue.transit_count += 1
    transit.source, transit.target, transit.amount, transit.due_ns = source, target, amount, due_ns


@leaf
def _all_of(owed: float, amount: float) -> float:
    """``amount``, or all that is owed when only rounding is between them: what is left of a debt is no debt."""
    return owed if abs(owed - amount) <= ROUNDING * owed else amount


@leaf
def _execute(venue: Record, request: Record) -> int:
    """One instruction on the books; why not, when it can not be."""
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
        _executed(venue, op, request.leg, request.source, -1, qty, 0.0)
        return Rollback.NONE.value
    if qty != qty and amount != amount:
        qty = books.balances[request.source].amount
    if op == Instruction.TRANSFER:
        return _send_off(venue, request, qty)
    if op != Instruction.FLASH_REPAY:
        ratio = _conversion_rate(venue, request)
        if not (ratio > 0.0 and ratio < math.inf):
            return Rollback.PRICE_UNKNOWN.value
        if qty != qty:
            qty = amount / ratio
        elif op == Instruction.SPOT_BUY and venue.fee_in_amount != 0:
            amount = qty * (1.0 - request.fee_rate) * ratio
        else:
            amount = qty * ratio
        if op == Instruction.REPAY:
            amount = _all_of(books.balances[request.target].amount, amount)
    convert(books, op, request.source, request.target, qty, amount)
    event = _executed(venue, op, request.leg, request.source, request.target, qty, amount)
    fee = 0.0 if venue.fee_in_amount != 0 else _fee_of(venue, request, qty, amount)
    if op == Instruction.SPOT_BUY or op == Instruction.SPOT_SELL:
        event.price = books.series[request.series].now
    if fee != 0.0:
        change(books, request.fee_balance, -fee, ContraAccount.COSTS.value)
        event.rate = fee
        event.is_maker = request.fee_balance
    if op == Instruction.REDEEM:
        leg = venue.legs[request.leg]
        _await(venue, request.target, leg.base, amount, venue.ts_ns + leg.queue_ns)
    return Rollback.NONE.value


# Bundles --------------------------------------------------------------------------------------------------------------


@leaf
def _save(venue: Record) -> None:
    books = venue.books
    for at in range(books.balance_count):
        venue.saved_amounts[at] = books.balances[at].amount
    for at in range(books.holding_count):
        venue.saved_holdings[at] = books.holdings[at]
    for at in range(books.token_count * COUNTERS):
        venue.saved_counters[at] = books.counters[at]


@leaf
def _restore(venue: Record) -> None:
    books = venue.books
    for at in range(books.balance_count):
        books.balances[at].amount = venue.saved_amounts[at]
    for at in range(books.holding_count):
        books.holdings[at] = venue.saved_holdings[at]
    for at in range(books.token_count * COUNTERS):
        books.counters[at] = venue.saved_counters[at]


@leaf
def _is_overdrawn(books: Record, saved: Record) -> bool:
    """Whether a balance is below zero beyond what rounding leaves of what moved through it."""
    for at in range(books.balance_count):
        own = books.balances[at]
        if own.amount < 0.0 and own.may_be_negative == 0:
            scale = abs(saved[at]) + 1e-12
            for k in range(books.balance_count):
                if books.balances[k].token == own.token:
                    scale = max(scale, abs(books.balances[k].amount))
            if own.amount < -SLACK * max(scale, 1.0):
                return True
    return False


@leaf
def _check_pools(venue: Record) -> int:
    """What a pool, and a prudent user of it, demands after a bundle."""
    books = venue.books
    for at in range(venue.leg_count):
        leg = venue.legs[at]
        if leg.flash >= 0 and abs(books.balances[leg.flash].amount) > 1e-6:
            return Rollback.FLASH_OPEN.value
        if leg.debt < 0:
            continue
        collateral, debt = lending.collateral_value(books, leg), lending.debt_value(books, leg)
        if books.balances[leg.product].amount < venue.saved_amounts[leg.product]:
            if lending.health_factor(collateral, debt, leg.threshold) < 1.0:
                return Rollback.HEALTH_FACTOR.value
        if not books.balances[leg.debt].amount > venue.saved_amounts[leg.debt]:
            continue
        if not lending.loan_to_value(collateral, debt) <= leg.max_ltv * (1.0 + SLACK):
            return Rollback.LTV.value
        if leg.entry_hf_min > 0.0 and lending.health_factor(collateral, debt, leg.threshold) < leg.entry_hf_min:
            return Rollback.HEALTH_FACTOR.value
    return _check_liquidity(venue)


@leaf
def _check_liquidity(venue: Record) -> int:
    """No pool gives more than it has, to who borrows or to who takes out what was supplied."""
    books = venue.books
    for r in range(books.reserve_count):
        reserve = books.reserves[r]
        drawn = 0.0
        for at in range(books.balance_count):
            own = books.balances[at]
            if own.index_series >= 0 and (
                own.index_series == reserve.liquidity_index or own.index_series == reserve.borrow_index
            ):
                drawn += own.sign * (venue.saved_amounts[at] - own.amount) * books.series[own.index_series].now
        free = interest.free_liquidity(books, reserve)
        if books.has_impact != 0:
            free += drawn  # what is ours in it is counted after the bundle
        if drawn > 0.0 and drawn > free:
            return Rollback.LIQUIDITY.value
    return Rollback.NONE.value


@leaf
def _run(venue: Record) -> None:
    """All of the gathered instructions, or none."""
    _save(venue)
    mark, transits = venue.inbox_count, venue.transit_count
    reason = Rollback.NONE.value
    for at in range(venue.request_count):
        reason = _execute(venue, venue.requests[at])
        if reason != Rollback.NONE:
            break
    if reason == Rollback.NONE and _is_overdrawn(venue.books, venue.saved_amounts):
        reason = Rollback.NOT_ENOUGH.value
    if reason == Rollback.NONE:
        reason = _check_pools(venue)
    if reason != Rollback.NONE:
        _restore(venue)
        venue.inbox_count, venue.transit_count = mark, transits
        _charge_reverted_gas(venue)
    event = _event(venue, EventKind.BUNDLE_ENDED.value)
    event.reason = reason
    venue.request_count = 0


@leaf
def _charge_reverted_gas(venue: Record) -> None:
    """A transaction that reverts pays its gas all the same, as far as there is something to pay it with."""
    for at in range(venue.request_count):
        request = venue.requests[at]
        if request.op == Instruction.GAS and request.qty > 0.0:
            own = venue.books.balances[request.source]
            paid = request.qty if own.sign < 0 else min(request.qty, own.amount)
            if paid > 0.0:
                convert(venue.books, request.op, request.source, -1, paid, 0.0)
                _executed(venue, request.op, request.leg, request.source, -1, paid, 0.0)


@leaf
def on_instruction(venue: Record, row: Record) -> None:
    """A row of the log that instructs; the one that says GO runs what was gathered."""
    venue.bundle_id = row.order_id
    if row.code == GO:
        assert venue.request_count > 0, "a bundle has instructions"
        _run(venue)
        return
    assert venue.request_count < limits.BUNDLE_MAX, "BUNDLE_MAX: more instructions than one bundle may have"
    request = venue.requests[venue.request_count]
    venue.request_count += 1
    request.op, request.source, request.target = row.code, row.slot, row.oco
    request.fee_balance, request.holding, request.series, request.leg = row.role, row.instance, row.tif, row.side
    request.qty, request.amount, request.fee_rate = row.qty, row.threshold, row.fee
    request.stop, request.target_price = row.stop_price, row.arm_price


# What the venues do by themselves -------------------------------------------------------------------------------------


@leaf
def on_market_event(venue: Record, event: Record) -> None:
    """A market event at the venues, before the step hears of it."""
    assert event.ts_init_ns >= venue.ts_ns, "the venues hear events in order of time"
    venue.ts_ns = event.ts_init_ns
    kind = event.kind
    books = venue.books
    if kind == EventKind.SERIES_UPDATED:
        series_heard(books, event.instrument, event.price)
    elif kind == EventKind.FUNDING_SETTLED:
        if event.ts_event_ns == event.ts_init_ns:
            _stop_out(venue)  # inside the bar that ended now, so before what is settled now
        _settle(venue, event)
    elif kind == EventKind.REWARD_PAID:
        _pay_reward(venue, event)
    elif kind == EventKind.CAPITAL_FLOW:
        if event.amount > 0.0:
            change(books, venue.cash, event.amount, ContraAccount.CAPITAL.value)
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
    mark = holding.entry if venue.funding_on_entry != 0 else event.price
    event.amount = -holding.qty * mark * event.rate if holding.qty != 0.0 else 0.0
    event.stop_price = in_cash(books, holding, event.amount)
    if event.amount != 0.0:
        change(books, holding.cash, event.stop_price, ContraAccount.FUNDING.value)


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
        change(books, event.instance, event.amount, ContraAccount.REWARDS.value)


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
        _executed(venue, Instruction.ARRIVED.value, -1, transit.source, transit.target, transit.amount, transit.amount)
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
    event = _executed(venue, Instruction.PERP_TRADE.value, holding.leg, -1, at, qty, 0.0)
    event.price = price
    if fee != 0.0:
        change(books, holding.cash, -fee, ContraAccount.COSTS.value)
        event.rate = fee
        event.is_maker = holding.cash
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
    return (sign * holding.entry * qty - cash) / (qty * (sign - rate))


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
        change(books, holding.cash, -kept, ContraAccount.SEIZED.value)
        holding.is_liquidated = 1
        event = _event(venue, EventKind.PERP_LIQUIDATED.value)
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
        change(books, leg.product, -seized, ContraAccount.SEIZED.value)
        change(books, leg.debt, repaid, ContraAccount.SEIZED.value)
        event = _event(venue, EventKind.DEBT_LIQUIDATED.value)
        event.instrument, event.instance = leg.debt, leg.product
        event.qty, event.amount = repaid, seized
