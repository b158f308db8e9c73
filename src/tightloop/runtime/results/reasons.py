"""Codes of the core as the words of the result files."""

from tightloop.core.checks import all_checks
from tightloop.core.domain.enums import Reason, Role

EXIT_REASONS = {
    Role.STOP_LOSS: "stop_loss", Role.TAKE_PROFIT: "take_profit", Role.TRAILING: "trailing", Role.ZE1: "ZE1",
    Role.E1: "E1", Role.TIME: "time", Role.LIQUIDATION: "liquidation", Role.MANUAL: "manual",
    Role.STRATEGY: "strategy", Role.ENTRY: "strategy",
}  # fmt: skip
VERDICTS = ("FALSE", "TRUE", "UNKNOWN")
REASONS: dict[int, str | None] = {int(r): r.name.lower() if r else None for r in Reason} | {
    int(check.REASON): check.__name__.rpartition(".")[2] for check in all_checks() if check.REASON not in set(Reason)
}
"""A reason that only one check gives is written as the name of the check's file."""
ENDING = "session_ends"
"""Why a signal came to nothing, where its session was being ended without positions."""


def refusal_of(reason: int, *, is_ending: bool) -> str | None:
    """Return why a signal or an order came to nothing; the step tells of an end as of a kill switch."""
    return ENDING if is_ending and reason in (Reason.KILL_SWITCH, Reason.KILLED) else REASONS.get(reason)
