"""Trees with planted violations, for the tests of tools/tidy.py."""

from pathlib import Path

import tidy
from tidy_tree import Tree

CORE = "src/tightloop/core/planted.py"
MODEL = "src/tightloop/model/planted.py"
APP = "src/tightloop/app/planted.py"
ADAPTER = "src/tightloop/adapters/data/planted.py"


def plant(folder: Path, files: dict[str, str]) -> Tree:
    """A tree with these files and nothing else."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return Tree(folder)


def found(check: tidy.Check, tree: Tree, ratchet: tidy.Ratchet | None = None) -> list[str]:
    return [str(finding) for finding in check(tree, ratchet or tidy.Ratchet())]
