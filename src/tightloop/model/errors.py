"""Exception types, by whose fault an error is.

    TightloopError
    +-- InputError          a file, data set or option of the user is wrong: all Problems are collected; exit code 2
    |   +-- UnfitDataError  data that the quality gate refuses until its faults are accepted by name; exit code 2
    |   +-- ProviderError   a service named by the user failed, or its answer cannot be parsed; exit code 2
    +-- StrategyError       user code raised during a run: file, line, time; results up to then are kept; exit code 1
    +-- CapacityError       a limit of core/limits.py was reached: reported by name, never truncated; exit code 2
    +-- Interrupted         Ctrl-C: results up to then are kept; exit code 130

Bugs are not part of this tree: they are failed assertions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of the input.

    ``file``: as the user named it. ``line``: from 1; None where lines mean nothing (Parquet, options). ``field``: the
    dotted path inside the file, or the column. ``message``: what is wrong. ``remedy``: what to write instead, a clause
    without a full stop.
    """

    file: str
    line: int | None
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        return f"{place}:{field} {self.message}; {self.remedy}"


class TightloopError(Exception):
    """Base class of all errors raised on purpose. ``exit_code`` is that of the command line."""

    exit_code = 2


class InputError(TightloopError):
    """Faults of the user's input: every Problem that was found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        assert problems, "an InputError names at least one problem"
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def one(cls, file: str | Path, line: int | None, field: str, message: str, remedy: str) -> Self:
        """Build the error of a single Problem."""
        return cls(Problem(str(file), line, field, message, remedy))


class UnfitDataError(InputError):
    """Data whose faults make a result worthless unless the user accepts them by name."""


class ProviderError(InputError):
    """A service named by the user does not answer, refuses, or sends an answer that cannot be parsed."""


class StrategyError(TightloopError):
    """A strategy in Python raised during a run. ``run`` holds the results up to then, if the driver stored them."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.run: object = None


class CapacityError(TightloopError):
    """A limit of ``core/limits.py`` was reached."""


class Interrupted(TightloopError):
    """The user stopped a job; everything finished until then is kept."""

    exit_code = 130
