"""Bundles of instructions: executed as a whole at the prices in force, or rolled back.

Instructions arrive as INSTRUCT rows of the log and are gathered until a row with code GO. Then all are executed, and
the result is checked once: a balance may be overdrawn within a bundle, a flash loan is open within it. If anything
fails, books, transits and inbox go back to the snapshot taken before, and only the gas of the reverted transaction is
charged. BUNDLE_ENDED reports the Rollback code, 0 if the bundle was executed.
"""

from tightloop.core import limits
from tightloop.core.carry import interest, lending
from tightloop.core.carry.books import convert
from tightloop.core.compiled import leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import COUNTERS, GO, Instruction, Rollback
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.types import Record
from tightloop.core.venue.carry.instructions import execute
from tightloop.core.venue.carry.record import push, push_executed

SLACK = 1e-9
"""Relative tolerance for rounding: of a balance below zero, of a loan to value above its maximum."""


@leaf
def _save(venue: Record) -> None:
    """Save what a bundle can change: amounts of balances, holdings, contra accounts, the hash of postings."""
    books = venue.books
    for index in range(books.balance_count):
        venue.saved_amounts[index] = books.balances[index].amount
    for index in range(books.holding_count):
        venue.saved_holdings[index] = books.holdings[index]
    for index in range(books.token_count * COUNTERS):
        venue.saved_counters[index] = books.counters[index]
    venue.saved_hash = books.hash


@leaf
def _restore(venue: Record) -> None:
    """Restore what ``_save`` saved."""
    books = venue.books
    for index in range(books.balance_count):
        books.balances[index].amount = venue.saved_amounts[index]
    for index in range(books.holding_count):
        books.holdings[index] = venue.saved_holdings[index]
    for index in range(books.token_count * COUNTERS):
        books.counters[index] = venue.saved_counters[index]
    books.hash = venue.saved_hash


@leaf
def _is_overdrawn(books: Record, saved: Record) -> bool:
    """Return whether a balance that may not be negative is below zero beyond rounding.

    The tolerance scales with the largest balance of the same token: a transfer leaves residue of that size.
    """
    for index in range(books.balance_count):
        balance = books.balances[index]
        if balance.amount < 0.0 and balance.may_be_negative == 0:
            scale = abs(saved[index]) + 1e-12
            for other in range(books.balance_count):
                if books.balances[other].token == balance.token:
                    scale = max(scale, abs(books.balances[other].amount))
            if balance.amount < -SLACK * max(scale, 1.0):
                return True
    return False


@leaf
def _check_pools(venue: Record) -> int:
    """Check flash loans, loan to value, health factor and liquidity after a bundle; return a Rollback code.

    Only what the bundle worsened is checked, so that a position already beyond a limit can still be reduced.
    ``entry_hf_min`` is our own minimum for new debt; the pool's minimum is 1.
    """
    books = venue.books
    for index in range(venue.leg_count):
        leg = venue.legs[index]
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
    """Check that no pool was drawn on (borrowed, withdrawn) beyond its free liquidity; return a Rollback code."""
    books = venue.books
    for reserve_index in range(books.reserve_count):
        reserve = books.reserves[reserve_index]
        drawn = 0.0  # net amount the bundle took out of the pool, in its asset
        for index in range(books.balance_count):
            balance = books.balances[index]
            series = balance.index_series
            if series >= 0 and (series == reserve.liquidity_index or series == reserve.borrow_index):
                drawn += balance.sign * (venue.saved_amounts[index] - balance.amount) * books.series[series].now
        free = interest.free_liquidity(books, reserve)
        if books.has_impact != 0:
            free += drawn  # with market impact it counts our amounts after the bundle: add back what that drew
        if drawn > 0.0 and drawn > free:
            return Rollback.LIQUIDITY.value
    return Rollback.NONE.value


@leaf
def _run(venue: Record) -> None:
    """Execute the gathered instructions or roll all of them back; push BUNDLE_ENDED."""
    _save(venue)
    events, transits = venue.inbox_count, venue.transit_count
    reason = Rollback.NONE.value
    for index in range(venue.request_count):
        reason = execute(venue, venue.requests[index])
        if reason != Rollback.NONE:
            break
    if reason == Rollback.NONE and _is_overdrawn(venue.books, venue.saved_amounts):
        reason = Rollback.NOT_ENOUGH.value
    if reason == Rollback.NONE:
        reason = _check_pools(venue)
    if reason != Rollback.NONE:
        _restore(venue)
        venue.inbox_count, venue.transit_count = events, transits
        _charge_reverted_gas(venue)
    event = push(venue, EventKind.BUNDLE_ENDED.value)
    fields.set_rollback(event, reason)
    venue.request_count = 0


@leaf
def _charge_reverted_gas(venue: Record) -> None:
    """Charge the gas of a reverted transaction; gas paid at once (not owed) only as far as its balance allows."""
    for index in range(venue.request_count):
        request = venue.requests[index]
        if request.op == Instruction.GAS and request.qty > 0.0:
            balance = venue.books.balances[request.source]
            paid = request.qty if balance.sign < 0 else min(request.qty, balance.amount)
            if paid > 0.0:
                convert(venue.books, request.op, request.source, -1, paid, 0.0)
                push_executed(venue, request.op, request.leg, request.source, -1, paid, 0.0)


@leaf
def on_instruction(venue: Record, row: Record) -> None:
    """Gather an instruction from its log row; the row with code GO executes the bundle."""
    venue.bundle_id = row.order_id
    if row.code == GO:
        assert venue.request_count > 0, "a bundle has instructions"
        _run(venue)
        return
    assert venue.request_count < limits.BUNDLE_MAX, "BUNDLE_MAX: more instructions than one bundle may have"
    request = venue.requests[venue.request_count]
    venue.request_count += 1
    # INSTRUCT rows reuse fields of order rows; written by core/carry/bundles.py (instruct).
    request.op, request.source, request.target = row.code, row.slot, row.oco
    request.fee_balance, request.holding, request.series, request.leg = row.role, row.instance, row.tif, row.side
    request.qty, request.amount, request.fee_rate = row.qty, row.threshold, row.fee
    request.stop, request.target_price = row.stop_price, row.arm_price
