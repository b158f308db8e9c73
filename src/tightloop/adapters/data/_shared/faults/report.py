"""Faults, reports and verdicts of datasets, and the gate that refuses unfit data."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from tightloop.model.errors import InputError, Problem, UnfitDataError
from tightloop.model.times import NS_PER_UNIT, iso


class Verdict(IntEnum):
    """Ordered from best to worst; a dataset's verdict is the largest of its faults'."""

    FIT = 0
    USABLE = 1
    UNFIT = 2

    @property
    def word(self) -> str:
        """The name in files: fit, usable or unfit."""
        return self.name.lower()


FAULT_KINDS = (
    "holes", "exact_duplicates", "conflicting_duplicates", "disorder", "late_stamps", "impossible_ohlc",
    "non_positive", "flat", "straight_line", "cadence", "outliers", "units", "timezone", "negative_growth",
    "impossible_growth", "crossed_quotes", "future_stamps", "off_grid", "overlap", "close_stamped", "schema",
)  # fmt: skip
"""Every kind of fault, in the order of reports."""

NEVER_ACCEPTED = "schema"
"""A missing column cannot be accepted: there is nothing to run on."""

_REPAIRS = {
    "off_grid": "stamp those bars with the time at which they begin",
    "overlap": "remove or repair those bars",
    "close_stamped": "import the file again with --stamped close",
}
"""Specific remedies; other faults are answered with "repair the data"."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault in one dataset.

    ``count``: rows, bars, steps or columns, depending on the kind. ``first_ns``: None if no time is known.
    """

    kind: str
    count: int
    first_ns: int | None
    detail: str
    verdict: Verdict

    def __post_init__(self) -> None:
        assert self.kind in FAULT_KINDS, self.kind
        assert self.count > 0, "a fault that was found happened at least once"


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Findings in one dataset, or in a window of it.

    ``path``: inside the catalog. ``rows``: as stored. ``from_ns``, ``to_ns``: first and last time stamp, None without
    rows. ``notes``: facts that are no faults (clock offset, defaults used).
    """

    path: str
    rows: int
    from_ns: int | None
    to_ns: int | None
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the faults."""
        return max((fault.verdict for fault in self.faults), default=Verdict.FIT)

    def faults_of(self, kind: str) -> tuple[Fault, ...]:
        """Return the faults of one kind, at most one."""
        return tuple(fault for fault in self.faults if fault.kind == kind)


def in_contract_order(faults: Iterable[Fault | None]) -> tuple[Fault, ...]:
    """Return the faults in the order of FAULT_KINDS, without None."""
    present = [fault for fault in faults if fault is not None]
    return tuple(sorted(present, key=lambda fault: FAULT_KINDS.index(fault.kind)))


def gate(report: DatasetReport, accepted: frozenset[str], root: Path | None = None) -> list[str]:
    """Return warnings for accepted and usable faults. Raises UnfitDataError for unfit faults that are not accepted.

    The error names file, faults, first time stamps and the option that accepts them. ``root``: prefix of the path in
    messages, so that the user can open it. Raises InputError for unknown words in ``accepted``: a misspelt fault would
    accept nothing, silently.
    """
    unknown = sorted(accepted.difference(FAULT_KINDS))
    if unknown:
        remedy = f"use {', '.join(kind for kind in FAULT_KINDS if kind != NEVER_ACCEPTED)}"
        raise InputError.one("--accept", None, "", f"{', '.join(unknown)} is not a kind of fault", remedy)
    file = report.path if root is None else str(root / report.path)
    refused = [
        fault
        for fault in report.faults
        if fault.verdict is Verdict.UNFIT and (fault.kind not in accepted or fault.kind == NEVER_ACCEPTED)
    ]
    if refused:
        raise UnfitDataError(*(_refusal(file, fault, refused) for fault in refused))
    return [f"{report.path}: {_sentence(fault)}" for fault in report.faults]


def _refusal(file: str, fault: Fault, refused: list[Fault]) -> Problem:
    kinds = ",".join(dict.fromkeys(other.kind for other in refused if other.kind != NEVER_ACCEPTED))
    remedy = f"{_REPAIRS.get(fault.kind, 'repair the data')}, or run on it as it is with --accept {kinds}"
    if fault.kind == NEVER_ACCEPTED:
        remedy = "write the file again with the required columns; `tightloop data import` does"
    return Problem(file, None, fault.kind, _sentence(fault, name=False), remedy)


def _sentence(fault: Fault, name: bool = True) -> str:
    since = "" if fault.first_ns is None else f", first at {iso(fault.first_ns)}"
    return f"{f'{fault.kind}: ' if name else ''}{fault.detail}{since}"


def length(time_ns: int) -> str:
    """Format a duration exactly, for a message: 3600 s, 59.999 s, 1 ms."""
    for unit, scale in NS_PER_UNIT.items():
        if time_ns >= scale or time_ns == 0:
            whole, rest = divmod(int(time_ns), scale)
            digits = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0")
            return f"{whole}{f'.{digits}' if digits else ''} {unit}"
    return f"{time_ns} ns"
