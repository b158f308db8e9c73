"""Rows of a sweep as a frame: the columns of `sweep.parquet` and of the table on the terminal."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tightloop.runtime.backtest.sweep import DENIED, Row
from tightloop.runtime.results.metrics import METRICS

COUNTS = frozenset({"trades", "denied", "resizes", "rebalances", "liquidations", "rollbacks"})
"""Figures that are whole numbers: Int64 columns; all others are Float64."""


def sweep_frame(
    parameters: Sequence[str], rows: Sequence[Row], *, has_split: bool, extra: Sequence[str] = ()
) -> pl.DataFrame:
    """Build a frame in the order of the sets: a column for each parameter, each metric and each of ``extra``.

    Columns of out-of-sample figures begin with ``oos_``.
    """
    names = [*METRICS, *extra]
    ordered = sorted(rows, key=lambda row: row.number)
    columns = [_values(name, [row.values[name] for row in ordered]) for name in parameters]
    inside = [{**row.in_sample, DENIED: row.denied[0]} for row in ordered]
    columns += [_figures(name, [figures[name] for figures in inside], name) for name in names]
    if has_split:
        after = [{**(row.out_of_sample or dict.fromkeys(names)), DENIED: row.denied[1]} for row in ordered]
        columns += [_figures(f"oos_{name}", [figures[name] for figures in after], name) for name in names]
    return pl.DataFrame(columns)


def _values(name: str, values: list[Any]) -> pl.Series:
    """Make a parameter's column: one type stays, integers beside floats become Float64, anything else text."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        return pl.Series(name, [float(value) for value in values], dtype=pl.Float64)
    if len(kinds) == 1 and kinds <= {int, float, bool, str}:
        return pl.Series(name, values)
    return pl.Series(name, ["null" if value is None else str(value) for value in values], dtype=pl.String)


def _figures(column: str, values: list[Any], metric: str) -> pl.Series:
    return pl.Series(column, values, dtype=pl.Int64 if metric in COUNTS else pl.Float64)
