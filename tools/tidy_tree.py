"""The repository as tools/tidy.py sees it: its files, their syntax trees, and the facts that several checks use."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

PACKAGE = "tightloop"
SOURCE = f"src/{PACKAGE}/"
TOOLS = ("tools/", "benches/", "dev.py")
BINARY = {".png", ".jpg", ".gif", ".ico", ".woff2", ".parquet", ".gz", ".zip"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Finding:
    """One broken rule. ``line`` 0 means the file, or the tree, as a whole."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


@dataclass
class Ratchet:
    """Numbers the tree may not fall behind. ``function_lines`` holds the functions over the limit, by path::name."""

    function_lines: dict[str, int] = field(default_factory=dict)
    string_gets_max: int = 0
    undocumented_max: int = 0
    core_asserts_per_function_min: float = 0.0


@dataclass(frozen=True)
class Source:
    """One Python file. ``path`` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def layer(self) -> str:
        """``core``, ``model`` ... for a file of the package, the module's own name at its top, "" elsewhere."""
        if not self.path.startswith(SOURCE):
            return ""
        return self.path.removeprefix(SOURCE).split("/")[0].removesuffix(".py")

    @property
    def module(self) -> str:
        """The dotted name a file of the package is imported by."""
        dotted = self.path.removeprefix("src/").removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @cached_property
    def functions(self) -> list[tuple[str, FunctionNode]]:
        """Every function with its qualified name, methods and nested ones too."""
        return list(_functions(self.tree, ""))

    @cached_property
    def docstrings(self) -> set[int]:
        """Identities of string nodes that stand alone: docstrings of modules, classes, functions and attributes."""
        return {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}

    @cached_property
    def inside_functions(self) -> set[int]:
        """Identities of the import nodes that stand inside a function."""
        return {
            id(node) for _, f in self.functions for node in ast.walk(f) if isinstance(node, ast.Import | ast.ImportFrom)
        }

    def imports(self) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
        """Import nodes with each dotted name they may import; ``from a import b`` gives ``a`` and ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = self._resolve(node)
                yield node, base
                for alias in node.names:
                    yield node, f"{base}.{alias.name}"

    def _resolve(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.module.split(".")
        keep = len(package) - node.level + self.path.endswith("/__init__.py")
        return ".".join([*package[:keep], *([node.module] if node.module else [])])


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, FunctionNode]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, FunctionNode):
            yield prefix + node.name, node
            yield from _functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield from _functions(node, prefix)


class Tree:
    """All text files of a repository: what git tracks or would, or every file where there is no git."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.texts: dict[str, str] = {}
        for path in sorted(_paths(root)):
            file = root / path
            if file.suffix not in BINARY and file.is_file():
                self.texts[path] = file.read_text(encoding="utf-8", errors="replace")
        self.python = [Source(path, text) for path, text in self.texts.items() if path.endswith(".py")]
        self.package = [source for source in self.python if source.path.startswith(SOURCE)]
        self.tooling = [source for source in self.python if source.path.startswith(TOOLS)]
        self.tests = [source for source in self.python if source.path.startswith("tests/")]

    def of_layers(self, *layers: str) -> list[Source]:
        return [source for source in self.package if source.layer in layers]


def _paths(root: Path) -> list[str]:
    if not (root / ".git").exists():
        return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.split("\0") if path]


def length(node: FunctionNode | ast.ClassDef) -> int:
    """Lines from the ``def`` or ``class`` to the end, without decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def dotted(node: ast.AST) -> str:
    """``os.environ`` for the node that says so; "" for anything that is not a chain of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches everything: bare, Exception or BaseException, alone or in a tuple."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in kinds)


def string_gets(source: Source) -> list[ast.Call]:
    """Calls of ``.get("...")``: records read by string. ``router.get("...")`` names a route."""
    return [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and dotted(node.func.value) not in ("os.environ", "router")
    ]


def public_definitions(source: Source) -> list[tuple[str, FunctionNode | ast.ClassDef]]:
    """Classes, functions and methods of which no part of the qualified name begins with an underscore."""
    found: list[tuple[str, FunctionNode | ast.ClassDef]] = []
    for node in source.tree.body:
        if isinstance(node, FunctionNode | ast.ClassDef) and node.name[0] != "_":
            found.append((node.name, node))
            members = node.body if isinstance(node, ast.ClassDef) else []
            found += [(f"{node.name}.{m.name}", m) for m in members if isinstance(m, FunctionNode) and m.name[0] != "_"]
    return found
