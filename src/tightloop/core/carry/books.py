"""The books of carry: balances over venues, their valuation, and the attribution of every change of value.

The step and the simulated venue each keep books and change them with the same functions. Every amount that enters or
leaves a balance is booked against a counter-account of its token, so the books of each token sum to zero.

Attribution is exact by telescoping: within one instant indices move first, then staking rates, then prices, then marks,
each move valued with the current values of the others. The sum of all moves is then the change of value.

Market impact of our own size: recorded pool indices do not include us, but with our supply and debt the pool would have
paid and charged other rates. At every accrual the interest on a scaled amount is therefore multiplied by the ratio of
the modelled rate with us to the one without us, using the totals known when the interval began. The index itself is
data and cannot change, so the difference is added to the scaled amount, booked against the contra account IMPACT, and
attributed to the same component as the interest it corrects.
"""

from tightloop.core.carry import interest
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import (
    MEDIUM_BELOW,
    SMALL_BELOW,
    BalanceKind,
    ContraAccount,
    Instruction,
    PnlComponent,
    SeriesKind,
)
from tightloop.core.domain.types import Record
from tightloop.core.trading import positions
from tightloop.core.trading.ledger import post_balance

FLIP = 1e-12
"""Relative: a trade larger than the position by less than this closes it and opens nothing."""

# Valuation ------------------------------------------------------------------------------------------------------------


@leaf
def series_now(books: Record, series: int) -> float:
    """Return the current value of a series; 1 for series -1 (none)."""
    if series < 0:
        return 1.0
    return books.series[series].now


@leaf
def underlying(books: Record, balance: Record) -> float:
    """Return the units of the priced asset in one unit of the balance: index x rate."""
    return series_now(books, balance.index_series) * series_now(books, balance.rate_series)


@leaf
def unit_value(books: Record, index: int) -> float:
    """Return the value of one unit of a balance in the share class, without the balance's sign."""
    balance = books.balances[index]
    return underlying(books, balance) * books.assets[balance.asset].price


@leaf
def net_asset_value(books: Record) -> float:
    """Sum all balances and the unrealised P&L of all holdings, in the share class."""
    total = 0.0
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.amount != 0.0:
            total += balance.sign * balance.amount * unit_value(books, k)
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.qty != 0.0:
            total += holding.unrealized * books.assets[holding.quote].price
    return total


@leaf
def net_units(books: Record, asset: int) -> float:
    """Return the net exposure to an asset in its units: signed balances plus perpetual positions on it."""
    total = 0.0
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.asset == asset and balance.amount != 0.0:
            total += balance.sign * balance.amount * underlying(books, balance)
    for k in range(books.holding_count):
        if books.holdings[k].base == asset:
            total += books.holdings[k].qty
    return total


# New values of series -------------------------------------------------------------------------------------------------


@leaf
def _index_moved(carry: Record, series: int, old: float, new: float) -> None:
    """Attribute the interest of all balances that grow with a pool's index."""
    books = carry.books
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.index_series == series and balance.amount != 0.0:
            rate = series_now(books, balance.rate_series)
            gain = balance.sign * balance.amount * (new - old) * rate * books.assets[balance.asset].price
            bucket = PnlComponent.BORROW_COSTS.value if balance.sign < 0 else PnlComponent.SUPPLY_YIELD.value
            carry.buckets[bucket] += gain


@leaf
def _own_size(books: Record, series: int, old: float, new: float) -> float:
    """Correct scaled amounts for our market impact before an index moves; return the gain in the share class.

    See the module docstring. Must run before the new index is stored, because it needs the old totals.
    """
    gain = 0.0
    if books.has_impact == 0 or not (old == old and new == new):
        return gain
    for r in range(books.reserve_count):
        reserve = books.reserves[r]
        if reserve.liquidity_index != series and reserve.borrow_index != series:
            continue
        excess = interest.rate_ratio(books, reserve, reserve.borrow_index == series) - 1.0
        for k in range(books.balance_count):
            balance = books.balances[k]
            if balance.index_series == series and balance.amount != 0.0 and excess != 0.0:
                signed = balance.sign * balance.amount * excess * (new - old) / new
                post_balance(books, k, ContraAccount.IMPACT.value, signed)
                gain += signed * new * series_now(books, balance.rate_series) * books.assets[balance.asset].price
    return gain


@leaf
def _rate_moved(carry: Record, series: int, old: float, new: float) -> None:
    """Attribute staking yield: the exchange rate of an LST moved."""
    books = carry.books
    for k in range(books.balance_count):
        balance = books.balances[k]
        if balance.rate_series == series and balance.amount != 0.0:
            index = series_now(books, balance.index_series)
            gain = balance.sign * balance.amount * index * (new - old) * books.assets[balance.asset].price
            carry.buckets[PnlComponent.STAKING_YIELD_ORACLE.value] += gain


@leaf
def _price_moved(carry: Record, asset: int, change: float) -> None:
    """Attribute a move by ``change`` of an asset's price in the share class."""
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
    """Attribute the spot move of a holding's base to delta, and the same amount negatively to basis."""
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
    """Compute an asset's price in the share class from both USD prices; 1 for the share class itself."""
    if asset == books.share:
        return 1.0
    return books.assets[asset].usd / books.assets[books.share].usd


@leaf
def _dollar_price_known(carry: Record, series: int, value: float) -> None:
    """Apply a USD price: update spot of holdings first, then the share-class price of every asset."""
    books = carry.books
    for k in range(books.asset_count):
        if books.assets[k].price_series == series:
            books.assets[k].usd = value
            _spot_moved(carry, k)
    for k in range(books.asset_count):
        priced_asset = books.assets[k]
        price = priced(books, k)
        if price != priced_asset.price:
            if priced_asset.price == priced_asset.price:
                _price_moved(carry, k, price - priced_asset.price)
            priced_asset.price = price


@leaf
def _mark_known(carry: Record, series: int, value: float) -> None:
    """Apply a mark price; together with ``_spot_moved`` only mark minus spot ends up in basis."""
    books = carry.books
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.mark_series == series:
            if holding.qty != 0.0:
                gain = holding.qty * (value - holding.mark) * books.assets[holding.quote].price
                carry.buckets[PnlComponent.BASIS_PNL.value] += gain
                holding.unrealized = positions.unrealized_pnl(holding, value, 1.0)
            holding.mark = value


@leaf
def update_series(carry: Record, index: int, value: float) -> None:
    """Apply a new value of a series to the step's books and attribute the change of value."""
    assert 0 <= index < carry.books.series_count, "a value is of a series of the run"
    series = carry.books.series[index]
    old = series.now
    kind = series.kind
    if old == old and value == value:
        if kind == SeriesKind.LIQUIDITY_INDEX or kind == SeriesKind.BORROW_INDEX:
            _index_moved(carry, index, old, value)
            bucket = (
                PnlComponent.BORROW_COSTS.value if kind == SeriesKind.BORROW_INDEX else PnlComponent.SUPPLY_YIELD.value
            )
            carry.buckets[bucket] += _own_size(carry.books, index, old, value)
        elif kind == SeriesKind.RATE:
            _rate_moved(carry, index, old, value)
    series.now = value
    if kind == SeriesKind.PRICE or kind == SeriesKind.MARK:
        _dollar_price_known(carry, index, value)
        if kind == SeriesKind.MARK:
            _mark_known(carry, index, value)


@leaf
def update_series_at_venue(books: Record, index: int, value: float) -> None:
    """Apply a new value of a series to the venue's books, which keep no attribution."""
    series = books.series[index]
    if series.kind == SeriesKind.LIQUIDITY_INDEX or series.kind == SeriesKind.BORROW_INDEX:
        _own_size(books, index, series.now, value)
    series.now = value
    if series.kind == SeriesKind.PRICE or series.kind == SeriesKind.MARK:
        for asset in range(books.asset_count):
            if books.assets[asset].price_series == index:
                books.assets[asset].usd = value
        for asset in range(books.asset_count):
            books.assets[asset].price = priced(books, asset)
    if series.kind == SeriesKind.MARK:
        for k in range(books.holding_count):
            holding = books.holdings[k]
            if holding.mark_series == index:
                holding.mark = value
                holding.unrealized = positions.unrealized_pnl(holding, value, 1.0)


# Bookings -------------------------------------------------------------------------------------------------------------


@leaf
def counter_of(op: int) -> int:
    """Return the contra account of an instruction."""
    if op == Instruction.GAS:
        return ContraAccount.COSTS.value
    if op == Instruction.PAY_OUT:
        return ContraAccount.CAPITAL.value
    return ContraAccount.CONVERTED.value


@leaf
def convert(books: Record, op: int, source: int, target: int, qty: float, amount: float) -> None:
    """Book a conversion: ``qty`` out of the source, ``amount`` into the target; -1 is outside the books."""
    counter = counter_of(op)
    if source >= 0:
        post_balance(books, source, counter, -qty)
    if target >= 0:
        post_balance(books, target, counter, amount)


@leaf
def in_cash(books: Record, holding: Record, amount: float) -> float:
    """Convert an amount of a holding's quote asset into its margin asset."""
    cash = books.balances[holding.margin_account]
    if cash.asset == holding.quote:
        return amount
    return amount * books.assets[holding.quote].price / books.assets[cash.asset].price


@leaf
def trade_holding(books: Record, index: int, qty: float, price: float) -> float:
    """Trade ``qty`` (signed units) of a holding at ``price``; return the realised P&L in the quote asset.

    Realised P&L is settled into the margin account. Beyond flat, the rest of a trade opens the other side.
    """
    assert price > 0.0, "a trade has a price"
    holding = books.holdings[index]
    realized = 0.0
    opening = qty
    if holding.qty != 0.0 and (holding.qty > 0.0) != (qty > 0.0):
        opening = holding.qty + qty if abs(qty) > abs(holding.qty) * (1.0 + FLIP) else 0.0
        realized = positions.reduce(holding, min(abs(qty), abs(holding.qty)), price, 1.0)
    if holding.qty == 0.0:
        positions.reset_volume(holding)
    if opening != 0.0:
        positions.increase(holding, opening, price)
    holding.unrealized = positions.unrealized_pnl(holding, holding.mark, 1.0)
    if realized != 0.0:
        post_balance(books, holding.margin_account, ContraAccount.REALIZED.value, in_cash(books, holding, realized))
    return realized


@leaf
def rate_of_size(schedule: Record, notional_usd: float) -> float:
    """Return the fee rate of a leg or holding for a trade of this USD notional."""
    if notional_usd < SMALL_BELOW:
        return schedule.rate_small
    return schedule.rate_medium if notional_usd < MEDIUM_BELOW else schedule.fee_rate


@leaf
def margin_equity(books: Record, venue: int) -> float:
    """Return a venue's margin balance plus the unrealised P&L of its holdings, in the quote asset."""
    total, cash = 0.0, -1
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.venue == venue:
            total += holding.unrealized
            if cash < 0:
                cash = holding.margin_account
                balance = books.balances[cash]
                total += balance.amount * books.assets[balance.asset].price / books.assets[holding.quote].price
    return total


@leaf
def margin_notional(books: Record, venue: int) -> float:
    """Return the notional of a venue's holdings at their marks, in the quote asset."""
    total = 0.0
    for k in range(books.holding_count):
        holding = books.holdings[k]
        if holding.venue == venue:
            total += abs(holding.qty) * holding.mark
    return total
