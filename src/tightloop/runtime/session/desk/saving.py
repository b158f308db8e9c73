"""The state of the desk as bytes and back: JSON of its records, field by field, with the layout's hash in front.

A record is a list of its fields in their order; what a field is comes from its annotation. Floats are written so that
they come back to the last bit, NaN included.
"""

import hashlib
import json
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def dumps(record: Any) -> bytes:
    """Return a record as bytes."""
    kind: Any = type(record)
    document = [_layout(kind), _plain(record)]
    return json.dumps(document, separators=(",", ":")).encode()


def loads(kind: type[T], saved: bytes) -> T:
    """Return the record of a kind from bytes. Raises ValueError if they are not of this layout."""
    try:
        layout, plain = json.loads(saved)
    except (ValueError, TypeError) as error:
        raise ValueError("these bytes are no saved state of a desk") from error
    hashable: Any = kind
    if layout != _layout(hashable):
        raise ValueError("this state of a desk was saved by a version with another layout")
    restored: T = _restored(kind, plain)
    return restored


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a record's fields, in their order."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _layout(kind: Any) -> str:
    """Return a hash of the names and types of all fields that are reached from a record."""
    seen: dict[str, list[str]] = {}
    _describe(kind, seen)
    return hashlib.blake2b(json.dumps(seen, sort_keys=True).encode(), digest_size=8).hexdigest()


def _describe(kind: Any, seen: dict[str, list[str]]) -> None:
    """Add the layout of every record reached from ``kind`` to ``seen``."""
    for part in get_args(kind):
        _describe(part, seen)
    if is_dataclass(kind) and isinstance(kind, type) and kind.__qualname__ not in seen:
        seen[kind.__qualname__] = [f"{name}: {hint}" for name, hint in _hints(kind).items()]
        for hint in _hints(kind).values():
            _describe(hint, seen)


def _plain(value: Any) -> Any:
    """Return a value as lists, numbers and text."""
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, name)) for name in _hints(type(value))]
    if isinstance(value, dict):
        return [[_plain(key), _plain(one)] for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, IntEnum) else value


def _restored(kind: Any, plain: Any) -> Any:
    """Return the value of a kind from lists, numbers and text."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _restored(hint, one) for (name, hint), one in zip(hints.items(), plain, strict=True)})
    origin, parts = get_origin(kind), get_args(kind)
    if origin is dict:
        return {_restored(parts[0], key): _restored(parts[1], one) for key, one in plain}
    if origin is list:
        return [_restored(parts[0], one) for one in plain]
    if origin is tuple:
        return tuple(_restored(part, one) for part, one in zip(parts, plain, strict=True))
    if origin is UnionType:
        return None if plain is None else _restored(next(part for part in parts if part is not type(None)), plain)
    return kind(plain) if isinstance(kind, type) and issubclass(kind, IntEnum | float) else plain
