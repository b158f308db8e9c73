"""Evaluating and reporting the rule sections of the signal family."""

from tightloop.core import log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import InstanceState, Op, RowKind, Section
from tightloop.core.domain.types import Floats, Record, Rows
from tightloop.core.rules import FALSE, evaluate, last_verdict, value_of

S1, O1, Z1, ZE1, E1 = int(Section.S1), int(Section.O1), int(Section.Z1), int(Section.ZE1), int(Section.E1)


@hot
def is_needed(state: int, section: int) -> bool:
    """Tell whether a section can cause a transition out of ``state``."""
    if state == InstanceState.MONITORING:
        return section == S1
    if state == InstanceState.SIGNAL_DETECTED:
        return section == O1 or section == Z1
    if state == InstanceState.ENTRY_PENDING:
        return section == O1 or section == E1
    if state == InstanceState.POSITION_ACTIVE:
        return section == ZE1 or section == E1
    return section == E1 and state == InstanceState.EXIT_PENDING


@hot
def evaluate_sections(state: Record, arena: Floats, instance: int) -> None:
    """Evaluate the sections the state needs, and all that have a memory; writes ``verdicts``, FALSE for the others.

    Crossings, hold and seq compare with the previous evaluation, so their sections are evaluated in every state.
    """
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    for section in range(5):
        machine.verdicts[section] = FALSE
        count = strategy.section_count[section]
        if count > 0 and (strategy.section_is_stateful[section] != 0 or is_needed(machine.state, section)):
            machine.verdicts[section] = evaluate(
                state, arena, machine, strategy.section_first[section], count, state.ts_ns
            )


@leaf
def report_section(state: Record, arena: Floats, rows: Rows, instance: int, section: int, reason: int) -> None:
    """Log that a section fired (``reason`` 0, or its cause) or was suppressed, and each condition with its values."""
    machine = state.instances[instance]
    strategy = state.strategies[machine.strategy]
    row = log.emit(state, rows, RowKind.SECTION.value, instance)
    row.code = section
    row.reason = reason
    row.signal_id = machine.signal_id
    row.price = state.instruments[machine.instrument].mark
    log.seal(state, row)
    first = strategy.section_first[section]
    for number in range(first, first + strategy.section_count[section]):
        node = state.nodes[number]
        if node.op >= Op.ALL:
            continue
        row = log.emit(state, rows, RowKind.CONDITION.value, instance)
        row.slot = number
        row.code = last_verdict(state, arena, machine, node)
        row.value = value_of(state, arena, machine, node.left)
        row.threshold = value_of(state, arena, machine, node.right)
        if node.op == Op.BETWEEN:
            row.exit_price = value_of(state, arena, machine, node.right_high)
