"""Values of options written over a file: ``--set variants.fast.period=12``, and where each value came from.

A file may say them itself, under ``set``: the files that a run leaves in its folder do.
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
"""``path=value`` as typed, or a path and a value of a sweep."""
Written = tuple[str, Any]
"""A dotted path and the value that was written over it."""

KEY = "set"
EXAMPLE = "write for example variants.fast.period=12"
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*\Z")


class Origins:
    """Which file and line, or which option, the value at a path was written in."""

    def __init__(self, file: str, line_of: LineOf) -> None:
        self._file = file
        self._line_of = line_of
        self._options: dict[Path, tuple[str, int | None]] = {}

    def wrote(self, path: Path, option: str, line: int | None = None) -> None:
        """The value at a path came from an option, or from a line of ``set``."""
        self._options[path] = option, line

    def written_over(self, path: Path) -> tuple[str, int | None] | None:
        """The option that wrote the value at a path, or what holds it; None of what the file wrote."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._options:
                return self._options[path[:length]]
        return None

    def place(self, path: Path) -> tuple[str, int | None]:
        """Of the value, or of the nearest one that holds it."""
        return self.written_over(path) or (self._file, self._line_of(path))


def write_settings(written: dict[str, Any], settings: Sequence[Setting], origins: Origins) -> list[Written]:
    """Write every setting over the file's values; InputError collects those that can not be written."""
    problems: list[Problem] = []
    found: list[Written] = []
    for setting in settings:
        try:
            option, name, value = _read(setting)
            _write(written, name, value, (option, None), origins)
        except InputError as error:
            problems += error.problems
        else:
            found.append((name, copy.deepcopy(value)))
    if problems:
        raise InputError(*problems)
    return found


def write_own(written: dict[str, Any], own: Any, file: str, line_of: LineOf, origins: Origins) -> list[Written]:
    """Write what a file says under ``set`` over its values, before any option; InputError as of options."""
    if own is None:
        return []
    if not isinstance(own, dict):
        remedy = "write paths and values, for example {variants.fast.period: 12}"
        raise InputError.one(file, line_of((KEY,)), KEY, f"{shown(own)} is not a mapping", remedy)
    problems: list[Problem] = []
    for name, value in own.items():
        place = (file, line_of((KEY, name)))
        try:
            if not all(name.split(".")):
                raise InputError.one(*place, KEY, f"{name!r} is not a path", "write for example variants.fast.period")
            _write(written, name, value, place, origins)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return [(name, copy.deepcopy(value)) for name, value in own.items()]


def joined(settings: Sequence[Written]) -> tuple[Written, ...]:
    """Settings in their order without those that a later one wrote over."""
    found: dict[str, Any] = {}
    for name, value in settings:
        for other in [other for other in found if f"{other}.".startswith(f"{name}.")]:
            del found[other]
        found[name] = value
    return tuple(found.items())


def with_settings(text: str, settings: Sequence[Written]) -> str:
    """The text of a strategy file that says its settings itself, under ``set``; the same text without any."""
    root = yaml.compose(text, Loader=yaml.SafeLoader) if settings else None
    if not isinstance(root, yaml.MappingNode):
        return text
    rows = [f"{name if _PLAIN.match(name) else json.dumps(name)}: {_as_yaml(value)}" for name, value in settings]
    flow = "{" + ", ".join(rows) + "}"
    there = next((value for key, value in root.value if key.value == KEY), None)
    if there is not None:
        if yaml_lines.load(text)[0][KEY] == dict(settings):
            return text
        begin, end = there.start_mark.index, there.end_mark.index
        return text[:begin] + flow + text[begin + len(text[begin:end].rstrip()) :]
    begin = root.start_mark.index
    if root.flow_style:
        return f"{text[: begin + 1]}{KEY}: {flow}, {text[begin + 1 :]}"
    margin = " " * root.start_mark.column
    block = "".join(f"{margin}  {row}\n" for row in rows)
    return f"{text[:begin]}{KEY}:  # what the options of the run wrote over this file\n{block}{margin}{text[begin:]}"


def _as_yaml(value: Any) -> str:
    """A value as YAML of one line that is read as the same value."""
    return json.dumps(value, ensure_ascii=False)


def _read(setting: Setting) -> tuple[str, str, Any]:
    """An option as it is named in messages, its path and its value."""
    if isinstance(setting, tuple):
        return f"--param {setting[0]}={setting[1]}", *setting
    option = f"--set {setting}"
    name, equals, text = setting.partition("=")
    if not equals or not all(name.strip().split(".")):
        raise InputError.one(option, None, "", "is not path=value", EXAMPLE)
    return option, name.strip(), _value(text.strip(), option)


def _write(written: dict[str, Any], name: str, value: Any, origin: tuple[str, int | None], origins: Origins) -> None:
    path: Path = ()
    at: Any = written
    *parents, last = name.split(".")
    for part in parents:
        key = _key(at, part, path, origin)
        if isinstance(at, dict) and (key not in at or at[key] is None):
            at[key] = {}
        at, path = at[key], (*path, key)
    key = _key(at, last, path, origin)
    at[key] = copy.deepcopy(value)
    origins.wrote((*path, key), *origin)


def _key(at: Any, part: str, path: Path, origin: tuple[str, int | None]) -> Any:
    """``part`` as a key of a mapping or an index of a list."""
    if isinstance(at, dict):
        return part
    if not isinstance(at, list):
        message = f"is a value: there is nothing called {part!r} in it"
        raise InputError.one(*origin, dotted(path), message, "name a key of the strategy file")
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(at):
        count = f"{len(at)} {'entry' if len(at) == 1 else 'entries'}"
        raise InputError.one(*origin, dotted(path), f"is a list of {count}, without {part!r}", "count from 0")
    return int(part)


def _value(text: str, option: str) -> Any:
    """Lists, mappings and quoted texts are YAML; the rest is one plain value, so that ``> 30`` needs no quotes."""
    if text[:1] not in ("[", "{", '"', "'"):
        return scalar(text)
    try:
        return yaml_lines.load(text, option)[0]
    except InputError as error:  # the lines of an option mean nothing
        problems = (Problem(option, None, own.field, own.message, own.remedy) for own in error.problems)
        raise InputError(*problems) from None
