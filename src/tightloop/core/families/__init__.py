"""Strategy families, one per file: code with parameters. A strategy is a family and a YAML.

A file has ``decide(state, arena, rows, table, instance, moment)``, compiled, called with a ``Moment``; it returns 1
from DECIDE when the instance wants to enter. It reads what the state holds and acts only through ``core.commands``.
``PARAMETERS`` names the numbers of its ``params:`` block, for families without sections. ``IS_OUTSIDE`` says that what
it does is decided outside of the step, by code of the user.
"""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent


@cache
def families_found() -> tuple[str, ...]:
    """Names of the families there are, by the files in this folder."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.py") if p.stem[0] != "_"))


@cache
def load(name: str) -> ModuleType:
    """The module of a family; KeyError when no file has its name."""
    if name not in families_found():
        raise KeyError(name)
    return importlib.import_module(f"{__name__}.{name}")


def is_outside(name: str) -> bool:
    """Whether strategies of a family are decided outside of the step."""
    return "IS_OUTSIDE" in vars(load(name))
