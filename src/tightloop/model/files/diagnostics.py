"""Turns pydantic errors into Problems: file, line, field, fault, remedy."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from tightloop.model.errors import Problem
from tightloop.model.files.fields import Strict, shown

Path = tuple[str | int, ...]
Kinds = Mapping[str, Mapping[str, type[Strict]]]
"""For a key whose mapping has a ``type``: the model of each type."""
Place = Callable[[Path], tuple[str, int | None]]
"""Maps a path inside a file to (file or option, line)."""


EXAMPLES = {
    "name": "my_strategy", "family": "signal", "direction": "LONG", "timeframe": "1m", "S1": "{all: [...]}",
    "Z1": "{immediate: true, size: {type: fixed, value: 1000}}", "size": "{type: fixed, value: 1000}",
    "type": "fixed", "value": "a number",
}  # fmt: skip
"""Example values shown in remedies for missing keys."""


def dotted(path: Path) -> str:
    """Join a path with dots, as messages show it: sections.Z1.leverage."""
    return ".".join(str(part) for part in path)


def near(word: object, known: Sequence[str], otherwise: str) -> str:
    """Return the remedy for an unknown word: "did you mean ...?" with the closest known one, else ``otherwise``."""
    lower = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), list(lower), 1) if isinstance(word, str) else []
    return f"did you mean {lower[matches[0]]}?" if matches else otherwise


def value_at(written: Any, *path: str | int) -> Any:
    """Return the value at a path of nested mappings, or None if there is none."""
    for key in path:
        written = written[key] if isinstance(written, dict) and key in written else None
    return written


@dataclass(frozen=True, slots=True)
class _Shape:
    """Known keys by path: the root model, models chosen by ``type``, and the keys of condition trees."""

    root: type[Strict]
    kinds: Kinds
    tree_keys: Sequence[str]

    def known_keys(self, path: Path, written: Any) -> list[str]:
        """Return the keys allowed at a path, including those of condition trees."""
        model = self._model_at(path, written)
        assert model is not None, f"{dotted(path)} is no mapping with keys of its own"
        keys = [key.alias or name for name, key in model.model_fields.items() if name != "tree"]
        return keys + (list(self.tree_keys) if "tree" in model.model_fields else [])

    def _model_at(self, path: Path, written: Any) -> type[Strict] | None:
        model: type[Strict] | None = self.root
        is_named = False  # whether the next part is a key chosen by the user (dict[str, Model])
        for part in path:
            written = value_at(written, part)
            if is_named:
                is_named = False
                continue
            if model is None or part not in model.model_fields:
                return None
            if part in self.kinds:
                kind = value_at(written, "type")
                model = self.kinds[str(part)].get(kind) if isinstance(kind, str) else None
                continue
            annotation = model.model_fields[str(part)].annotation
            choices = (annotation, *get_args(annotation))
            is_named = get_origin(annotation) is dict
            model = next((c for c in choices if isinstance(c, type) and issubclass(c, Strict)), None)
        return model


def problems_of(
    error: ValidationError,
    root: type[Strict],
    written: Any,
    place: Place,
    *,
    under: Path = (),
    examples: Mapping[str, str] = EXAMPLES,
    kinds: Kinds | None = None,
    tree_keys: Sequence[str] = (),
) -> list[Problem]:
    """Turn every pydantic error into a Problem.

    ``root``: the model that refused ``written``, which lies at path ``under`` of its file. ``tree_keys``: keys allowed
    wherever a model has a field ``tree``.
    """
    problems = []
    for item in error.errors(include_url=False):
        path = tuple(item["loc"])
        message, remedy = _said(item, path, _Shape(root, kinds or {}, tree_keys), written, examples)
        file, line = place((*under, *path))
        problems.append(Problem(file, line, dotted((*under, *path)), message, remedy))
    return problems


def _said(item: Any, path: Path, shape: _Shape, written: Any, examples: Mapping[str, str]) -> tuple[str, str]:
    kind = item["type"]
    if kind == "refused":
        return str(item["ctx"]["message"]), str(item["ctx"]["remedy"])
    if kind == "missing":
        return "is missing", f"write {path[-1]}: {examples.get(str(path[-1]), '...')}"
    if kind == "extra_forbidden":
        known = shape.known_keys(path[:-1], written)
        remedy = near(path[-1], known, f"known keys are {', '.join(known)}")
        return f"{shown(path[-1])} is not a known key", remedy
    if kind == "model_type":
        known = shape.known_keys(path, written)
        return f"{shown(item['input'])} is not a mapping", f"write keys under it: {', '.join(known)}"
    raise AssertionError(f"a field of the configuration refuses without a remedy: {kind} at {dotted(path)}")


def without(written: dict[str, Any], errors: ValidationError, stand_ins: Callable[[Path], Any]) -> dict[str, Any]:
    """Copy ``written`` without refused values and with stand-ins for missing ones, to check the rest."""
    kept: dict[Any, Any] = _copy(written)
    for item in errors.errors(include_url=False):
        path = tuple(item["loc"])
        target = kept
        for part in path[:-1]:
            target = target.setdefault(part, {})
            assert isinstance(target, dict), "a list is refused as a whole"
        target.pop(path[-1], None)
        stand_in = stand_ins(path)
        if stand_in is not None:
            target[path[-1]] = stand_in
    return kept


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
