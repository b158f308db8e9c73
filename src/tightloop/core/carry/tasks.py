"""Multi-bundle tasks of the allocator: an entry or a reduction, one stage after the other.

    stage       0        1                2                3                4
    ENTER       pledge   fund             trade            gather           deploy
    REDUCE      unwind   coins to venue   close and sell   cash to wallet   repay debt

A stage sends at most one bundle, and the next stage begins when that bundle has ended and everything in transit has
arrived (``families/carry.py`` sees to that). A stage with nothing to do is skipped. After a rollback the stage is
retried at the next instant. An entry that is denied midway is paused, and resumes at the same stage.
"""

from tightloop.core.carry import entering, reducing
from tightloop.core.carry.bundles import mark_stage, open_bundle, send_bundle, set_stages_aside
from tightloop.core.carry.transfers import level_margins
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import Task
from tightloop.core.domain.enums import WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import account as trading_account

STAGES = 5


@leaf
def go_on(state: Record, rows: Rows) -> None:
    """Send the bundle of the next stage that has one; after the last stage, finish the task."""
    carry = state.carry
    is_entry = carry.task == Task.ENTER
    assert is_entry or carry.task == Task.REDUCE, "only an entry or a reduction has stages"
    while carry.stage < STAGES:
        stage = carry.stage
        carry.stage += 1
        if entering.send_stage(state, rows, stage) if is_entry else reducing.send_stage(state, rows, stage):
            mark_stage(carry)
            return
    if is_entry:
        entering.finish(carry)
    else:
        reducing.finish(carry)


@leaf
def note(state: Record, rows: Rows, band: int, value: float) -> None:
    """Log which rule acted, with its value (a base amount, share, drift or ratio)."""
    trading_account.warn(state, rows, WarningCode.BAND_LEFT.value, -1, value, band)


@leaf
def enter(state: Record, rows: Rows, base: float, band: int) -> None:
    """Begin an entry of ``base`` (share class) on behalf of a rule."""
    carry = state.carry
    carry.task, carry.stage, carry.base, carry.band = Task.ENTER.value, 0, base, band
    note(state, rows, band, base)
    go_on(state, rows)


@leaf
def stop_entering(state: Record) -> None:
    """Pause an entry because no risk may be added; the legs entered so far are held.

    A stage whose outcome is unknown belongs to it: refused, it is sent again when the entry resumes.
    """
    carry = state.carry
    set_stages_aside(carry)
    carry.paused_stage, carry.paused_base, carry.paused_band = carry.stage + 1, carry.base, carry.band
    carry.paused_first = 1 if carry.has_entered == 0 else 0
    entering.finish(carry)


@leaf
def resume_entering(state: Record, rows: Rows) -> None:
    """Resume a paused entry at the stage where it stopped."""
    carry = state.carry
    assert carry.paused_stage > 0, "what goes on was stopped"
    carry.task, carry.stage = Task.ENTER.value, carry.paused_stage - 1
    carry.base, carry.band = carry.paused_base, carry.paused_band
    carry.paused_stage = 0
    if carry.paused_first != 0:
        carry.has_entered = 0
    go_on(state, rows)


@leaf
def reduce(state: Record, rows: Rows, share: float, band: int) -> None:
    """Begin a reduction of all legs by ``share`` (0 to 1] on behalf of a rule."""
    carry = state.carry
    assert 0.0 < share <= 1.0, "a reduction takes a share out"
    carry.task, carry.stage, carry.share, carry.band = Task.REDUCE.value, 0, share, band
    go_on(state, rows)
    if carry.pending_count > 0:
        note(state, rows, band, share)


@leaf
def refill(state: Record, rows: Rows) -> bool:
    """Send transfers of idle cash to margins that need it, selling nothing; return whether there were any."""
    count = open_bundle(state)
    count += level_margins(state, rows)
    return send_bundle(state, rows, count)
