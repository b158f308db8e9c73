"""Signals with their conditions, transitions, warnings and what operators asked, from the rows that tell of them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tightloop.core.domain.enums import Correction, InstanceState, Section, WarningCode
from tightloop.core.domain.types import Record
from tightloop.model.signal.conditions import Condition
from tightloop.ports.read_model import TableRow, Value
from tightloop.runtime.results.reasons import REASONS, VERDICTS, refusal_of
from tightloop.runtime.session.read_model.plans import layout_of
from tightloop.runtime.session.read_model.rows import PlanNames, Values, real

CRITICAL, WARNING, INFO = "CRITICAL", "WARNING", "INFO"
_SEVERITIES = {
    WarningCode.LIQUIDATED: CRITICAL, WarningCode.RUINED: CRITICAL, WarningCode.NOT_PROTECTED: CRITICAL,
    WarningCode.POISON: CRITICAL, WarningCode.DRAWDOWN_STOP: CRITICAL, WarningCode.REPEATED_FILL: INFO,
    WarningCode.SIZE_REDUCED: INFO, WarningCode.FOREIGN: INFO,
}  # fmt: skip
"""Of warnings; the others are WARNING."""


class TellingRows:
    """What the step told, by kind of its rows."""

    def __init__(self, names: PlanNames) -> None:
        self._names = names
        self._signal: dict[str, Value] = {}  # the last one, which its conditions follow
        self._place = 0
        self.instances: dict[int, Values] = {}  # by number, as they were told of last
        self._plans: dict[int, str] = {}
        self.is_ending = False
        """Whether the session ends without positions, and no kill switch is engaged."""

    def section(self, row: Record, seq: int, n: int) -> TableRow:
        """Return the signal of a SECTION row."""
        section, reason = Section(int(row["code"])), int(row["reason"])
        is_suppressed = section == Section.S1 and reason != 0
        known = self._names.of(row)
        self._place = 0
        self._signal = {
            "seq": seq, "n": n, "signal_id": self._names.signal(row), "instance": known["instance"],
            "section": section.name,
        }  # fmt: skip
        return TableRow("signals", {
            **self._signal, "ts": int(row["ts_ns"]), "strategy": known["strategy"], "instrument": known["instrument"],
            "event": "suppressed" if is_suppressed else "fired",
            "reason": refusal_of(reason, is_ending=self.is_ending),
            "price": real(row["price"]), "confidence": None,
        })  # fmt: skip

    def condition(self, row: Record) -> TableRow:
        """Return a condition of the signal before it."""
        condition: Condition = self._names.plan.conditions[int(row["slot"])]
        named = next((operand for operand in condition.operands if isinstance(operand, str)), None)
        self._place += 1
        return TableRow("conditions", {
            **self._signal, "place": self._place - 1, "variant": condition.variant, "operator": condition.operator,
            "value": real(row["value"]), "threshold": real(row["threshold"]),
            "threshold_high": real(row["exit_price"]) if condition.operator == "between" else None,
            "threshold_variant": named, "verdict": VERDICTS[int(row["code"])],
        })  # fmt: skip

    def transition(self, row: Record, seq: int, n: int) -> Iterator[TableRow]:
        """Yield a transition, and the instance as it is from then on."""
        to, ts_ns = InstanceState(int(row["code"])).name, int(row["ts_ns"])
        known = self._names.of(row)
        yield TableRow("transitions", {
            "seq": seq, "n": n, "ts": ts_ns, "signal_id": self._names.signal(row), "instance": known["instance"],
            "from_state": InstanceState(int(row["slot"])).name, "to_state": to,
            "reason": REASONS.get(int(row["reason"])),
        })  # fmt: skip
        yield self.instance(int(row["instance"]), to, ts_ns, seq, self._names.signal(row))

    def instance(self, number: int, state: str, since_ns: int, seq: int, signal: str | None) -> TableRow:
        """Return an instance in a state."""
        found = self.instances.get(number)
        if found is None:
            found = self.instances[number] = self._new_instance(number)
        found |= {"seq": seq, "state": state, "state_since_ts": since_ns, "signal_id": signal}
        return TableRow("instances", dict(found))

    def _new_instance(self, number: int) -> Values:
        plan = self._names.plan
        row = plan.states[0]["instances"][number]
        at = int(row["strategy"])
        strategy = plan.strategies[at]
        if at not in self._plans:
            self._plans[at] = json.dumps(layout_of(plan, at))
        return {
            "instance": number,
            "strategy": strategy.read.name,
            "version": None,
            "strategy_hash": strategy.config_hash,
            "instrument": self._names.instruments[int(row["instrument"])],
            "direction": str(strategy.read.direction),
            "cooldown_until_ts": None,
            "timer_ts": None,
            "plan": self._plans[at],
        }

    def warning(self, row: Record, seq: int, n: int) -> Iterator[TableRow]:
        """Yield the risk event of a WARNING row, with the correction if it is one."""
        code = WarningCode(int(row["code"]))
        known, value = self._names.of(row), real(row["value"])
        details: dict[str, Value] = {"value": value, "order_id": self._names.order(row)}
        if int(row["reason"]):
            details["reason"] = REASONS.get(int(row["reason"]))
        if code == WarningCode.CORRECTED:
            kind = Correction(int(row["reason"])).name
            details["reason"] = kind
            yield TableRow("corrections", {
                "seq": seq, "n": n, "ts": int(row["ts_ns"]), "kind": kind, "instrument": known["instrument"],
                "ours": None, "venue": None, "evidence": json.dumps({"difference": value}),
            })  # fmt: skip
        yield TableRow("risk_events", {
            "seq": seq, "n": n, "ts": int(row["ts_ns"]), "signal_id": self._names.signal(row),
            "severity": _SEVERITIES.get(code, WARNING), "type": code.name,
            "scope": "account" if known["instance"] is None else "instance", "instance": known["instance"],
            "instrument": known["instrument"], "message": code.name.lower().replace("_", " "),
            "details": json.dumps(details),
        })  # fmt: skip


def control(said: Mapping[str, Any], seq: int, ts_ns: int | None) -> TableRow:
    """Return what an operator asked, from an OPERATOR record. ``ts_ns``: of the last fact before it."""
    known = ("who", "what", "key", "scope", "outcome", "error")
    given = dict.fromkeys(known) | {name: str(said[name]) for name in known if name in said}
    outcome = given["outcome"] or f"refused: {given['error']}"
    more = {name: value for name, value in said.items() if name not in known}
    return TableRow("controls", {
        "seq": seq, "n": 0, "ts": ts_ns, "who": given["who"], "command": given["what"],
        "scope": given["scope"], "args": json.dumps(more), "key": given["key"], "outcome": outcome,
    })  # fmt: skip
