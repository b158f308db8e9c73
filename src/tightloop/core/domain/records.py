"""How records of the core are laid out: fields side by side, aligned as C would."""

from typing import Any

import numpy as np


def record(*fields: tuple[Any, ...]) -> np.dtype[np.void]:
    """A record with these fields."""
    return np.dtype(list(fields), align=True)


def of(kind: Any, names: str) -> list[tuple[str, Any]]:
    """Fields of one kind, named in a row."""
    return [(name, kind) for name in names.split()]
