"""Compile one half of the core into the cache: `tools/warm_up.py core` or `tools/warm_up.py indicators`.

The halves compile side by side before the tests, so that no two workers of pytest compile the same function.
"""

import importlib
import pkgutil
import sys

import tightloop.core

FOUND_IN_FOLDERS = ("tightloop.core.indicators.", "tightloop.core.checks.")


def modules(half: str) -> list[str]:
    """Return the names of the modules of a half, in packages at any depth. Raises SystemExit when there is none."""
    names = [found.name for found in pkgutil.walk_packages(tightloop.core.__path__, "tightloop.core.")]
    halves = {
        "core": [name for name in names if not name.startswith(FOUND_IN_FOLDERS)],
        "indicators": [name for name in names if name.startswith(FOUND_IN_FOLDERS)],
    }
    if not halves[half]:
        raise SystemExit(f"no module of the half {half} was found: nothing is compiled before the tests")
    return halves[half]


if __name__ == "__main__":
    for name in modules(sys.argv[1]):
        importlib.import_module(name)
