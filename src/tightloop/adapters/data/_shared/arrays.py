"""Names of array types that the files of this folder share; all arrays are one-dimensional unless said otherwise."""

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.types import Ints

Times = Ints
"""Time stamps or spans in ns; stamps in UTC since 1970."""
RowNumbers = Ints
"""Row numbers from 0, ascending unless said otherwise."""
Flags = npt.NDArray[np.bool_]
