"""Choice of the market that strategies run on: bars or ticks."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from tightloop.adapters.data.catalog import Catalog
from tightloop.app.markets.bars import Market, load_market
from tightloop.app.markets.ticks import TickMarket, load_tick_market
from tightloop.model.errors import InputError
from tightloop.model.signal.read import Strategy


def open_market(strategies: Sequence[Strategy], data: Any, **options: Any) -> Market | TickMarket:
    """Load bars, or open readers of ticks when the strategies have a ``feed``; options as of ``load_market``."""
    if not isinstance(data, Mapping | str | PathLike):
        message = f"is of type {type(data).__name__}, which is neither a folder nor a mapping"
        raise InputError.one("data", None, "", message, "give a catalog's folder, or {'venue:SYMBOL-market': frame}")
    load = load_market if strategies[0].read.feed is None else load_tick_market
    return load(strategies, data, **options)


def is_synthetic(data: Any, reports: Iterable[Any]) -> bool | None:
    """Check whether `tightloop data sample` made one of the datasets that were read; None for frames, which carry no
    origin."""
    if isinstance(data, Mapping):
        return None
    return Catalog(Path(data)).is_synthetic(report.path for report in reports)
