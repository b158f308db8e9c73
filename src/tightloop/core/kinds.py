"""Argument kinds of compiled functions: scalars, records by their dtype, arrays of both. Imports no compiler.

``compiled`` translates them to machine types: a numpy dtype is one record, ``array(dtype)`` a contiguous array of
records; ``int64(a, b)`` is the signature of a function that takes ``a`` and ``b`` and returns an int64.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Array:
    """A C-contiguous array; ``of`` is a scalar kind or the dtype of its records."""

    of: "Scalar | np.dtype[Any]"
    dimensions: int = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """A machine number by numba's name for it; ``void`` for functions that return nothing."""

    name: str

    def __call__(self, *arguments: "Kind") -> "Signature":
        """Make the signature of a function that returns this kind."""
        return Signature(self, arguments)


Kind: TypeAlias = Scalar | Array | np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """Argument and return kinds of a compiled function."""

    returns: Scalar
    arguments: tuple[Kind, ...]


int64, uint64, float64, boolean, void = (Scalar(name) for name in ("int64", "uint64", "float64", "boolean", "void"))


def array(of: Scalar | np.dtype[Any], dimensions: int = 1) -> Array:
    """Make the kind of a C-contiguous array with ``dimensions`` dimensions."""
    return Array(of, dimensions)
