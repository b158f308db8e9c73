"""Strategies of a home: ``strategies/<id>/<n>.yaml``, each written once. Removed ones are in ``strategies/.gone``."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from tightloop.app.api.answers.problems import HttpProblem

FOLDER, GONE = "strategies", ".gone"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FILE = re.compile(r"([1-9][0-9]{0,6})\.yaml")
_TOP = re.compile(r"^(name|family):\s*([A-Za-z0-9_.-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a strategy. ``name``, ``family``: what the file says at its top, as far as that is seen."""

    strategy: str
    number: int
    text: str
    made_ns: int

    @property
    def hash(self) -> str:
        """The sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def said(self, key: str) -> str | None:
        """Return what the file says for a key of its top level; None if that is not plain to see."""
        found = dict(_TOP.findall(self.text))
        return found.get(key)


class StrategyFiles:
    """Those of one home."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    def ids(self) -> list[str]:
        """Return the ids of all strategies."""
        if not self._folder.is_dir():
            return []
        return sorted(
            path.name for path in self._folder.iterdir() if ID.fullmatch(path.name) and self.numbers(path.name)
        )

    def numbers(self, strategy: str) -> list[int]:
        """Return the versions of a strategy, the oldest first."""
        folder = self._folder_of(strategy)
        if not folder.is_dir():
            return []
        return sorted(int(found[1]) for path in folder.iterdir() if (found := _FILE.fullmatch(path.name)))

    def newest(self, strategy: str) -> Version:
        """Return the newest version. Raises HttpProblem."""
        numbers = self.numbers(strategy)
        if not numbers:
            raise HttpProblem("not_found", f"there is no strategy {strategy[:64]!r}")
        return self.version(strategy, numbers[-1])

    def version(self, strategy: str, number: int) -> Version:
        """Return a version. Raises HttpProblem."""
        file = self.file(strategy, number)
        try:
            return Version(strategy, number, file.read_text(encoding="utf-8"), file.stat().st_mtime_ns)
        except FileNotFoundError:
            raise HttpProblem("not_found", f"there is no version {number} of {strategy!r}") from None

    def file(self, strategy: str, number: int) -> Path:
        """Return the file of a version, whether there is one or not. Raises HttpProblem for what is no id."""
        return self._folder_of(strategy) / f"{number}.yaml"

    def _folder_of(self, strategy: str) -> Path:
        if ID.fullmatch(strategy) is None:
            raise HttpProblem("not_found", "the id of a strategy is up to 64 letters, digits, _ or -")
        return self._folder / strategy

    def write(self, strategy: str, text: str, number: int) -> Version:
        """Write a version that is not there yet. Raises HttpProblem if it is."""
        file = self.file(strategy, number)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
        except FileExistsError:
            raise HttpProblem("changed", f"version {number} was written meanwhile; read it") from None
        return self.version(strategy, number)

    def keep(self, strategy: str, text: str) -> Version:
        """Write a text as the next version, unless the newest is the same."""
        numbers = self.numbers(strategy)
        if numbers and self.version(strategy, numbers[-1]).text == text:
            return self.version(strategy, numbers[-1])
        return self.write(strategy, text, numbers[-1] + 1 if numbers else 1)

    def remove(self, strategy: str) -> None:
        """Move a strategy away; sessions have copies of their own."""
        folder, gone = self._folder_of(strategy), self._folder / GONE
        gone.mkdir(mode=0o700, exist_ok=True)
        folder.rename(gone / f"{strategy}-{time.time_ns()}")
