"""The process that judges strategy files: a line of JSON in, one out; with a limit of memory.

A file is refused before it is read if it has aliases, is nested deeply, or names other files.
"""

import json
import os
import resource
import sys
from typing import Any

import yaml

from tightloop.app.runs.strategies import load_strategies
from tightloop.model.errors import InputError

MEMORY_BYTES_MAX = 4 << 30
DEPTH_MAX, NICE = 20, 5


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
        _check_form(text)
        try:
            (strategy,) = load_strategies([f"{text}\n"])  # a text without a line break would be taken for a path
        except InputError as error:
            found["errors"] = [_packed(one) for one in error.problems]
        else:
            names = [str(one) for one in strategy.instruments]
            found |= {
                "name": strategy.read.name, "family": strategy.read.family, "instruments": names,
                "config_hash": strategy.config_hash,
            }  # fmt: skip
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        found["errors"] = [_fault(f"{error.problem or 'it is no YAML'}", line)]
    except (_Refused, yaml.YAMLError) as error:
        found["errors"] = [_fault(str(error), None)]
    return {"is_valid": not found["errors"], **found}


class _Refused(Exception):
    pass


def _check_form(text: str) -> None:
    """Refuse what a reader would choke on. Raises _Refused, yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("aliases are not taken here; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise _Refused(f"it is nested more than {DEPTH_MAX} deep")
    found = yaml.safe_load(text)
    if isinstance(found, dict) and "extends" in found:
        raise _Refused("extends names another file, which is not kept here; write it out")
    if isinstance(found, dict) and "family" in found and found["family"] == "python":
        raise _Refused("a strategy in Python is code, and is not written from a page: start it in a terminal")


def _fault(detail: str, line: int | None) -> dict[str, Any]:
    return {"path": "", "line": line, "field": "", "detail": detail, "remedy": ""}


def _packed(one: Any) -> dict[str, Any]:
    return {
        "path": one.field or "", "line": one.line, "field": one.field or "", "detail": one.message,
        "remedy": one.remedy or "",
    }  # fmt: skip


if __name__ == "__main__":
    main()
