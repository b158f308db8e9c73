"""What need not be computed at every tick: windowed indicators that nobody reads until a signal is there."""

from collections.abc import Iterable, Sequence
from typing import Any

from tightloop.core import families
from tightloop.core.domain.enums import Op, Section
from tightloop.model.signal.read import Strategy

_BITS = 63


def mark_lazy(state: Any, strategies: Sequence[Strategy], may_wait: set[int]) -> None:
    """Set the bits of the windowed indicators that no S1, no section with a memory and no confidence reads.

    ``may_wait``: numbers of the indicators that keep nothing from tick to tick. Families that do not ask for what was
    put off (``MEASURES_ON_DEMAND``) get everything at once.
    """
    read: dict[int, set[int]] = {}
    hasty: set[int] = set()
    for at in range(int(state["instance_count"])):
        instance = state["instances"][at]
        strategy, instrument = int(instance["strategy"]), int(instance["instrument"])
        if not hasattr(families.load(strategies[strategy].read.family), "MEASURES_ON_DEMAND"):
            hasty.add(instrument)
        base = int(instance["value_base"])
        cells = {int(state["value_slots"][base + slot]) for slot in _slots(state, state["strategies"][strategy])}
        read.setdefault(instrument, set()).update(cells)
    for instrument in range(int(state["instrument_count"])):
        row = state["instruments"][instrument]
        count = int(row["tick_count"])
        if instrument in hasty or count > _BITS:
            continue
        bits = 0
        for k, number in enumerate(range(int(row["tick_first"]), int(row["tick_first"]) + count)):
            indicator = state["indicators"][number]
            base = int(indicator["base"])
            outputs = range(base, base + int(indicator["floats"]))
            if number in may_wait and not any(cell in outputs for cell in read.get(instrument, ())):
                bits |= 1 << k
        state["on_demand"][instrument]["put_off"] = bits


def _slots(state: Any, strategy: Any) -> Iterable[int]:
    """The slots that are read at every evaluation, whatever an instance waits for."""
    for section in Section:
        if section == Section.S1 or strategy["section_is_stateful"][section]:
            first, count = int(strategy["section_first"][section]), int(strategy["section_count"][section])
            for node in state["nodes"][first : first + count]:
                if node["op"] < Op.ALL:
                    yield int(node["left"])
                    yield int(node["right"])
                if node["op"] == Op.BETWEEN:
                    yield int(node["right_high"])
    if strategy["confidence_slot"] >= 0:
        yield int(strategy["confidence_slot"])
