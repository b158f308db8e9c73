"""Pre-trade risk checks, one per file. They may deny an entry; exits, reductions and cancels are never checked.

A module defines ``PRECEDENCE`` (unique; lower is asked first, and the first failure decides), ``REASON`` (the code a
denied order carries) and ``check(state, order, notional)``, compiled: 1 if the order may go, 0 to deny it;
``notional`` is in the settle asset. A NaN limit means no limit. A file added to this folder applies to every run.
"""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from tightloop.core import limits

FOLDER = Path(__file__).resolve().parent


@cache
def all_checks() -> tuple[ModuleType, ...]:
    """Import every check of the folder; return the modules in order of precedence."""
    names = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem[0] != "_")
    modules = sorted((importlib.import_module(f"{__name__}.{name}") for name in names), key=lambda m: int(m.PRECEDENCE))
    precedences = [m.PRECEDENCE for m in modules]
    assert len(set(precedences)) == len(precedences), f"two checks have one precedence: {precedences}"
    assert len(modules) <= limits.CHECKS_MAX, "CHECKS_MAX: more checks than a table holds"
    return tuple(modules)
