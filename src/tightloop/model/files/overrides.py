"""Overrides of values in a file, such as ``--set variants.fast.period=12``, and the origin of each value.

A file may contain overrides itself under ``set``: the strategy files written into run folders do.
"""

import copy
import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from tightloop.model.errors import InputError, Problem
from tightloop.model.files import yaml_lines
from tightloop.model.files.diagnostics import Path, dotted
from tightloop.model.files.fields import shown
from tightloop.model.files.yaml_lines import LineOf, scalar

Setting = str | tuple[str, Any]
"""``path=value`` as typed, or (path, value) from a parameter sweep."""
Written = tuple[str, Any]
"""A dotted path and the value written there."""

KEY = "set"
EXAMPLE = "write for example variants.fast.period=12"
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*\Z")


class Origins:
    """Where the value at a path was written: file and line, or option."""

    def __init__(self, file: str, line_of: LineOf) -> None:
        self._file = file
        self._line_of = line_of
        self._options: dict[Path, tuple[str, int | None]] = {}

    def wrote(self, path: Path, option: str, line: int | None = None) -> None:
        """Record that an option, or a line of ``set``, wrote the value at a path."""
        self._options[path] = option, line

    def written_over(self, path: Path) -> tuple[str, int | None] | None:
        """Return the option (and line) that wrote the value at a path, or at a parent; None if the file did."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._options:
                return self._options[path[:length]]
        return None

    def place(self, path: Path) -> tuple[str, int | None]:
        """Return file or option, and line, of the value at a path; of its nearest parent if there is none."""
        return self.written_over(path) or (self._file, self._line_of(path))


def write_settings(written: dict[str, Any], settings: Sequence[Setting], origins: Origins) -> list[Written]:
    """Apply all settings to ``written``. Raises InputError with those that cannot be applied.

    Returns the settings that were applied, in order.
    """
    problems: list[Problem] = []
    applied: list[Written] = []
    for setting in settings:
        try:
            option, name, value = _read(setting)
            _write(written, name, value, (option, None), origins)
        except InputError as error:
            problems += error.problems
        else:
            applied.append((name, copy.deepcopy(value)))
    if problems:
        raise InputError(*problems)
    return applied


def write_own(written: dict[str, Any], block: Any, file: str, line_of: LineOf, origins: Origins) -> list[Written]:
    """Apply the ``set`` block of a file (``block``) before any option. Raises InputError as for options."""
    if block is None:
        return []
    if not isinstance(block, dict):
        remedy = "write paths and values, for example {variants.fast.period: 12}"
        raise InputError.one(file, line_of((KEY,)), KEY, f"{shown(block)} is not a mapping", remedy)
    problems: list[Problem] = []
    for name, value in block.items():
        place = (file, line_of((KEY, name)))
        try:
            if not all(name.split(".")):
                raise InputError.one(*place, KEY, f"{name!r} is not a path", "write for example variants.fast.period")
            _write(written, name, value, place, origins)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return [(name, copy.deepcopy(value)) for name, value in block.items()]


def joined(settings: Sequence[Written]) -> tuple[Written, ...]:
    """Return the settings in order, without those that a later one overwrote."""
    kept: dict[str, Any] = {}
    for name, value in settings:
        for other in [other for other in kept if f"{other}.".startswith(f"{name}.")]:
            del kept[other]
        kept[name] = value
    return tuple(kept.items())


def with_settings(text: str, settings: Sequence[Written]) -> str:
    """Return a strategy file's text with its settings added as a ``set`` block; unchanged if there are none."""
    root = yaml.compose(text, Loader=yaml.SafeLoader) if settings else None
    if not isinstance(root, yaml.MappingNode):
        return text
    rows = [f"{name if _PLAIN.match(name) else json.dumps(name)}: {_as_yaml(value)}" for name, value in settings]
    flow = "{" + ", ".join(rows) + "}"
    existing = next((value for key, value in root.value if key.value == KEY), None)
    if existing is not None:  # keep the user's formatting when the block already says the same
        if yaml_lines.load(text)[0][KEY] == dict(settings):
            return text
        begin, end = existing.start_mark.index, existing.end_mark.index
        return text[:begin] + flow + text[begin + len(text[begin:end].rstrip()) :]
    begin = root.start_mark.index
    if root.flow_style:
        return f"{text[: begin + 1]}{KEY}: {flow}, {text[begin + 1 :]}"
    margin = " " * root.start_mark.column
    block = "".join(f"{margin}  {row}\n" for row in rows)
    return f"{text[:begin]}{KEY}:  # what the options of the run wrote over this file\n{block}{margin}{text[begin:]}"


def _as_yaml(value: Any) -> str:
    """Format a value as single-line YAML that parses to the same value (JSON is YAML)."""
    return json.dumps(value, ensure_ascii=False)


def _read(setting: Setting) -> tuple[str, str, Any]:
    """Split a setting into the option as messages name it, its path and its value."""
    if isinstance(setting, tuple):
        return f"--param {setting[0]}={setting[1]}", *setting
    option = f"--set {setting}"
    name, equals, text = setting.partition("=")
    if not equals or not all(name.strip().split(".")):
        raise InputError.one(option, None, "", "is not path=value", EXAMPLE)
    return option, name.strip(), _value(text.strip(), option)


def _write(written: dict[str, Any], name: str, value: Any, origin: tuple[str, int | None], origins: Origins) -> None:
    path: Path = ()
    target: Any = written
    *parents, last = name.split(".")
    for part in parents:
        key = _key(target, part, path, origin)
        if isinstance(target, dict) and (key not in target or target[key] is None):
            target[key] = {}
            origins.wrote((*path, key), *origin)  # what it lacks is the option's fault, not that of a line of the file
        target, path = target[key], (*path, key)
    key = _key(target, last, path, origin)
    target[key] = copy.deepcopy(value)
    origins.wrote((*path, key), *origin)


def _key(container: Any, part: str, path: Path, origin: tuple[str, int | None]) -> Any:
    """Return ``part`` as key of a mapping or as index of a list. Raises InputError if ``container`` is neither."""
    if isinstance(container, dict):
        return part
    if not isinstance(container, list):
        message = f"is a value and has no key {part!r}"
        raise InputError.one(*origin, dotted(path), message, "name a key of the strategy file")
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(container):
        count = f"{len(container)} {'entry' if len(container) == 1 else 'entries'}"
        message = f"is a list of {count} and has no {part!r}"
        raise InputError.one(*origin, dotted(path), message, "entries are numbered from 0")
    return int(part)


def _value(text: str, option: str) -> Any:
    """Parse the text of an option's value.

    Lists, mappings and quoted text are YAML; anything else is one plain scalar, so that ``> 30`` needs no quotes.
    """
    if text[:1] not in ("[", "{", '"', "'"):
        return scalar(text)
    try:
        return yaml_lines.load(text, option)[0]
    except InputError as error:  # line numbers inside an option mean nothing to the user
        problems = (Problem(option, None, problem.field, problem.message, problem.remedy) for problem in error.problems)
        raise InputError(*problems) from None
