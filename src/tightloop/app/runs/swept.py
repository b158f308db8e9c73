"""Result of a sweep: a row for each parameter set that was run."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tightloop.app import runs
from tightloop.runtime.backtest.sweep import Row

if TYPE_CHECKING:
    import polars as pl


@dataclass(slots=True)
class Sweep:
    """Rows of a sweep in the order in which they were done; ``interrupted``: Ctrl-C left sets out.

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
        """A row for each set in order, a column for each parameter and each metric; out-of-sample ones begin with
        ``oos_``."""
        return runs.sweep_table.sweep_frame(self.parameters, self.rows, has_split=self.has_split, extra=self.extra)

    def count_lost(self, lost: int) -> None:
        """Note how many sets were running when the sweep was interrupted: their figures are lost."""
        self.lost = lost

    def collect(
        self,
        rows: Generator[Row, None, None],
        sets: Sequence[Mapping[str, Any]],
        on_row: Callable[[Row, int], None] | None,
    ) -> None:
        """Keep rows as they are done, each with the values of its set, until the last one or Ctrl-C."""
        try:
            with closing(rows):
                for row in rows:
                    named = replace(row, values=sets[row.number])
                    self.rows.append(named)
                    if on_row is not None:
                        on_row(named, self.total)
        except KeyboardInterrupt:
            self.interrupted = True
