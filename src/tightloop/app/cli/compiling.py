"""Progress of the compilation of the core: which part, how many there are, for how long. Silent when all is cached.

A part is one function of the core that is compiled separately. Which parts a command needs follows from its imports, so
the count may grow while it loads more modules.
"""

from __future__ import annotations

import ast
import sys
import threading
import time
from functools import cache
from pathlib import Path

import click

from tightloop.core import compiled

PACKAGE = Path(__file__).resolve().parents[2]
CHECKS = "tightloop.core.checks"
"""A package that imports every file of its folder."""
EVERY_S = 1.0
NO_TERMINAL_EVERY_S = 30.0


def say_when_compiling() -> None:
    """Announce compilations on stderr. Call it before the core is imported: a first start takes minutes."""
    shown = _Shown()

    def say(is_kept: bool) -> None:
        stale, known = parts()
        after = "later starts read it from the cache"
        if not is_kept:
            after = f"at every start, because {compiled.cache_dir()} cannot be written"
        many = f"{known} parts" if stale == known else f"{stale} of {known} parts (the others are in the cache)"
        click.echo(f"compiling the core for this machine: {many}, which can take a minute or more; {after}", err=True)
        shown.begin(stale)

    compiled.when_compiling(say)
    compiled.watch_compiling(shown.hear)


class _Shown:
    """One line of progress: rewritten every second on a terminal, printed every half minute elsewhere."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._part = ""
        self._begun = self._next = 0.0
        self._width = 0
        self._ended = threading.Event()

    def begin(self, total: int) -> None:
        """Start the clock; the first of ``total`` parts is about to be compiled."""
        self._total = total
        self._begun = time.monotonic()
        self._next = self._begun + NO_TERMINAL_EVERY_S

    def hear(self, part: str | None) -> None:
        """Note that a part begins (its name) or has ended (None)."""
        if part is not None:
            if self._done >= self._total:
                self._total = self._done + max(parts()[0], 1)
            self._part = part
            self._ended = threading.Event()
            threading.Thread(target=self._follow, args=(self._ended,), daemon=True).start()
        elif self._part:
            self._ended.set()
            self._done += 1
            self._part = ""
            if self._width:
                click.echo("\r" + " " * self._width + "\r", nl=False, err=True)
                self._width = 0

    def _follow(self, ended: threading.Event) -> None:
        while not ended.wait(EVERY_S):
            self._show()

    def _show(self) -> None:
        now, part = time.monotonic(), self._part
        line = f"compiling the core: {self._done + 1} of {self._total} parts, {now - self._begun:.0f} s ({part})"
        if not part:
            return
        if sys.stderr.isatty():
            click.echo("\r" + line.ljust(self._width), nl=False, err=True)
            self._width = len(line)
        elif now >= self._next:
            self._next = now + NO_TERMINAL_EVERY_S
            click.echo(line, err=True)


def parts() -> tuple[int, int]:
    """Count (parts not in the cache, all parts) of what the modules loaded so far import."""
    files = {path for name in list(sys.modules) if name.startswith("tightloop.") for path in _reached(name)}
    found = [(path, function) for path in sorted(files) for function in _compiled_in(path)]
    stale = sum(not compiled.is_cached(path, function) for path, function in found)
    return stale, len(found)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


@cache
def _compiled_in(path: Path) -> tuple[str, ...]:
    """Return the names of the functions that ``compiled`` decorates in a file."""
    functions = (node for node in _tree(path).body if isinstance(node, ast.FunctionDef))
    return tuple(
        node.name
        for node in functions
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "compiled"
    )


@cache
def _reached(module: str) -> frozenset[Path]:
    """Return the files of the core that a module reaches through imports at the top of files."""
    seen: set[Path] = set()
    waiting = [module]
    asked = set(waiting)
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None:
            continue
        seen.add(path)
        names = [f"{CHECKS}.{file.stem}" for file in path.parent.glob("*.py")] if name == CHECKS else []
        for imported in (*names, *_imports_of(path)):
            if imported not in asked:
                asked.add(imported)
                waiting.append(imported)
    return frozenset(path for path in seen if PACKAGE / "core" in path.parents)


def _file_of(module: str) -> Path | None:
    """Return the file of a module of this package; None for other packages and for names that are no module."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    if module.partition(".")[0] != PACKAGE.name:
        return None
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _imports_of(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in _tree(path).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return tuple(found)
