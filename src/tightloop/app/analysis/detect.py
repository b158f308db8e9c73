"""Signals of a strategy scored against labels: one run per labelled instrument."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tightloop.adapters.data.labels import labels_of, read_labels
from tightloop.app.markets.notes import is_synthetic
from tightloop.app.runs import backtest as runs_backtest
from tightloop.model.errors import InputError
from tightloop.runtime.research.detection import Tally, detection
from tightloop.runtime.results.denials import together

_COLUMNS = ("ts", "instrument", "section", "event")


@dataclass(frozen=True, slots=True)
class Detection:
    """Scores by scenario and kind, the instruments that they come from, warnings of the runs."""

    strategy: str
    rows: list[Tally]
    instruments: tuple[str, ...]
    warnings: tuple[str, ...]
    denied: tuple[dict[str, Any], ...] = ()
    """Denied entries of all runs together: rows as in ``result.json``."""
    is_synthetic: bool = False

    @property
    def entries_in_flat(self) -> int:
        """Entries in the scenario without any event: all of them are false."""
        return sum(tally.entries for tally in self.rows if (tally.scenario, tally.kind) == ("flat", "all"))

    def plain(self) -> dict[str, Any]:
        """Return the detection as plain data for JSON."""
        return {
            "strategy": self.strategy, "instruments": list(self.instruments),
            "entries_in_flat": self.entries_in_flat, "rows": [tally.plain() for tally in self.rows],
            "warnings": list(self.warnings), "denied": list(self.denied), "is_synthetic": self.is_synthetic,
        }  # fmt: skip


def detect(
    strategy: Any,
    *,
    data: Path | str = "data",
    labels: Path | str | None = None,
    instruments: Sequence[str] = (),
    account: Any = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    accept: Sequence[str] = (),
    shown: Callable[[Sequence[str]], Any] = iter,
) -> Detection:
    """Run ``strategy`` on each labelled instrument alone, and score its signals against the labels.

    Alone, because the markets of a sample happen at one time by construction: shared slots and limits would distort the
    scores. ``labels``: by default those of the catalog. ``instruments``: restricts the run to these. ``shown``: wraps
    the instruments, to show progress. Raises InputError as a run does, and when no label is of the instruments.
    """
    file = Path(labels) if labels is not None else labels_of(Path(data))
    known = read_labels(file)
    wanted = tuple(dict.fromkeys(label.instrument for label in known))
    if instruments:
        wanted = tuple(name for name in wanted if name in instruments)
    if not wanted:
        there = ", ".join(sorted({label.instrument for label in known})[:8])
        message = "no label belongs to the requested instruments"
        raise InputError.one(file, None, "instrument", message, f"use some of {there}")
    signals: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    warnings: dict[str, None] = {}
    denied: list[list[dict[str, Any]]] = []
    name_of_strategy, synthetic = "", False
    for instrument in shown(wanted):
        run = runs_backtest.backtest(
            strategy, data=data, instruments=[instrument], account=account, settings=settings, seed=seed, accept=accept
        )
        table = run.result.tables["signals"]
        for name in _COLUMNS:
            signals[name] += list(table[name])
        warnings.update(dict.fromkeys(run.summary["warnings"]))
        denied.append(run.summary["denied"])
        name_of_strategy = run.summary["strategy"]
        synthetic |= is_synthetic(run.summary)
    rows = detection(signals, [label for label in known if label.instrument in wanted])
    return Detection(name_of_strategy, rows, wanted, tuple(warnings), tuple(together(denied)), synthetic)
