"""What an operator asks of a running session, as facts and records of the journal.

Each request has a key of its sender; a repeat of a key gets the first answer and changes nothing, also from the next
process. A request is written into the journal as an OPERATOR record (who, what, key, outcome) after the facts that it
asks for: who has an answer knows that they are there.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tightloop.core.domain.enums import EventKind, Pause, Phase, Role, SessionControl
from tightloop.core.domain.types import EVENT, Rows
from tightloop.core.trading.control import FLATTENED
from tightloop.model.signal.plan import Plan
from tightloop.runtime.session import told
from tightloop.runtime.session.driver.session import Session
from tightloop.runtime.session.journal.layout import JournalRecord, RecordKind
from tightloop.runtime.session.journal.writer import Journal
from tightloop.runtime.session.market.intake import Intake

Answer = dict[str, Any]
ALL, STRATEGY, SYMBOL = "all", "strategy", "symbol"


class UnknownRequest(ValueError):
    """A request that names nothing there is; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """What is asked: pause, resume, stop, kill or rearm. ``key``: of its sender, "" for none; ``keep``: of stop."""

    what: str
    who: str = "operator"
    key: str = ""
    scope: str = ALL
    keep: bool = True


class Operator:
    """Takes requests for one session. ``on_pause``: called with True or False; ``on_stop``: called to end it."""

    def __init__(
        self,
        session: Session,
        journal: Journal,
        on_pause: Callable[[bool], None],
        on_stop: Callable[[], None],
        answers: Mapping[str, Answer] = MappingProxyType({}),
    ) -> None:
        """Begin with the answers that were given before, by key."""
        self.session, self._journal, self._on_pause, self._on_stop = session, journal, on_pause, on_stop
        self._answers = dict(answers)
        self._ends_flat: bool | None = None

    def take(self, request: OperatorRequest) -> Answer:
        """Carry out a request and return its answer: {"outcome": "done"} or {"error": why}."""
        if request.key and request.key in self._answers:
            return self._answers[request.key]
        try:
            self._carry_out(request)
            answer: Answer = {"outcome": "done"}
        except UnknownRequest as error:
            answer = {"error": str(error)}
        while len(self.session.intake):
            self.session.take_batch()
        said = json.dumps({**asdict(request), **answer}).encode()
        self._journal.append(RecordKind.OPERATOR, said, is_reserved=True)
        if request.key:
            self._answers[request.key] = answer
        return answer

    def _carry_out(self, request: OperatorRequest) -> None:
        what = request.what
        if what in ("pause", "resume"):
            is_paused = what == "pause"
            self._control(SessionControl.PAUSED if is_paused else SessionControl.RESUMED)
            self._on_pause(is_paused)
        elif what in ("kill", "rearm"):
            put_kill(self.session.intake, self.session.plan, request.scope, is_engaged=what == "kill")
        elif what == "stop":
            self.end(keeps=request.keep)
            self._on_stop()
        else:
            raise UnknownRequest(f"{what!r} is no request")

    def end(self, *, keeps: bool) -> None:
        """End: take no entries, cancel those that rest, close positions unless they are kept. The first call holds."""
        if self._ends_flat is None:
            self._ends_flat = not keeps
            self._control(SessionControl.STOP_KEEP if keeps else SessionControl.STOP_FLATTEN)

    def go_on_ending(self, *, is_flat: bool) -> None:
        """Take over an end that an earlier process began."""
        self._ends_flat = is_flat

    def refuse_entries(self) -> None:
        """Take no entries from now on; exits go on."""
        self._control(SessionControl.NOT_READY)

    def allow_entries(self) -> None:
        """Take entries again."""
        self._control(SessionControl.READY)

    def _control(self, what: SessionControl) -> None:
        self.session.intake.put_event(told.control(what))

    def has_ended(self) -> bool:
        """Return whether no entry is open any more; at an end without positions: no order and no position."""
        state = self.session.plan.states[0]
        if len(self.session.intake):
            return False
        if self._ends_flat:
            return int(state["open_position_count"]) == 0 and int(state["order_count"]) == 0
        orders = state["orders"][: int(state["order_high"])]
        return not bool(((orders["id"] != 0) & (orders["role"] == int(Role.ENTRY))).any())


@dataclass(frozen=True, slots=True)
class Gate:
    """What keeps a session from new risk, by its State. ``is_flattened``: it ends without positions."""

    is_not_ready: bool
    is_paused: bool
    is_stopping: bool
    is_flattened: bool


def gate_of(plan: Plan) -> Gate:
    """Return the gate of a session."""
    state = plan.states[0]
    paused, killed = int(state["paused"]), state["instances"][: int(state["instance_count"])]["killed"]
    return Gate(
        bool(state["not_ready"]),
        bool(paused & Pause.PAUSED),
        bool(paused & Pause.STOPPING),
        bool((killed & FLATTENED).any()),
    )


def answers_in(found: Iterable[JournalRecord]) -> dict[str, Answer]:
    """Return the answers that a journal has, by the keys of their requests."""
    answers: dict[str, Answer] = {}
    for record in found:
        if record.kind == RecordKind.OPERATOR:
            said = json.loads(record.payload)
            if said["key"]:
                answers[said["key"]] = {name: said[name] for name in ("outcome", "error") if name in said}
    return answers


def put_kill(intake: Intake, plan: Plan, scope: str, *, is_engaged: bool) -> None:
    """Put a KILL_SWITCH: of all, of ``strategy:N`` (from 1) or of ``symbol:S``. Raises UnknownRequest."""
    intake.put_event(_kill_switch(plan, scope, is_engaged=is_engaged))


def _kill_switch(plan: Plan, scope: str, *, is_engaged: bool) -> Rows:
    event = np.zeros(1, EVENT)
    event["kind"], event["phase"] = int(EventKind.KILL_SWITCH), int(Phase.RECORD)
    event["order_id"] = int(is_engaged)
    event["instrument"] = event["instance"] = event["order_slot"] = -1
    kind, _, name = scope.partition(":")
    if kind == STRATEGY:
        if name not in map(str, range(1, len(plan.strategies) + 1)):
            raise UnknownRequest(f"there is no strategy {name!r}; write strategy:1 to strategy:{len(plan.strategies)}")
        event["order_slot"] = int(name) - 1
    elif kind == SYMBOL:
        symbols = [instrument.symbol for instrument in plan.instruments]
        if name not in symbols:
            raise UnknownRequest(f"there is no symbol {name!r}; there are {', '.join(symbols)}")
        event["instrument"] = symbols.index(name)
    elif kind != ALL:
        raise UnknownRequest(f"{scope!r} is no scope; write all, strategy:N or symbol:S")
    return event
