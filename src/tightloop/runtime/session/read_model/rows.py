"""What all tables have in common: names of a plan's parts, and values as the tables have them."""

import math

from tightloop.core.domain.types import Record
from tightloop.model.signal.plan import Plan
from tightloop.ports.read_model import Value
from tightloop.runtime.results.result import digest
from tightloop.runtime.session.driver.view import order_name

Values = dict[str, Value]


def real(value: float) -> float | None:
    """Return a number as the tables have it: None where it is not known."""
    return float(value) if math.isfinite(value) else None


class PlanNames:
    """Names of instances, instruments and signals of one session."""

    def __init__(self, plan: Plan, session: str) -> None:
        self._session = session
        state = plan.states[0]
        instances = state["instances"][: int(state["instance_count"])]
        self.plan = plan
        self.strategies = [plan.strategies[int(row["strategy"])].read.name for row in instances]
        self.instruments = [str(instrument) for instrument in plan.instruments]
        self.sizes = [float(row["multiplier"]) for row in state["instruments"][: len(self.instruments)]]

    def of(self, row: Record) -> dict[str, Value]:
        """Return instance, strategy and instrument of a row of the log; None where it has none."""
        instance, instrument = int(row["instance"]), int(row["instrument"])
        return {
            "instance": instance if instance >= 0 else None,
            "strategy": self.strategies[instance] if instance >= 0 else None,
            "instrument": self.instruments[instrument] if instrument >= 0 else None,
        }

    def signal(self, row: Record) -> str | None:
        """Return the id of the signal that a row follows from, ``sig_`` and 12 hex digits; None if it has none."""
        number = int(row["signal_id"])
        return "sig_" + digest(self._session, number)[:12] if number else None

    def order(self, row: Record) -> str | None:
        """Return the id of a row's order."""
        number = int(row["order_id"])
        return order_name(number) if number else None
