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
        option, (name, value), shown = "--param", setting, f"{setting[0]}={setting[1]}"
    else:
        option, shown = "--set", setting
        name, equals, text = setting.partition("=")
        if not equals or not all(name.strip().split(".")):
            raise InputError.one(option, None, "", f"{setting!r} is not path=value", EXAMPLE)
        value = _value(text.strip())
    path: Path = ()
    at: Any = written
    *parents, last = name.strip().split(".")
    for part in parents:
        key = _key(at, part, path, option, shown)
        if isinstance(at, dict) and (key not in at or at[key] is None):
            at[key] = {}
        at, path = at[key], (*path, key)
    key = _key(at, last, path, option, shown)
    at[key] = value
    origins.wrote((*path, key), f"{option} {shown}")


def _key(at: Any, part: str, path: Path, option: str, shown: str) -> Any:
    """``part`` as a key of a mapping or an index of a list."""
    if isinstance(at, dict):
        return part
    if not isinstance(at, list):
        message = f"{dotted(path)} is a value: there is nothing called {part!r} in it"
        raise InputError.one(option, None, shown, message, "name a key of the strategy file")
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(at):
        count = f"{len(at)} {'entry' if len(at) == 1 else 'entries'}"
        raise InputError.one(
            option, None, shown, f"{dotted(path)} is a list of {count}, without {part!r}", "count from 0"
        )
    return int(part)


def _value(text: str) -> Any:
    """Lists, mappings and quoted texts are YAML; the rest is one plain value, so that ``> 30`` needs no quotes."""
    return yaml_lines.load(text, "--set")[0] if text[:1] in ("[", "{", '"', "'") else scalar(text)
