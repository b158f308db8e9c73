"""How well a strategy detects pumps: its signals held against labels. No run, no files: a table in, figures out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tightloop.model.labels import Label

OUTSIDE = "outside"
"""The kind of a signal that lies in no label."""
ALL = "all"
NS_PER_S = 1e9


@dataclass(slots=True)
class Tally:
    """Figures of one kind of event, of a scenario, or of everything; None where nothing can be said.

    ``found`` of the ``pumps`` have an S1 inside, several of one pump count once, ``by_peak`` not later than the peak;
    ``false_signals`` are S1 in no pump of their instrument. ``held_back``: pumps not found in which S1 was TRUE and a
    limit of the strategy or the account did not let it act. ``entries`` are Z1. Delays are seconds from the start of a
    pump to its first S1 and its first Z1.
    """

    scenario: str
    kind: str
    labels: int = 0
    pumps: int = 0
    found: int = 0
    by_peak: int = 0
    held_back: int = 0
    signals: int = 0
    false_signals: int = 0
    entries: int = 0
    s1_delays_s: list[float] = field(default_factory=list)
    z1_delays_s: list[float] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        """Pumps found over themselves and the false signals."""
        fired = self.found + self.false_signals
        return self.found / fired if fired and self.kind == ALL else None

    @property
    def recall(self) -> float | None:
        """Pumps found over pumps."""
        return self.found / self.pumps if self.pumps else None

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "scenario": self.scenario, "kind": self.kind, "labels": self.labels, "pumps": self.pumps,
            "found": self.found, "by_peak": self.by_peak, "held_back": self.held_back, "signals": self.signals,
            "false_signals": self.false_signals, "entries": self.entries, "precision": self.precision,
            "recall": self.recall, "s1_delay_s": _delays(self.s1_delays_s), "z1_delay_s": _delays(self.z1_delays_s),
        }  # fmt: skip


def _delays(found: Sequence[float]) -> dict[str, float] | None:
    return {"min": min(found), "median": median(found), "max": max(found)} if found else None


@dataclass(frozen=True, slots=True)
class _Firing:
    instrument: str
    section: str
    ts_ns: int
    is_held_back: bool


def detection(signals: Mapping[str, Sequence[Any]], labels: Sequence[Label]) -> list[Tally]:
    """Rows by scenario and kind, after each scenario its sum, and the sum of everything last.

    ``signals``: columns ts (ns), instrument, section, event of ``signals.parquet``, in any order. A signal belongs to
    the pump of its instrument whose [start, end] holds it, else to another label that does, else to OUTSIDE of the
    instrument's scenario. Signals of instruments without labels are left out.
    """
    rows: dict[tuple[str, str], Tally] = {}

    def tallies(scenario: str, kind: str) -> list[Tally]:
        keys = ((scenario, kind), (scenario, ALL), (ALL, ALL))
        return [rows.setdefault(key, Tally(*key)) for key in keys]

    own_labels: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        own_labels[label.instrument].append(label)
        for tally in tallies(label.scenario, label.kind):
            tally.labels += 1
            tally.pumps += label.is_pump
    firings: dict[Label, list[_Firing]] = defaultdict(list)
    for firing in _firings(signals):
        if firing.instrument not in own_labels:
            continue
        around = _label_of(firing, own_labels[firing.instrument])
        in_pump = around is not None and around.is_pump
        if around is not None and in_pump:
            firings[around].append(firing)
        if firing.is_held_back:
            continue
        scenario, kind = own_labels[firing.instrument][0].scenario, OUTSIDE
        if around is not None:
            scenario, kind = around.scenario, around.kind
        for tally in tallies(scenario, kind):
            tally.signals += firing.section == "S1"
            tally.false_signals += firing.section == "S1" and not in_pump
            tally.entries += firing.section == "Z1"
    for label, own in firings.items():
        for tally in tallies(label.scenario, label.kind):
            _add_pump(tally, label, own)
    return _ordered(rows)


def _firings(signals: Mapping[str, Sequence[Any]]) -> Iterable[_Firing]:
    columns = (signals[name] for name in ("ts", "instrument", "section", "event"))
    rows = sorted(zip(*columns, strict=True), key=lambda row: int(row[0]))
    for ts_ns, instrument, section, event in rows:
        if section in ("S1", "Z1"):
            yield _Firing(str(instrument), section, int(ts_ns), event == "suppressed")


def _label_of(firing: _Firing, labels: Sequence[Label]) -> Label | None:
    around = [label for label in labels if label.start_ns <= firing.ts_ns <= label.end_ns]
    return next((label for label in around if label.is_pump), around[0] if around else None)


def _add_pump(tally: Tally, label: Label, firings: Sequence[_Firing]) -> None:
    """Count a pump that S1 was TRUE in; ``firings`` in order of time."""
    fired = [firing for firing in firings if not firing.is_held_back]
    signals = [firing for firing in fired if firing.section == "S1"]
    tally.found += bool(signals)
    tally.held_back += not signals
    if signals:
        tally.by_peak += signals[0].ts_ns <= label.peak_ns
        tally.s1_delays_s.append((signals[0].ts_ns - label.start_ns) / NS_PER_S)
    entries = [firing for firing in fired if firing.section == "Z1"]
    if entries:
        tally.z1_delays_s.append((entries[0].ts_ns - label.start_ns) / NS_PER_S)


def _ordered(rows: Mapping[tuple[str, str], Tally]) -> list[Tally]:
    """As the labels came, the sum of a scenario after its kinds, that of everything last."""
    scenarios = list(dict.fromkeys(scenario for scenario, _kind in rows if scenario != ALL))
    found = [
        tally
        for scenario in scenarios
        for tally in sorted((own for key, own in rows.items() if key[0] == scenario), key=lambda own: own.kind == ALL)
    ]
    return [*found, *(own for key, own in rows.items() if key == (ALL, ALL))]
