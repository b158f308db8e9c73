"""The process that judges strategy files: a line of JSON in, one out; with a limit of memory.

It reads texts alone: it opens no file that one names, and imports no code.
"""

import json
import os
import resource
import sys
from typing import Any

from tightloop.app.runs.strategies import load_alone
from tightloop.model.errors import InputError

MEMORY_BYTES_MAX = 4 << 30
NICE = 5


def main() -> None:
    """Answer lines until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    os.nice(NICE)
    for line in sys.stdin:
        print(json.dumps(verdict(json.loads(line)["yaml"])), flush=True)


def verdict(text: str) -> dict[str, Any]:
    """Return whether a strategy file is right, and all that is wrong with it."""
    found: dict[str, Any] = {"name": None, "family": None, "instruments": [], "config_hash": None, "errors": []}
    try:
        strategy = load_alone(text)
    except InputError as error:
        found["errors"] = [_packed(one) for one in error.problems]
    else:
        names = [str(one) for one in strategy.instruments]
        found |= {
            "name": strategy.read.name, "family": strategy.read.family, "instruments": names,
            "config_hash": strategy.config_hash,
        }  # fmt: skip
    return {"is_valid": not found["errors"], **found}


def _packed(one: Any) -> dict[str, Any]:
    return {
        "path": one.field or "", "line": one.line, "field": one.field or "", "detail": one.message,
        "remedy": one.remedy or "",
    }  # fmt: skip


if __name__ == "__main__":
    main()
