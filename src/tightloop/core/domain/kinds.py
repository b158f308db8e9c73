"""Kinds of arguments that compiled functions take: scalars, records by their dtype, arrays of both. No compiler here.

``compiled`` makes machine types of them: a numpy dtype is one row of that record, ``array(dtype)`` a contiguous array
of rows, ``int64(a, b)`` the signature of a function of ``a`` and ``b`` that returns an ``int64``.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Array:
    """A contiguous array in C order; ``of`` is a scalar or the dtype of its rows."""

    of: "Scalar | np.dtype[Any]"
    dimensions: int = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of the machine, by numba's name for it; ``void`` where a function returns nothing."""

    name: str

    def __call__(self, *arguments: "Kind") -> "Signature":
        """Make the signature of a function that returns this."""
        return Signature(self, arguments)


Kind: TypeAlias = Scalar | Array | np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a compiled function takes and returns."""

    returns: Scalar
    arguments: tuple[Kind, ...]


int64, uint64, float64, boolean, void = (Scalar(name) for name in ("int64", "uint64", "float64", "boolean", "void"))


def array(of: Scalar | np.dtype[Any], dimensions: int = 1) -> Array:
    """Make the kind of a contiguous array."""
    return Array(of, dimensions)
