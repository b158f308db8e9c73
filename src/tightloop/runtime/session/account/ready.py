"""Whether a session may take entries, and whether it may end: what the desk has to have settled before."""

import math
from collections.abc import Sequence

import numpy as np

from tightloop.core.domain.enums import Reason
from tightloop.core.domain.types import Rows
from tightloop.core.trading import account
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.desk.desk import Desk
from tightloop.runtime.session.desk.leaves import interpreted
from tightloop.runtime.session.desk.state import Wire

_risk_refusal = interpreted(account.risk_refusal)


def refusal(plan: Plan, instance: int) -> int:
    """Return the Reason for which the step would deny an entry of an instance now; 0: it would not for the account."""
    return int(_risk_refusal(plan.states.view(np.recarray)[0], instance))


def tell_gate(plan: Plan, driver: AccountDriver, commands: Sequence[Rows], *, is_ready: bool) -> None:
    """Tell the desk for which Reason the step denies entries now, where one is open or among commands.

    ``is_ready``: False where the step is about to be told so; what waits to be stepped does not let an entry leave.
    """
    desk = driver.fold.desk.state
    orders = [desk.orders[order_id].wanted for order_id in desk.open_ids]
    instances = {wanted.instance for wanted in orders if not wanted.is_exit}
    instances.update(int(row[0]["instance"]) for row in commands)
    for instance in sorted(instances):
        driver.gate(instance, refusal(plan, instance) if is_ready else int(Reason.NOT_READY))


def is_protected(plan: Plan, desk: Desk, instance: int) -> bool:
    """Return whether a position needs no stop, or has one at the venue, or an exit is under way."""
    state = plan.states[0]
    row = state["instances"][instance]
    has_stop = math.isfinite(float(row["planned_stop"]))
    return state["positions"][instance]["qty"] == 0.0 or not has_stop or desk.is_protected(int(row["instrument"]))


def are_stops_confirmed(plan: Plan, desk: Desk) -> bool:
    """Return whether every position with a planned stop has one at the venue, or an exit under way."""
    return all(is_protected(plan, desk, instance) for instance in range(int(plan.states[0]["instance_count"])))


def is_awaiting(desk: Desk) -> bool:
    """Return whether something is out whose outcome is not known yet, or a fill is missing."""
    return bool(awaited_ids(desk))


def awaited_ids(desk: Desk) -> list[str]:
    """Return client ids: of what is out without a known outcome or lacks a fill, and of exits that have not left."""
    state, found = desk.state, list[str]()
    for order in (state.orders[order_id] for order_id in state.open_ids):
        awaited = (Wire.SENT, Wire.UNKNOWN, Wire.QUEUED) if order.wanted.is_exit else (Wire.SENT, Wire.UNKNOWN)
        found += [one.client_id for one in order.attempts if one.wire in awaited or one.has_gap]
    return found
