"""ARCHITECTURE.md must stay true: its paths exist, and every trace names functions that are in the files it says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "tightloop"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
LINES_MAX = 320
STEPS_MAX = 8
TRACES = (
    "The life of a bar",
    "The life of a tick",
    "The life of an instant of carry",
    "The life of a live fact",
    "The life of an order",
)

Step = tuple[int, str, list[str]]


def trace(title: str) -> list[Step]:
    """(number, file, functions) of the table under the heading that ends with this title."""
    (section,) = re.findall(rf"(?m)^#+ (?:[\d.]+ )?{title}$(.*?)(?=^#)", TEXT, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"(?m)^\| (\d+) \| `([^`]+)` \| (.*) \|$", section)
    return [(int(number), path, re.findall(r"`(\w+)`", said)) for number, path, said in rows]


def defined(path: str) -> set[str]:
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def titles() -> list[str]:
    """Return every heading with a table of steps under it, the four traces among them."""
    sections = re.findall(r"(?m)^#+ (?:[\d.]+ )?(.+)$([^#]*)", TEXT)
    return [title for title, text in sections if "| 1 |" in text]


def test_the_page_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= LINES_MAX


@pytest.mark.parametrize("title", TRACES)
def test_a_trace_goes_one_way_in_at_most_eight_steps(title):
    steps = trace(title)
    assert [number for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert 1 < len(steps) <= STEPS_MAX
    files = [path for _, path, _ in steps]
    assert len(set(files)) == len(files), "a trace does not lead back to a file it has left"


@pytest.mark.parametrize("title", titles())
def test_every_function_of_a_trace_is_in_its_file(title):
    for number, path, functions in trace(title):
        assert functions, f"step {number} of '{title}' names no function"
        assert set(functions) <= defined(path), f"step {number} of '{title}'"


def test_every_path_the_page_names_exists():
    for path in re.findall(r"`?((?:core|model|runtime|adapters|app)/[\w/]+\.\w+)`?", TEXT):
        assert (SOURCE / path).is_file(), path


def test_every_package_has_a_place_in_the_tree():
    tree = TEXT.partition("## 2.")[2].partition("## 3.")[0]
    for folder in sorted(path.parent for path in SOURCE.rglob("__init__.py")):
        if 0 < len(folder.relative_to(SOURCE).parts) <= 2:
            assert f"{folder.name}/" in tree, f"{folder.relative_to(SOURCE)} is not in the tree"
