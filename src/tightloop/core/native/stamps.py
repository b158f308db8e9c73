"""Stamps of sources: what of the core a file reaches by import, and the hash of its content; the folder of the cache.

Machine code is valid for a source exactly when no file that the source reaches has changed. A ``touch`` or another
folder changes nothing.
"""

import ast
import hashlib
import os
import sys
from functools import cache
from pathlib import Path

CORE_DIR = Path(__file__).resolve().parents[1]
LOADERS = ("compiled.py", "native/__init__.py", "native/call.py", "native/image.py", "native/stamps.py")
"""Files that name, find and call machine code; what they compile and how stands in the sources and in the compiler."""
COMPILER = "native/compiler.py"


def name_of(path: Path) -> str:
    """Return the path of a file below the core, with slashes: the same on every machine; elsewhere its name."""
    return path.relative_to(CORE_DIR).as_posix() if path.is_relative_to(CORE_DIR) else path.name


def imported_core_files(path: Path, source: bytes) -> list[Path]:
    """List the files of the core that ``path`` imports directly, by its import statements."""
    candidates = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tightloop.core"):
            parts = node.module.split(".")[2:]
            base = CORE_DIR.joinpath(*parts)
            candidates += [
                base.with_suffix(".py"),
                base / "__init__.py",
                *(base / f"{alias.name}.py" for alias in node.names),
            ]
    return [file for file in candidates if file.is_file() and file != path and name_of(file) not in LOADERS]


@cache
def _states(folder: str) -> dict[str, tuple[int, int]]:
    """Return time of change and size of each source file below a folder."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                state = entry.stat()
                found[entry.path] = (state.st_mtime_ns, state.st_size)
            elif entry.is_dir():
                found |= _states(entry.path)
    return found


_states(str(CORE_DIR))  # now, as this process begins to import them: the states are remembered


@cache
def content_hash(path: Path) -> str:
    """Hash the content of a file; sha256 in hexadecimal.

    A file of the core that was edited since this process imported it has a hash of its own at each start: what runs
    here is not what the file says, so neither is the image taken nor the cache filled for what it says now.
    """
    if path.is_relative_to(CORE_DIR):
        state = path.stat()
        then, now = _states(str(CORE_DIR)).get(str(path)), (state.st_mtime_ns, state.st_size)
        if then != now:
            return f"edited while process {os.getpid()} runs: {then}, {now}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    return tuple(imported_core_files(path, path.read_bytes()))


@cache
def reached(path: Path) -> tuple[Path, ...]:
    """List a file of the core, all files of the core it reaches by import, and the compiler; sorted by name."""
    seen: set[Path] = set()
    waiting = [path, CORE_DIR / COMPILER]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += _imports(file)
    return tuple(sorted(seen))


def forget() -> None:
    """Forget everything that was read, after files have changed."""
    for remembered in (_states, content_hash, _imports, reached):
        remembered.cache_clear()


def cache_dir() -> Path:
    """Return the folder for machine code: ``NUMBA_CACHE_DIR`` if set, else the user's cache folder."""
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tightloop" / "compiled"
