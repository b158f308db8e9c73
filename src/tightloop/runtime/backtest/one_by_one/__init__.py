"""Drivers that step recorded data one event at a time; tests hold them to the drivers of arrays."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.backtest.one_by_one import bars as bars
    from tightloop.runtime.backtest.one_by_one import ticks as ticks
else:
    __getattr__ = modules_on_use(__name__)  # runs of whole arrays do without
