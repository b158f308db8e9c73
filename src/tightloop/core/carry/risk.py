"""The gate for new risk in carry: asked before anything adds to a position, loan, supply, stake or hedge.

Reductions never ask.
"""

from tightloop.core import log
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import BANDS, RebalanceReason
from tightloop.core.domain.enums import Reason, RowKind, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import exposure


@leaf
def refusal(state: Record) -> int:
    """Return the Reason for which no risk may be added now, 0 when it may."""
    if state.killed != 0 or state.carry.killed != 0:
        return Reason.KILLED.value
    if exposure.is_ruined(state):
        return Reason.RUINED.value
    if state.drawdown_stopped != 0:
        return Reason.MAX_DRAWDOWN.value
    if state.daily_stopped_day == state.day:
        return Reason.DAILY_LOSS.value
    return 0


@leaf
def say_denied(state: Record, rows: Rows, band: int, reason: int, amount: float) -> None:
    """Log that a rule would have added ``amount`` (unit of the rule) and was denied."""
    assert 0 < band < BANDS, "who is denied is a rule"
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
    reason = refusal(state)
    if reason == 0:
        return False
    carry = state.carry
    if carry.denied[band] != reason or band == RebalanceReason.SIGNAL:
        carry.denied[band] = reason
        carry.is_denied = 1
        say_denied(state, rows, band, reason, amount)
    return True


@leaf
def forget_denials(state: Record) -> None:
    """Reset the logged denials once risk may be added again, so that the next denial is logged."""
    carry = state.carry
    if carry.is_denied != 0 and refusal(state) == 0:
        carry.is_denied = 0
        for band in range(BANDS):
            carry.denied[band] = 0
