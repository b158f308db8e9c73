"""Pre-trade checks, one per file. They may deny an entry; exits, reductions and cancels never come here.

A file has ``PRECEDENCE`` (the order in which checks are asked, unique), ``REASON`` (what a denied order says) and
``check(state, order, notional)``: 1 when the order may go. Adding a file adds the check, to every run.
"""

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from tightloop.core import limits

FOLDER = Path(__file__).resolve().parent


@cache
def all_checks() -> tuple[ModuleType, ...]:
    """Every check of the folder, in the order of precedence."""
    names = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem[0] != "_")
    modules = sorted((importlib.import_module(f"{__name__}.{name}") for name in names), key=lambda m: int(m.PRECEDENCE))
    precedences = [m.PRECEDENCE for m in modules]
    assert len(set(precedences)) == len(precedences), f"two checks have one precedence: {precedences}"
    assert len(modules) <= limits.CHECKS_MAX, "CHECKS_MAX: more checks than a table holds"
    return tuple(modules)
