"""The books of carry: amounts over venues and chains, what they are worth, and where each change of worth came from.

The step and the simulated venue keep books of their own and change them by the same leaves. Every amount that enters or
leaves a balance stands in a counter of its token too, so the books of each token add up to zero.

Attribution is exact by telescoping: within one instant indices move first, then staking rates, then prices, then marks,
each at the values in force of the others.

Where our own size counts, what an index brings us is scaled by the pool's modelled rate with us over that without us.
A scaled amount follows the index of the pool, which does not know us, so the difference is taken from (or added to) the
scaled amount itself, at every accrual, with the totals and the model that were known when the interval began. Its other
side stands in the counter IMPACT, so the books of each token still add up to zero, and its worth goes to the bucket of
the interest that it corrects.
"""

import math

from tightloop.core.carry import interest
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import (
    COUNTERS,
    MEDIUM_BELOW,
    SMALL_BELOW,
    BalanceKind,
    ContraAccount,
    Instruction,
    PnlComponent,
    SeriesKind,
)
from tightloop.core.domain.types import Record

# Worth ----------------------------------------------------------------------------------------------------------------


@leaf
def series_now(books: Record, at: int) -> float:
    """The value in force of a series; 1 where there is none to follow."""
    if at < 0:
        return 1.0
    return books.series[at].now


@leaf
def underlying(books: Record, balance: Record) -> float:
    """Units of the priced asset in one unit of the balance: index x rate."""
    return series_now(books, balance.index_series) * series_now(books, balance.rate_series)


@leaf
def unit_value(books: Record, at: int) -> float:
    """What one unit of a balance is worth, in the share class; without sign."""
    balance = books.balances[at]
    return underlying(books, balance) * books.assets[balance.asset].price


@leaf
def net_asset_value(books: Record) -> float:
    """All balances and the unrealised result of all holdings, in the share class."""
    total = 0.0
    for at in range(books.balance_count):
        balance = books.balances[at]
        if balance.amount != 0.0:
            total += balance.sign * balance.amount * unit_value(books, at)
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.qty != 0.0:
            total += holding.unrealized * books.assets[holding.quote].price
    return total


@leaf
def net_units(books: Record, asset: int) -> float:
    """Units of an asset that its price moves us by: balances with their signs, and holdings on it."""
    total = 0.0
    for at in range(books.balance_count):
        balance = books.balances[at]
        if balance.asset == asset and balance.amount != 0.0:
            total += balance.sign * balance.amount * underlying(books, balance)
    for at in range(books.holding_count):
        if books.holdings[at].base == asset:
            total += books.holdings[at].qty
    return total


@leaf
def change(books: Record, at: int, signed: float, counter: int) -> None:
    """Add to a balance what its counter gives; ``signed`` is worth to us: a debt falls by a positive one."""
    assert math.isfinite(signed), "an amount that moves is a number"
    balance = books.balances[at]
    balance.amount += signed if balance.sign > 0 else -signed
    books.counters[balance.token * COUNTERS + counter] -= signed


# What the outside says ------------------------------------------------------------------------------------------------


@leaf
def _index_moved(carry: Record, at: int, old: float, new: float) -> None:
    books = carry.books
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.index_series == at and balance.amount != 0.0:
            rate = series_now(books, balance.rate_series)
            gain = balance.sign * balance.amount * (new - old) * rate * books.assets[balance.asset].price
            bucket = PnlComponent.BORROW_COSTS.value if balance.sign < 0 else PnlComponent.SUPPLY_YIELD.value
            carry.buckets[bucket] += gain


@leaf
def _own_size(books: Record, at: int, old: float, new: float) -> float:
    """Correct the scaled amounts that an index grows, before it is heard; returns what that is worth to us."""
    gain = 0.0
    if books.has_impact == 0 or not (old == old and new == new):
        return gain
    for r in range(books.reserve_count):
        reserve = books.reserves[r]
        if reserve.liquidity_index != at and reserve.borrow_index != at:
            continue
        beyond = interest.rate_ratio(books, reserve, reserve.borrow_index == at) - 1.0
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.index_series == at and balance.amount != 0.0 and beyond != 0.0:
                signed = balance.sign * balance.amount * beyond * (new - old) / new
                change(books, k, signed, ContraAccount.IMPACT.value)
                gain += signed * new * series_now(books, balance.rate_series) * books.assets[balance.asset].price
    return gain


@leaf
def _rate_moved(carry: Record, at: int, old: float, new: float) -> None:
    books = carry.books
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.rate_series == at and balance.amount != 0.0:
            index = series_now(books, balance.index_series)
            gain = balance.sign * balance.amount * index * (new - old) * books.assets[balance.asset].price
            carry.buckets[PnlComponent.STAKING_YIELD_ORACLE.value] += gain


@leaf
def _price_moved(carry: Record, asset: int, change: float) -> None:
    """The price of an asset in the share class moved."""
    books = carry.books
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.asset == asset and balance.amount != 0.0:
            gain = balance.sign * balance.amount * underlying(books, balance) * change
            is_dust = balance.kind == BalanceKind.REWARD
            carry.buckets[PnlComponent.DUST_PNL.value if is_dust else PnlComponent.DELTA_PNL.value] += gain
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.quote == asset and holding.qty != 0.0:
            carry.buckets[PnlComponent.DELTA_PNL.value] += holding.unrealized * change


@leaf
def _spot_moved(carry: Record, asset: int) -> None:
    """What moved with the base of a holding is delta; what its own mark moves beyond it is basis."""
    books = carry.books
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.base == asset or holding.quote == asset:
            spot = books.assets[holding.base].usd / books.assets[holding.quote].usd
            if holding.qty != 0.0:
                gain = holding.qty * (spot - holding.spot) * books.assets[holding.quote].price
                carry.buckets[PnlComponent.DELTA_PNL.value] += gain
                carry.buckets[PnlComponent.BASIS_PNL.value] -= gain
            holding.spot = spot


@leaf
def priced(books: Record, asset: int) -> float:
    """The price of an asset in the share class, from what both cost in USD; 1 for the share class itself."""
    if asset == books.share:
        return 1.0
    return books.assets[asset].usd / books.assets[books.share].usd


@leaf
def _dollar_price_known(carry: Record, at: int, value: float) -> None:
    books = carry.books
    for asset in range(books.asset_count):
        if books.assets[asset].price_series == at:
            books.assets[asset].usd = value
            _spot_moved(carry, asset)
    for asset in range(books.asset_count):
        own = books.assets[asset]
        price = priced(books, asset)
        if price != own.price:
            if own.price == own.price:
                _price_moved(carry, asset, price - own.price)
            own.price = price


@leaf
def _mark_known(carry: Record, at: int, value: float) -> None:
    books = carry.books
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.mark_series == at:
            if holding.qty != 0.0:
                gain = holding.qty * (value - holding.mark) * books.assets[holding.quote].price
                carry.buckets[PnlComponent.BASIS_PNL.value] += gain
                holding.unrealized = holding.qty * (value - holding.entry)
            holding.mark = value


@leaf
def value_known(carry: Record, at: int, value: float) -> None:
    """A series has a new value: what it does to worth goes into the bucket it belongs to."""
    assert 0 <= at < carry.books.series_count, "a value is of a series of the run"
    series = carry.books.series[at]
    old = series.now
    kind = series.kind
    if old == old and value == value:
        if kind == SeriesKind.LIQUIDITY_INDEX or kind == SeriesKind.BORROW_INDEX:
            _index_moved(carry, at, old, value)
            bucket = (
                PnlComponent.BORROW_COSTS.value if kind == SeriesKind.BORROW_INDEX else PnlComponent.SUPPLY_YIELD.value
            )
            carry.buckets[bucket] += _own_size(carry.books, at, old, value)
        elif kind == SeriesKind.RATE:
            _rate_moved(carry, at, old, value)
    series.now = value
    if kind == SeriesKind.PRICE or kind == SeriesKind.MARK:
        _dollar_price_known(carry, at, value)
        if kind == SeriesKind.MARK:
            _mark_known(carry, at, value)


@leaf
def series_heard(books: Record, at: int, value: float) -> None:
    """The same for who keeps no attribution: the venue."""
    series = books.series[at]
    if series.kind == SeriesKind.LIQUIDITY_INDEX or series.kind == SeriesKind.BORROW_INDEX:
        _own_size(books, at, series.now, value)
    series.now = value
    if series.kind == SeriesKind.PRICE or series.kind == SeriesKind.MARK:
        for asset in range(books.asset_count):
            if books.assets[asset].price_series == at:
                books.assets[asset].usd = value
        for asset in range(books.asset_count):
            books.assets[asset].price = priced(books, asset)
    if series.kind == SeriesKind.MARK:
        for k in range(books.holding_count):
            holding = books.holdings[k]
            if holding.mark_series == at:
                holding.mark = value
                holding.unrealized = holding.qty * (value - holding.entry)


# Amounts --------------------------------------------------------------------------------------------------------------


@leaf
def counter_of(op: int) -> int:
    """Where the other side of an instruction stands."""
    if op == Instruction.GAS:
        return ContraAccount.COSTS.value
    if op == Instruction.PAY_OUT:
        return ContraAccount.CAPITAL.value
    return ContraAccount.CONVERTED.value


@leaf
def convert(books: Record, op: int, source: int, target: int, qty: float, amount: float) -> None:
    """Give ``qty`` of one balance, take ``amount`` of another; -1 is outside."""
    counter = counter_of(op)
    if source >= 0:
        change(books, source, -qty, counter)
    if target >= 0:
        change(books, target, amount, counter)


@leaf
def in_cash(books: Record, holding: Record, amount: float) -> float:
    """An amount of a holding's quote asset in the asset that its margin is kept in."""
    cash = books.balances[holding.cash]
    if cash.asset == holding.quote:
        return amount
    return amount * books.assets[holding.quote].price / books.assets[cash.asset].price


@leaf
def trade_holding(books: Record, at: int, qty: float, price: float) -> float:
    """Add ``qty`` (signed) at ``price``; what closing realises goes to the margin. Returns it, in the quote asset."""
    assert price > 0.0, "a trade has a price"
    holding = books.holdings[at]
    realized = 0.0
    if holding.qty == 0.0 or (holding.qty > 0.0) == (qty > 0.0):
        total = holding.qty + qty
        holding.entry = (holding.entry * holding.qty + price * qty) / total if holding.qty != 0.0 else price
        holding.qty = total
    else:
        closing = min(abs(qty), abs(holding.qty))
        sign = 1.0 if holding.qty > 0.0 else -1.0
        realized = sign * closing * (price - holding.entry)
        rest = holding.qty + qty
        if abs(rest) <= 1e-12 * abs(qty):
            rest = 0.0
        if (rest > 0.0) != (holding.qty > 0.0):
            holding.entry = price if rest != 0.0 else 0.0
        holding.qty = rest
    holding.unrealized = holding.qty * (holding.mark - holding.entry) if holding.qty != 0.0 else 0.0
    holding.realized += realized
    if realized != 0.0:
        change(books, holding.cash, in_cash(books, holding, realized), ContraAccount.REALIZED.value)
    return realized


@leaf
def rate_of_size(own: Record, notional_usd: float) -> float:
    """What a trade of a leg or a holding costs by its size, as a share of it."""
    if notional_usd < SMALL_BELOW:
        return own.rate_small
    return own.rate_medium if notional_usd < MEDIUM_BELOW else own.fee_rate


@leaf
def margin_equity(books: Record, venue: int) -> float:
    """Cash of a venue that is margin, and the unrealised result of its holdings, in the quote asset."""
    total, cash = 0.0, -1
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.venue == venue:
            total += holding.unrealized
            if cash < 0:
                cash = holding.cash
                own = books.balances[cash]
                total += own.amount * books.assets[own.asset].price / books.assets[holding.quote].price
    return total


@leaf
def margin_notional(books: Record, venue: int) -> float:
    """The notional of a venue's holdings at their marks, in the quote asset."""
    total = 0.0
    for at in range(books.holding_count):
        holding = books.holdings[at]
        if holding.venue == venue:
            total += abs(holding.qty) * holding.mark
    return total
