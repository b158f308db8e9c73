"""Rule trees in three-valued logic: True, False, None for UNKNOWN. Every tree is asked at every evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Verdict = bool | None
Values = Mapping[str, float | None]
TIE = 1e-9

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@dataclass
class Doubt:
    """Counts comparisons that the last bits of a float decide; two honest programs may differ after one."""

    count: int = 0

    def of(self, a: float, b: float) -> None:
        if a != b and abs(a - b) <= TIE * max(abs(a), abs(b)):
            self.count += 1

    def near(self, value: float, line: float) -> None:
        """Count a value within float noise of a line that is drawn TIE beside a level, so that a tie is decided."""
        if abs(value - line) <= 1e-14 * max(abs(value), abs(line)):
            self.count += 1


def _operand(word: str, values: Values) -> float | None:
    try:
        return float(word)
    except ValueError:
        return values[word]


@dataclass
class Tree:
    """A tree and what it remembers: values of the evaluation before, since when a hold is TRUE, parts of a seq."""

    source: Any
    doubt: Doubt
    memory: dict[int, Any] = field(default_factory=dict)
    rows: list[tuple[str, str, float | None, float | None, Verdict]] = field(default_factory=list)

    def ask(self, now_ns: int, values: Values) -> Verdict:
        self.rows = []
        self._place = 0
        return self._ask(self.source, now_ns, values)

    def _ask(self, tree: Any, now_ns: int, values: Values) -> Verdict:
        self._place += 1
        place = self._place
        ((key, own),) = tree.items()
        if key in ("all", "any"):
            wanted = key == "any"
            found = [self._ask(part, now_ns, values) for part in own]
            if wanted in found:
                return wanted
            return None if None in found else not wanted
        if key == "not":
            inner = self._ask(own, now_ns, values)
            return None if inner is None else not inner
        if key == "hold":
            return self._hold(place, self._ask(own[0], now_ns, values), now_ns, own[1])
        if key == "seq":
            parts = [self._ask(part, now_ns, values) for part in own[0]]
            return self._seq(place, parts, now_ns, own[1])
        return self._condition(place, key, str(own), values)

    def _hold(self, place: int, inner: Verdict, now_ns: int, seconds: float) -> Verdict:
        if inner is not True:
            self.memory.pop(place, None)
            return inner
        since_ns = self.memory.setdefault(place, now_ns)
        return now_ns - since_ns >= seconds * 1e9

    def _seq(self, place: int, parts: list[Verdict], now_ns: int, gap_s: float) -> Verdict:
        """TRUE while the last part is, after the part before it at an earlier evaluation, and so on, within the gaps.

        What counts of a part is the last time at which it was TRUE in its turn. The verdict is that of the last part.
        """
        last: Verdict = False
        reached: list[int | None] = self.memory.setdefault(place, [None] * len(parts))
        for k in reversed(range(len(parts))):
            before = reached[k - 1] if k else now_ns
            if before is None or now_ns - before > gap_s * 1e9:
                continue
            if parts[k] is True:
                reached[k] = now_ns
            if k == len(parts) - 1:
                last = parts[k]
        return last

    def _condition(self, place: int, name: str, text: str, values: Values) -> Verdict:
        operator, _, rest = text.partition(" ")
        value = values[name]
        if operator in ("crosses_above", "crosses_below"):
            return self._crossing(place, name, operator, value, _operand(rest, values))
        if operator == "between":
            low, high = (_operand(word, values) for word in rest.split(" and "))
            return self._known(name, operator, value, [low, high], lambda a, own: own[0] <= a <= own[1])
        if operator == "in":
            wanted = [float(word) for word in rest.strip("[]").split(",")]
            return self._known(name, operator, value, wanted, lambda a, own: a in own)
        return self._known(
            name, operator, value, [_operand(rest, values)], lambda a, own: COMPARISONS[operator](a, own[0])
        )

    def _known(self, name: str, operator: str, value: float | None, others: list[Any], verdict: Any) -> Verdict:
        found: Verdict = None
        if value is not None and None not in others:
            for other in others:
                self.doubt.of(value, other)
            found = verdict(value, others)
        self.rows.append((name, operator, value, others[0], found))
        return found

    def _crossing(self, place: int, name: str, operator: str, value: float | None, other: float | None) -> Verdict:
        before = self.memory.get(place)
        self.memory[place] = (value, other)
        found: Verdict = None
        if before is not None and None not in (*before, value, other):
            (a, b), (was_a, was_b) = (value, other), before
            self.doubt.of(a, b)
            self.doubt.of(was_a, was_b)
            found = (a > b and was_a <= was_b) if operator == "crosses_above" else (a < b and was_a >= was_b)
        self.rows.append((name, operator, value, other, found))
        return found
