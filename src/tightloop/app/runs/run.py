"""A finished run of any family: figures, tables as frames, its report, its folder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tightloop.adapters.stores import parquet
from tightloop.app.runs.files import write_run
from tightloop.runtime.results.result import Result

if TYPE_CHECKING:
    import polars as pl


def made_now() -> str:
    """Return the present time as reports state it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(slots=True, kw_only=True)
class Run(ABC):
    """A finished run of any family: metrics, frames and, once written, files.

    ``timing``: CPU seconds by phase, and counts of events and bars. ``command``: the command line that repeats the run.
    ``interrupted``: Ctrl-C was pressed; the run may be a part.
    """

    result: Result
    timing: dict[str, float]
    command: str = ""
    interrupted: bool = False
    _frames: dict[str, "pl.DataFrame"] = field(default_factory=dict)

    def __getattr__(self, name: str) -> "pl.DataFrame":
        """Return a table as a polars frame: ``run.trades``, ``run.equity``, ``run.orders`` ..."""
        if name.startswith("_") or name == "result" or name not in self.result.tables:
            raise AttributeError(name)
        if name not in self._frames:
            self._frames[name] = parquet.frame(self.result.tables[name])
        return self._frames[name]

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of ``result.json``."""
        return dict(self.result.summary["metrics"])

    @property
    def summary(self) -> dict[str, Any]:
        """All of ``result.json``."""
        return self.result.summary

    @abstractmethod
    def page(self, made_at: str) -> str:
        """Build the report of the family; ``made_at``: the time that it states."""

    @abstractmethod
    def texts(self) -> dict[str, bytes]:
        """Return the input files that belong into the run's folder, by name: strategies and every file they name."""

    def report(self) -> str:
        """Build the report: one self-contained HTML page."""
        return self.page(made_now())

    def write(self, out: Path | str, *, report: bool = True) -> Path | None:
        """Write every result file into a folder; returns the path of the report, None without one.

        Replaces an earlier run in that folder. Raises InputError when it cannot be written, or holds files under the
        names of a run that no run wrote.
        """
        texts = self.texts()
        if "inputs" in self.summary:  # absent when results were built without the app's options
            self.summary["inputs"]["files"] = sorted(texts)
        return write_run(Path(out), self.result, texts, self.report if report else None)
