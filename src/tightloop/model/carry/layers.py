"""Layered strategy files: ``extends`` names base files; ``$name`` is replaced by a number of ``params``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tightloop.model.errors import InputError, Problem
from tightloop.model.files import diagnostics, yaml_lines
from tightloop.model.files.diagnostics import dotted, near, value_at
from tightloop.model.files.fields import shown
from tightloop.model.files.overrides import KEY, Origins, Written, write_own
from tightloop.model.files.yaml_lines import LineOf

FILES_MAX = 32
REFERENCE = re.compile(r"\$(\w+)\Z")
EXAMPLE = "write extends: base.yaml, or a list of files"
PLAIN_TEXT = ("name", "description", "params", "extends", "family")
"""Keys in which ``$`` is an ordinary character."""

Places = dict[diagnostics.Path, tuple[str, int]]


class LayeredOrigins(Origins):
    """Origins over several files: each value belongs to the file that wrote it last."""

    def __init__(self, file: str, line_of: LineOf, places: Places) -> None:
        super().__init__(file, line_of)
        self._places = places

    def place(self, path: diagnostics.Path) -> tuple[str, int | None]:
        """Return file or option, and line, of the value at a path; of its nearest parent if there is none."""
        option = self.written_over(path)
        if option is not None:
            return option
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return super().place(path)


class Layers:
    """A strategy merged with the files it extends.

    ``written``: the merged keys. ``origins``: where each was written. ``beside``: (path, text) of every other file that
    was read. ``settings``: what the strategy's ``set`` overrode.
    """

    def __init__(self, written: Any, line_of: LineOf, file: str) -> None:
        self._places: Places = {}
        self._count = 0
        self.beside: list[tuple[str, str]] = []
        self.settings: list[Written] = []
        self.origins = LayeredOrigins(file, line_of, self._places)
        self.written = self._laid(written, line_of, file, ())

    def _laid(self, written: Any, line_of: LineOf, file: str, chain: tuple[Path, ...]) -> dict[str, Any]:
        """Merge one file over those that it extends. ``chain``: the files above it, to detect cycles."""
        if not isinstance(written, dict):
            fault = "is empty" if written is None else "is not a mapping of keys"
            raise InputError.one(file, 1, "", fault, "write keys such as name:, family: and legs:")
        merged: dict[str, Any] = {}
        line = line_of(("extends",))
        chain = (*chain, Path(file).resolve())
        for name in _names(value_at(written, "extends"), file, line):
            path = Path(file).parent / name
            if path.resolve() in chain:
                raise InputError.one(file, line, "extends", f"{name} extends this file itself", "break the cycle")
            self._count += 1
            if self._count > FILES_MAX:
                message = f"more than {FILES_MAX} files extend one another"
                raise InputError.one(file, line, "extends", message, "extend fewer files")
            if not path.is_file():
                remedy = "write a path relative to this file"
                raise InputError.one(file, line, "extends", f"there is no file {name}", remedy)
            under, under_line = yaml_lines.load(path)
            self._kept(path)
            self._write(merged, self._laid(under, under_line, str(path), chain), True, (), under_line, str(path))
        keys = {key: value for key, value in written.items() if key not in ("extends", KEY)}
        self._write(merged, keys, False, (), line_of, file)
        self.settings = write_own(merged, value_at(written, KEY), file, line_of, self.origins)
        return merged

    def _kept(self, path: Path) -> None:
        entry = (str(path), path.read_text(encoding="utf-8-sig"))
        if entry not in self.beside:
            self.beside.append(entry)

    def _write(
        self,
        under: dict[str, Any],
        over: Mapping[str, Any],
        has_places: bool,
        path: diagnostics.Path,
        line_of: LineOf,
        file: str,
    ) -> None:
        """Merge ``over`` into ``under``: mappings recursively, other values replaced.

        ``has_places``: the lines of ``over`` are recorded already (it is a base file, read before).
        """
        for key, value in over.items():
            here = (*path, key)
            if not has_places:
                self._places[here] = (file, line_of(here))
            if isinstance(value, dict) and isinstance(under.get(key), dict):
                self._write(under[key], value, has_places, here, line_of, file)
                continue
            under[key] = value
            if not has_places:
                self._place_below(value, here, line_of, file)

    def _place_below(self, value: Any, path: diagnostics.Path, line_of: LineOf, file: str) -> None:
        below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in below:
            self._places[(*path, key)] = (file, line_of((*path, key)))
            self._place_below(inner, (*path, key), line_of, file)


def _names(value: Any, file: str, line: int) -> list[str]:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise InputError.one(file, line, "extends", f"{shown(value)} is not a file or a list of files", EXAMPLE)
    return names


def resolve_references(written: dict[str, Any], origins: Origins, problems: list[Problem]) -> None:
    """Replace ``$name`` by numbers of ``params``, in place; refuse unknown names and unused parameters."""
    params = value_at(written, "params")
    known = params if isinstance(params, dict) else {}
    used: set[str] = set()

    def refuse(path: diagnostics.Path, message: str, remedy: str) -> None:
        file, line = origins.place(path)
        problems.append(Problem(file, line, dotted(path), message, remedy))

    def put(value: Any, path: diagnostics.Path) -> Any:
        if isinstance(value, dict):
            return {key: put(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [put(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        reference = REFERENCE.match(value)
        if reference is None or reference[1] not in known:
            there = f"write one of {', '.join('$' + name for name in known)}" if known else "write params: first"
            refuse(path, f"{shown(value)} is not a parameter of this file", near(value[1:], list(known), there))
            return None
        used.add(reference[1])
        option, line = origins.place(("params", reference[1]))
        if line is None:
            origins.wrote(path, option)
        return known[reference[1]]

    for key in [key for key in written if key not in PLAIN_TEXT]:
        written[key] = put(written[key], (key,))
    for name in known:
        if name not in used:
            refuse(("params", name), "is used nowhere", f"write ${name} where the number belongs, or remove it")
