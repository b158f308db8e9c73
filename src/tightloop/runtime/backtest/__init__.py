"""Drivers of a run over data of the past, and sweeps."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.runtime.backtest import bars_python as bars_python
    from tightloop.runtime.backtest import ticks_python as ticks_python
else:
    __getattr__ = modules_on_use(
        __name__
    )  # importing them compiles what only strategies in Python need: half a minute, once
