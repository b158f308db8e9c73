"""Checks of the shape of the package: how much a folder, a file and a signature hold, and lists of paths kept true."""

import ast
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from tidy_tree import PACKAGE, SOURCE, Finding, FunctionNode, Ratchet, Source, Tree, dotted, length

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
FOLDER_FILES_MAX = 14
PREFIX_FILES_MAX = 2
PARAMETERS_MAX = 10
LATE_IMPORTS_MAX = 8

# Rooms that are flat on purpose: the name of a file is the name of a thing in strategies and on the command line.
FLAT_FOLDERS = (f"src/{PACKAGE}/core/indicators", f"src/{PACKAGE}/core/checks", f"src/{PACKAGE}/app/api/routes")
# Keyword arguments of what users call are as many as there are things to say; here they do not count.
PUBLIC_API = (f"src/{PACKAGE}/app/runs/", f"src/{PACKAGE}/runtime/python/view.py")
# The options of a command are its parameters.
COMMANDS = f"src/{PACKAGE}/app/cli/"
# Compiled loops take arrays: numba has no record that holds several.
LOOPS = f"src/{PACKAGE}/core/replay/"

# Folders of tests below those of a package, about many of its modules at once.
THEMES = ("windows", "gates")

# Modules that are whole and tested before anything calls them; what will call them. One that is called leaves the list.
AWAITED: dict[str, str] = {}

# Packages that have rules before they have code.
COMING = tuple(
    f"{PACKAGE}.{name}"
    for name in ("adapters.venues.simulated", "adapters.chains", "adapters.advisers", "adapters.notify")
)


def function_length(tree: Tree, ratchet: Ratchet) -> Iterator[Finding]:
    """Yield functions that are longer than one screen."""
    for source in tree.package + tree.tooling:
        for name, node in source.functions:
            allowed = ratchet.function_lines.get(f"{source.path}::{name}", FUNCTION_LINES_MAX)
            if length(node) > allowed:
                yield Finding(source.path, node.lineno, f"{name} has {length(node)} lines; the limit is {allowed}")


def file_length(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield files that hold more than one subject is likely to need."""
    for source in tree.package + tree.tooling:
        if len(source.lines) > FILE_LINES_MAX:
            yield Finding(source.path, 0, f"{len(source.lines)} lines; the limit is {FILE_LINES_MAX}")


def folder_width(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield folders of the package with too many modules, and modules that share a prefix instead of a folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for source in tree.package:
        path = PurePosixPath(source.path)
        if path.name != "__init__.py":
            folders[str(path.parent)].append(path.stem)
    for folder, names in folders.items():
        if folder in FLAT_FOLDERS:
            continue
        if len(names) > FOLDER_FILES_MAX:
            yield Finding(folder, 0, f"{len(names)} modules; the limit is {FOLDER_FILES_MAX}: make a package of some")
        prefixes = Counter(name.strip("_").partition("_")[0] for name in names)
        for prefix, count in prefixes.items():
            if count > PREFIX_FILES_MAX:
                yield Finding(folder, 0, f"{count} modules begin with '{prefix}': make a package of that name")


def parameter_count(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield functions that are told too much at once; commands (options) and compiled loops (arrays) are exempt."""
    for source in tree.package:
        for name, node in source.functions:
            count = _parameters(source, node)
            if count > PARAMETERS_MAX and not _is_exempt(source, node):
                yield Finding(source.path, node.lineno, f"{name} has {count} parameters; the limit is {PARAMETERS_MAX}")


def _parameters(source: Source, node: FunctionNode) -> int:
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional if source.path.startswith(PUBLIC_API) else positional + len(arguments.kwonlyargs)


def _is_exempt(source: Source, node: FunctionNode) -> bool:
    decorators = [dotted(d.func) if isinstance(d, ast.Call) else dotted(d) for d in node.decorator_list]
    if source.path.startswith(COMMANDS):
        return any(name.endswith(".command") for name in decorators)
    return source.path.startswith(LOOPS) and "compiled" in decorators


def late_import_count(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield one finding when more imports of the package stand inside functions than a handful."""
    late = [f"{s.path}:{node.lineno}" for s in tree.package for node in _late(s)]
    if len(late) > LATE_IMPORTS_MAX:
        message = f"{len(late)} imports inside functions; the limit is {LATE_IMPORTS_MAX}:"
        yield Finding(f"src/{PACKAGE}", 0, "\n    ".join([message, *late]))


def _late(source: Source) -> list[ast.Import | ast.ImportFrom]:
    nodes = {id(node): node for node, _ in source.imports() if id(node) in source.inside_functions}
    return list(nodes.values())


def private_imports(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield names with a leading underscore that one module takes from another; a package may have such a name."""
    modules = {source.module for source in tree.package}
    for source in tree.package:
        for node, name in source.imports():
            last = name.rpartition(".")[2]
            is_private = last.startswith("_") and not last.startswith("__")
            if is_private and name.startswith(f"{PACKAGE}.") and not _is_module(name, modules):
                yield Finding(source.path, node.lineno, f"{last} is private to its module: give it a public name")


def places_of_tests(tree: Tree, _: Ratchet) -> Iterator[Finding]:
    """Yield tests that do not stand at the path of what they are about.

    Below tests/<layer> every folder has the path of a package, and a test with the name of a module stands where that
    module does. Folders beside the layers (tests/sim, tests/parity ...) hold what is about many packages.
    """
    paths = {source.path.removeprefix(SOURCE) for source in tree.package}
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    layers = {path.split("/")[0] for path in paths if "/" in path}
    for source in tree.tests:
        place = PurePosixPath(source.path.removeprefix("tests/"))
        if place.parts[0] not in layers or not place.name.startswith("test_"):
            continue
        folder = place.parent.parent if place.parent.name in THEMES else place.parent
        name = place.name.removeprefix("test_")
        homes = [path for path in paths if PurePosixPath(path).name == name]
        if str(folder) not in folders:
            yield Finding(source.path, 0, f"there is no package {SOURCE}{folder}")
        elif homes and str(folder / name) not in homes:
            yield Finding(source.path, 0, f"{name} is {SOURCE}{min(homes)}: put its test there, or name the test else")


def stale_paths(tree: Tree, _: Ratchet, *, patterns: dict[str, str] | None = None) -> Iterator[Finding]:
    """Yield entries of lists of paths that match no file: a module that moved would slip out of its rule unseen.

    ``patterns`` has regular expressions of paths -> the list they stand in. The lists of pyproject.toml are read here:
    ruff's per-file-ignores (globs), mypy's overrides and import-linter's contracts (modules).
    """
    for pattern, where in (patterns or {}).items():
        if not any(re.match(pattern, path) for path in tree.texts):
            yield Finding("tools/tidy.py", 0, f"{where}: {pattern} matches no file")
    if "pyproject.toml" not in tree.texts:
        return
    tool = tomllib.loads(tree.texts["pyproject.toml"]).get("tool", {})
    for glob in tool.get("ruff", {}).get("lint", {}).get("per-file-ignores", {}):
        if not any(fnmatchcase(path, one) for one in _alternatives(glob) for path in tree.texts):
            yield Finding("pyproject.toml", 0, f"per-file-ignores: {glob} matches no file")
    modules = {source.module for source in tree.package}
    for name, where in _named_modules(tool):
        stem = re.sub(r"(\.\*+)+$", "", name)
        if stem.startswith(f"{PACKAGE}.") and not _is_module(stem, modules) and not _is_coming(stem):
            yield Finding("pyproject.toml", 0, f"{where}: {name} is no module")
    for name in COMING:
        if _is_module(name, modules):
            yield Finding("tools/tidy_shape.py", 0, f"COMING: {name} has come; its rules bind now")


def _is_module(name: str, modules: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for module in modules)


def _is_coming(name: str) -> bool:
    return any(name == coming or name.startswith(f"{coming}.") for coming in COMING)


def _alternatives(glob: str) -> list[str]:
    """Return the globs that ``{a,b}/c`` stands for."""
    found = re.search(r"\{([^}]*)\}", glob)
    if not found:
        return [glob]
    return [glob[: found.start()] + one + glob[found.end() :] for one in found.group(1).split(",")]


def _named_modules(tool: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (module, list) of what mypy's overrides and the import contracts name; wildcards are left on."""
    for override in tool.get("mypy", {}).get("overrides", []):
        names = override["module"]
        for name in [names] if isinstance(names, str) else names:
            yield name, "mypy's overrides"
    for contract in tool.get("importlinter", {}).get("contracts", []):
        where = f"contract '{contract['name']}'"
        for key in ("containers", "source_modules", "forbidden_modules", "ancestors", "modules"):
            for name in contract.get(key, []):
                yield name, where
        for container in contract.get("containers", []):
            for layer in contract.get("layers", []):
                for part in re.split(r"[|:]", layer):
                    if not part.strip().startswith("("):
                        yield f"{container}.{part.strip()}", where
        for ignored in contract.get("ignore_imports", []):
            for name in ignored.split("->"):
                yield name.strip(), where
