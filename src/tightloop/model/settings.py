"""Values of options written over a file: ``--set variants.fast.period=12``, and where each value came from."""

from collections.abc import Sequence
from typing import Any

from tightloop.model import yaml_lines
from tightloop.model.errors import InputError, Problem
from tightloop.model.refusals import Path, dotted
from tightloop.model.yaml_lines import LineOf, scalar

Setting = str | tuple[str, Any]
"""``path=value`` as typed, or a path and a value of a sweep."""

EXAMPLE = "write for example variants.fast.period=12"


class Origins:
    """Which file and line, or which option, the value at a path was written in."""

    def __init__(self, file: str, line_of: LineOf) -> None:
        self._file = file
        self._line_of = line_of
        self._options: dict[Path, str] = {}

    def wrote(self, path: Path, option: str) -> None:
        """The value at a path came from an option."""
        self._options[path] = option

    def place(self, path: Path) -> tuple[str, int | None]:
        """Of the value, or of the nearest one that holds it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._options:
                return self._options[path[:length]], None
        return self._file, self._line_of(path)


def write_settings(written: dict[str, Any], settings: Sequence[Setting], origins: Origins) -> None:
    """Write every setting over the file's values; InputError collects those that can not be written."""
    problems: list[Problem] = []
    for setting in settings:
        try:
            _write(written, setting, origins)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)


def _write(written: dict[str, Any], setting: Setting, origins: Origins) -> None:
    if isinstance(setting, tuple):
        option, (name, value) = f"--param {setting[0]}={setting[1]}", setting
    else:
        option = f"--set {setting}"
        name, equals, text = setting.partition("=")
        if not equals or not all(name.strip().split(".")):
            raise InputError.one(option, None, "", "is not path=value", EXAMPLE)
        value = _value(text.strip(), option)
    path: Path = ()
    at: Any = written
    *parents, last = name.strip().split(".")
    for part in parents:
        key = _key(at, part, path, option)
        if isinstance(at, dict) and (key not in at or at[key] is None):
            at[key] = {}
        at, path = at[key], (*path, key)
    key = _key(at, last, path, option)
    at[key] = value
    origins.wrote((*path, key), option)


def _key(at: Any, part: str, path: Path, option: str) -> Any:
    """``part`` as a key of a mapping or an index of a list."""
    if isinstance(at, dict):
        return part
    if not isinstance(at, list):
        message = f"is a value: there is nothing called {part!r} in it"
        raise InputError.one(option, None, dotted(path), message, "name a key of the strategy file")
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(at):
        count = f"{len(at)} {'entry' if len(at) == 1 else 'entries'}"
        raise InputError.one(option, None, dotted(path), f"is a list of {count}, without {part!r}", "count from 0")
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
