"""Print the hash of the code that runs when tests are repeated with bounds checks: tools/bounds_stamp.py FOLDER ...

Hashed are the core, the tests in the folders and the versions of the compiler. Comments, docstrings and blank lines are
not, so that a better sentence does not cost minutes of compiling. `dev.py` keeps the hash of the last code that passed
in tests/bounds_checked.txt. The file is committed: a fresh clone knows it, and a merge of two changed cores has neither
of their hashes. Standard library alone; the same hash on every Python.
"""

import ast
import hashlib
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

CORE = "src/tightloop/core"
COMPILER = ("llvmlite", "numba", "numpy")
UNCHECKED = (
    *(f"{CORE}/native/{name}.py" for name in ("__init__", "call", "image", "stamps")),
    "tests/core/native/",
)
"""What finds and calls the image, and its tests: code with bounds checks never comes from there."""


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            text = body[0].value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text


def code_of(text: str) -> str:
    """Return a source without comments, blank lines and docstrings that have their lines to themselves."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for docstring in _docstrings(ast.parse(text)):
        first, last = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
        if not lines[first][: docstring.col_offset].strip():
            lines[first:last] = [""] * (last - first)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def stamp(root: Path, folders: Sequence[str]) -> str:
    """Return the hash of the core under ``root`` and of the tests in ``folders``, which are relative to it."""
    digest = hashlib.sha256()
    core = sorted((root / CORE).rglob("*.py"))
    assert core, f"{root} holds no core"
    for file in [*core, *sorted(file for folder in folders for file in (root / folder).rglob("*.py"))]:
        name = file.relative_to(root).as_posix()
        if not name.startswith(UNCHECKED):
            digest.update(f"{name}\n{code_of(file.read_text(encoding='utf-8'))}\n".encode())
    for line in sorted((root / "requirements.lock").read_text(encoding="utf-8").splitlines()):
        if line.partition("==")[0] in COMPILER:
            digest.update(f"{line}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    print(stamp(Path(__file__).resolve().parent.parent, sys.argv[1:]))
