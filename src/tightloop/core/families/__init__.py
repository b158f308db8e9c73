"""Strategy families, one per file: compiled code that a strategy file selects and parameterises.

A module defines ``decide(state, arena, rows, table, instance, moment)``, compiled; the step calls it with a ``Moment``.
From DECIDE it returns 1 if the instance requests an entry; the step then calls ENTER in order of confidence. It reads
State and acts only through ``core.trading.commands``. ``PARAMETERS`` declares the numbers of the ``params:`` block, for
families without rule sections. A module with ``IS_OUTSIDE`` is driven by user code outside the step.
"""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent


@cache
def families_found() -> tuple[str, ...]:
    """List the families by the file names in this folder."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.py") if p.stem[0] != "_"))


@cache
def load(name: str) -> ModuleType:
    """Import the module of a family; raises KeyError if no file has that name."""
    if name not in families_found():
        raise KeyError(name)
    return importlib.import_module(f"{__name__}.{name}")


def is_outside(name: str) -> bool:
    """Tell whether strategies of a family are driven by user code outside the step."""
    return "IS_OUTSIDE" in vars(load(name))
