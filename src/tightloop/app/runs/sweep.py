"""What a sweep leaves behind: a row for each parameter set that was run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tightloop.app import runs
from tightloop.runtime.backtest.sweep import Row

if TYPE_CHECKING:
    import polars as pl


@dataclass(slots=True)
class Sweep:
    """Rows of a sweep in the order of the sets; ``interrupted`` when not all are there.

    ``lost``: sets that were running when it was interrupted. ``extra``: figures besides the metrics that have a column.
    ``is_synthetic``: whether the data were made up.
    """

    parameters: tuple[str, ...]
    rows: list[Row]
    total: int
    interrupted: bool = False
    lost: int = 0
    has_split: bool = False
    extra: tuple[str, ...] = ()
    is_synthetic: bool = False

    @property
    def frame(self) -> "pl.DataFrame":
        """A column for each parameter and each metric; out-of-sample ones begin with ``oos_``."""
        return runs.sweep_table.sweep_frame(self.parameters, self.rows, has_split=self.has_split, extra=self.extra)
