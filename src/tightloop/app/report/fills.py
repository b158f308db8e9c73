"""Executions of trades that were entered or left in several parts, for the chart and the story of a trade.

A trade with one execution each way is described by its own row, so only the others are packed into the page.
"""

from typing import Any

import polars as pl

from tightloop.app.report.columns import Pack
from tightloop.model.times import SECOND_NS

FILLS_MAX = 60_000
"""Upper bound on executions in a page; beyond it, those of the first trades are kept."""


def fill_columns(pack: Pack, trades: pl.DataFrame, fills: pl.DataFrame) -> dict[str, Any]:
    """Pack the executions of trades that had several of one direction, in order of time.

    ``trades`` in the order of the page, ``fills`` as in the result files. ``trade`` is a row of ``trades``,
    ``is_entry`` 1 where the execution added to the position.
    """
    if trades.is_empty():
        return {name: pack.numbers([]) for name in ("trade", "ts", "price", "qty", "fee", "is_entry")}
    rows = trades.select("trade_id", pl.col("side").alias("direction")).with_row_index("trade")
    told = fills.join(rows, on="trade_id").with_columns(
        ((pl.col("side") == "BUY") == (pl.col("direction") == "LONG")).cast(pl.Int64).alias("is_entry")
    )
    several = told.group_by("trade", "is_entry").len().filter(pl.col("len") > 1)["trade"].unique()
    kept = told.filter(pl.col("trade").is_in(several.to_list())).sort("trade", "ts", maintain_order=True)
    kept = kept.head(FILLS_MAX)
    stamps = kept["ts"].cast(pl.Int64).to_numpy() / SECOND_NS
    amounts = {
        name: pack.numbers(kept[name].cast(pl.Float64).to_numpy())
        for name in ("price", "qty", "fee", "trade", "is_entry")
    }
    return {"ts": pack.numbers(stamps, exact=True), **amounts}
