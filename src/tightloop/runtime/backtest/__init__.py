"""Drivers of runs over historical data, and parameter sweeps."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.backtest import bars_python as bars_python
    from tightloop.runtime.backtest import ticks_python as ticks_python
else:
    # Importing them compiles what only strategies in Python need: half a minute, once.
    __getattr__ = modules_on_use(__name__)
