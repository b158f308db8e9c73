"""Why not yet: the nearest that each condition of a watched section came to the verdict it needs.

A section is *watched* from the transition into a state that it can lead out of, to the next transition. The values are
looked at on each closed bar, at which sections are evaluated; on ticks once a second, and where a section fires at the
values that it fired at. All conditions of all instances are compared at once, as arrays: a look costs some 50 us,
whatever was stepped since the last one. ``place`` counts the conditions of a section, as the rows of ``conditions`` do;
after them come its holds and sequences.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.enums import InstanceState, Op, RowKind, Section
from tightloop.core.domain.types import Record
from tightloop.core.families._signal import sections as signal_sections
from tightloop.core.rules import FALSE, TRUE, UNKNOWN
from tightloop.model.signal.branches import tree_of, walk
from tightloop.model.signal.plan import Plan
from tightloop.model.times import SECOND_NS
from tightloop.ports.read_model import TableRow
from tightloop.runtime.session.read_model.rows import real

WRITTEN_EVERY_NS = 10 * SECOND_NS
_RISING = (Op.GT, Op.GE, Op.CROSSES_ABOVE)
_FALLING = (Op.LT, Op.LE, Op.CROSSES_BELOW)
_CROSSES = (Op.CROSSES_ABOVE, Op.CROSSES_BELOW)
_needed = getattr(signal_sections.is_needed, "py_func", signal_sections.is_needed)
Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class SectionPart:
    """The conditions of one section of one instance: ``first`` to ``end`` among all, and which nodes they are."""

    def __init__(self, instance: int, section: Section, first: int, nodes: list[int], needed: list[bool]) -> None:
        self.instance, self.section, self.first = instance, section, first
        self.nodes, self.needed, self.end = nodes, needed, first + len(nodes)
        self.condition_count = 0
        self.since_ns: int | None = None
        """Since when it is watched; None: it is not."""
        self.signal: str | None = None


class ClosestMoments:
    """Follows the nearest moments of one session. ``names``: of its signals are told with the transitions."""

    def __init__(self, plan: Plan, begun_ns: int) -> None:
        self._plan = plan
        self._sections: list[SectionPart] = []
        self._of: dict[int, list[SectionPart]] = {}
        self._lay_out()
        self._compare = _Comparison(plan, self._sections)
        count = self._compare.count
        self._distance = np.full(count, math.nan)
        self._value, self._threshold, self._high = (np.full(count, math.nan) for _ in range(3))
        self._at_ns = np.zeros(count, np.int64)
        self._others_met = np.zeros(count, np.int64)
        self._is_new = np.zeros(count, np.bool_)
        self._looked_ns = 0
        for section in self._sections:
            if _needed(int(InstanceState.MONITORING), int(section.section)):
                section.since_ns = begun_ns

    def _lay_out(self) -> None:
        state, first = self._plan.states[0], 0
        for instance in range(int(state["instance_count"])):
            strategy = int(state["instances"][instance]["strategy"])
            for section in Section:
                tree = tree_of(self._plan, strategy, int(section))
                if tree is None:
                    continue
                branches = sorted((one for one, _ in walk(tree)), key=lambda one: one.at)
                conditions = [one for one in branches if one.op < Op.ALL]
                parts = conditions + [one for one in branches if one.op in (Op.HOLD, Op.SEQ)]
                found = SectionPart(instance, section, first, [one.at for one in parts], [one.needed for one in parts])
                found.condition_count = len(conditions)
                self._sections.append(found)
                self._of.setdefault(instance, []).append(found)
                first = found.end

    def look(self) -> None:
        """Compare all values as they are now."""
        seen = self._compare.seen()
        ts_ns = int(self._plan.states[0]["ts_ns"])
        for section in self._sections:
            if section.since_ns is not None:
                self._note(section, seen[:, section.first : section.end], ts_ns)

    def _note(self, section: SectionPart, seen: Numbers, ts_ns: int) -> None:
        """Keep what is nearer than before. ``seen``: rows of distance, value, threshold, high, and 1 where met."""
        place = slice(section.first, section.end)
        distance, is_met = seen[0], seen[4, : section.condition_count] != 0.0
        others = np.full(len(distance), int(is_met.sum()))
        others[: section.condition_count] -= is_met
        best = self._distance[place]
        is_nearer = (distance < best) | (np.isnan(best) & ~np.isnan(distance))
        is_nearer |= (distance == best) & (others > self._others_met[place])
        if not is_nearer.any():
            return
        self._others_met[place][is_nearer] = others[is_nearer]
        self._at_ns[place][is_nearer] = ts_ns
        for kept, new in zip((best, self._value[place], self._threshold[place], self._high[place]), seen, strict=False):
            kept[is_nearer] = new[is_nearer]
        self._is_new[place] |= is_nearer

    def fired(self, row: Record, conditions: list[Record]) -> None:
        """Note the values at which a section fired or was suppressed. ``conditions``: the CONDITION rows after it."""
        section = next((one for one in self._of_row(row) if int(one.section) == int(row["code"])), None)
        if section is None or section.since_ns is None or len(conditions) != section.condition_count:
            return
        seen = np.full((5, section.end - section.first), math.nan)
        for k, one in enumerate(conditions):
            is_met = int(one["code"]) == (TRUE if section.needed[k] else FALSE)
            seen[:, k] = 0.0 if is_met else math.nan, one["value"], one["threshold"], one["exit_price"], float(is_met)
            if self._compare.operator(section.first + k) != Op.BETWEEN:
                seen[3, k] = math.nan
        self._note(section, seen, int(row["ts_ns"]))

    def _of_row(self, row: Record) -> list[SectionPart]:
        return self._of.get(int(row["instance"]), [])

    def moved(self, row: Record, signal: str | None, seq: int) -> Iterator[TableRow]:
        """End the watches of an instance that a TRANSITION row ends, and begin those of its new state."""
        for section in self._of_row(row):
            if section.since_ns is not None:
                yield from self._rows(section, seq)
            is_watched = _needed(int(row["code"]), int(section.section))
            section.since_ns, section.signal = (int(row["ts_ns"]), signal) if is_watched else (None, None)
            place = slice(section.first, section.end)
            self._distance[place] = math.nan
            self._is_new[place] = False

    def due(self, now_ns: int, seq: int) -> Iterator[TableRow]:
        """Yield what came nearer, at the first look of each WRITTEN_EVERY_NS. ``now_ns``: when it is looked."""
        before_ns, self._looked_ns = self._looked_ns, now_ns
        if now_ns // WRITTEN_EVERY_NS == before_ns // WRITTEN_EVERY_NS:
            return
        for section in self._sections:
            if section.since_ns is not None:
                yield from self._rows(section, seq)

    def _rows(self, section: SectionPart, seq: int) -> Iterator[TableRow]:
        for at in (np.flatnonzero(self._is_new[section.first : section.end]) + section.first).tolist():
            self._is_new[at] = False
            is_condition = at - section.first < section.condition_count
            yield TableRow("closest", {
                "seq": seq, "instance": section.instance, "section": section.section.name,
                "since_ts": section.since_ns, "place": at - section.first, "signal_id": section.signal,
                "value": real(self._value[at]), "threshold": real(self._threshold[at]),
                "threshold_high": real(self._high[at]), "distance": real(self._distance[at]),
                "at_ts": int(self._at_ns[at]), "others_met": int(self._others_met[at]),
                "others": section.condition_count - is_condition,
            })  # fmt: skip

    def resume(self, rows: Sequence[Mapping[str, Any]], looked_ns: int) -> None:
        """Restore what rows say that were written of the watches that are open now, and when it was looked last."""
        self._looked_ns = looked_ns
        watched = {(one.instance, one.section.name, one.since_ns): one for one in self._sections}
        for row in rows:
            section = watched.get((row["instance"], row["section"], row["since_ts"]))
            if section is None:
                continue
            at = section.first + row["place"]
            for kept, name in (
                (self._distance, "distance"), (self._value, "value"), (self._threshold, "threshold"),
                (self._high, "threshold_high"),
            ):  # fmt: skip
                kept[at] = math.nan if row[name] is None else row[name]
            self._at_ns[at], self._others_met[at] = row["at_ts"], row["others_met"]

    def now(self) -> Iterator[tuple[int, str, int, float | None, float | None]]:
        """Yield of each condition that is watched: instance, section, place, threshold, distance as they are now."""
        seen = self._compare.seen()
        for section in self._sections:
            if section.since_ns is None:
                continue
            for at in range(section.first, section.end):
                place = at - section.first
                yield section.instance, section.section.name, place, real(seen[2, at]), real(seen[0, at])


class _Comparison:
    """Compares the values of all conditions at once."""

    def __init__(self, plan: Plan, sections: list[SectionPart]) -> None:
        self._plan = plan
        state = plan.states[0]
        nodes, slots, instances = state["nodes"], state["value_slots"], state["instances"]
        owners = [(section, node) for section in sections for node in section.nodes]
        self.count = len(owners)
        self._op = np.array([int(nodes[node]["op"]) for _, node in owners], np.int64)
        bases = [int(instances[section.instance]["value_base"]) for section, _ in owners]
        memories = [int(instances[section.instance]["memory_base"]) for section, _ in owners]
        is_condition = self._op < Op.ALL

        def cells(name: str, are_read: npt.NDArray[np.bool_]) -> Places:
            """Return the cells of the arena that conditions read; 0, which is NaN, for the others."""
            found = [
                int(slots[base + int(nodes[node][name])]) if is_read else 0
                for (_, node), base, is_read in zip(owners, bases, are_read, strict=True)
            ]
            return np.array(found, np.int64)

        self._left, self._right = cells("left", is_condition), cells("right", is_condition)
        self._between = self._op == Op.BETWEEN
        self._right_high = cells("right_high", self._between)
        self._needed = np.array([needed for section in sections for needed in section.needed], np.bool_)
        self._crosses = np.isin(self._op, _CROSSES)
        self._memory = np.array(
            [base + int(nodes[node]["memory"]) for (_, node), base in zip(owners, memories, strict=True)], np.int64
        )
        self._sign = np.where(np.isin(self._op, _RISING), 1.0, np.where(np.isin(self._op, _FALLING), -1.0, math.nan))
        self._or_equal = np.isin(self._op, (Op.GE, Op.LE))
        self._equals = np.flatnonzero(np.isin(self._op, (Op.EQ, Op.NE)))
        self._inside = np.flatnonzero(self._between)
        self._crossing, self._crossing_memory = np.flatnonzero(self._crosses), self._memory[self._crosses]
        self._remembering = np.flatnonzero(~is_condition).tolist()
        self._spans = [(int(nodes[node]["span_ns"]), int(nodes[node]["count"])) for _, node in owners]

    def operator(self, at: int) -> Op:
        """Return the operator of a condition."""
        return Op(int(self._op[at]))

    def seen(self) -> Numbers:
        """Return rows of distance (NaN: there is none), value, threshold, high threshold, and 1 where it is met."""
        state, arena = self._plan.states[0], self._plan.arena
        found = np.empty((5, self.count))
        left, right, high = arena[self._left], arena[self._right], arena[self._right_high]
        with np.errstate(invalid="ignore"):
            to_true = (right - left) * self._sign  # 0 or more: so far from TRUE
            is_true = (to_true < 0.0) | ((to_true == 0.0) & self._or_equal)
            distance = np.where(self._needed, to_true, -to_true)
            if len(self._inside) or len(self._equals):
                self._compare_others(left, right, high, is_true, distance)
            is_unknown = np.isnan(left) | np.isnan(right)
            if len(self._inside):
                is_unknown |= self._between & np.isnan(high)
            if len(self._crossing):
                verdict = state["memory_ns"][self._crossing_memory] >> 2
                is_true[self._crossing] = verdict == TRUE
                is_unknown[self._crossing] = verdict == UNKNOWN
                distance[self._crossing[~self._needed[self._crossing]]] = math.nan
            distance[is_unknown | ~(distance >= 0.0)] = math.nan  # past a line that it needs to cross
            is_met = ~is_unknown & (is_true == self._needed)
        distance[is_met] = 0.0
        found[0], found[1], found[2], found[3], found[4] = distance, left, right, high, is_met
        for at in self._remembering:
            found[:, at] = self._remembered(at, state)
        return found

    def _compare_others(
        self, left: Numbers, right: Numbers, high: Numbers, is_true: npt.NDArray[np.bool_], distance: Numbers
    ) -> None:
        """Compare where it is between, equal or not equal; distances are those of ``core/replay/observe.py``."""
        at = self._inside
        value, low, top = left[at], right[at], high[at]
        is_true[at] = (low <= value) & (value <= top)
        outside = np.where(value < low, low - value, value - top)
        distance[at] = np.where(self._needed[at], outside, np.minimum(value - low, top - value))
        at = self._equals
        is_equal = self._op[at] == Op.EQ
        is_true[at] = (left[at] == right[at]) == is_equal
        distance[at] = np.where(self._needed[at] == is_equal, np.abs(left[at] - right[at]), math.nan)

    def _remembered(self, at: int, state: Record) -> tuple[float, float, float, float, float]:
        """Return the same of a hold (seconds held) or of a sequence (parts that came in order)."""
        memory, (span_ns, count) = int(self._memory[at]), self._spans[at]
        now_ns = int(state["ts_ns"])
        if self._op[at] == Op.HOLD:
            since_ns = int(state["memory_ns"][memory])
            value, wanted = (now_ns - since_ns) * 1e-9 if since_ns else 0.0, span_ns * 1e-9
        else:
            came = state["memory_ns"][memory : memory + count]
            fresh = np.flatnonzero((came != 0) & (now_ns - came <= span_ns))
            value, wanted = float(fresh[-1] + 1) if len(fresh) else 0.0, float(count)
        distance = max(wanted - value, 0.0) if self._needed[at] else math.nan
        return distance, value, wanted, math.nan, float(distance == 0.0)


def conditions_after(rows: Any, n: int) -> list[Record]:
    """Return the CONDITION rows that follow a SECTION row."""
    found: list[Record] = []
    for row in rows[n + 1 :]:
        if int(row["kind"]) != RowKind.CONDITION:
            break
        found.append(row)
    return found
