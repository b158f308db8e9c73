"""YAML with line numbers.

Supports what strategy and rule files need: mappings with text keys, sequences, plain scalars. ``on``, ``off``,
``yes`` and ``no`` stay text, time stamps stay text, ``1_000_000`` and ``1e6`` are numbers. A key written twice is
refused, because a loader that keeps the last one hides the mistake.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tightloop.model.errors import InputError, Problem

LineOf = Callable[[tuple[str | int, ...]], int]
"""Maps a path to its line (from 1); a path that does not exist gets the line of its nearest parent."""

BYTES_MAX = 4_000_000
NODES_MAX = 200_000
DEPTH_MAX = 50
DIGITS_MAX = 400
"""Longer integers are read as float (infinity): Python refuses to convert integers of thousands of digits."""

_INT = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
_UNQUOTED = re.compile(r"(?:([\w.-]+) *:|-) +(>=? *[^\s,}\]#][^,}\]#]*)")
"""A key or dash followed by an unquoted condition such as ``> 65``: YAML reads the ``>`` as a folded block."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(source: Path | str, name: str = "") -> tuple[Any, LineOf]:
    """Read a YAML file (``Path``) or YAML text (``str``) that messages call ``name``.

    Returns (dict with str keys, list, str, int, float, bool or None; ``line_of``). Raises InputError with the line if
    the file cannot be read, is not UTF-8 or not YAML, has a key twice, or has a tag.
    """
    file = name or (str(source) if isinstance(source, Path) else "<text>")
    text = _text(source, file) if isinstance(source, Path) else source
    try:
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise InputError(_syntax_problem(file, text, error)) from None
    builder = _Composed(file)
    data = None if root is None else builder.build(root, ())
    if builder.problems:
        raise InputError(*builder.problems)
    return data, builder.line_of


def scalar(text: str) -> Any:
    """Convert a plain scalar to None, bool, int or float; any other text stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text) and len(text) <= DIGITS_MAX:
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


def _text(path: Path, file: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError.one(file, None, "", "there is no such file", "check the path") from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InputError.one(file, None, "", f"cannot be read: {reason}", "name a file that can be read") from None
    if len(raw) > BYTES_MAX:
        raise InputError.one(file, None, "", f"{len(raw)} bytes are more than {BYTES_MAX}", "split the file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError.one(file, line, "", "is not UTF-8 text", "save the file as UTF-8") from None


def _syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = None if mark is None else mark.line + 1
    what = str(getattr(error, "problem", None) or "is not YAML").strip()
    if line is None:  # errors of the character reader carry a position instead of a mark
        position = getattr(error, "position", None)
        line = None if position is None else text[:position].count("\n") + 1
        return Problem(file, line, "", "holds a character that YAML does not allow", "remove the character")
    lines = text.splitlines()
    line_text = lines[line - 1] if line <= len(lines) else ""
    if "\t" in line_text[: len(line_text) - len(line_text.lstrip())] or "'\\t'" in what:
        return Problem(file, line, "", "a tab indents this line", "indent with spaces")
    if "single document" in str(getattr(error, "context", "")) or "another document" in what:
        return Problem(file, line, "", "a second document begins here", "keep one document per file")
    assert mark is not None, "an error with a line has a mark"
    for unquoted in _UNQUOTED.finditer(line_text):
        if unquoted.start(2) <= mark.column <= unquoted.end(2):
            key, value = unquoted[1] or "", unquoted[2].strip()
            message = f"is not YAML: {value} without quotes begins with a character that YAML reserves"
            return Problem(file, line, key, message, f'quote it: {key + ": " if key else ""}"{value}"')
    return Problem(
        file, line, "", f"is not YAML: {what}", "check quotes, brackets, colons and indentation near this line"
    )


class _Composed:
    """Converts composed YAML nodes to data; collects lines and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.count = 0

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """Return the line of a path, or of its nearest parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def build(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        """Convert a node and all nodes below it."""
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.count += 1
        if self.count > NODES_MAX or len(path) > DEPTH_MAX:
            # Anchors and aliases let a small file expand to a huge or an endless structure.
            message = f"holds more than {NODES_MAX} values or {DEPTH_MAX} levels"
            raise InputError.one(self.file, line, _dotted(path), message, "write fewer values and no anchors")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), "YAML has no fourth kind of node"
        return self._scalar(node, path, line)

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...], line: int) -> Any:
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            if node.tag.startswith("!="):
                value = f"{node.tag} {node.value}".strip()
                message = f"{value} without quotes begins with a character that YAML reserves"
                self._refuse(line, path, message, f'quote it: "{value}"')
                return None
            self._refuse(line, path, f"the tag {node.tag} means nothing here", "write the value without a tag")
            return None
        if node.style:  # quoted or block style: always text
            return str(node.value)
        return scalar(node.value)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(line, path, "a key is a list or a mapping", "write a word before the colon")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in mapping:
                first = self.lines[here]
                self._refuse(line, here, f"is written twice (first in line {first})", "keep one of the two")
                continue
            self.lines[here] = line
            mapping[key] = self.build(value_node, here)
        return mapping

    def _refuse(self, line: int, path: tuple[str | int, ...], message: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, _dotted(path), message, remedy))


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)
