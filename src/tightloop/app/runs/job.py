"""One backtest of any family, phase by phase: load, plan, drive, results. What differs by family is a method.

Every phase is timed (CPU seconds), and the summary gets here what ``explain`` needs to make the run again.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tightloop.adapters.data.quality import as_json
from tightloop.app.markets.opening import is_synthetic
from tightloop.app.runs.driving import Driven, Progress, cut_short
from tightloop.app.runs.run import Run
from tightloop.app.text.window import window_of
from tightloop.model.files.overrides import Setting
from tightloop.runtime.results.recorder import Recorder
from tightloop.runtime.results.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of one backtest, as its caller gave them. ``read_s``: CPU seconds spent on reading the strategies."""

    data: Any
    start: str | None = None
    end: str | None = None
    account: Any = None
    settings: Sequence[Setting] = ()
    instruments: Sequence[str] = ()
    seed: int = 0
    accept: Sequence[str] = ()
    on_progress: Progress | None = None
    one_by_one: bool = False
    read_s: float = 0.0

    def window(self) -> dict[str, Any]:
        """Return the keyword arguments of the loaders: start_ns, end_ns (None is open) and accepted datasets."""
        start_ns, end_ns = window_of(self.start, self.end)
        return {"start_ns": start_ns, "end_ns": end_ns, "accepted": frozenset(self.accept)}

    def inputs(self, strategies: Sequence[str], driven: Driven, progress: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``inputs`` of ``result.json``: what a repetition of the run reads, and how far the run went."""
        return {
            "strategies": list(strategies),
            "data": None if isinstance(self.data, Mapping) else Path(self.data).as_posix(),
            "from": self.start, "to": self.end, "instruments": list(self.instruments),
            "settings": list(self.settings), "account": self.account is not None, "accept": list(self.accept),
            "is_part": driven.is_part, **progress, "options_in_files": True,
        }  # fmt: skip


@dataclass(slots=True)
class Job(ABC):
    """One backtest that is made once, by ``make``, which calls each of the other methods in their order here."""

    options: RunOptions
    recorder: Recorder = field(default_factory=Recorder, init=False)
    reports: list[Any] = field(default_factory=list, init=False)
    warnings: list[str] = field(default_factory=list, init=False)
    driven: Driven = field(init=False)

    @abstractmethod
    def load(self) -> None:
        """Read the data; sets ``reports`` (of the quality gate) and ``warnings``. Raises InputError."""

    @abstractmethod
    def plan(self) -> None:
        """Lay out State and feed, and compile what the driver needs."""

    @abstractmethod
    def drive(self) -> Driven:
        """Drive the plan to its end, to Ctrl-C or to a failure; ``recorder`` then has all that was done."""

    @abstractmethod
    def last_ns(self) -> int | None:
        """Return the time of the last record (ns UTC), None before the first one."""

    @abstractmethod
    def result(self, warnings: list[str], quality: list[dict[str, Any]]) -> Result:
        """Build tables and summary."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the strategy files in the run's folder."""

    @abstractmethod
    def progress(self) -> dict[str, Any]:
        """Return the keys of ``inputs`` that say how far the run went."""

    @abstractmethod
    def counts(self) -> tuple[int, int]:
        """Return the events that were applied, and bars or instants, for ``timing``."""

    @abstractmethod
    def run(self, **common: Any) -> Run:
        """Make the finished run; ``common``: the fields that every run has."""

    def make(self) -> Run:
        """Make the run; raises StrategyError with the part that was done as its ``run``."""
        clock: Callable[[], float] = time.process_time
        begun = clock()
        self.load()
        loaded = clock()
        self.plan()
        planned = clock()
        driven = self.driven = self.drive()
        ran = clock()
        quality = json.loads(as_json(self.reports))["datasets"]
        result = self.result(cut_short(driven, self.last_ns()) + self.warnings, quality)
        result.summary["is_synthetic"] = is_synthetic(self.options.data, self.reports)
        result.summary["inputs"] = self.options.inputs(self.names(), driven, self.progress())
        events, bars = self.counts()
        timing = {
            "load": loaded - begun, "compile": self.options.read_s + planned - loaded, "run": ran - planned,
            "write": clock() - ran, "events": events, "bars": bars,
        }  # fmt: skip
        run = self.run(result=result, timing=timing, interrupted=driven.was_asked)
        if driven.failure is not None:
            driven.failure.run = run
            raise driven.failure
        return run
