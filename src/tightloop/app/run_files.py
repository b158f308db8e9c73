"""What every finished run has: figures, tables as frames, and the folder of files that it is written into."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tightloop.adapters.stores import parquet
from tightloop.model.errors import InputError
from tightloop.runtime.results import Result

if TYPE_CHECKING:
    import polars as pl


@dataclass(slots=True, kw_only=True)
class RunFiles(ABC):
    """A run: frames, metrics and, once written, files. ``interrupted``: Ctrl-C ended it, and it may be a part."""

    result: Result
    timing: dict[str, float]
    command: str = ""
    interrupted: bool = False
    _frames: dict[str, "pl.DataFrame"] = field(default_factory=dict)

    def __getattr__(self, name: str) -> "pl.DataFrame":
        """``run.trades``, ``run.equity``, ``run.orders`` ... as polars frames."""
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
    def report(self) -> str:
        """The report as one self-contained HTML page."""

    @abstractmethod
    def texts(self) -> dict[str, bytes]:
        """The strategy's own files, by name."""

    def write(self, out: Path | str, *, report: bool = True) -> Path | None:
        """Write every result file into a folder; returns the path of the report, None when it was not wanted."""
        folder = Path(out)
        try:
            return self._write(folder, report)
        except OSError as error:
            raise unwritable(folder, error) from None

    def _write(self, folder: Path, report: bool) -> Path | None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.result.tables.items():
            parquet.write(table, folder / f"{name}.parquet")
        (folder / "result.json").write_text(_json(self.summary), encoding="utf-8")
        (folder / "quality.json").write_text(_json({"datasets": self.result.quality}), encoding="utf-8")
        for name, content in self.texts().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        if not report:
            return None
        page = folder / "report.html"
        page.write_text(self.report(), encoding="utf-8")
        return page


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def unwritable(folder: Path, error: OSError) -> InputError:
    """The refusal of a folder that can not be written."""
    reason = (error.strerror or "it can not be written").lower()
    return InputError.one("command line", None, "--out", f"{folder}: {reason}", "name a folder that can be written")
