"""Withdrawals: pay what is due from the wallet, and reduce positions first when the cash is not there."""

from tightloop.core.carry import interest
from tightloop.core.carry.books import net_asset_value
from tightloop.core.carry.bundles import instruct, is_saleable, open_bundle, send_bundle
from tightloop.core.carry.tasks import reduce
from tightloop.core.carry.transfers import deployed_value, fixed_costs, out_of_reach, turnover_costs
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import Instruction, RebalanceReason, Task
from tightloop.core.domain.enums import WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.log import seal
from tightloop.core.trading import account as trading_account

ENOUGH = 1.0 - 1e-9
"""Share of a withdrawal: cash that misses less than the rest is short by rounding only, and pays it in full."""
LEFTOVER = 1e-6
"""Fraction of initial capital: values below this (plus costs) are not worth a reduction."""
PAY_TRIES = 3
"""Maximum reductions per instant for one withdrawal; each estimates its proceeds, and may fall short."""


@leaf
def can_unwind(carry: Record) -> bool:
    """Return whether every on-chain position can be exited at a known price."""
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.product >= 0 and carry.books.balances[leg.product].amount > 0.0 and not is_saleable(carry, leg):
            return False
    return True


@leaf
def warn_once_unpayable(state: Record, rows: Rows, missing: float) -> None:
    """Warn that something due cannot be done now (``missing``: share class, or NaN); once until it can."""
    if state.carry.is_unpayable == 0:
        trading_account.warn(state, rows, WarningCode.NOT_PAYABLE.value, -1, missing, 0)
    state.carry.is_unpayable = 1


@leaf
def _pay_out(state: Record, rows: Rows, amount: float) -> None:
    """Send the payout of ``amount`` from the wallet's cash."""
    open_bundle(state)
    row = instruct(state, rows, -1, Instruction.PAY_OUT.value, state.carry.cash, -1, amount, 0.0)
    seal(state, row)
    send_bundle(state, rows, 1)


@leaf
def pay(state: Record, rows: Rows) -> None:
    """Pay a withdrawal when the cash is there; otherwise reduce positions for it.

    A withdrawal never exceeds net asset value: the excess is dropped, not owed.
    """
    carry = state.carry
    available = carry.books.balances[carry.cash].amount
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
    if available >= due * ENOUGH:
        _pay_out(state, rows, min(available, due))
        carry.is_unpayable = 0
        return
    if carry.is_fast != 0 or not can_unwind(carry):
        warn_once_unpayable(state, rows, due - available)
        return
    if carry.pay_ns != state.ts_ns:
        carry.pay_ns, carry.pay_count = state.ts_ns, 0
    carry.pay_count += 1
    if carry.pay_count > PAY_TRIES:
        return  # continue at the next instant
    fixed = fixed_costs(carry)
    wanted = due - available + fixed
    if deployed_value(carry) > fixed + LEFTOVER * carry.initial:
        within = nav - available - out_of_reach(carry) - turnover_costs(carry)
        share = min(1.0, wanted / max(wanted, within))
        if interest.can_give(carry.books, share):
            reduce(state, rows, share, RebalanceReason.WITHDRAWAL.value)
    if carry.pending_count == 0:  # no reduction is possible now: pay what there is
        carry.task = Task.NONE.value
        warn_once_unpayable(state, rows, due - available)
        if available > LEFTOVER * carry.initial:
            _pay_out(state, rows, available)
