"""The gate for new risk as carry asks it: before anything adds to a position, loan, supply, stake or hedge.

The answer comes from ``trading/account.py``, as for every family. What is added here is the log: a denial is written
once per rule and reason, not at every instant. Reductions never ask; they wait only when every place for a bundle is
taken by one whose outcome is not known (``say_no_place``).
"""

from tightloop.core import log
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BANDS, RebalanceReason
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import account


@leaf
def may_add(state: Record) -> bool:
    """Return whether the allocator may add risk now, without logging anything."""
    return account.may_take_risk(state, account.ALLOCATOR)


@leaf
def say_denied(state: Record, rows: Rows, band: int, reason: int, amount: float) -> None:
    """Log that a rule wanted a bundle of ``amount`` (unit of the rule) and was denied it."""
    assert 0 < band < BANDS, "a denial belongs to a rule"
    row = log.emit(state, rows, RowKind.WARNING.value, -1)
    row.code = WarningCode.BUNDLE_DENIED.value
    row.order_id = band
    row.reason = reason
    row.value = amount
    log.seal(state, row)


@leaf
def is_denied(state: Record, rows: Rows, band: int, amount: float) -> bool:
    """Return whether a rule may not add now; log it once per rule and reason.

    Every denied signal is logged, because each signal is an entry of its own.
    """
    reason = account.risk_refusal(state, account.ALLOCATOR)
    if reason == 0:
        return False
    carry = state.carry
    if carry.denied[band] != reason or band == RebalanceReason.SIGNAL:
        carry.denied[band] = reason
        carry.is_denied = 1
        say_denied(state, rows, band, reason, amount)
    return True


@leaf
def say_no_place(state: Record, rows: Rows, band: int, value: float) -> None:
    """Log that a rule which only reduces must wait for an outcome: once, until no outcome is unknown."""
    carry = state.carry
    if carry.denied[band] != Reason.UNKNOWN_OUTCOME:
        carry.denied[band] = Reason.UNKNOWN_OUTCOME.value
        carry.is_denied = 1
        say_denied(state, rows, band, Reason.UNKNOWN_OUTCOME.value, value)


@leaf
def forget_denials(state: Record) -> None:
    """Reset the logged denials once risk may be added again, so that the next denial is logged."""
    carry = state.carry
    if carry.is_denied != 0 and carry.unknown_count == 0:
        for band in (RebalanceReason.HEALTH_FACTOR.value, RebalanceReason.MARGIN.value):
            carry.denied[band] = 0  # denied by nothing but a missing place
    if carry.is_denied != 0 and may_add(state):
        carry.is_denied = 0
        for band in range(BANDS):
            carry.denied[band] = 0
