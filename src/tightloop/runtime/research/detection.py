"""Detection quality of a strategy: signals matched with labelled pumps. A table in, figures out; no run, no files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tightloop.model.labels import Label
from tightloop.model.times import SECOND_NS

OUTSIDE = "outside"
"""Kind of a signal that no label contains."""
ALL = "all"


@dataclass(slots=True)
class Tally:
    """Counts of one (scenario, kind), of a scenario, or of everything; a ratio is None where it is undefined.

    ``found``: pumps with at least one S1 inside, counted once each; ``by_peak``: those whose first S1 is not later than
    the peak. ``false_signals``: S1 outside every pump of the instrument. ``held_back``: pumps not found in which S1 was
    TRUE but a limit of the strategy or account suppressed it. ``entries``: Z1. Delays: seconds from the start of a pump
    to its first S1 and first Z1.
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
        """Pumps found / (pumps found + false signals); None without either, or for a single kind."""
        fired = self.found + self.false_signals
        return self.found / fired if fired and self.kind == ALL else None

    @property
    def recall(self) -> float | None:
        """Pumps found / pumps; None without pumps."""
        return self.found / self.pumps if self.pumps else None

    def plain(self) -> dict[str, Any]:
        """Return the tally as a JSON-ready dict."""
        return {
            "scenario": self.scenario, "kind": self.kind, "labels": self.labels, "pumps": self.pumps,
            "found": self.found, "by_peak": self.by_peak, "held_back": self.held_back, "signals": self.signals,
            "false_signals": self.false_signals, "entries": self.entries, "precision": self.precision,
            "recall": self.recall, "s1_delay_s": _delays(self.s1_delays_s), "z1_delay_s": _delays(self.z1_delays_s),
        }  # fmt: skip


def _delays(delays_s: Sequence[float]) -> dict[str, float] | None:
    return {"min": min(delays_s), "median": median(delays_s), "max": max(delays_s)} if delays_s else None


@dataclass(frozen=True, slots=True)
class _Firing:
    instrument: str
    section: str
    ts_ns: int
    is_held_back: bool


def detection(signals: Mapping[str, Sequence[Any]], labels: Sequence[Label]) -> list[Tally]:
    """Return one tally per (scenario, kind), then the sum of the scenario, and last the sum of everything.

    ``signals``: columns ts (ns), instrument, section, event of ``signals.parquet``, in any order. A signal is assigned
    to the pump of its instrument whose [start, end] contains it, else to another such label, else to OUTSIDE of the
    instrument's scenario. Signals of instruments without labels are ignored.
    """
    rows: dict[tuple[str, str], Tally] = {}

    def tallies(scenario: str, kind: str) -> list[Tally]:
        keys = ((scenario, kind), (scenario, ALL), (ALL, ALL))
        return [rows.setdefault(key, Tally(*key)) for key in keys]

    labels_of: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        labels_of[label.instrument].append(label)
        for tally in tallies(label.scenario, label.kind):
            tally.labels += 1
            tally.pumps += label.is_pump
    firings: dict[Label, list[_Firing]] = defaultdict(list)
    for firing in _firings(signals):
        if firing.instrument not in labels_of:
            continue
        around = _label_of(firing, labels_of[firing.instrument])
        in_pump = around is not None and around.is_pump
        if around is not None and in_pump:
            firings[around].append(firing)
        if firing.is_held_back:
            continue
        scenario, kind = labels_of[firing.instrument][0].scenario, OUTSIDE
        if around is not None:
            scenario, kind = around.scenario, around.kind
        for tally in tallies(scenario, kind):
            tally.signals += firing.section == "S1"
            tally.false_signals += firing.section == "S1" and not in_pump
            tally.entries += firing.section == "Z1"
    for label, inside in firings.items():
        for tally in tallies(label.scenario, label.kind):
            _add_pump(tally, label, inside)
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
    """Count one pump in which S1 was TRUE; ``firings`` sorted by time."""
    fired = [firing for firing in firings if not firing.is_held_back]
    signals = [firing for firing in fired if firing.section == "S1"]
    tally.found += bool(signals)
    tally.held_back += not signals
    if signals:
        tally.by_peak += signals[0].ts_ns <= label.peak_ns
        tally.s1_delays_s.append((signals[0].ts_ns - label.start_ns) / SECOND_NS)
    entries = [firing for firing in fired if firing.section == "Z1"]
    if entries:
        tally.z1_delays_s.append((entries[0].ts_ns - label.start_ns) / SECOND_NS)


def _ordered(rows: Mapping[tuple[str, str], Tally]) -> list[Tally]:
    """Return the tallies in label order: the kinds of a scenario, its sum, and the total last."""
    scenarios = list(dict.fromkeys(scenario for scenario, _kind in rows if scenario != ALL))
    ordered = [
        tally
        for scenario in scenarios
        for tally in sorted((row for key, row in rows.items() if key[0] == scenario), key=lambda row: row.kind == ALL)
    ]
    return [*ordered, *(row for key, row in rows.items() if key == (ALL, ALL))]
