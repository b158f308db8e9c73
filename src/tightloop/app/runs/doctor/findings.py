"""What `tightloop doctor` says of one thing: whether it is well, and what to do if not."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    """OK; WARNING: sessions run, and something should be known; PROBLEM: sessions do not run, or not safely."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line. ``remedy``: "" if nothing is to be done; ``figures``: what was measured, for programs."""

    name: str
    verdict: Health
    text: str
    remedy: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "name": self.name, "verdict": str(self.verdict), "text": self.text, "remedy": self.remedy, **self.figures,
        }  # fmt: skip


def ok(name: str, text: str, **figures: Any) -> Diagnosis:
    """Return a finding of what is well."""
    return Diagnosis(name, Health.OK, text, "", figures)


def warning(name: str, text: str, remedy: str, **figures: Any) -> Diagnosis:
    """Return a finding of what should be known."""
    return Diagnosis(name, Health.WARNING, text, remedy, figures)


def problem(name: str, text: str, remedy: str, **figures: Any) -> Diagnosis:
    """Return a finding of what has to be changed first."""
    return Diagnosis(name, Health.PROBLEM, text, remedy, figures)
