"""Runs and sweeps: from strategies and a catalog to result files."""

from typing import TYPE_CHECKING

from tightloop import modules_on_use

if TYPE_CHECKING:
    from tightloop.app.runs import backtest as backtest
    from tightloop.app.runs import carry as carry
    from tightloop.app.runs import doctor as doctor
    from tightloop.app.runs import files as files
    from tightloop.app.runs import interrupts as interrupts
    from tightloop.app.runs import live as live
    from tightloop.app.runs import run as run
    from tightloop.app.runs import sweep as sweep
    from tightloop.app.runs import sweep_table as sweep_table
else:
    __getattr__ = modules_on_use(__name__)  # carry compiles code of its own, sweep_table needs polars
