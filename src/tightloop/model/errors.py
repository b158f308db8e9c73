"""What can be wrong, and whose fault it is.

    TightloopError
    +-- InputError          the user's file, data or option: collected, shown with file, line, field and remedy; exit 2
    |   +-- UnfitDataError  data that the quality gate refuses until its faults are accepted by name; exit 2
    |   +-- ProviderError   a service that the user named failed, or answered what can not be read; exit 2
    +-- StrategyError       code of the user failed while it ran: file, line, time; what was done is kept; exit 1
    +-- CapacityError       a limit of core/limits.py was reached: named, never truncated; exit 2
    +-- Interrupted         Ctrl-C: what was done is kept; exit 130

Bugs are not in this tree: they are failed assertions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    ``file`` as the user named it; ``line`` from 1, None where lines mean nothing (Parquet); ``field`` the dotted path
    inside the file or the column; ``remedy`` what to write instead, as a clause without a full stop.
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
    """Base of every error this product raises on purpose."""

    exit_code = 2


class InputError(TightloopError):
    """One or more problems of the user's input; all that were found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        assert problems, "an InputError names at least one problem"
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def one(cls, file: str | Path, line: int | None, field: str, message: str, remedy: str) -> Self:
        """The error of a single problem."""
        return cls(Problem(str(file), line, field, message, remedy))


class UnfitDataError(InputError):
    """Data with faults that make a result worthless unless the user accepts them by name."""


class ProviderError(InputError):
    """A service that the user named does not answer, refuses, or answers what can not be read."""


class StrategyError(TightloopError):
    """A strategy in Python failed while it ran. ``run`` holds what was done until then, when somebody kept it."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.run: object = None


class CapacityError(TightloopError):
    """A capacity of ``core/limits.py`` was reached."""


class Interrupted(TightloopError):
    """The user stopped a job; nothing finished was lost."""

    exit_code = 130
