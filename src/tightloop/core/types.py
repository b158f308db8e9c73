"""The domain in one file."""
from typing import Any
import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Record = Any
"""One numba record (a row of a structured array), seen from Python."""

BAR = np.dtype(
    [("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"), ("volume", "f8"), ("open_ns", "i8"), ("close_ns", "i8")],
    align=True,
)
BAR_RECORD = numba.from_dtype(BAR)
