"""Bundles of instructions: all of one take place, or none."""

from tightloop.core import limits
from tightloop.core.carry import interest, lending
from tightloop.core.carry.books import convert
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import COUNTERS, GO, Instruction, Rollback
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Record
from tightloop.core.venue.carry.instructions import execute
from tightloop.core.venue.carry.record import push, push_executed

SLACK = 1e-9
"""Relative: what a balance may be below zero, or a ratio beyond its bound, by rounding."""


@leaf
def _save(venue: Record) -> None:
    books = venue.books
    for at in range(books.balance_count):
        venue.saved_amounts[at] = books.balances[at].amount
    for at in range(books.holding_count):
        venue.saved_holdings[at] = books.holdings[at]
    for at in range(books.token_count * COUNTERS):
        venue.saved_counters[at] = books.counters[at]
    venue.saved_hash = books.hash


@leaf
def _restore(venue: Record) -> None:
    books = venue.books
    for at in range(books.balance_count):
        books.balances[at].amount = venue.saved_amounts[at]
    for at in range(books.holding_count):
        books.holdings[at] = venue.saved_holdings[at]
    for at in range(books.token_count * COUNTERS):
        books.counters[at] = venue.saved_counters[at]
    books.hash = venue.saved_hash


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
        reason = execute(venue, venue.requests[at])
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
    event = push(venue, EventKind.BUNDLE_ENDED.value)
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
                push_executed(venue, request.op, request.leg, request.source, -1, paid, 0.0)


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
