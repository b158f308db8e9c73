"""Lazy indicators: windows computed only while a signal, order or position reads them."""

from collections.abc import Iterable, Sequence
from typing import Any

from tightloop.core import families
from tightloop.core.domain.enums import Op, Section
from tightloop.model.signal.read import Strategy

_BITS = 63


def mark_lazy(state: Any, strategies: Sequence[Strategy], may_wait: set[int]) -> None:
    """Set ``put_off`` bits for windowed indicators that no S1, no stateful section and no confidence reads.

    ``may_wait``: numbers of indicators without state between ticks. Instruments of a family that cannot request a lazy
    value (no ``MEASURES_ON_DEMAND``) get none.
    """
    cells_read: dict[int, set[int]] = {}
    eager: set[int] = set()
    for index in range(int(state["instance_count"])):
        instance = state["instances"][index]
        strategy, instrument = int(instance["strategy"]), int(instance["instrument"])
        if not hasattr(families.load(strategies[strategy].read.family), "MEASURES_ON_DEMAND"):
            eager.add(instrument)
        base = int(instance["value_base"])
        cells = {int(state["value_slots"][base + slot]) for slot in _slots(state, state["strategies"][strategy])}
        cells_read.setdefault(instrument, set()).update(cells)
    for instrument in range(int(state["instrument_count"])):
        row = state["instruments"][instrument]
        count = int(row["tick_count"])
        if instrument in eager or count > _BITS:
            continue
        bits = 0
        for bit, number in enumerate(range(int(row["tick_first"]), int(row["tick_first"]) + count)):
            indicator = state["indicators"][number]
            base = int(indicator["base"])
            outputs = range(base, base + int(indicator["floats"]))
            if number in may_wait and not any(cell in outputs for cell in cells_read.get(instrument, ())):
                bits |= 1 << bit
        state["on_demand"][instrument]["put_off"] = bits


def _slots(state: Any, strategy: Any) -> Iterable[int]:
    """Yield the value slots that every evaluation reads, whatever state an instance is in."""
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
