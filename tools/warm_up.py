"""Compile one half of the core into the cache: `tools/warm_up.py core` or `tools/warm_up.py indicators`.

The halves compile side by side before the tests, so that no two workers of pytest compile the same function.
What the image of the repository has for the current sources is not compiled.
"""

import importlib
import pkgutil
import sys

import tightloop.core
from tightloop.core import compiled

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


def main(half: str) -> None:
    """Bring the machine code of a half into the cache."""
    names = set(modules(half))
    for name in sorted(names):
        importlib.import_module(name)
    for function in compiled.functions().values():
        if function.py_func.__module__ in names:
            assert function.address


if __name__ == "__main__":
    main(sys.argv[1])
