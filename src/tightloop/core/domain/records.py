"""Helpers that declare record dtypes, laid out and aligned as a C struct."""

from typing import Any

import numpy as np


def record(*fields: tuple[Any, ...]) -> np.dtype[np.void]:
    """Make an aligned structured dtype of these fields."""
    return np.dtype(list(fields), align=True)


def of(kind: Any, names: str) -> list[tuple[str, Any]]:
    """Return one field per name of a space-separated list, all of one kind."""
    return [(name, kind) for name in names.split()]
