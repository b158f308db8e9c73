"""Strategy files of every family: detects the family and calls its reader."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tightloop.core.families import families_found
from tightloop.model import carry
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import InputError
from tightloop.model.files import alone, yaml_lines
from tightloop.model.files.diagnostics import value_at
from tightloop.model.files.overrides import Setting
from tightloop.model.files.yaml_lines import LineOf
from tightloop.model.signal import read as signal_read
from tightloop.model.signal.read import Strategy
from tightloop.model.signal.schema import CARRY


def is_carry(written: Any) -> bool:
    """Return whether parsed YAML is a carry strategy, by its family or by keys that no other family has."""
    if not isinstance(written, dict):
        return False
    family = value_at(written, "family")
    if isinstance(family, str) and family in (CARRY, *families_found()):
        return family == CARRY
    return "sections" not in written and ("legs" in written or "extends" in written)


def load(
    path: Path, *, settings: Sequence[Setting] = (), instruments: Sequence[str] = (), account: Path | None = None
) -> Strategy | CarryStrategy:
    """Read a strategy file of any family. Raises InputError with every problem found."""
    written, line_of = yaml_lines.load(path)
    raw = path.read_text(encoding="utf-8-sig")
    return _read(written, line_of, str(path), raw, settings, instruments, account)


def loads(
    yaml_text: str,
    name: str = "<strategy>",
    *,
    settings: Sequence[Setting] = (),
    instruments: Sequence[str] = (),
    account: Path | None = None,
) -> Strategy | CarryStrategy:
    """Parse the text of a strategy file of any family; ``name`` stands for the file in messages."""
    written, line_of = yaml_lines.load(yaml_text, name)
    return _read(written, line_of, name, yaml_text, settings, instruments, account)


def loads_alone(yaml_text: str, name: str = "<strategy>") -> Strategy:
    """Parse a strategy as text alone: opens no file that it names, imports no code. Raises InputError."""
    alone.check(yaml_text, name)
    written, line_of = yaml_lines.load(yaml_text, name)
    return signal_read.read(written, line_of, name, yaml_text, is_alone=True)


def _read(
    written: Any,
    line_of: LineOf,
    file: str,
    raw: str,
    settings: Sequence[Setting],
    instruments: Sequence[str],
    account: Path | None,
) -> Strategy | CarryStrategy:
    if not is_carry(written):
        return signal_read.read(
            written, line_of, file, raw, settings=settings, instruments=instruments, account=account
        )
    for option, value, remedy in (
        ("--instrument", instruments, "write them into the legs, or --set legs.LEG.instrument=..."),
        ("--account", account, "write account: {max_drawdown_pct: 15} into the strategy, whose stops apply"),
    ):
        if value:
            message = "has no effect on a carry strategy"
            raise InputError.one("command line", None, option, message, remedy)
    return carry.read.read(written, line_of, file, raw, settings=settings)
